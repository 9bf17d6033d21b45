//! The end of a run and the run that may follow it: continue-as-new, workflow retry, cron, run and execution timeouts.
//!
//! Extends `Transaction`.

use std::time::Duration;

use super::cron;
use super::execution::normal_queue;
use super::start::NewRun;
use crate::engine::activities::timeout_failure;
use crate::engine::api::enums::{
    ContinueAsNewInitiator, ContinueAsNewVersioningBehavior, RetryState, TimeoutType, WorkflowExecutionStatus,
};
use crate::engine::api::{command, common, failure, history};
use crate::engine::errand::Errand;
use crate::engine::retry;
use crate::engine::time;
use crate::engine::transaction::{Effect, Transaction};

impl Transaction<'_> {
    /// Closes the run after its closing event was written: drops everything that is pending.
    pub(crate) fn close(&mut self, status: WorkflowExecutionStatus) {
        let now = self.time();
        let state = self.state();
        state.left.activities = state.activities.values().cloned().collect();
        state.left.children = state.children.values().cloned().collect();
        self.drop_activities();
        self.drop_timers();
        self.effects.push(Effect::Errand(Errand::TellParent));
        self.drop_children();
        self.drop_nexus_operations();
        let state = self.state();
        state.status = status;
        state.close_time = Some(now);
        state.buffer.clear();
        let task = state.task.take().and_then(|task| task.deadline);
        let keys = [state.timeout.take(), state.first_task_backoff.take(), task];
        for key in keys {
            self.remove_deadline(key);
        }
    }

    /// Creates the run that follows this one, in the same transaction.
    pub(crate) fn continue_with(&mut self, next: Option<NewRun>) {
        if next.is_some() {
            self.date_reset_points();
        }
        self.effects.extend(next.map(|next| Effect::Continue(Box::new(next))));
    }

    /// Times out the run or its chain.
    pub(crate) fn time_out_workflow(&mut self) {
        let now = self.time();
        let expired = self.execution.state.execution_expiration.is_some_and(|at| at <= now);
        self.force_close_workflow_task();
        let (retry_state, next) = if expired {
            (RetryState::Timeout, None)
        } else {
            let failure = timeout_failure(TimeoutType::StartToClose, "workflow timeout".to_owned());
            let last_result = self.execution.state.start.last_completion_result.clone();
            match self.retried_run(&failure, last_result.clone()) {
                Ok(next) => (RetryState::InProgress, Some(next)),
                Err(state) => (state, self.cron_run(last_result, Some(failure))),
            }
        };
        self.record(history::WorkflowExecutionTimedOutEventAttributes {
            retry_state: retry_state.into(),
            new_execution_run_id: next.as_ref().map(|next| next.run_id.clone()).unwrap_or_default(),
        });
        self.close(WorkflowExecutionStatus::TimedOut);
        self.continue_with(next);
    }

    /// Returns the next attempt of a failed workflow, if its retry policy allows one.
    pub(crate) fn retried_run(
        &mut self,
        failure: &failure::Failure,
        last_completion_result: Option<common::Payloads>,
    ) -> Result<NewRun, RetryState> {
        let state = &self.execution.state;
        let Some(policy) = &state.start.retry_policy else { return Err(RetryState::RetryPolicyNotSet) };
        let attempt = retry::FailedAttempt {
            attempt: state.start.attempt,
            now: self.now.time,
            expires: state.execution_expiration,
            failure,
            of: retry::Subject::Workflow,
        };
        let backoff = self.backoff_after_minimum_lifetime(retry::next_attempt(policy, &attempt)?);
        let (inherited_pinned_version, inherited_auto_upgrade_info) = self.execution.version_for_retry();
        let start = history::WorkflowExecutionStartedEventAttributes {
            initiator: ContinueAsNewInitiator::Retry.into(),
            continued_failure: Some(failure.clone()),
            last_completion_result,
            attempt: state.start.attempt + 1,
            first_workflow_task_backoff: Some(time::proto(backoff)),
            inherited_pinned_version,
            inherited_auto_upgrade_info,
            ..(*state.start).clone()
        };
        Ok(self.following_run(start))
    }

    /// Returns the next run according to the workflow's cron schedule, if it has one.
    pub(crate) fn cron_run(
        &mut self,
        last_completion_result: Option<common::Payloads>,
        failure: Option<failure::Failure>,
    ) -> Option<NewRun> {
        let state = &self.execution.state;
        let backoff = cron::backoff(&state.start.cron_schedule, state.execution_time(), self.now.time)?;
        let backoff = self.backoff_after_minimum_lifetime(backoff);
        let start = history::WorkflowExecutionStartedEventAttributes {
            initiator: ContinueAsNewInitiator::CronSchedule.into(),
            continued_failure: failure,
            last_completion_result,
            attempt: 1,
            first_workflow_task_backoff: Some(time::proto(backoff)),
            inherited_pinned_version: None,
            inherited_auto_upgrade_info: None,
            ..(*state.start).clone()
        };
        Some(self.following_run(start))
    }

    /// Returns the run that a continue-as-new command requests. Only the type, the task queue and the workflow task
    /// timeout are inherited if the command does not set them.
    pub(crate) fn continued_run(
        &mut self,
        attributes: command::ContinueAsNewWorkflowExecutionCommandAttributes,
    ) -> NewRun {
        let previous = &self.execution.state.start;
        let asked_for = attributes.initial_versioning_behavior();
        let stays = asked_for == ContinueAsNewVersioningBehavior::Unspecified;
        let inherited_pinned_version = self.execution.pinned_version().filter(|_| stays);
        let inherited_auto_upgrade_info = self.execution.auto_upgrade_info(asked_for);
        let queue = attributes.task_queue.map(|queue| queue.name).filter(|name| !name.is_empty());
        let queue = queue.unwrap_or_else(|| self.execution.state.task_queue().to_owned());
        let kind = attributes.workflow_type.filter(|kind| !kind.name.is_empty());
        let execution_timeout = time::stored(previous.workflow_execution_timeout.as_ref());
        let run_timeout = time::stored(attributes.workflow_run_timeout.as_ref());
        let run_timeout = run_timeout.or_else(|| time::stored(previous.workflow_run_timeout.as_ref()));
        let task_timeout = time::stored(attributes.workflow_task_timeout.as_ref());
        let backoff = time::stored(attributes.backoff_start_interval.as_ref()).unwrap_or_default();
        let backoff = self.backoff_after_minimum_lifetime(backoff);
        let start = history::WorkflowExecutionStartedEventAttributes {
            workflow_type: kind.or_else(|| previous.workflow_type.clone()),
            task_queue: Some(normal_queue(&queue)),
            input: attributes.input,
            workflow_run_timeout: Some(time::proto(time::shorter(run_timeout, execution_timeout).unwrap_or_default())),
            workflow_task_timeout: task_timeout.map(time::proto).or(previous.workflow_task_timeout),
            initiator: ContinueAsNewInitiator::Workflow.into(),
            continued_failure: attributes.failure,
            last_completion_result: attributes.last_completion_result,
            retry_policy: attributes.retry_policy.map(|policy| retry::with_defaults(Some(policy))),
            cron_schedule: attributes.cron_schedule,
            attempt: 1,
            first_workflow_task_backoff: Some(time::proto(backoff)),
            memo: attributes.memo,
            search_attributes: attributes.search_attributes,
            header: attributes.header,
            inherited_pinned_version,
            inherited_auto_upgrade_info,
            ..(**previous).clone()
        };
        self.following_run(start)
    }

    /// Returns the actual delay of the next run for the requested `backoff`: without a minimum lifetime, chains of runs
    /// that close at once would keep a server busy.
    fn backoff_after_minimum_lifetime(&self, backoff: Duration) -> Duration {
        let (state, now) = (&self.execution.state, self.now.time);
        let began = Some(state.execution_time()).filter(|began| *began <= now).unwrap_or(state.start_time);
        let lifetime = now.since(began);
        if lifetime + backoff < self.minimum_run_lifetime { self.minimum_run_lifetime - lifetime } else { backoff }
    }

    fn following_run(&mut self, start: history::WorkflowExecutionStartedEventAttributes) -> NewRun {
        let run_id = self.ids.v4();
        let start = history::WorkflowExecutionStartedEventAttributes {
            continued_execution_run_id: self.execution.run_id.clone(),
            original_execution_run_id: run_id.clone(),
            prev_auto_reset_points: self.execution.state.reset_points(),
            eager_execution_accepted: false,
            completion_callbacks: self.execution.state.callbacks.to_vec(),
            identity: String::new(),
            ..start
        };
        let user_metadata = self.execution.state.user_metadata.clone();
        NewRun { run_id, start, request_id: self.ids.v4(), user_metadata, ..NewRun::default() }
    }
}

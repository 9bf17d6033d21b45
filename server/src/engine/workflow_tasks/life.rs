//! The lifecycle of a workflow task: scheduled, started, then completed, failed or timed out.
//!
//! ```text
//!            schedule              start                complete
//!   (none) ───────────► scheduled ───────────► started ─────────────► (none)
//!                           │ sticky timeout      │ fail / time out
//!                           └──► (none), then scheduled again ◄──┘
//! ```
//!
//! The first attempt (*normal*) writes its events at once. A further attempt (*transient*) writes nothing unless it
//! completes; any event that arrives before it starts turns it into a normal first attempt. A task only for updates is
//! *speculative* (see [`super::speculative`]).
//!
//! Extends `Transaction`.

use std::time::Duration;

use super::reported_problems::Problem;
use super::speculative::not_picked_up;
use crate::engine::api::{common, enums, failure, history, taskqueue};
use crate::engine::deadlines::{Deadline, Key};
use crate::engine::history::Extras;
use crate::engine::time::{self, Time};
use crate::engine::transaction::{Effect, Transaction};

/// Number of attempts with the plain timeout; later ones get more time.
const ATTEMPTS_BEFORE_BACKOFF: i32 = 3;
const BACKOFF_INITIAL: Duration = Duration::from_secs(5);
const BACKOFF_MAXIMUM: Duration = Duration::from_secs(600);

/// Time after which a speculative task that no worker takes from a normal queue becomes a normal one.
const SPECULATIVE_TIMEOUT: Duration = Duration::from_secs(5);

const SUGGEST_CONTINUE_AS_NEW_EVENTS: i64 = 4096;
const SUGGEST_CONTINUE_AS_NEW_BYTES: i64 = 4 * 1024 * 1024;

/// The pending workflow task of a run.
#[derive(Clone, Debug)]
pub(crate) struct WorkflowTask {
    pub(crate) scheduled_event_id: i64,
    /// 0 until it is started.
    pub(crate) started_event_id: i64,
    pub(crate) attempt: i32,
    /// True if it was created only for updates, and its events are virtual.
    pub(crate) speculative: bool,
    /// The queue it was scheduled on, as in its event.
    pub(crate) task_queue: taskqueue::TaskQueue,
    pub(crate) start_to_close_timeout: Duration,
    pub(crate) scheduled_time: Time,
    /// Time at which the first of a series of heartbeating tasks was scheduled.
    pub(crate) original_scheduled_time: Time,
    pub(crate) started_time: Option<Time>,
    pub(crate) request_id: String,
    pub(crate) identity: String,
    /// The build of the worker that has taken it.
    pub(crate) worker_version: Option<common::WorkerVersionStamp>,
    pub(crate) history_size_bytes: i64,
    pub(crate) suggest_continue_as_new: Vec<i32>,
    pub(crate) deadline: Option<Key>,
}

impl WorkflowTask {
    /// Returns true if it retries a failed attempt.
    pub(crate) fn is_transient(&self) -> bool {
        self.attempt > 1
    }

    /// Returns true if its scheduled and started events are not in the history (yet).
    pub(crate) fn is_virtual(&self) -> bool {
        self.is_transient() || self.speculative
    }

    pub(crate) fn is_sticky(&self) -> bool {
        self.task_queue.kind() == enums::TaskQueueKind::Sticky
    }

    pub(crate) fn scheduled_attributes(&self) -> history::WorkflowTaskScheduledEventAttributes {
        history::WorkflowTaskScheduledEventAttributes {
            task_queue: Some(self.task_queue.clone()),
            start_to_close_timeout: Some(time::proto(self.start_to_close_timeout)),
            attempt: self.attempt,
        }
    }

    #[expect(deprecated, reason = "the real server still writes the worker's version")]
    pub(crate) fn started_attributes(&self) -> history::WorkflowTaskStartedEventAttributes {
        history::WorkflowTaskStartedEventAttributes {
            scheduled_event_id: self.scheduled_event_id,
            identity: self.identity.clone(),
            request_id: self.request_id.clone(),
            suggest_continue_as_new: !self.suggest_continue_as_new.is_empty(),
            suggest_continue_as_new_reasons: self.suggest_continue_as_new.clone(),
            history_size_bytes: self.history_size_bytes,
            worker_version: self.worker_version.clone(),
            ..Default::default()
        }
    }
}

/// Options for scheduling a new workflow task.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scheduling {
    /// True if the worker gets it in the response to its completion, not from a queue.
    pub(crate) inline: bool,
    /// The start of the series of heartbeating tasks that it continues.
    pub(crate) heartbeat_of: Option<Time>,
    /// True if it is only for updates.
    pub(crate) speculative: bool,
}

impl Transaction<'_> {
    /// Ensures that a workflow task is pending, unless the run is closed.
    pub(crate) fn ensure_workflow_task(&mut self) {
        if self.execution.is_running() && self.execution.state.task.is_none() {
            self.schedule_workflow_task(Scheduling::default());
        }
    }

    /// Like [`Self::ensure_workflow_task`], but a delayed first task stays delayed.
    pub(crate) fn ensure_workflow_task_after_backoff(&mut self) {
        if self.execution.state.first_task_backoff.is_none() {
            self.ensure_workflow_task();
        }
    }

    /// Schedules a workflow task; none may be pending.
    pub(crate) fn schedule_workflow_task(&mut self, scheduling: Scheduling) {
        if !self.execution.state.buffer.is_empty() {
            self.flush_buffer();
            self.state().task_attempt = 1;
        }
        let state = &self.execution.state;
        let attempt = state.task_attempt;
        let default_timeout =
            time::stored(state.start.workflow_task_timeout.as_ref()).unwrap_or(Duration::from_secs(10));
        let mut task = WorkflowTask {
            scheduled_event_id: self.execution.next_event_id(),
            started_event_id: 0,
            attempt,
            speculative: scheduling.speculative && attempt == 1,
            task_queue: state.current_task_queue(),
            start_to_close_timeout: start_to_close_timeout(default_timeout, attempt),
            scheduled_time: self.time(),
            original_scheduled_time: scheduling.heartbeat_of.unwrap_or(self.time()),
            started_time: None,
            request_id: String::new(),
            identity: String::new(),
            worker_version: None,
            history_size_bytes: 0,
            suggest_continue_as_new: Vec::new(),
            deadline: None,
        };
        if !task.is_virtual() {
            task.scheduled_event_id = self.record(task.scheduled_attributes());
        }
        let sticky_timeout = self.execution.state.sticky.as_ref().map(|sticky| sticky.schedule_to_start_timeout);
        let timeout = sticky_timeout.or(task.speculative.then_some(SPECULATIVE_TIMEOUT)).filter(|_| !scheduling.inline);
        if let Some(timeout) = timeout {
            let deadline = Deadline::WorkflowTaskScheduleToStart(self.execution.id);
            task.deadline = Some(self.set_wall_deadline(timeout, deadline));
        }
        if task.speculative {
            // If this task leaves no trace, the first task is still to come.
            self.stays_in_memory = true;
        } else {
            self.end_first_task_backoff();
        }
        self.state().task = Some(task);
        if !scheduling.inline {
            self.effects.push(Effect::DispatchWorkflowTask);
        }
    }

    /// Records that a worker has taken the pending workflow task.
    pub(crate) fn start_workflow_task(
        &mut self,
        request_id: String,
        identity: String,
        version: Option<common::WorkerVersionStamp>,
    ) {
        let Some(mut task) = self.execution.state.task.take() else { return };
        let now = self.time();
        self.stays_in_memory = task.speculative;
        if task.is_transient() && task.scheduled_event_id != self.execution.next_event_id() {
            // Events have arrived since, so this is no longer a retry of the failed attempt.
            task.attempt = 1;
            self.state().task_attempt = 1;
            task.scheduled_event_id = self.record_with(task.scheduled_attributes(), Extras::at(now));
        }
        task.started_time = Some(now);
        task.request_id = request_id;
        task.identity = identity;
        // Events that are written only with the answer have the build of the worker that answers.
        task.worker_version = version.filter(|_| !task.is_virtual());
        task.history_size_bytes = self.execution.history.size_bytes;
        task.suggest_continue_as_new = self.continue_as_new_reasons();
        task.started_event_id =
            if task.is_virtual() { task.scheduled_event_id + 1 } else { self.record(task.started_attributes()) };
        self.remove_deadline(task.deadline.take());
        let deadline = Deadline::WorkflowTaskStartToClose(self.execution.id);
        task.deadline = Some(self.set_wall_deadline(task.start_to_close_timeout, deadline));
        self.state().task = Some(task);
    }

    /// Stores the build of the worker that answers, for events that are written only now.
    pub(crate) fn note_build(&mut self, version: Option<common::WorkerVersionStamp>) {
        if let Some(task) = self.state().task.as_mut().filter(|task| task.is_virtual()) {
            task.worker_version = version;
        }
    }

    /// Ends the started workflow task as completed. Returns the id of its completed event.
    pub(crate) fn complete_workflow_task(
        &mut self,
        mut attributes: history::WorkflowTaskCompletedEventAttributes,
    ) -> i64 {
        let Some(task) = self.remove_workflow_task() else { return 0 };
        if task.is_virtual() {
            self.write_virtual_events(&task, &attributes.identity);
        }
        self.end_first_task_backoff();
        self.end_task_problems();
        attributes.scheduled_event_id = task.scheduled_event_id;
        attributes.started_event_id = task.started_event_id;
        self.state().task_attempt = 1;
        self.state().previous_started_event_id = task.started_event_id;
        self.note_answer(self.execution.next_event_id(), &attributes);
        self.record(attributes)
    }

    /// Ends the started workflow task as failed.
    pub(crate) fn fail_workflow_task(&mut self, mut attributes: history::WorkflowTaskFailedEventAttributes) {
        let Some(task) = self.remove_workflow_task() else { return };
        if task.speculative {
            self.write_virtual_events(&task, &attributes.identity);
        }
        if !task.is_transient() {
            attributes.scheduled_event_id = task.scheduled_event_id;
            attributes.started_event_id = task.started_event_id;
            self.note_task_problem(Problem::Failed(attributes.cause()));
            self.record(attributes);
        }
        self.count_failed_attempt();
    }

    /// Ends the started workflow task because the run is closed from outside; buffered events follow it.
    pub(crate) fn force_close_workflow_task(&mut self) {
        if self.execution.state.task_is_started() {
            self.fail_workflow_task(history::WorkflowTaskFailedEventAttributes {
                cause: enums::WorkflowTaskFailedCause::ForceCloseCommand.into(),
                identity: HISTORY_SERVICE.to_owned(),
                ..Default::default()
            });
        } else {
            let task = self.remove_workflow_task().filter(|task| !task.speculative);
            self.state().left.task = task;
        }
        self.flush_buffer();
    }

    /// Times out the started workflow task.
    pub(crate) fn time_out_workflow_task(&mut self) {
        let Some(task) = self.remove_workflow_task() else { return };
        if task.speculative {
            self.write_virtual_events(&task, "");
        }
        if !task.is_transient() {
            self.record(history::WorkflowTaskTimedOutEventAttributes {
                scheduled_event_id: task.scheduled_event_id,
                started_event_id: task.started_event_id,
                timeout_type: enums::TimeoutType::StartToClose.into(),
            });
            self.note_task_problem(Problem::TimedOut(enums::TimeoutType::StartToClose));
        }
        self.count_failed_attempt();
        self.ensure_workflow_task();
    }

    /// Times out a task that no worker took from the sticky queue, or a speculative one from any queue: a normal task
    /// goes to the normal queue.
    pub(crate) fn time_out_unstarted_workflow_task(&mut self) {
        let Some(task) = self.remove_workflow_task() else { return };
        if task.speculative {
            self.write_virtual_events(&task, "");
        }
        self.record(not_picked_up(&task));
        self.state().sticky = None;
        self.state().task_attempt = 1;
        self.ensure_workflow_task();
    }

    /// Removes the pending task from the state, so that events are no longer buffered.
    fn remove_workflow_task(&mut self) -> Option<WorkflowTask> {
        let task = self.execution.state.task.take()?;
        if task.started_time.is_some() {
            self.state().close_attempted = false;
        }
        self.remove_deadline(task.deadline);
        Some(task)
    }

    /// Ends the delay of the run's first task.
    fn end_first_task_backoff(&mut self) {
        let backoff = self.execution.state.first_task_backoff.take();
        self.remove_deadline(backoff);
    }

    /// Counts a failed attempt. If the worker had the run cached, the task is first retried with the whole history,
    /// uncounted.
    fn count_failed_attempt(&mut self) {
        let state = self.state();
        state.updates.take_back_sent();
        if state.sticky.take().is_some() {
            state.task_attempt = 1;
        } else {
            state.task_attempt += 1;
            self.report_task_problem();
        }
    }

    fn continue_as_new_reasons(&self) -> Vec<i32> {
        let history = &self.execution.history;
        let mut reasons = Vec::new();
        if history.size_bytes >= SUGGEST_CONTINUE_AS_NEW_BYTES {
            reasons.push(enums::SuggestContinueAsNewReason::HistorySizeTooLarge.into());
        }
        if history.next_event_id() > SUGGEST_CONTINUE_AS_NEW_EVENTS {
            reasons.push(enums::SuggestContinueAsNewReason::TooManyHistoryEvents.into());
        }
        if self.execution.state.updates.are_too_many() {
            reasons.push(enums::SuggestContinueAsNewReason::TooManyUpdates.into());
        }
        reasons
    }
}

/// The identity in events that the server itself causes.
pub(crate) const HISTORY_SERVICE: &str = "history-service";

/// Returns the failure for an event that the server itself writes.
pub(crate) fn server_failure(message: impl Into<String>) -> failure::Failure {
    failure::Failure {
        message: message.into(),
        failure_info: Some(failure::failure::FailureInfo::ServerFailureInfo(failure::ServerFailureInfo::default())),
        ..Default::default()
    }
}

/// Returns the timeout of an attempt; after some attempts, each one gets more time than the last.
fn start_to_close_timeout(default: Duration, attempt: i32) -> Duration {
    if attempt <= ATTEMPTS_BEFORE_BACKOFF {
        return default;
    }
    let doublings = u32::try_from(attempt - ATTEMPTS_BEFORE_BACKOFF - 1).unwrap_or(0).min(16);
    default + (BACKOFF_INITIAL * 2_u32.pow(doublings)).min(BACKOFF_MAXIMUM)
}

//! The life of a workflow task: scheduled, started, then completed, failed or timed out.
//!
//! ```text
//!            schedule              start                complete
//!   (none) ───────────► scheduled ───────────► started ─────────────► (none)
//!                           │ sticky timeout      │ fail / time out
//!                           └──► (none), then scheduled again ◄──┘
//! ```
//!
//! The first attempt (*normal*) writes its events at once. A further attempt (*transient*) writes nothing unless it
//! completes; any event that arrives before it starts turns it into a normal first attempt. A task for updates alone is
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

/// Attempts with the plain timeout; later ones get more time.
const ATTEMPTS_BEFORE_BACKOFF: i32 = 3;
const BACKOFF_INITIAL: Duration = Duration::from_secs(5);
const BACKOFF_MAXIMUM: Duration = Duration::from_secs(600);

/// A speculative task that no worker takes from a normal queue becomes a normal one after so long.
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
    /// It was made for updates, and its events are virtual.
    pub(crate) speculative: bool,
    /// The queue it was scheduled on, as its event says.
    pub(crate) task_queue: taskqueue::TaskQueue,
    pub(crate) start_to_close_timeout: Duration,
    pub(crate) scheduled_time: Time,
    /// When the first of a row of heartbeating tasks was scheduled.
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
    /// It repeats a failed attempt.
    pub(crate) fn is_transient(&self) -> bool {
        self.attempt > 1
    }

    /// Its scheduled and started events are not in the history (yet).
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

/// How a new workflow task is scheduled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scheduling {
    /// The worker gets it in the response to its completion, not from a queue.
    pub(crate) inline: bool,
    /// It goes on with a row of heartbeating tasks that began then.
    pub(crate) heartbeat_of: Option<Time>,
    /// It is for updates alone.
    pub(crate) speculative: bool,
}

impl Transaction<'_> {
    /// Sees to it that a workflow task is pending, unless the run is closed.
    pub(crate) fn ensure_workflow_task(&mut self) {
        if self.execution.is_running() && self.execution.state.task.is_none() {
            self.schedule_workflow_task(Scheduling::default());
        }
    }

    /// As [`Self::ensure_workflow_task`], but a run whose first task is held back goes on waiting for it.
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
            // If it leaves no trace, the first task is still to come.
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
            // Events came in since: this is no longer a repetition of the failed attempt.
            task.attempt = 1;
            self.state().task_attempt = 1;
            task.scheduled_event_id = self.record_with(task.scheduled_attributes(), Extras::at(now));
        }
        task.started_time = Some(now);
        task.request_id = request_id;
        task.identity = identity;
        // What is written only once it has an answer tells the build of who answers.
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

    /// Keeps the build of the worker that answers, for events that are written only now.
    pub(crate) fn note_build(&mut self, version: Option<common::WorkerVersionStamp>) {
        if let Some(task) = self.state().task.as_mut().filter(|task| task.is_virtual()) {
            task.worker_version = version;
        }
    }

    /// Ends the started workflow task as completed; returns the id of its completed event.
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

    /// Ends the started workflow task because the run ends from outside; buffered events follow it.
    pub(crate) fn force_close_workflow_task(&mut self) {
        if self.execution.state.task_is_started() {
            self.fail_workflow_task(history::WorkflowTaskFailedEventAttributes {
                cause: enums::WorkflowTaskFailedCause::ForceCloseCommand.into(),
                identity: HISTORY_SERVICE.to_owned(),
                ..Default::default()
            });
        } else {
            self.remove_workflow_task();
        }
        self.flush_buffer();
    }

    /// The worker did not answer in time.
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

    /// Nobody took the task from the sticky queue, or a speculative one from any: a normal task goes to the normal queue.
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

    /// Takes the pending task out of the state: events are no longer buffered.
    fn remove_workflow_task(&mut self) -> Option<WorkflowTask> {
        let task = self.execution.state.task.take()?;
        if task.started_time.is_some() {
            self.state().close_attempted = false;
        }
        self.remove_deadline(task.deadline);
        Some(task)
    }

    /// The run's first task is no longer held back.
    fn end_first_task_backoff(&mut self) {
        let backoff = self.execution.state.first_task_backoff.take();
        self.remove_deadline(backoff);
    }

    /// A task that failed for a worker with a cached run is tried again from the whole history before it counts.
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

/// The identity in events that the server causes on its own.
pub(crate) const HISTORY_SERVICE: &str = "history-service";

/// The failure in an event that the server writes on its own.
pub(crate) fn server_failure(message: impl Into<String>) -> failure::Failure {
    failure::Failure {
        message: message.into(),
        failure_info: Some(failure::failure::FailureInfo::ServerFailureInfo(failure::ServerFailureInfo::default())),
        ..Default::default()
    }
}

/// After some attempts every further one gets more time than the last.
fn start_to_close_timeout(default: Duration, attempt: i32) -> Duration {
    if attempt <= ATTEMPTS_BEFORE_BACKOFF {
        return default;
    }
    let doublings = u32::try_from(attempt - ATTEMPTS_BEFORE_BACKOFF - 1).unwrap_or(0).min(16);
    default + (BACKOFF_INITIAL * 2_u32.pow(doublings)).min(BACKOFF_MAXIMUM)
}

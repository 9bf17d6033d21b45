//! Speculative workflow tasks: created for an update while no other task is pending, without a trace if the worker only
//! rejects updates. Their scheduled and started events are virtual until something must be written after all: the
//! worker's answer, a failure, a timeout, or any other change of the run.
//!
//! Extends `Engine` and `Transaction`.

use super::life::{Scheduling, WorkflowTask};
use crate::engine::Engine;
use crate::engine::api::{enums, history, service};
use crate::engine::commands::{Completion, Refusal};
use crate::engine::history::Extras;
use crate::engine::transaction::Transaction;
use crate::engine::updates::messages;
use crate::engine::workflow::ExecutionId;

/// Maximum events that a dropped task may have shown. A larger task is kept, so that these are not sent repeatedly.
const DROPPED_EVENTS_LIMIT: i64 = 10;

impl Engine {
    /// Creates a task for updates that no pending task will include. `inline`: the worker gets it in the response to
    /// its completion.
    pub(crate) fn schedule_speculative_task(&mut self, id: ExecutionId, inline: bool) -> bool {
        let execution = self.execution(id);
        let wanted = execution.is_running() && execution.state.task.is_none() && execution.state.updates.has_admitted();
        if wanted {
            self.transact(id, |transaction| {
                let scheduling = Scheduling { inline, speculative: true, ..Scheduling::default() };
                transaction.schedule_workflow_task(scheduling);
            });
        }
        wanted
    }

    /// Creates a normal task for updates that arrived during the last one, unless its worker has got one with the
    /// response.
    pub(crate) fn ensure_task_for_updates(&mut self, id: ExecutionId) {
        let state = &self.execution(id).state;
        if state.updates.has_admitted() && state.task.is_none() {
            self.transact(id, |transaction| transaction.ensure_workflow_task());
        }
    }
}

impl Transaction<'_> {
    /// Turns a speculative task into a normal one: its events are written before any other event.
    pub(crate) fn write_speculative_task(&mut self) {
        let Some(task) = self.execution.state.task.as_mut().filter(|task| task.speculative) else { return };
        task.speculative = false;
        let task = task.clone();
        self.write_virtual_events(&task, "");
        if task.started_time.is_none() && !task.is_sticky() {
            self.remove_deadline(task.deadline);
            if let Some(task) = &mut self.state().task {
                task.deadline = None;
            }
        }
    }

    /// Handles a worker taking the task from a queue: an unwritten task meant for a sticky queue may have changed
    /// queues.
    pub(crate) fn leave_sticky_queue(&mut self, polled_sticky: bool) {
        let normal = self.execution.state.normal_task_queue();
        if let Some(task) = self.state().task.as_mut().filter(|task| task.speculative && !polled_sticky) {
            task.task_queue = normal;
        }
    }

    /// Writes the scheduled event of a task that had only a virtual one, and the started event if it is started.
    pub(crate) fn write_virtual_events(&mut self, task: &WorkflowTask, identity: &str) {
        let scheduled = task.scheduled_attributes();
        let scheduled_event_id = self.record_with(scheduled, Extras::at(task.scheduled_time));
        debug_assert_eq!(scheduled_event_id, task.scheduled_event_id, "nothing is added while a task is virtual");
        if let Some(started_time) = task.started_time {
            let started = history::WorkflowTaskStartedEventAttributes {
                identity: identity.to_owned(),
                ..task.started_attributes()
            };
            self.record_with(started, Extras::at(started_time));
        }
    }

    /// Returns true if a completion of a speculative task leaves no trace: the worker has only rejected updates.
    pub(crate) fn leaves_no_trace(
        &self,
        task: &WorkflowTask,
        request: &service::RespondWorkflowTaskCompletedRequest,
    ) -> bool {
        // Other events may have turned the task into a normal one since, so the copy found by the token may be
        // outdated.
        let speculative = self.execution.state.task.as_ref().is_some_and(|task| task.speculative);
        if !speculative || !request.commands.is_empty() || request.force_create_new_workflow_task {
            return false;
        }
        let shown = task.scheduled_event_id - self.execution.state.previous_started_event_id - 2;
        let may_see_them_again =
            request.capabilities.as_ref().is_some_and(|able| able.discard_speculative_workflow_task_with_events);
        let few = if may_see_them_again { shown <= DROPPED_EVENTS_LIMIT } else { shown <= 0 };
        few && request.messages.iter().all(messages::is_rejection)
    }

    /// Applies a completion that leaves no trace.
    pub(crate) fn drop_speculative_task(&mut self, completion: &mut Completion) -> Result<(), Refusal> {
        self.stays_in_memory = true;
        if let Some(task) = self.state().task.take() {
            self.remove_deadline(task.deadline);
        }
        for message in std::mem::take(&mut completion.messages) {
            messages::apply(self, completion, &message, Extras::default())?;
        }
        self.state().updates.reject_unprocessed();
        Ok(())
    }
}

/// Returns the event of a task that was not taken in time.
pub(crate) fn not_picked_up(task: &WorkflowTask) -> history::WorkflowTaskTimedOutEventAttributes {
    history::WorkflowTaskTimedOutEventAttributes {
        scheduled_event_id: task.scheduled_event_id,
        started_event_id: 0,
        timeout_type: enums::TimeoutType::ScheduleToStart.into(),
    }
}

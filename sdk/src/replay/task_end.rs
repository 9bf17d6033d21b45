//! Finds the end of a workflow task event by event. Each event is looked at once, however many pages the task has.
//!
//! A WorkflowTaskStarted is the end, with three exceptions. If its attempt failed or timed out, or the run was closed
//! from outside, the task merges with the next one. If it was a heartbeat (completed and scheduled again without a
//! command), the task goes on too. And an update that was accepted, or that comes with the live task, ends the task
//! before the one that brings it. A closing event is always an end. So the two events after a WorkflowTaskStarted
//! decide what it is. After heartbeats, its commands decide too: an update that is accepted among them, at any place,
//! turns an earlier heartbeat into the end.

use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::history_event::Attributes;

use super::event_type::{closes_workflow, is_command_event};

/// State of the search after some of a task's events.
#[derive(Debug, Default)]
pub(crate) struct TaskEnd {
    saw_command: bool,
    latest: Latest,
    /// WorkflowTaskStarted events of heartbeats, in order.
    heartbeats: Vec<i64>,
}

/// The latest WorkflowTaskStarted, by its id, until later events have decided about it.
#[derive(Clone, Copy, Debug, Default)]
enum Latest {
    #[default]
    Settled,
    Started(i64),
    Completed(i64),
}

impl TaskEnd {
    /// Looks at the next event. Returns the id of the task's last event, which may be an earlier one, if it is known
    /// now.
    pub(crate) fn look_at(&mut self, id: i64, event_type: EventType, attributes: Option<&Attributes>) -> Option<i64> {
        if let Some(end) = self.settle(event_type, attributes) {
            return Some(end);
        }
        self.saw_command |= is_command_event(event_type);
        if event_type == EventType::WorkflowTaskStarted {
            self.latest = Latest::Started(id);
        }
        closes_workflow(event_type).then_some(id)
    }

    /// Decides about the latest WorkflowTaskStarted by the event after it and the one after that.
    fn settle(&mut self, event_type: EventType, attributes: Option<&Attributes>) -> Option<i64> {
        match std::mem::take(&mut self.latest) {
            Latest::Settled => None,
            Latest::Started(started) => match event_type {
                EventType::WorkflowTaskFailed
                | EventType::WorkflowTaskTimedOut
                | EventType::WorkflowExecutionTimedOut
                | EventType::WorkflowExecutionTerminated
                | EventType::WorkflowExecutionCanceled => None,
                EventType::WorkflowTaskCompleted => {
                    self.latest = Latest::Completed(started);
                    None
                }
                _ => Some(started),
            },
            Latest::Completed(started) => {
                if event_type == EventType::WorkflowTaskScheduled && !self.saw_command {
                    self.heartbeats.push(started);
                    return None;
                }
                if let Some(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) = attributes {
                    return Some(self.end_before_updates(accepted.accepted_request_sequencing_event_id, started));
                }
                let may_accept_later = is_command_event(event_type) && !closes_workflow(event_type);
                if may_accept_later && !self.heartbeats.is_empty() {
                    self.latest = Latest::Completed(started);
                    return None;
                }
                Some(started)
            }
        }
    }

    /// Returns the task's last event if no event follows those that were looked at. `requests_after` is the event after
    /// which the updates of the live task were requested: if they are accepted, a replay will end the previous task
    /// there.
    pub(crate) fn if_nothing_follows(&self, requests_after: Option<i64>) -> Option<i64> {
        match (self.latest, requests_after) {
            // A heartbeat whose next task has not begun. The code ran on it, perhaps without a command.
            (Latest::Settled, _) => self.heartbeats.last().copied(),
            (Latest::Started(started), Some(requested)) => Some(self.end_before_updates(requested, started)),
            (Latest::Started(started) | Latest::Completed(started), _) => Some(started),
        }
    }

    /// Returns the last event of the task before the one that brings updates.
    fn end_before_updates(&self, sequencing_event_id: i64, started: i64) -> i64 {
        self.heartbeats.iter().rev().copied().find(|id| *id < sequencing_event_id).unwrap_or(started)
    }

    /// Returns the first event that may turn out to be the last. Events before it belong to the task in any case.
    pub(crate) fn earliest(&self) -> Option<i64> {
        self.heartbeats.first().copied().or_else(|| self.if_nothing_follows(None))
    }
}

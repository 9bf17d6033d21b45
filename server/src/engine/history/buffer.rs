//! Events that happen while a workflow task is started wait in a buffer, so that none comes between the task's started
//! and completed events. When the task is over they get their ids, with the events that end activities, children and
//! Nexus operations last.

use std::collections::BTreeMap;

use crate::engine::api::enums::EventType;
use crate::engine::api::{Attributes, HistoryEvent};

/// Replaces the id of an event that is still buffered.
pub(crate) const BUFFERED_EVENT_ID: i64 = -123;

/// Returns true if events of this type are buffered while a workflow task is started.
pub(crate) fn is_buffered(kind: EventType) -> bool {
    !matches!(
        kind,
        EventType::WorkflowExecutionStarted
            | EventType::WorkflowExecutionCompleted
            | EventType::WorkflowExecutionFailed
            | EventType::WorkflowExecutionTimedOut
            | EventType::WorkflowExecutionTerminated
            | EventType::WorkflowExecutionContinuedAsNew
            | EventType::WorkflowExecutionCanceled
            | EventType::WorkflowTaskScheduled
            | EventType::WorkflowTaskStarted
            | EventType::WorkflowTaskCompleted
            | EventType::WorkflowTaskFailed
            | EventType::WorkflowTaskTimedOut
            | EventType::ActivityTaskScheduled
            | EventType::ActivityTaskCancelRequested
            | EventType::TimerStarted
            | EventType::TimerCanceled
            | EventType::RequestCancelExternalWorkflowExecutionInitiated
            | EventType::SignalExternalWorkflowExecutionInitiated
            | EventType::StartChildWorkflowExecutionInitiated
            | EventType::MarkerRecorded
            | EventType::UpsertWorkflowSearchAttributes
            | EventType::WorkflowPropertiesModified
            | EventType::NexusOperationScheduled
            | EventType::NexusOperationCancelRequested
            | EventType::WorkflowExecutionUpdateAccepted
            | EventType::WorkflowExecutionUpdateCompleted
    )
}

/// Returns buffered events in the order in which they get their ids.
pub(crate) fn reorder(events: Vec<HistoryEvent>) -> impl Iterator<Item = HistoryEvent> {
    let (last, first): (Vec<_>, Vec<_>) = events.into_iter().partition(ends_an_operation);
    first.into_iter().chain(last)
}

fn ends_an_operation(event: &HistoryEvent) -> bool {
    matches!(
        event.event_type(),
        EventType::ActivityTaskCompleted
            | EventType::ActivityTaskFailed
            | EventType::ActivityTaskTimedOut
            | EventType::ActivityTaskCanceled
            | EventType::ChildWorkflowExecutionCompleted
            | EventType::ChildWorkflowExecutionFailed
            | EventType::ChildWorkflowExecutionCanceled
            | EventType::ChildWorkflowExecutionTimedOut
            | EventType::ChildWorkflowExecutionTerminated
            | EventType::NexusOperationCompleted
            | EventType::NexusOperationFailed
            | EventType::NexusOperationTimedOut
            | EventType::NexusOperationCanceled
    )
}

/// Returns the activity (by scheduled event id) or the child (by initiated event id) whose start this event records.
pub(crate) fn started_operation(event: &HistoryEvent) -> Option<i64> {
    match &event.attributes {
        Some(Attributes::ActivityTaskStartedEventAttributes(started)) => Some(started.scheduled_event_id),
        Some(Attributes::ChildWorkflowExecutionStartedEventAttributes(started)) => Some(started.initiated_event_id),
        _ => None,
    }
}

/// Ids of the started events in this flush, for the events that end the same operations.
#[derive(Debug, Default)]
pub(crate) struct StartedIds {
    by_scheduled_event_id: BTreeMap<i64, i64>,
}

impl StartedIds {
    pub(crate) fn assign(&mut self, scheduled_event_id: i64, started_event_id: i64) {
        self.by_scheduled_event_id.insert(scheduled_event_id, started_event_id);
    }

    /// Sets the started event's id in an event that ends an operation.
    pub(crate) fn wire(&self, event: &mut HistoryEvent) {
        let (scheduled, started) = match &mut event.attributes {
            Some(Attributes::ActivityTaskCompletedEventAttributes(a)) => {
                (a.scheduled_event_id, &mut a.started_event_id)
            }
            Some(Attributes::ActivityTaskFailedEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
            Some(Attributes::ActivityTaskTimedOutEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
            Some(Attributes::ActivityTaskCanceledEventAttributes(a)) => (a.scheduled_event_id, &mut a.started_event_id),
            Some(Attributes::ChildWorkflowExecutionCompletedEventAttributes(a)) => {
                (a.initiated_event_id, &mut a.started_event_id)
            }
            Some(Attributes::ChildWorkflowExecutionFailedEventAttributes(a)) => {
                (a.initiated_event_id, &mut a.started_event_id)
            }
            Some(Attributes::ChildWorkflowExecutionCanceledEventAttributes(a)) => {
                (a.initiated_event_id, &mut a.started_event_id)
            }
            Some(Attributes::ChildWorkflowExecutionTimedOutEventAttributes(a)) => {
                (a.initiated_event_id, &mut a.started_event_id)
            }
            Some(Attributes::ChildWorkflowExecutionTerminatedEventAttributes(a)) => {
                (a.initiated_event_id, &mut a.started_event_id)
            }
            _ => return,
        };
        if *started == BUFFERED_EVENT_ID {
            *started = self.by_scheduled_event_id.get(&scheduled).copied().unwrap_or(0);
        }
    }
}

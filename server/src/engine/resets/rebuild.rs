//! Rebuilds the state of a run from its events: a reset does this for the events that it keeps.
//!
//! Extends `Transaction`.

use std::collections::BTreeMap;

use crate::engine::activities::{Activity, ActivityTimeouts};
use crate::engine::api::{Attributes, HistoryEvent, history};
use crate::engine::nexus::operation;
use crate::engine::nexus::{NexusOperation, RequestStage};
use crate::engine::time::{self, Time};
use crate::engine::transaction::Transaction;
use crate::engine::visibility::requests;

/// Pending operations after the copied events, to be resumed.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// By scheduled event id.
    activities: BTreeMap<i64, Activity>,
    /// Started event id and expiry by timer id.
    timers: BTreeMap<String, (i64, Time)>,
    /// By scheduled event id.
    nexus_operations: BTreeMap<i64, NexusOperation>,
}

/// Returns the scheduled event, and the started event if there is one, of the workflow task that is pending after
/// `events`.
pub(crate) fn pending_workflow_task<'e>(
    events: impl DoubleEndedIterator<Item = &'e HistoryEvent>,
) -> Option<(i64, Option<i64>)> {
    let mut started = None;
    for event in events.rev() {
        match event.attributes.as_ref()? {
            Attributes::WorkflowTaskScheduledEventAttributes(_) => return Some((event.event_id, started)),
            Attributes::WorkflowTaskStartedEventAttributes(_) => started = Some(event.event_id),
            Attributes::WorkflowTaskCompletedEventAttributes(_)
            | Attributes::WorkflowTaskFailedEventAttributes(_)
            | Attributes::WorkflowTaskTimedOutEventAttributes(_) => return None,
            _ => {}
        }
    }
    None
}

/// The part of a run's state that an event changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Run,
    Child,
    ActivityOrTimer,
    NexusOperation,
    /// The event changes nothing that a reset rebuilds.
    Nothing,
}

/// Returns the part that an event changes. The match is exhaustive, so a new kind of event must be added here.
fn part_of(attributes: &Attributes) -> Part {
    use Attributes::*;
    match attributes {
        WorkflowExecutionStartedEventAttributes(_)
        | WorkflowTaskCompletedEventAttributes(_)
        | WorkflowExecutionSignaledEventAttributes(_)
        | WorkflowExecutionOptionsUpdatedEventAttributes(_)
        | WorkflowExecutionCancelRequestedEventAttributes(_)
        | UpsertWorkflowSearchAttributesEventAttributes(_)
        | WorkflowPropertiesModifiedEventAttributes(_)
        | WorkflowExecutionUpdateAdmittedEventAttributes(_)
        | WorkflowExecutionUpdateAcceptedEventAttributes(_)
        | WorkflowExecutionUpdateCompletedEventAttributes(_) => Part::Run,
        StartChildWorkflowExecutionInitiatedEventAttributes(_)
        | StartChildWorkflowExecutionFailedEventAttributes(_)
        | ChildWorkflowExecutionStartedEventAttributes(_)
        | ChildWorkflowExecutionCompletedEventAttributes(_)
        | ChildWorkflowExecutionFailedEventAttributes(_)
        | ChildWorkflowExecutionCanceledEventAttributes(_)
        | ChildWorkflowExecutionTimedOutEventAttributes(_)
        | ChildWorkflowExecutionTerminatedEventAttributes(_) => Part::Child,
        ActivityTaskScheduledEventAttributes(_)
        | ActivityTaskCancelRequestedEventAttributes(_)
        | ActivityTaskCompletedEventAttributes(_)
        | ActivityTaskFailedEventAttributes(_)
        | ActivityTaskTimedOutEventAttributes(_)
        | ActivityTaskCanceledEventAttributes(_)
        | TimerStartedEventAttributes(_)
        | TimerFiredEventAttributes(_)
        | TimerCanceledEventAttributes(_) => Part::ActivityOrTimer,
        NexusOperationScheduledEventAttributes(_)
        | NexusOperationStartedEventAttributes(_)
        | NexusOperationCompletedEventAttributes(_)
        | NexusOperationFailedEventAttributes(_)
        | NexusOperationCanceledEventAttributes(_)
        | NexusOperationTimedOutEventAttributes(_)
        | NexusOperationCancelRequestedEventAttributes(_)
        | NexusOperationCancelRequestCompletedEventAttributes(_)
        | NexusOperationCancelRequestFailedEventAttributes(_) => Part::NexusOperation,
        WorkflowExecutionCompletedEventAttributes(_)
        | WorkflowExecutionFailedEventAttributes(_)
        | WorkflowExecutionTimedOutEventAttributes(_)
        | WorkflowTaskScheduledEventAttributes(_)
        | WorkflowTaskStartedEventAttributes(_)
        | WorkflowTaskTimedOutEventAttributes(_)
        | WorkflowTaskFailedEventAttributes(_)
        | ActivityTaskStartedEventAttributes(_)
        | MarkerRecordedEventAttributes(_)
        | WorkflowExecutionTerminatedEventAttributes(_)
        | WorkflowExecutionCanceledEventAttributes(_)
        | RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_)
        | RequestCancelExternalWorkflowExecutionFailedEventAttributes(_)
        | ExternalWorkflowExecutionCancelRequestedEventAttributes(_)
        | WorkflowExecutionContinuedAsNewEventAttributes(_)
        | SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
        | SignalExternalWorkflowExecutionFailedEventAttributes(_)
        | ExternalWorkflowExecutionSignaledEventAttributes(_)
        | WorkflowExecutionUpdateRejectedEventAttributes(_)
        | WorkflowPropertiesModifiedExternallyEventAttributes(_)
        | ActivityPropertiesModifiedExternallyEventAttributes(_)
        | WorkflowExecutionPausedEventAttributes(_)
        | WorkflowExecutionUnpausedEventAttributes(_)
        | WorkflowExecutionTimeSkippingTransitionedEventAttributes(_) => Part::Nothing,
    }
}

impl Transaction<'_> {
    /// Copies an event of another run into this one, with its id and time, and updates the state.
    pub(crate) fn copy_event(&mut self, event: HistoryEvent, pending: &mut Pending) {
        let happened = event.event_time.as_ref().map_or(self.now.time, Time::from_proto);
        let attributes = event.attributes.clone();
        let event_id = self.append(event);
        if let Some(attributes) = attributes {
            match part_of(&attributes) {
                Part::Run => self.note(event_id, attributes, happened),
                Part::Child => self.note_child(event_id, &attributes),
                Part::ActivityOrTimer => pending.note(event_id, &attributes, happened),
                Part::NexusOperation => pending.note_nexus(event_id, &attributes, happened),
                Part::Nothing => {}
            }
        }
    }

    /// Resumes pending operations: timers fire at their original times, activities are dispatched again.
    pub(crate) fn resume_pending(&mut self, pending: Pending) {
        for (timer_id, (started_event_id, expires)) in pending.timers {
            self.arm_timer(timer_id, started_event_id, expires);
        }
        let now = self.time();
        for (scheduled_event_id, activity) in pending.activities {
            self.insert_activity(scheduled_event_id, Activity { scheduled_time: now, ..activity });
            self.dispatch_activity(scheduled_event_id);
        }
        for (scheduled_event_id, operation) in pending.nexus_operations {
            self.resume_nexus_operation(scheduled_event_id, operation);
        }
    }

    fn note(&mut self, event_id: i64, attributes: Attributes, happened: Time) {
        let state = self.state();
        match attributes {
            Attributes::WorkflowExecutionStartedEventAttributes(mut a) => self.inherit_reset_points(&mut a, happened),
            Attributes::WorkflowTaskCompletedEventAttributes(a) => {
                state.previous_started_event_id = a.started_event_id;
                self.note_answer(event_id, &a);
            }
            Attributes::WorkflowExecutionSignaledEventAttributes(a) => {
                state.signal_count += 1;
                state.request_ids.insert(a.request_id);
            }
            Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(a) => self.note_attached(&a),
            Attributes::WorkflowExecutionCancelRequestedEventAttributes(_) => state.cancel_requested = true,
            Attributes::UpsertWorkflowSearchAttributesEventAttributes(a) => {
                requests::merge(&mut state.search_attributes, &a.search_attributes.unwrap_or_default().indexed_fields);
            }
            Attributes::WorkflowPropertiesModifiedEventAttributes(a) => {
                requests::merge(&mut state.memo, &a.upserted_memo.unwrap_or_default().fields);
            }
            Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(a) => {
                state.updates.admit(a.request.unwrap_or_default(), Some(event_id));
            }
            Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(a) => {
                state.updates.restore_accepted(&a.protocol_instance_id, a.accepted_request.as_ref(), event_id);
            }
            Attributes::WorkflowExecutionUpdateCompletedEventAttributes(a) => {
                let id = a.meta.map(|meta| meta.update_id).unwrap_or_default();
                state.updates.complete(&id, event_id);
            }
            _ => {}
        }
    }
}

impl Pending {
    fn note(&mut self, event_id: i64, attributes: &Attributes, happened: Time) {
        match attributes {
            Attributes::ActivityTaskScheduledEventAttributes(a) => {
                self.activities.insert(event_id, Activity::new(a, timeouts(a), happened));
            }
            Attributes::ActivityTaskCancelRequestedEventAttributes(a) => {
                if let Some(activity) = self.activities.get_mut(&a.scheduled_event_id) {
                    activity.cancel_requested = Some(event_id);
                }
            }
            Attributes::ActivityTaskCompletedEventAttributes(a) => self.end_activity(a.scheduled_event_id),
            Attributes::ActivityTaskFailedEventAttributes(a) => self.end_activity(a.scheduled_event_id),
            Attributes::ActivityTaskTimedOutEventAttributes(a) => self.end_activity(a.scheduled_event_id),
            Attributes::ActivityTaskCanceledEventAttributes(a) => self.end_activity(a.scheduled_event_id),
            Attributes::TimerStartedEventAttributes(a) => {
                let duration = time::stored(a.start_to_fire_timeout.as_ref()).unwrap_or_default();
                self.timers.insert(a.timer_id.clone(), (event_id, happened.plus(duration)));
            }
            Attributes::TimerFiredEventAttributes(a) => self.end_timer(&a.timer_id),
            Attributes::TimerCanceledEventAttributes(a) => self.end_timer(&a.timer_id),
            _ => {}
        }
    }

    fn note_nexus(&mut self, event_id: i64, attributes: &Attributes, happened: Time) {
        let all = &mut self.nexus_operations;
        match attributes {
            Attributes::NexusOperationScheduledEventAttributes(a) => {
                all.insert(event_id, NexusOperation::new(a, nexus_timeouts(a), happened));
            }
            Attributes::NexusOperationStartedEventAttributes(a) => {
                if let Some(operation) = all.get_mut(&a.scheduled_event_id) {
                    operation.restore_started(a.operation_token.clone(), happened);
                }
            }
            Attributes::NexusOperationCancelRequestedEventAttributes(a) => {
                if let Some(operation) = all.get_mut(&a.scheduled_event_id) {
                    operation.restore_cancel(event_id, RequestStage::Waiting);
                }
            }
            Attributes::NexusOperationCancelRequestCompletedEventAttributes(a) => {
                if let Some(operation) = all.get_mut(&a.scheduled_event_id) {
                    operation.restore_cancel(a.requested_event_id, RequestStage::Answered);
                }
            }
            Attributes::NexusOperationCancelRequestFailedEventAttributes(a) => {
                if let Some(operation) = all.get_mut(&a.scheduled_event_id) {
                    operation.restore_cancel(a.requested_event_id, RequestStage::Answered);
                }
            }
            Attributes::NexusOperationCompletedEventAttributes(a) => drop(all.remove(&a.scheduled_event_id)),
            Attributes::NexusOperationFailedEventAttributes(a) => drop(all.remove(&a.scheduled_event_id)),
            Attributes::NexusOperationCanceledEventAttributes(a) => drop(all.remove(&a.scheduled_event_id)),
            Attributes::NexusOperationTimedOutEventAttributes(a) => drop(all.remove(&a.scheduled_event_id)),
            _ => {}
        }
    }

    fn end_activity(&mut self, scheduled_event_id: i64) {
        self.activities.remove(&scheduled_event_id);
    }

    fn end_timer(&mut self, timer_id: &str) {
        self.timers.remove(timer_id);
    }
}

fn timeouts(attributes: &history::ActivityTaskScheduledEventAttributes) -> ActivityTimeouts {
    ActivityTimeouts {
        schedule_to_close: time::stored(attributes.schedule_to_close_timeout.as_ref()),
        schedule_to_start: time::stored(attributes.schedule_to_start_timeout.as_ref()),
        start_to_close: time::stored(attributes.start_to_close_timeout.as_ref()),
        heartbeat: time::stored(attributes.heartbeat_timeout.as_ref()),
    }
}

fn nexus_timeouts(attributes: &history::NexusOperationScheduledEventAttributes) -> operation::NexusTimeouts {
    operation::NexusTimeouts {
        schedule_to_close: time::stored(attributes.schedule_to_close_timeout.as_ref()),
        schedule_to_start: time::stored(attributes.schedule_to_start_timeout.as_ref()),
        start_to_close: time::stored(attributes.start_to_close_timeout.as_ref()),
    }
}

//! REQUEST_CANCEL_ACTIVITY_TASK. An activity that no worker has taken is cancelled at once.

use super::super::api::{Attributes, HistoryEvent, command, common, enums::WorkflowTaskFailedCause, history};
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &mut Completion,
    attributes: &command::RequestCancelActivityTaskCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let scheduled_event_id = attributes.scheduled_event_id;
    let state = transaction.state();
    let started = match state.activities.get(&scheduled_event_id) {
        Some(activity) if activity.cancel_requested.is_some() => return Err(unknown(scheduled_event_id)),
        Some(activity) => Some(activity.started.is_some()),
        None if state.buffer.iter().any(|event| ends_activity(event, scheduled_event_id)) => None,
        None => return Err(unknown(scheduled_event_id)),
    };
    let event = history::ActivityTaskCancelRequestedEventAttributes {
        scheduled_event_id,
        workflow_task_completed_event_id: completion.completed_event_id,
    };
    let event_id = transaction.record_with(event, extras);
    if let Some(activity) = transaction.state().activities.get_mut(&scheduled_event_id) {
        activity.cancel_requested = Some(event_id);
    }
    if started == Some(false) {
        transaction.cancel_activity(scheduled_event_id, Some(not_started()), completion.identity.clone());
        completion.cancelled_unstarted_activity = true;
    } else {
        transaction.tell_worker_to_stop(scheduled_event_id);
    }
    Ok(())
}

fn unknown(scheduled_event_id: i64) -> Refusal {
    let text = "invalid history builder state for action: add-activitytask-cancel-requested-event, ScheduledEventID: ";
    let cause = WorkflowTaskFailedCause::BadRequestCancelActivityAttributes;
    Refusal::new(cause, format!("{text}{scheduled_event_id}"))
}

fn not_started() -> common::Payloads {
    let payload = common::Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: b"\"ACTIVITY_ID_NOT_STARTED\"".to_vec(),
        ..Default::default()
    };
    common::Payloads { payloads: vec![payload] }
}

fn ends_activity(event: &HistoryEvent, scheduled_event_id: i64) -> bool {
    let ended = match &event.attributes {
        Some(Attributes::ActivityTaskCompletedEventAttributes(a)) => a.scheduled_event_id,
        Some(Attributes::ActivityTaskFailedEventAttributes(a)) => a.scheduled_event_id,
        Some(Attributes::ActivityTaskTimedOutEventAttributes(a)) => a.scheduled_event_id,
        Some(Attributes::ActivityTaskCanceledEventAttributes(a)) => a.scheduled_event_id,
        _ => return false,
    };
    ended == scheduled_event_id
}

//! CANCEL_TIMER. A timer that fired while the workflow task was started is cancelled, too: its event is dropped.

use super::super::api::{command, enums::WorkflowTaskFailedCause, history};
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &mut Completion,
    attributes: command::CancelTimerCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let bad = |text: String| Refusal::new(WorkflowTaskFailedCause::BadCancelTimerAttributes, text);
    let timer_id = attributes.timer_id;
    if timer_id.is_empty() {
        return Err(bad("TimerId is not set on CancelTimerCommand.".to_owned()));
    }
    let Some(started_event_id) = transaction.take_timer(&timer_id) else {
        let text = "invalid history builder state for action: add-timer-canceled-event, TimerID: ";
        return Err(bad(format!("{text}{timer_id}")));
    };
    completion.has_unhandled_events = !transaction.state().buffer.is_empty();
    let attributes = history::TimerCanceledEventAttributes {
        timer_id,
        started_event_id,
        workflow_task_completed_event_id: completion.completed_event_id,
        identity: completion.identity.clone(),
    };
    transaction.record_with(attributes, extras);
    Ok(())
}

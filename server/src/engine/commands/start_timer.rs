//! START_TIMER.

use super::super::api::{command, enums::WorkflowTaskFailedCause};
use super::super::time;
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::StartTimerCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let bad = |text: String| Refusal::new(WorkflowTaskFailedCause::BadStartTimerAttributes, text);
    let timer_id = attributes.timer_id;
    if timer_id.is_empty() {
        return Err(bad("TimerId is not set on StartTimerCommand.".to_owned()));
    }
    let duration = time::positive(attributes.start_to_fire_timeout.as_ref(), "StartToFireTimeout");
    let Ok(duration) = duration.map(Option::unwrap_or_default) else {
        return Err(bad("Invalid StartToFireTimeout for StartTimerCommand: negative duration".to_owned()));
    };
    if transaction.state().timers.contains_key(&timer_id) {
        let text = format!("invalid history builder state for action: add-timer-started-event, TimerID: {timer_id}");
        return Err(Refusal::new(WorkflowTaskFailedCause::StartTimerDuplicateId, text));
    }
    transaction.start_timer(timer_id, duration, completion.completed_event_id, extras);
    Ok(())
}

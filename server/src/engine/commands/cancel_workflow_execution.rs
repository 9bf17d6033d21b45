//! CANCEL_WORKFLOW_EXECUTION.

use super::super::api::{command, enums::WorkflowExecutionStatus, history};
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::CancelWorkflowExecutionCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    if completion.has_unhandled_events {
        return Err(Refusal::unhandled_command());
    }
    let attributes = history::WorkflowExecutionCanceledEventAttributes {
        workflow_task_completed_event_id: completion.completed_event_id,
        details: attributes.details,
    };
    transaction.record_with(attributes, extras);
    transaction.close(WorkflowExecutionStatus::Canceled);
    Ok(())
}

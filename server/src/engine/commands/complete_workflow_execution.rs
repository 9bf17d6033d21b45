//! COMPLETE_WORKFLOW_EXECUTION: closes the run; with a cron schedule another one follows.

use super::super::api::{command, enums::WorkflowExecutionStatus, history};
use super::super::limits;
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::CompleteWorkflowExecutionCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    if completion.has_unhandled_events {
        return Err(Refusal::unhandled_command());
    }
    limits::check_command(attributes.result.as_ref(), "CompleteWorkflowExecutionCommandAttributes.Result")?;
    let next = transaction.cron_run(attributes.result.clone(), None);
    let attributes = history::WorkflowExecutionCompletedEventAttributes {
        result: attributes.result,
        workflow_task_completed_event_id: completion.completed_event_id,
        new_execution_run_id: next.as_ref().map(|next| next.run_id.clone()).unwrap_or_default(),
    };
    transaction.record_with(attributes, extras);
    transaction.close(WorkflowExecutionStatus::Completed);
    transaction.continue_with(next);
    Ok(())
}

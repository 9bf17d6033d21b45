//! FAIL_WORKFLOW_EXECUTION: closes the run; the next attempt follows if there is a retry policy, or the next run if
//! there is a cron schedule.

use super::super::api::enums::{RetryState, WorkflowExecutionStatus, WorkflowTaskFailedCause};
use super::super::api::{command, history};
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::FailWorkflowExecutionCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let Some(failure) = attributes.failure else {
        let text = "Failure is not set on FailWorkflowExecutionCommand.";
        return Err(Refusal::new(WorkflowTaskFailedCause::BadFailWorkflowExecutionAttributes, text));
    };
    if completion.has_unhandled_events {
        return Err(Refusal::unhandled_command());
    }
    // The last completion result is not passed on after a failed attempt, as on the real server.
    let (retry_state, next) = match transaction.retried_run(&failure, None) {
        Ok(next) => (RetryState::InProgress, Some(next)),
        Err(state) => {
            let last_result = transaction.execution.state.start.last_completion_result.clone();
            (state, transaction.cron_run(last_result, Some(failure.clone())))
        }
    };
    let attributes = history::WorkflowExecutionFailedEventAttributes {
        failure: Some(failure),
        retry_state: retry_state.into(),
        workflow_task_completed_event_id: completion.completed_event_id,
        new_execution_run_id: next.as_ref().map(|next| next.run_id.clone()).unwrap_or_default(),
    };
    transaction.record_with(attributes, extras);
    transaction.close(WorkflowExecutionStatus::Failed);
    transaction.continue_with(next);
    Ok(())
}

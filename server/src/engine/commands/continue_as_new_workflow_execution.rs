//! CONTINUE_AS_NEW_WORKFLOW_EXECUTION.

use super::super::api::{command, enums, history};
use super::super::limits;
use super::super::retry;
use super::super::transaction::Transaction;
use super::{Completion, Refusal, check_search_attributes};
use crate::engine::history::Extras;

#[expect(deprecated, reason = "SDKs still send inherit_build_id and the real server still copies it")]
pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::ContinueAsNewWorkflowExecutionCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    if completion.has_unhandled_events {
        return Err(Refusal::unhandled_command());
    }
    if let Some(policy) = &attributes.retry_policy {
        let cause = enums::WorkflowTaskFailedCause::BadContinueAsNewAttributes;
        retry::validate(policy).map_err(|error| Refusal::new(cause, error.message))?;
    }
    let namespace = &transaction.execution.namespace.name;
    check_search_attributes(transaction, namespace, attributes.search_attributes.as_ref(), |problem| {
        let own = attributes.workflow_type.as_ref().filter(|kind| !kind.name.is_empty());
        let kind = own.or(transaction.execution.state.start.workflow_type.as_ref()).map_or("", |kind| &kind.name);
        let queue = attributes.task_queue.as_ref().map_or("", |queue| &queue.name);
        format!(
            "invalid SearchAttributes on ContinueAsNewWorkflowExecutionCommand: {problem}. WorkflowType={kind} \
             TaskQueue={queue}"
        )
    })?;
    limits::check_command(attributes.input.as_ref(), "ContinueAsNewWorkflowExecutionCommandAttributes.Input")?;
    let (initiator, inherit_build_id) = (attributes.initiator, attributes.inherit_build_id);
    let next = transaction.continued_run(attributes);
    let start = &next.start;
    let attributes = history::WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: next.run_id.clone(),
        workflow_type: start.workflow_type.clone(),
        task_queue: start.task_queue.clone(),
        input: start.input.clone(),
        workflow_run_timeout: start.workflow_run_timeout,
        workflow_task_timeout: start.workflow_task_timeout,
        workflow_task_completed_event_id: completion.completed_event_id,
        backoff_start_interval: start.first_workflow_task_backoff.filter(|backoff| *backoff != Default::default()),
        initiator,
        inherit_build_id,
        header: start.header.clone(),
        memo: start.memo.clone(),
        search_attributes: start.search_attributes.clone(),
        last_completion_result: start.last_completion_result.clone(),
        ..Default::default()
    };
    transaction.record_with(attributes, extras);
    transaction.close(enums::WorkflowExecutionStatus::ContinuedAsNew);
    transaction.continue_with(Some(next));
    Ok(())
}

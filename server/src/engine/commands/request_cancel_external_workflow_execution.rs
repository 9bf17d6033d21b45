//! REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION: the request is delivered when the workflow task is completed.

use super::super::api::{command, common, enums::WorkflowTaskFailedCause, history};
use super::super::errand::Errand;
use super::super::transaction::{Effect, Transaction};
use super::{Completion, Refusal, target_namespace};
use crate::engine::history::Extras;

#[expect(deprecated, reason = "SDKs still send namespace and control, and the real server still copies them")]
pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::RequestCancelExternalWorkflowExecutionCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let cause = WorkflowTaskFailedCause::BadRequestCancelExternalWorkflowExecutionAttributes;
    let bad = |text: &str| Refusal::new(cause, text);
    let namespace = target_namespace(transaction, &attributes.namespace).map_err(bad)?;
    if attributes.workflow_id.is_empty() {
        return Err(bad("WorkflowId is not set on RequestCancelExternalWorkflowExecutionCommand."));
    }
    if !attributes.run_id.is_empty() && uuid::Uuid::parse_str(&attributes.run_id).is_err() {
        return Err(bad("Invalid RunId set on RequestCancelExternalWorkflowExecutionCommand."));
    }
    if completion.children.contains(&attributes.workflow_id) {
        let (id, run_id, namespace) = (&attributes.workflow_id, &attributes.run_id, &attributes.namespace);
        return Err(bad(&format!(
            "Start and RequestCancel for child workflow is not allowed in same workflow task. WorkflowId={id} \
             RunId={run_id} Namespace={namespace}"
        )));
    }
    let event = history::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
        workflow_task_completed_event_id: completion.completed_event_id,
        namespace: namespace.name.clone(),
        namespace_id: namespace.id.clone(),
        workflow_execution: Some(common::WorkflowExecution {
            workflow_id: attributes.workflow_id,
            run_id: attributes.run_id,
        }),
        control: attributes.control,
        child_workflow_only: attributes.child_workflow_only,
        reason: attributes.reason,
    };
    let initiated_event_id = transaction.record_with(event, extras);
    transaction.effects.push(Effect::Errand(Errand::CancelExternal(initiated_event_id)));
    Ok(())
}

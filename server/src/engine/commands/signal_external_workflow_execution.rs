//! SIGNAL_EXTERNAL_WORKFLOW_EXECUTION: the signal is delivered when the workflow task is completed.

use super::super::api::{command, enums::WorkflowTaskFailedCause, history};
use super::super::errand::Errand;
use super::super::limits;
use super::super::transaction::{Effect, Transaction};
use super::{Completion, Refusal, target_namespace};
use crate::engine::history::Extras;

#[expect(deprecated, reason = "SDKs still send namespace and control, and the real server still copies them")]
pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::SignalExternalWorkflowExecutionCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let bad = |text: &str| Refusal::new(WorkflowTaskFailedCause::BadSignalWorkflowExecutionAttributes, text);
    let namespace = target_namespace(transaction, &attributes.namespace).map_err(bad)?;
    let target = attributes.execution.unwrap_or_default();
    if target.workflow_id.is_empty() {
        return Err(bad("WorkflowId is not set on SignalExternalWorkflowExecutionCommand."));
    }
    if !target.run_id.is_empty() && uuid::Uuid::parse_str(&target.run_id).is_err() {
        return Err(bad("Invalid RunId set on SignalExternalWorkflowExecutionCommand."));
    }
    if attributes.signal_name.is_empty() {
        return Err(bad("SignalName is not set on SignalExternalWorkflowExecutionCommand."));
    }
    limits::check_command(attributes.input.as_ref(), "SignalExternalWorkflowExecutionCommandAttributes.Input")?;
    let event = history::SignalExternalWorkflowExecutionInitiatedEventAttributes {
        workflow_task_completed_event_id: completion.completed_event_id,
        namespace: namespace.name.clone(),
        namespace_id: namespace.id.clone(),
        workflow_execution: Some(target),
        signal_name: attributes.signal_name,
        input: attributes.input,
        control: attributes.control,
        child_workflow_only: attributes.child_workflow_only,
        header: attributes.header,
    };
    let initiated_event_id = transaction.record_with(event, extras);
    transaction.effects.push(Effect::Errand(Errand::SignalExternal(initiated_event_id)));
    Ok(())
}

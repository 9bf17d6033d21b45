//! MODIFY_WORKFLOW_PROPERTIES: merges the memo; an empty value removes a field.

use super::super::api::{command, enums::WorkflowTaskFailedCause, history};
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;
use crate::engine::visibility::requests;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::ModifyWorkflowPropertiesCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let Some(upserted) = attributes.upserted_memo else {
        let text = "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.";
        return Err(Refusal::new(WorkflowTaskFailedCause::BadModifyWorkflowPropertiesAttributes, text));
    };
    if upserted.fields.is_empty() {
        let text = "UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand.";
        return Err(Refusal::new(WorkflowTaskFailedCause::BadModifyWorkflowPropertiesAttributes, text));
    }
    requests::merge(&mut transaction.state().memo, &upserted.fields);
    let attributes = history::WorkflowPropertiesModifiedEventAttributes {
        workflow_task_completed_event_id: completion.completed_event_id,
        upserted_memo: Some(upserted),
    };
    transaction.record_with(attributes, extras);
    Ok(())
}

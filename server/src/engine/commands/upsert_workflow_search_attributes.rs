//! UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: merges; an empty value removes an attribute.

use super::super::api::{command, enums::WorkflowTaskFailedCause, history};
use super::super::transaction::Transaction;
use super::{Completion, Refusal, check_search_attributes};
use crate::engine::history::Extras;
use crate::engine::visibility::requests;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::UpsertWorkflowSearchAttributesCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let Some(mut upserted) = attributes.search_attributes else {
        let text = "SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.";
        return Err(Refusal::new(WorkflowTaskFailedCause::BadSearchAttributes, text));
    };
    if upserted.indexed_fields.is_empty() {
        let text = "IndexedFields is not set on UpsertWorkflowSearchAttributesCommand.";
        return Err(Refusal::new(WorkflowTaskFailedCause::BadSearchAttributes, text));
    }
    let namespace = transaction.execution.namespace.name.clone();
    check_search_attributes(transaction, &namespace, Some(&upserted), |problem| problem.to_owned())?;
    if let Ok(known) = transaction.namespaces.search_attributes(&namespace) {
        known.complete_types(&mut upserted.indexed_fields);
    }
    requests::merge(&mut transaction.state().search_attributes, &upserted.indexed_fields);
    let attributes = history::UpsertWorkflowSearchAttributesEventAttributes {
        workflow_task_completed_event_id: completion.completed_event_id,
        search_attributes: Some(upserted),
    };
    transaction.record_with(attributes, extras);
    Ok(())
}

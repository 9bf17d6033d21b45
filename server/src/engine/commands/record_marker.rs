//! RECORD_MARKER: the server stores markers without reading them.

use abide_protos::prost::Message as _;

use super::super::api::{command, common, enums::WorkflowTaskFailedCause, history};
use super::super::limits;
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    attributes: command::RecordMarkerCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    if attributes.marker_name.is_empty() {
        let text = "MarkerName is not set on RecordMarkerCommand.";
        return Err(Refusal::new(WorkflowTaskFailedCause::BadRecordMarkerAttributes, text));
    }
    let size = |(name, payloads): (&String, &common::Payloads)| name.len() + payloads.encoded_len();
    if attributes.details.iter().map(size).sum::<usize>() > limits::BLOB_LIMIT {
        let text = "RecordMarkerCommandAttributes.Details exceeds size limit.";
        let refusal = Refusal::new(WorkflowTaskFailedCause::BadRecordMarkerAttributes, text);
        return Err(Refusal { ends_workflow: true, ..refusal });
    }
    let attributes = history::MarkerRecordedEventAttributes {
        marker_name: attributes.marker_name,
        details: attributes.details,
        workflow_task_completed_event_id: completion.completed_event_id,
        header: attributes.header,
        failure: attributes.failure,
    };
    transaction.record_with(attributes, extras);
    Ok(())
}

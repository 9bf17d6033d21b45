//! REQUEST_CANCEL_NEXUS_OPERATION. Has no effect on an operation whose end the workflow has not seen yet.

use super::super::api::{command, enums::WorkflowTaskFailedCause, history};
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;
use crate::engine::nexus::ends_nexus_operation;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &mut Completion,
    attributes: &command::RequestCancelNexusOperationCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let id = attributes.scheduled_event_id;
    let state = &transaction.execution.state;
    match state.nexus_operations.get(&id) {
        Some(operation) if operation.cancel.is_some() => {
            let text = "cancelation was already requested for an operation with scheduled event ID";
            return Err(bad(format!("{text} {id}")));
        }
        Some(_) => {}
        None if state.buffer.iter().any(|event| ends_nexus_operation(event, id)) => {}
        None => {
            let text =
                "requested cancelation for a non-existing or already completed operation with scheduled event ID of";
            return Err(bad(format!("{text} {id}")));
        }
    }
    let event = history::NexusOperationCancelRequestedEventAttributes {
        scheduled_event_id: id,
        workflow_task_completed_event_id: completion.completed_event_id,
    };
    let requested_event_id = transaction.record_with(event, extras);
    transaction.request_cancel_nexus_operation(id, requested_event_id);
    Ok(())
}

fn bad(text: String) -> Refusal {
    Refusal::new(WorkflowTaskFailedCause::BadRequestCancelNexusOperationAttributes, text)
}

//! Protocol messages of updates: the request in a workflow task, and the worker's answers (accepted, completed,
//! rejected) in the task's completion.

use abide_protos::Any;
use abide_protos::prost::{Message as _, Name};

use super::update::{Update, UpdateStage, failed_outcome};
use crate::engine::api::enums::WorkflowTaskFailedCause;
use crate::engine::api::{history, protocol, update};
use crate::engine::commands::{Completion, Refusal};
use crate::engine::errors::Error;
use crate::engine::history::Extras;
use crate::engine::transaction::Transaction;

/// Returns the message that requests an update. It takes effect after the event `sequencing_event_id`.
pub(crate) fn request_message(update: &Update, sequencing_event_id: i64) -> protocol::Message {
    protocol::Message {
        id: format!("{}/request", update.id),
        protocol_instance_id: update.id.clone(),
        sequencing_id: Some(protocol::message::SequencingId::EventId(sequencing_event_id)),
        body: Some(Any {
            type_url: format!("type.googleapis.com/{}", update::Request::full_name()),
            value: update.request.encode_to_vec(),
        }),
    }
}

/// Refuses a completion with unreadable messages, before anything is written.
pub(crate) fn check(messages: &[protocol::Message]) -> Result<(), Error> {
    if messages.iter().any(|message| message.body.is_none()) {
        return Err(Error::invalid_argument("nil message body"));
    }
    Ok(())
}

/// Returns true if a worker's answer rejects an update.
pub(crate) fn is_rejection(message: &protocol::Message) -> bool {
    message.body.as_ref().is_some_and(is::<update::Rejection>)
}

/// Applies one answer of the worker.
pub(crate) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &Completion,
    message: &protocol::Message,
    extras: Extras,
) -> Result<(), Refusal> {
    let id = &message.protocol_instance_id;
    let body = message.body.clone().unwrap_or_default();
    if transaction.state().updates.get_mut(id).is_none() {
        return Err(bad(format!(
            "update {id} wasn't found on the server. This is most likely a transient error which will be resolved \
             automatically by retries"
        )));
    }
    if is::<update::Acceptance>(&body) {
        accept(transaction, id, read(&body)?, extras)
    } else if is::<update::Response>(&body) {
        complete(transaction, id, read(&body)?, extras)
    } else if is::<update::Rejection>(&body) {
        reject(transaction, id, read(&body)?)
    } else {
        let text = format!("protocol message {} of workflow task {}", body.type_url, completion.completed_event_id);
        Err(bad(format!("unsupported {text}")))
    }
}

fn accept(
    transaction: &mut Transaction<'_>,
    id: &str,
    acceptance: update::Acceptance,
    extras: Extras,
) -> Result<(), Refusal> {
    if acceptance.accepted_request_message_id.is_empty() {
        return Err(invalid("Acceptance", "accepted_request_message_id is not set"));
    }
    if acceptance.accepted_request_sequencing_event_id == 0 {
        return Err(invalid("Acceptance", "accepted_request_sequencing_event_id is not set"));
    }
    let update = expect(transaction, id, "Acceptance", |stage| matches!(stage, UpdateStage::Sent))?;
    // An update admitted by a reset is in the history already.
    let accepted_request = update.admitted_event_id.is_none().then(|| (*update.request).clone());
    let attributes = history::WorkflowExecutionUpdateAcceptedEventAttributes {
        protocol_instance_id: id.to_owned(),
        accepted_request_message_id: acceptance.accepted_request_message_id,
        accepted_request_sequencing_event_id: acceptance.accepted_request_sequencing_event_id,
        accepted_request,
    };
    let event_id = transaction.record_with(attributes, extras);
    if let Some(update) = transaction.state().updates.get_mut(id) {
        update.stage = UpdateStage::Accepted(event_id);
    }
    Ok(())
}

fn complete(
    transaction: &mut Transaction<'_>,
    id: &str,
    response: update::Response,
    extras: Extras,
) -> Result<(), Refusal> {
    if response.meta.is_none() {
        return Err(invalid("Response", "meta is not set"));
    }
    if response.outcome.as_ref().is_none_or(|outcome| outcome.value.is_none()) {
        return Err(invalid("Response", "outcome is not set"));
    }
    let update = expect(transaction, id, "Response", |stage| matches!(stage, UpdateStage::Accepted(_)))?;
    let UpdateStage::Accepted(accepted_event_id) = update.stage else { return Ok(()) };
    let attributes = history::WorkflowExecutionUpdateCompletedEventAttributes {
        meta: response.meta,
        accepted_event_id,
        outcome: response.outcome,
    };
    let event_id = transaction.record_with(attributes, extras);
    transaction.state().updates.complete(id, event_id);
    Ok(())
}

fn reject(transaction: &mut Transaction<'_>, id: &str, rejection: update::Rejection) -> Result<(), Refusal> {
    let Some(failure) = rejection.failure else { return Err(invalid("Rejection", "failure is not set")) };
    let update = expect(transaction, id, "Rejection", |stage| matches!(stage, UpdateStage::Sent))?;
    update.stage = UpdateStage::Over(Ok(Box::new(failed_outcome(failure))));
    Ok(())
}

/// Returns the update that an answer is for, if the answer fits its stage.
fn expect<'t>(
    transaction: &'t mut Transaction<'_>,
    id: &str,
    kind: &str,
    fits: impl Fn(&UpdateStage) -> bool,
) -> Result<&'t mut Update, Refusal> {
    let Some(update) = transaction.state().updates.get_mut(id) else {
        return Err(bad(format!("update {id} wasn't found on the server.")));
    };
    if fits(&update.stage) {
        return Ok(update);
    }
    let stage = update.stage.name();
    Err(bad(format!(
        "invalid state transition attempted for Update {id}: received *update.{kind} message while in state {stage}"
    )))
}

fn is<M: Name>(body: &Any) -> bool {
    body.type_url.rsplit('/').next() == Some(&M::full_name())
}

fn read<M: abide_protos::prost::Message + Default>(body: &Any) -> Result<M, Refusal> {
    M::decode(body.value.as_slice()).map_err(|error| bad(format!("unable to unmarshal message body: {error}")))
}

fn invalid(kind: &str, problem: &str) -> Refusal {
    bad(format!("invalid *update.{kind}: {problem}"))
}

fn bad(text: String) -> Refusal {
    Refusal::new(WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage, text)
}

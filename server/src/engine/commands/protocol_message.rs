//! PROTOCOL_MESSAGE: gives a message of the completion (an update's acceptance or response) its place among the commands.

use super::super::api::{command, enums::WorkflowTaskFailedCause};
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;
use crate::engine::updates::messages;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &mut Completion,
    attributes: &command::ProtocolMessageCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let place = completion.messages.iter().position(|message| message.id == attributes.message_id);
    let Some(place) = place else {
        let text = format!("ProtocolMessageCommand referenced absent message ID {}", attributes.message_id);
        return Err(Refusal::new(WorkflowTaskFailedCause::BadUpdateWorkflowExecutionMessage, text));
    };
    let message = completion.messages.remove(place);
    completion.messages.retain(|other| other.id != message.id);
    messages::apply(transaction, completion, &message, extras)
}

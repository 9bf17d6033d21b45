//! Protocol messages as lines: updates that come with a task, and the answers in its completion.

use abide_protos::Any;
use abide_protos::fields::MessageBuilder;
use abide_protos::prost::{Message as _, Name};
use abide_protos::temporal::api::protocol::v1::Message;
use abide_protos::temporal::api::protocol::v1::message::SequencingId;
use abide_protos::temporal::api::update::v1::{Acceptance, Rejection, Request, Response};

use crate::history::message_attributes;

/// Reads `update id=u1 name=add input=1,2`, a request that came with a workflow task. It follows event `sequencing=`,
/// by default the one before the task's start.
pub(super) fn parse_update(words: &[&str], sequencing: i64) -> Result<Message, String> {
    let mut request = MessageBuilder::new::<Request>();
    let (mut id, mut sequencing) = ("update-1".to_string(), sequencing);
    request.set("meta.identity", "caller")?;
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("expected key=value, found `{word}`"))?;
        match key {
            "id" => id = value.to_string(),
            "name" => request.set("input.name", value)?,
            "input" => request.set("input.args", value)?,
            _ if key.starts_with("header.") => request.set(&format!("input.{key}"), value)?,
            "sequencing" => sequencing = value.parse().map_err(|_| format!("`{value}` is not an event id"))?,
            _ => return Err(format!("unknown key `{key}`: expected id, name, input, header.* or sequencing")),
        }
    }
    request.set("meta.update_id", &id)?;
    let request: Request = request.finish()?;
    Ok(update_request(&format!("{id}/request"), &id, sequencing, &request))
}

/// Returns the message with which a server requests an update.
pub fn update_request(message_id: &str, update_id: &str, sequencing_event_id: i64, request: &Request) -> Message {
    let type_url = format!("type.googleapis.com/{}", Request::full_name());
    Message {
        id: message_id.to_string(),
        protocol_instance_id: update_id.to_string(),
        body: Some(Any { type_url, value: request.encode_to_vec() }),
        sequencing_id: Some(SequencingId::EventId(sequencing_event_id)),
    }
}

/// Writes a completion's answer to an update as a line: the message's id, its kind, and the fields that are set.
pub fn message_line(message: &Message) -> String {
    let body = message.body.clone().unwrap_or_default();
    let kind = body.type_url.rsplit('.').next().unwrap_or_default();
    let fields = match kind {
        "Acceptance" => fields::<Acceptance>(&body),
        "Rejection" => fields::<Rejection>(&body),
        "Response" => fields::<Response>(&body),
        _ => "of an unknown type".into(),
    };
    format!("{} of {}: {kind} {fields}", message.id, message.protocol_instance_id)
}

fn fields<M: Name + Default>(body: &Any) -> String {
    match M::decode(body.value.as_slice()) {
        Ok(message) => {
            let attributes = message_attributes(&message);
            attributes.iter().map(|attribute| attribute.text(usize::MAX)).collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("that cannot be read: {error}"),
    }
}

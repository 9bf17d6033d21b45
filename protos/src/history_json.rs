//! Histories in canonical protobuf JSON, as the CLI, the web UI and every SDK export them.
//!
//! JSON is read over descriptors (JSON -> dynamic message -> bytes -> typed message), because the generated types
//! carry no serde code. Unknown fields are skipped. Both spellings of an enum value are read: today's
//! `EVENT_TYPE_TIMER_STARTED` and the older `TimerStarted`, in nested messages too.

use std::sync::OnceLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::temporal::api::history::v1::History;

/// Reads one history from its JSON object (`{"events": [..]}`); the error text says what was wrong and where.
pub fn from_value(mut value: Value) -> Result<History, String> {
    let descriptor = history_descriptor();
    long_enum_names(&mut value, &descriptor);
    let options = prost_reflect::DeserializeOptions::new().deny_unknown_fields(false);
    let message =
        DynamicMessage::deserialize_with_options(descriptor, value, &options).map_err(|error| error.to_string())?;
    History::decode(message.encode_to_vec().as_slice()).map_err(|error| error.to_string())
}

/// Writes a history as canonical protobuf JSON with long enum names, as a current CLI prints it.
pub fn to_value(history: &History) -> Result<Value, String> {
    let message = DynamicMessage::decode(history_descriptor(), history.encode_to_vec().as_slice())
        .map_err(|error| error.to_string())?;
    message
        .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())
        .map_err(|error| error.to_string())
}

fn history_descriptor() -> MessageDescriptor {
    descriptor("temporal.api.history.v1.History")
}

/// The descriptor of a message of the history or command packages, or of what they use.
pub(crate) fn descriptor(full_name: &str) -> MessageDescriptor {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/history_descriptors.bin"));
    let pool =
        POOL.get_or_init(|| DescriptorPool::decode(BYTES).expect("the embedded descriptors were made at build time"));
    pool.get_message_by_name(full_name).expect("the embedded descriptors hold all messages of histories and commands")
}

/// Replaces short enum names (`TimerStarted`) by the long ones of the descriptor (`EVENT_TYPE_TIMER_STARTED`).
fn long_enum_names(value: &mut Value, message: &MessageDescriptor) {
    let Value::Object(object) = value else { return };
    for (name, value) in object {
        let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name));
        if let Some(field) = field {
            long_enum_names_of_field(value, &field);
        }
    }
}

fn long_enum_names_of_field(value: &mut Value, field: &FieldDescriptor) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| long_enum_names_of_field(item, field)),
        Value::Object(entries) if field.is_map() => {
            if let Kind::Message(entry) = field.kind() {
                let of_value = entry.map_entry_value_field();
                entries.values_mut().for_each(|value| long_enum_names_of_field(value, &of_value));
            }
        }
        Value::Object(_) => {
            // Messages with a JSON form of their own (durations, Any) are strings or hold no enums of ours.
            if let Kind::Message(message) = field.kind() {
                long_enum_names(value, &message);
            }
        }
        Value::String(short) => {
            if let Kind::Enum(kind) = field.kind()
                && kind.get_value_by_name(short).is_none()
            {
                let wanted = squeeze(&format!("{}{short}", kind.name()));
                let long = kind.values().find(|value| squeeze(value.name()) == wanted);
                if let Some(long) = long {
                    *short = long.name().to_string();
                }
            }
        }
        _ => {}
    }
}

/// Letters and digits in lower case: `EventTypeTimerStarted` and `EVENT_TYPE_TIMER_STARTED` become the same.
pub(crate) fn squeeze(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

//! Histories in canonical protobuf JSON, as exported by the CLI, the web UI and every SDK.
//!
//! JSON is read through descriptors (JSON -> dynamic message -> bytes -> typed message), because the generated types
//! have no serde code. Unknown fields are skipped. Both spellings of an enum value are read: the current
//! `EVENT_TYPE_TIMER_STARTED` and the older `TimerStarted`, in nested messages too.

use std::sync::OnceLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::deep_failures;
use crate::temporal::api::history::v1::History;

/// The reason that a JSON value is not a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAHistory {
    /// Index of the event with the mistake; `None` if it is not in an event.
    pub event: Option<usize>,
    /// Path of the field with the mistake, from the event (or the history) on.
    pub field: String,
    /// Expected and found values.
    pub message: String,
}

/// Reads one history from its JSON object (`{"events": [..]}`).
///
/// # Errors
/// Returns an error, with its position, if the value is not a history.
pub fn from_value(mut value: Value) -> Result<History, NotAHistory> {
    let descriptor = history_descriptor();
    long_enum_names(&mut value, &descriptor);
    let message = match deserialize(&descriptor, value.clone()) {
        Ok(message) => message,
        Err(message) => return Err(located(&descriptor, &value, message)),
    };
    let decoded = deep_failures::decode::<History>(&message.encode_to_vec());
    decoded.map_err(|error| NotAHistory { event: None, field: String::new(), message: error.to_string() })
}

fn deserialize(descriptor: &MessageDescriptor, value: Value) -> Result<DynamicMessage, String> {
    let options = prost_reflect::DeserializeOptions::new().deny_unknown_fields(false);
    DynamicMessage::deserialize_with_options(descriptor.clone(), value, &options).map_err(|error| error.to_string())
}

/// Finds the field with the mistake by reading each field separately.
fn located(descriptor: &MessageDescriptor, value: &Value, message: String) -> NotAHistory {
    let events = value.get("events").and_then(Value::as_array);
    let event_kind = descriptor.get_field_by_name("events").and_then(|field| match field.kind() {
        Kind::Message(kind) => Some(kind),
        _ => None,
    });
    if let (Some(events), Some(kind)) = (events, event_kind) {
        for (index, event) in events.iter().enumerate() {
            if let Err(message) = deserialize(&kind, event.clone()) {
                let (field, message) = narrowed(&kind, event, message);
                return NotAHistory { event: Some(index), field, message };
            }
        }
    }
    let (field, message) = narrowed(descriptor, value, message);
    NotAHistory { event: None, field, message }
}

fn narrowed(descriptor: &MessageDescriptor, value: &Value, message: String) -> (String, String) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let alone = Value::Object([(name.clone(), inner.clone())].into_iter().collect());
        let Err(message) = deserialize(descriptor, alone) else { continue };
        let field = descriptor.get_field_by_json_name(name).or_else(|| descriptor.get_field_by_name(name));
        return match field.map(|field| (field.is_map() || field.is_list(), field.kind())) {
            Some((false, Kind::Message(kind))) if inner.is_object() => {
                let (below, message) = narrowed(&kind, inner, message);
                (if below.is_empty() { name.clone() } else { format!("{name}.{below}") }, message)
            }
            _ => (name.clone(), message),
        };
    }
    (String::new(), message)
}

/// Writes a history as canonical protobuf JSON with long enum names, as the current CLI does.
///
/// # Errors
/// Returns an error if a message has a value that JSON cannot represent (a time out of range).
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

/// Returns the descriptor of a message in the history or command packages, or in their dependencies.
pub(crate) fn descriptor(full_name: &str) -> MessageDescriptor {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/history_descriptors.bin"));
    let pool =
        POOL.get_or_init(|| DescriptorPool::decode(BYTES).expect("the embedded descriptors were made at build time"));
    pool.get_message_by_name(full_name).expect("the embedded descriptors hold all messages of histories and commands")
}

/// Replaces short enum names (`TimerStarted`) by the long ones (`EVENT_TYPE_TIMER_STARTED`).
fn long_enum_names(value: &mut Value, message: &MessageDescriptor) {
    let Value::Object(object) = value else { return };
    for (name, value) in object {
        let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name));
        if let Some(field) = field {
            long_enum_names_of_field(value, &field);
        }
    }
}

/// Enum values that older servers wrote under another name.
const RENAMED: &[(&str, &str)] = &[("UPDATE_REQUESTED_EVENT_ORIGIN_REAPPLY", "UPDATE_ADMITTED_EVENT_ORIGIN_REAPPLY")];

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
            // Messages with their own JSON form (durations, Any) are strings or contain no enums of the API.
            if let Kind::Message(message) = field.kind() {
                long_enum_names(value, &message);
            }
        }
        Value::String(short) => {
            if let Kind::Enum(kind) = field.kind()
                && kind.get_value_by_name(short).is_none()
            {
                let wanted = squeeze(&format!("{}{short}", kind.name()));
                let long = kind.values().find(|value| squeeze(value.name()) == wanted).map(|v| v.name().to_string());
                let renamed = || RENAMED.iter().find(|(old, _)| old == short).map(|(_, new)| new.to_string());
                // An unknown name, of a later version, reads as the enum's zero.
                if let Some(long) = long.or_else(renamed) {
                    *short = long;
                }
            }
        }
        _ => {}
    }
}

/// Reduces to lower-case letters and digits: `EventTypeTimerStarted` and `EVENT_TYPE_TIMER_STARTED` become equal.
pub(crate) fn squeeze(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

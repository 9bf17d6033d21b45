//! Messages as flat lists of `path = value`, for printing and for histories written as text.
//!
//! The generated types have no reflection, so both directions use descriptors: every field of every event and command
//! has a path (`retry_policy.maximum_attempts`) without specific code. A few messages that only wrap a value are
//! written as that value: a type or a task queue as its name, an execution as `id/run`, a duration as `5s`, payloads as
//! values, and a message with only a map as the map.

use prost::{Message, Name};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};

use crate::history_json::{descriptor, squeeze};
use crate::temporal::api::common::v1::{Payload, Payloads};

/// A field's value, ready to print.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// Free text: identities, ids, messages.
    Text(String),
    /// Numbers, booleans, durations, names of enum values: never needs quotes.
    Word(String),
    /// Arguments, results, details.
    Payloads(Vec<Payload>),
}

/// Returns all fields of a message that are set, by paths of proto field names; maps by key, in key order.
pub fn fields_of<M: Message + Name>(message: &M) -> Vec<(String, FieldValue)> {
    let mut fields = Vec::new();
    if let Ok(message) = DynamicMessage::decode(descriptor(&M::full_name()), message.encode_to_vec().as_slice()) {
        flatten("", &message, &mut fields);
    }
    fields
}

/// A message being built from `path = value` pairs.
#[derive(Clone, Debug)]
pub struct MessageBuilder {
    message: DynamicMessage,
}

impl MessageBuilder {
    /// Creates an empty message of type `M`.
    pub fn new<M: Name>() -> Self {
        Self { message: DynamicMessage::new(descriptor(&M::full_name())) }
    }

    /// Returns true if the message has a field with that path, set or not.
    pub fn knows(&self, path: &str) -> bool {
        let mut at = self.message.descriptor();
        let mut names = path.split('.');
        while let Some(name) = names.next() {
            if wrapped_map(&at).is_some() {
                return true;
            }
            let Some(field) = at.get_field_by_name(name) else { return false };
            match field.kind() {
                _ if field.is_map() => return true,
                Kind::Message(message) => {
                    // An index into the list follows.
                    if field.is_list() && names.next().is_some_and(|index| index.parse::<usize>().is_err()) {
                        return false;
                    }
                    at = message;
                }
                _ => return names.next().is_none(),
            }
        }
        true
    }

    /// Sets the field with that path from its text.
    ///
    /// # Errors
    /// Returns an error if there is no such field (the text lists the existing ones), or the text is not a value of its
    /// kind.
    pub fn set(&mut self, path: &str, text: &str) -> Result<(), String> {
        let path: Vec<&str> = path.split('.').collect();
        set(&mut self.message, &path, text)
    }

    /// Returns the text of the field with that path, if it is set.
    pub fn get_text(&self, path: &str) -> Option<String> {
        let mut fields = Vec::new();
        flatten("", &self.message, &mut fields);
        fields.into_iter().find(|(at, _)| at == path).map(|(_, value)| match value {
            FieldValue::Text(text) | FieldValue::Word(text) => text,
            FieldValue::Payloads(payloads) => format!("{} payloads", payloads.len()),
        })
    }

    /// Returns the message built so far.
    ///
    /// # Errors
    /// Returns an error if `M` is not the type given to [`new`](Self::new).
    pub fn finish<M: Message + Default>(&self) -> Result<M, String> {
        M::decode(self.message.encode_to_vec().as_slice()).map_err(|error| error.to_string())
    }
}

fn flatten(prefix: &str, message: &DynamicMessage, out: &mut Vec<(String, FieldValue)>) {
    if let Some(leaf) = leaf(message) {
        return out.push((prefix.to_string(), leaf));
    }
    let before = out.len();
    for (field, value) in message.fields() {
        let path = match wrapped_map(&message.descriptor()) {
            Some(_) => prefix.to_string(),
            None => joined(prefix, field.name()),
        };
        flatten_value(&path, &field, value, out);
    }
    if out.len() == before && !prefix.is_empty() && wrapped_map(&message.descriptor()).is_none() {
        out.push((prefix.to_string(), FieldValue::Word("{}".into())));
    }
}

fn flatten_value(path: &str, field: &FieldDescriptor, value: &Value, out: &mut Vec<(String, FieldValue)>) {
    match value {
        Value::Message(message) => flatten(path, message, out),
        Value::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().map(|(key, value)| (key_text(key), value)).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, value) in entries {
                flatten_value(&joined(path, &key), field, value, out);
            }
        }
        Value::List(items) if matches!(items.first(), Some(Value::Message(_))) => {
            for (index, item) in items.iter().enumerate() {
                flatten_value(&joined(path, &index.to_string()), field, item, out);
            }
        }
        Value::List(items) => {
            let words: Vec<String> = items.iter().map(|item| scalar_text(field, item)).collect();
            out.push((path.to_string(), FieldValue::Word(words.join(","))));
        }
        Value::String(text) => out.push((path.to_string(), FieldValue::Text(text.clone()))),
        scalar => out.push((path.to_string(), FieldValue::Word(scalar_text(field, scalar)))),
    }
}

/// Returns the single value as which a message is written, if it is such a message.
fn leaf(message: &DynamicMessage) -> Option<FieldValue> {
    let text = |name: &str| message.get_field_by_name(name).and_then(|value| value.as_str().map(str::to_string));
    let number = |name: &str| {
        let value = message.get_field_by_name(name)?;
        value.as_i64().or(value.as_i32().map(i64::from))
    };
    Some(match message.descriptor().full_name() {
        "temporal.api.common.v1.Payloads" => {
            FieldValue::Payloads(message.transcode_to::<Payloads>().map(|all| all.payloads).unwrap_or_default())
        }
        "temporal.api.common.v1.Payload" => FieldValue::Payloads(message.transcode_to().into_iter().collect()),
        "temporal.api.common.v1.ActivityType"
        | "temporal.api.common.v1.WorkflowType"
        | "temporal.api.taskqueue.v1.TaskQueue" => FieldValue::Text(text("name")?),
        "temporal.api.common.v1.WorkflowExecution" => {
            let (id, run) = (text("workflow_id")?, text("run_id")?);
            FieldValue::Text(if run.is_empty() { id } else { format!("{id}/{run}") })
        }
        "google.protobuf.Duration" => FieldValue::Word(duration_text(number("seconds")?, number("nanos")?)),
        "google.protobuf.Timestamp" => FieldValue::Word(timestamp_text(number("seconds")?, number("nanos")?)),
        _ => return None,
    })
}

fn set(message: &mut DynamicMessage, path: &[&str], text: &str) -> Result<(), String> {
    if let Some(map) = wrapped_map(&message.descriptor()) {
        return set_entry(message, &map, &path.join("."), text);
    }
    let descriptor = message.descriptor();
    let Some(field) = descriptor.get_field_by_name(path[0]) else {
        let known: Vec<String> = descriptor.fields().map(|field| field.name().to_string()).collect();
        return Err(format!("no field `{}` in {}; it has: {}", path[0], descriptor.name(), known.join(", ")));
    };
    if field.is_map() {
        return set_entry(message, &field, &path[1..].join("."), text);
    }
    let value = match field.kind() {
        Kind::Message(kind) if !field.is_list() => {
            let mut inner = match message.get_field(&field).into_owned() {
                Value::Message(inner) => inner,
                _ => DynamicMessage::new(kind),
            };
            if path.len() > 1 {
                set(&mut inner, &path[1..], text)?
            } else {
                set_whole(&mut inner, text)?
            }
            Value::Message(inner)
        }
        Kind::Message(kind) => {
            let Value::List(items) = message.get_field_mut(&field) else { return Err("not a list".into()) };
            let index = path.get(1).and_then(|index| index.parse::<usize>().ok()).filter(|index| *index <= items.len());
            let Some(index) = index else {
                return Err(format!("`{}` is a list; write {0}.0, {0}.1, .. in order", path[0]));
            };
            if index == items.len() {
                items.push(Value::Message(DynamicMessage::new(kind)));
            }
            let Value::Message(item) = &mut items[index] else { return Err("not a list of messages".into()) };
            return if path.len() > 2 { set(item, &path[2..], text) } else { set_whole(item, text) };
        }
        _ if path.len() > 1 => return Err(format!("`{}` has no field `{}`", path[0], path[1])),
        kind if field.is_list() && text != "none" => {
            let items: Result<Vec<Value>, String> = text.split(',').map(|item| scalar(&kind, item)).collect();
            Value::List(items?)
        }
        _ if field.is_list() => Value::List(Vec::new()),
        kind => scalar(&kind, text)?,
    };
    message.try_set_field(&field, value).map_err(|error| error.to_string())
}

fn set_entry(message: &mut DynamicMessage, field: &FieldDescriptor, key: &str, text: &str) -> Result<(), String> {
    if key.is_empty() && text == "{}" {
        return Ok(());
    }
    let Kind::Message(entry) = field.kind() else { return Err("not a map".into()) };
    let value = match entry.map_entry_value_field().kind() {
        Kind::Message(kind) => {
            let mut inner = DynamicMessage::new(kind);
            set_whole(&mut inner, text)?;
            Value::Message(inner)
        }
        kind => scalar(&kind, text)?,
    };
    let Value::Map(entries) = message.get_field_mut(field) else { return Err("not a map".into()) };
    entries.insert(MapKey::String(key.to_string()), value);
    Ok(())
}

/// Sets a whole message from one value.
fn set_whole(message: &mut DynamicMessage, text: &str) -> Result<(), String> {
    let name = message.descriptor().full_name().to_string();
    match name.as_str() {
        "temporal.api.common.v1.Payloads" => transcode(message, &Payloads { payloads: payloads(text)? }),
        "temporal.api.common.v1.Payload" => {
            let mut all = payloads(text)?;
            let one = if all.len() == 1 { all.pop() } else { None };
            transcode(message, &one.ok_or("expected one value, found a list")?)
        }
        "temporal.api.common.v1.ActivityType"
        | "temporal.api.common.v1.WorkflowType"
        | "temporal.api.taskqueue.v1.TaskQueue" => set(message, &["name"], text),
        "temporal.api.common.v1.WorkflowExecution" => {
            let text = unquoted(text)?;
            let (id, run) = text.split_once('/').unwrap_or((&text, ""));
            message.set_field_by_name("workflow_id", Value::String(id.into()));
            message.set_field_by_name("run_id", Value::String(run.into()));
            Ok(())
        }
        "google.protobuf.Duration" => {
            let (seconds, nanos) = parse_duration(text)?;
            message.set_field_by_name("seconds", Value::I64(seconds));
            message.set_field_by_name("nanos", Value::I32(nanos));
            Ok(())
        }
        "google.protobuf.Timestamp" => {
            let time: prost_wkt_types::Timestamp = text.parse().map_err(|_| format!("`{text}` is no RFC 3339 time"))?;
            message.set_field_by_name("seconds", Value::I64(time.seconds));
            message.set_field_by_name("nanos", Value::I32(time.nanos));
            Ok(())
        }
        _ if text == "{}" || text == "true" => Ok(()),
        _ => {
            let fields: Vec<String> = message.descriptor().fields().map(|field| field.name().to_string()).collect();
            Err(format!("{name} is written field by field, with dots; its fields: {}", fields.join(", ")))
        }
    }
}

fn transcode<M: Message>(message: &mut DynamicMessage, from: &M) -> Result<(), String> {
    message.transcode_from(from).map_err(|error| error.to_string())
}

/// Parses JSON values separated by commas, or `<n bytes>` for n zero bytes.
fn payloads(text: &str) -> Result<Vec<Payload>, String> {
    let mut payloads = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(count) = rest.strip_prefix('<').and_then(|rest| rest.split_once(" bytes>")) {
            let size = count.0.parse::<usize>().map_err(|_| format!("`<{} bytes>` is no size", count.0))?;
            payloads.push(payload("binary/plain", vec![0; size]));
            rest = count.1;
        } else {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
            let value = match values.next() {
                Some(Ok(value)) => value,
                _ => return Err(format!("`{rest}` is not JSON; a payload is written as JSON, texts in quotes")),
            };
            let (encoding, data) = match value {
                serde_json::Value::Null => ("binary/null", Vec::new()),
                // Unchanged, with the key order and spacing of the text.
                _ => ("json/plain", rest.as_bytes()[..values.byte_offset()].to_vec()),
            };
            payloads.push(payload(encoding, data));
            rest = &rest[values.byte_offset()..];
        }
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.is_empty() => {}
            None => return Err(format!("expected a comma before `{rest}`")),
        }
    }
    Ok(payloads)
}

fn payload(encoding: &str, data: Vec<u8>) -> Payload {
    let metadata = [("encoding".to_string(), encoding.as_bytes().to_vec())].into_iter().collect();
    Payload { metadata, data, external_payloads: Vec::new() }
}

fn scalar(kind: &Kind, text: &str) -> Result<Value, String> {
    fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
        text.parse().map_err(|_| format!("`{text}` is not a number that fits here"))
    }
    Ok(match kind {
        Kind::String => Value::String(unquoted(text)?),
        Kind::Bytes => Value::Bytes(unquoted(text)?.into_bytes().into()),
        Kind::Bool => Value::Bool(text.parse().map_err(|_| format!("`{text}` is neither true nor false"))?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number(text)?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number(text)?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number(text)?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number(text)?),
        Kind::Float => Value::F32(number(text)?),
        Kind::Double => Value::F64(number(text)?),
        Kind::Enum(kind) => {
            let wanted = squeeze(&format!("{}{text}", kind.name()));
            let named = kind.values().find(|value| squeeze(value.name()) == wanted).map(|value| value.number());
            match named.or_else(|| text.parse().ok()) {
                Some(number) => Value::EnumNumber(number),
                None => {
                    let names: Vec<String> = kind.values().map(|value| short_name(value.name(), kind.name())).collect();
                    return Err(format!("`{text}` is no {}; expected one of {}", kind.name(), names.join(", ")));
                }
            }
        }
        Kind::Message(_) => return Err("a message where a value was expected".into()),
    })
}

/// Shortens `EVENT_TYPE_TIMER_STARTED` of `EventType` to `TimerStarted`.
fn short_name(long: &str, of: &str) -> String {
    let words = long.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters.map(|c| c.to_ascii_lowercase())).collect::<String>()
    });
    let name: String = words.collect();
    match name.get(..of.len()) {
        Some(start) if start.eq_ignore_ascii_case(of) => name[of.len()..].to_string(),
        _ => name,
    }
}

fn scalar_text(field: &FieldDescriptor, value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Bytes(bytes) => format!("<{} bytes>", bytes.len()),
        Value::EnumNumber(number) => match field.kind() {
            Kind::Enum(kind) => kind
                .get_value(*number)
                .map_or_else(|| number.to_string(), |value| short_name(value.name(), kind.name())),
            _ => number.to_string(),
        },
        Value::Message(_) | Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// Returns the field of a message that consists of a single map (headers, memos, search attributes).
fn wrapped_map(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    let mut fields = message.fields();
    let first = fields.next()?;
    (first.is_map() && fields.next().is_none()).then_some(first)
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::String(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn joined(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") }
}

fn unquoted(text: &str) -> Result<String, String> {
    if text.starts_with('"') {
        serde_json::from_str(text).map_err(|error| format!("{text} is no quoted text: {error}"))
    } else {
        Ok(text.to_string())
    }
}

/// Formats a duration as `5s`, `1.5s`, `20ms`, `3m`, `2h` or `1d`, in the largest unit that gives a whole number.
pub fn duration_text(seconds: i64, nanos: i64) -> String {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let units = [(86_400_000_000_000, "d"), (3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s")];
    if total == 0 {
        return "0s".into();
    }
    if let Some((size, unit)) = units.into_iter().find(|(size, _)| total % size == 0) {
        return format!("{}{unit}", total / size);
    }
    if total % 1_000_000 == 0 && total.abs() < 1_000_000_000 {
        return format!("{}ms", total / 1_000_000);
    }
    let sign = if total < 0 { "-" } else { "" };
    let (whole, fraction) = (total.abs() / 1_000_000_000, format!("{:09}", total.abs() % 1_000_000_000));
    format!("{sign}{whole}.{}s", fraction.trim_end_matches('0'))
}

/// Like [`duration_text`]. Round a measured duration first.
pub fn std_duration_text(duration: std::time::Duration) -> String {
    duration_text(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX), duration.subsec_nanos().into())
}

/// Parses `5s`, `1.5s`, `20ms`, `3m`, `2h` or `1d` to seconds and nanoseconds.
///
/// # Errors
/// Returns an error if the text is not such a duration.
pub fn parse_duration(text: &str) -> Result<(i64, i32), String> {
    let expected = || format!("`{text}` is no duration; write 5s, 1.5s, 20ms, 3m, 2h or 1d");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(split);
    let nanos_per_unit: i64 = match unit {
        "ns" => 1,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return Err(expected()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let (negative, whole) = (whole.starts_with('-'), whole.trim_start_matches('-'));
    let mut total = i128::from(whole.parse::<u32>().map_err(|_| expected())?) * i128::from(nanos_per_unit);
    for (index, digit) in fraction.bytes().enumerate().take(9) {
        let digit = char::from(digit).to_digit(10).ok_or_else(expected)?;
        total += i128::from(digit) * i128::from(nanos_per_unit) / 10_i128.pow(index as u32 + 1);
    }
    let total = if negative { -total } else { total };
    let seconds = i64::try_from(total / 1_000_000_000).map_err(|_| expected())?;
    Ok((seconds, (total % 1_000_000_000) as i32))
}

/// Formats a time as RFC 3339 in UTC, with fractions of a second without trailing zeros.
pub fn timestamp_text(seconds: i64, nanos: i64) -> String {
    let timestamp = prost_wkt_types::Timestamp { seconds, nanos: nanos as i32 };
    timestamp.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::api::command::v1::ScheduleActivityTaskCommandAttributes as Schedule;

    #[test]
    fn durations_are_written_in_the_largest_whole_unit_and_read_again() {
        let durations = [
            (0, 0, "0s"),
            (5, 0, "5s"),
            (90, 0, "90s"),
            (300, 0, "5m"),
            (7200, 0, "2h"),
            (172_800, 0, "2d"),
            (0, 20_000_000, "20ms"),
            (1, 500_000_000, "1.5s"),
            (0, 1, "0.000000001s"),
            (-3, -500_000_000, "-3.5s"),
        ];
        for (seconds, nanos, text) in durations {
            assert_eq!(duration_text(seconds, nanos.into()), text);
            assert_eq!(parse_duration(text), Ok((seconds, nanos)), "{text}");
        }
        assert_eq!(std_duration_text(std::time::Duration::from_millis(172_800_000)), "2d");
        for text in ["", "5", "s", "5 s", "five s", "5y", "1.x5s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_is_built_from_its_own_fields() {
        let pairs = [
            ("activity_id", "1"),
            ("activity_type", "charge"),
            ("header.trace", "\"abc\""),
            ("input", "1,\"two\""),
            ("heartbeat_timeout", "1.5s"),
            ("retry_policy.non_retryable_error_types", "A,B"),
        ];
        let mut builder = MessageBuilder::new::<Schedule>();
        for (path, text) in pairs {
            assert!(builder.knows(path), "{path}");
            builder.set(path, text).unwrap();
        }
        let fields = fields_of(&builder.finish::<Schedule>().unwrap());
        let paths: Vec<&str> = fields.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, pairs.map(|(path, _)| path));
        assert_eq!(builder.get_text("heartbeat_timeout").as_deref(), Some("1.5s"));
        assert!(!builder.knows("colour") && !builder.knows("activity_id.below") && builder.knows("header.anything"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut builder = MessageBuilder::new::<Schedule>();
        let mut refused = |path: &str, text: &str| builder.set(path, text).unwrap_err();
        assert!(refused("colour", "red").starts_with("no field `colour` in ScheduleActivityTaskCommandAttributes"));
        assert!(refused("request_eager_execution", "perhaps").contains("neither true nor false"));
        assert!(refused("input", "1 2").contains("expected a comma"));
        assert!(refused("retry_policy", "3").contains("field by field"));
    }
}

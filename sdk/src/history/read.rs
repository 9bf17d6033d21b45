//! Histories from bytes: JSON with both spellings of enums, one history or a list; protobuf, plain or length-prefixed.

use std::fmt;
use std::path::{Path, PathBuf};

use abide_protos::deep_failures;
use abide_protos::deep_json;
use abide_protos::history_json;
use abide_protos::prost::Message;
use abide_protos::prost::encoding::decode_varint;
use abide_protos::temporal::api::history::v1::{History as HistoryProto, HistoryEvent};
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::de::{Deserializer, SliceRead, StreamDeserializer};

use super::History;
use super::attributes::event_type_name;

/// First byte of a protobuf history: field 1, length-delimited.
const EVENTS_TAG: u8 = 0x0a;

/// An error when a history is read.
///
/// Its text names the file, the place (line and column of JSON, byte offset of protobuf, ids of missing events), what
/// was expected and what was found.
#[derive(Debug)]
pub struct HistoryError {
    path: Option<PathBuf>,
    position: Option<(usize, usize)>,
    message: String,
    io_error: Option<std::io::Error>,
}

impl HistoryError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { path: None, position: None, message: message.into(), io_error: None }
    }

    fn at(position: (usize, usize), message: impl Into<String>) -> Self {
        Self { position: Some(position), ..Self::new(message) }
    }

    pub(super) fn in_file(self, path: &Path) -> Self {
        Self { path: Some(path.to_path_buf()), ..self }
    }

    pub(super) fn because(self, error: std::io::Error) -> Self {
        Self { io_error: Some(error), ..self }
    }

    /// The file, if the history came from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The operating system's error, if the file or the folder could not be read.
    pub fn io_error(&self) -> Option<&std::io::Error> {
        self.io_error.as_ref()
    }

    /// Line and column in a JSON file, both from 1.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.position
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.position) {
            (Some(path), Some((line, column))) => write!(f, "{}:{line}:{column}: ", path.display())?,
            (Some(path), None) => write!(f, "{}: ", path.display())?,
            (None, Some((line, column))) => write!(f, "line {line}, column {column}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)
    }
}

/// The text includes the operating system's error, so [`source`](std::error::Error::source) does not return it.
impl std::error::Error for HistoryError {}

impl History {
    /// Reads protobuf JSON as written by the CLI, the web UI and every SDK: one history, or a list of them.
    ///
    /// Unknown fields are skipped. If a failure has more causes than can be read, the first and the last ones are kept.
    /// Both spellings of enum values are read. An event of a type that this version does not know is kept: a replay
    /// skips it if the server says that workers may ignore it.
    ///
    /// # Errors
    /// Returns an error with the place if this is not JSON or not a history, or if events are missing.
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<Vec<History>, HistoryError> {
        let json = json.as_ref();
        match value(json)? {
            Value::Array(items) if items.is_empty() => {
                Err(HistoryError::at((1, 1), "expected a history, found an empty list: export it again"))
            }
            Value::Array(items) => {
                let read = |(index, item)| from_value(item, json, Some(index));
                items.into_iter().enumerate().map(read).collect()
            }
            one => Ok(vec![from_value(one, json, None)?]),
        }
    }

    /// Reads protobuf: one `temporal.api.history.v1.History`, or several, each preceded by its length as a varint.
    ///
    /// # Errors
    /// Returns an error with the byte offset or the event ids if this is something else, or if events are missing.
    pub fn from_binary(bytes: &[u8]) -> Result<Vec<History>, HistoryError> {
        if bytes.is_empty() {
            return Err(HistoryError::new("expected a history, found an empty file"));
        }
        if bytes[0] == EVENTS_TAG {
            return Ok(vec![History::checked(binary_events(bytes, 0)?)?]);
        }
        let mut histories = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = length_at(bytes, at)?;
            histories.push(History::checked(binary_events(&bytes[length.start..length.end], length.start)?)?);
            at = length.end;
        }
        Ok(histories)
    }

    /// Writes canonical protobuf JSON, indented, as the CLI does.
    ///
    /// # Errors
    /// Returns an error if an event holds something that JSON cannot, such as a time out of range.
    pub fn to_json(&self) -> Result<String, HistoryError> {
        let value = history_json::to_value(&HistoryProto { events: self.events.clone() });
        let value = value.map_err(|error| HistoryError::new(format!("the history has no JSON form: {error}")))?;
        serde_json::to_string_pretty(&value).map_err(|error| HistoryError::new(error.to_string()))
    }

    /// Writes protobuf: one `temporal.api.history.v1.History`.
    pub fn to_binary(&self) -> Vec<u8> {
        HistoryProto { events: self.events.clone() }.encode_to_vec()
    }

    fn checked(events: Vec<HistoryEvent>) -> Result<History, HistoryError> {
        check_event_ids(&events).map_err(HistoryError::new)?;
        Ok(History::from_events(events))
    }
}

/// Checks that events are numbered from 1 without a gap.
fn check_event_ids(events: &[HistoryEvent]) -> Result<(), String> {
    let mut expected = 1;
    for event in events {
        let (id, name) = (event.event_id, event_type_name(event.event_type));
        if id > expected {
            let missing = if id - 1 == expected {
                format!("event {expected} is missing")
            } else {
                format!("events {expected} to {} are missing", id - 1)
            };
            return Err(match expected {
                1 => format!("{missing}: the history begins with event {id} {name}"),
                _ => format!("{missing}: event {id} {name} follows event {}", expected - 1),
            });
        }
        if id < expected {
            return Err(format!("expected event {expected}, found event {id} {name} after event {}", expected - 1));
        }
        expected += 1;
    }
    if expected == 1 { Err("expected a history, found one without events".into()) } else { Ok(()) }
}

/// Reads JSON with chains of causes of any length.
fn value(json: &[u8]) -> Result<Value, HistoryError> {
    if deep_json::levels(json) <= deep_json::READ_LEVELS {
        return serde_json::from_slice(json).map_err(|error| not_json(&error));
    }
    // Parsed without being kept, it may nest to any depth. This finds a mistake together with its place in the file.
    serde_json::from_slice::<IgnoredAny>(json).map_err(|error| not_json(&error))?;
    let shorter = deep_json::shortened(json);
    let text = shorter.as_deref().unwrap_or(json);
    let levels = deep_json::levels(text);
    if levels > deep_json::READ_LEVELS {
        return Err(HistoryError::new(format!(
            "expected a history, found JSON that nests {levels} levels deep: in a history only the causes of failures nest \
             deeper than {} levels",
            deep_json::READ_LEVELS
        )));
    }
    serde_json::from_slice(text).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> HistoryError {
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let message = message.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&message);
    HistoryError::at((line, column), format!("this is not JSON: {message}"))
}

fn from_value(value: Value, json: &[u8], item: Option<usize>) -> Result<History, HistoryError> {
    let of_item = item.map_or(String::new(), |index| format!("history {} of the list: ", index + 1));
    let begin = item.and_then(|index| nth_offset(json, 0, index)).unwrap_or(0);
    if value.get("events").is_none_or(|events| !events.is_array()) {
        let found = match &value {
            Value::Object(_) if value.get("events").is_some() => "an object whose `events` are no list",
            Value::Object(_) => "an object without it",
            Value::Array(_) => "a list",
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => "a single value",
        };
        let message = format!(
            "{of_item}expected a history (an object with a list `events`, as `temporal workflow show --output json` \
             writes it), found {found}"
        );
        return Err(HistoryError::at(line_and_column(json, begin), message));
    }
    let history = history_json::from_value(value).map_err(|problem| {
        let event = problem.event.map_or(String::new(), |index| format!("event {}: ", index + 1));
        let field = if problem.field.is_empty() { String::new() } else { format!("{}: ", problem.field) };
        let offset =
            problem.event.and_then(|index| events_offset(json, begin).and_then(|at| nth_offset(json, at, index)));
        let position = line_and_column(json, offset.unwrap_or(begin));
        HistoryError::at(position, format!("{of_item}{event}{field}{}", without_value(&problem.message)))
    })?;
    check_event_ids(&history.events)
        .map_err(|message| HistoryError::at(line_and_column(json, begin), format!("{of_item}{message}")))?;
    Ok(History::from_events(history.events))
}

/// Removes the value that serde quotes (`invalid type: string "..", expected a map`): it may be a payload's.
fn without_value(message: &str) -> String {
    for problem in ["invalid type: ", "invalid value: "] {
        if let Some((found, expected)) = message.strip_prefix(problem).and_then(|rest| rest.rsplit_once(", expected "))
        {
            let kind = found.split(['"', '`']).next().unwrap_or_default().trim_end();
            return format!("{problem}{kind}, expected {expected}");
        }
    }
    message.to_owned()
}

/// Returns the offset of the list of events, for the history at `from`.
fn events_offset(json: &[u8], from: usize) -> Option<usize> {
    let key = b"\"events\"";
    let at = json[from..].windows(key.len()).position(|window| window == key)? + from + key.len();
    Some(json[at..].iter().position(|byte| *byte == b'[')? + at)
}

/// Returns the offset of the item with this index, in the JSON list at or after `from`.
fn nth_offset(json: &[u8], from: usize, index: usize) -> Option<usize> {
    let mut at = json[from..].iter().position(|byte| *byte == b'[')? + from + 1;
    for passed in 0..=index {
        at += json[at..].iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b',')?;
        if passed == index {
            return Some(at);
        }
        let mut rest: StreamDeserializer<'_, SliceRead<'_>, IgnoredAny> =
            Deserializer::from_slice(&json[at..]).into_iter();
        rest.next()?.ok()?;
        at += rest.byte_offset();
    }
    None
}

fn line_and_column(text: &[u8], offset: usize) -> (usize, usize) {
    let before = &text[..offset.min(text.len())];
    let line_begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (before.iter().filter(|byte| **byte == b'\n').count() + 1, before.len() - line_begin + 1)
}

/// Reads the events of one protobuf history; `offset` is its place in the file.
fn binary_events(bytes: &[u8], offset: usize) -> Result<Vec<HistoryEvent>, HistoryError> {
    let mut events = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let number = events.len() + 1;
        if bytes[at] != EVENTS_TAG {
            let message =
                format!("expected event {number} at byte {}, found bytes that are not a history", offset + at);
            return Err(HistoryError::new(message));
        }
        let span = length_at(bytes, at + 1)
            .map_err(|error| HistoryError::new(format!("event {number} at byte {}: {}", offset + at, error.message)))?;
        let event = deep_failures::decode::<HistoryEvent>(&bytes[span.clone()]).map_err(|error| {
            HistoryError::new(format!("event {number} at byte {} cannot be decoded: {error}", offset + at))
        })?;
        events.push(event);
        at = span.end;
    }
    Ok(events)
}

/// Returns the bytes after a varint length.
fn length_at(bytes: &[u8], at: usize) -> Result<std::ops::Range<usize>, HistoryError> {
    let mut rest = &bytes[at.min(bytes.len())..];
    let before = rest.len();
    let length = decode_varint(&mut rest)
        .map_err(|_| HistoryError::new(format!("expected a length at byte {at}; this is not a history")))?;
    let start = at + before - rest.len();
    match usize::try_from(length).ok().filter(|length| *length <= rest.len()) {
        Some(length) => Ok(start..start + length),
        None => Err(HistoryError::new(format!(
            "expected {length} bytes, found {}: the file is cut off, or is not a history",
            rest.len()
        ))),
    }
}

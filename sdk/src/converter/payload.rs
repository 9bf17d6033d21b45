//! Conversion of a single value to a single payload and back.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::Payload;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::misfit;
use super::storage::{is_reference, not_configured};
use super::whole::{from_whole, payload_of};
use crate::bounded_text::{name, type_name};

pub(super) const ENCODING: &str = "encoding";
pub(super) const MESSAGE_TYPE: &str = "messageType";
const JSON_PLAIN: &[u8] = b"json/plain";
const BINARY_NULL: &[u8] = b"binary/null";
const BINARY_PLAIN: &[u8] = b"binary/plain";
pub(super) const BINARY_PROTOBUF: &[u8] = b"binary/protobuf";
pub(super) const JSON_PROTOBUF: &[u8] = b"json/protobuf";
/// Beginning of the error for a binary message within a JSON value.
pub(super) const NO_PART_OF_JSON: &str = "a message in binary form cannot be part of a JSON value";

/// A payload that is passed on unchanged, without conversion.
///
/// Use it as an argument or a result type to forward data of another program, whatever its encoding. Its `Debug` form
/// shows the encoding and the size, but not the data, so it may be logged.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct RawPayload {
    /// Metadata by key; `encoding` names the format of `data`.
    pub metadata: std::collections::BTreeMap<String, Vec<u8>>,
    /// The bytes, in the encoding that `metadata` names.
    pub data: Vec<u8>,
}

impl RawPayload {
    /// Returns the metadata `encoding`, if it is present and valid text.
    pub fn encoding(&self) -> Option<&str> {
        self.metadata.get(ENCODING).and_then(|encoding| std::str::from_utf8(encoding).ok())
    }

    /// Converts a value to a payload, as arguments and results are converted.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn from_value<T: Serialize + 'static>(value: &T) -> Result<Self, PayloadError> {
        to_payload(value).map(Self::from_proto)
    }

    /// Reads the value, as arguments and results are read.
    ///
    /// # Errors
    /// Returns an error if the payload is not a `T`. The error does not contain the value.
    pub fn to_value<T: DeserializeOwned + 'static>(&self) -> Result<T, PayloadError> {
        from_payload(&self.clone().into_proto())
    }

    /// Returns the whole payload with its metadata as a protobuf message, for a codec to encrypt or compress.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.clone().into_proto().encode_to_vec()
    }

    /// Reads the output of [`to_bytes`](Self::to_bytes), or of another SDK's codec.
    ///
    /// # Errors
    /// Returns an error if the bytes are not a payload.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PayloadError> {
        let read = Payload::decode(bytes).map_err(|error| {
            PayloadError::new(format!("expected a payload as a protobuf message, found {} bytes: {error}", bytes.len()))
        });
        read.map(Self::from_proto)
    }

    pub(crate) fn from_proto(payload: Payload) -> Self {
        Self { metadata: payload.metadata.into_iter().collect(), data: payload.data }
    }

    pub(crate) fn into_proto(self) -> Payload {
        Payload { metadata: self.metadata.into_iter().collect(), data: self.data, external_payloads: Vec::new() }
    }
}

impl fmt::Debug for RawPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoding = self.encoding().map_or_else(|| "(none)".into(), |encoding| name(encoding).into_owned());
        write!(f, "RawPayload({encoding}, {} bytes)", self.data.len())
    }
}

/// A payload could not be serialized or deserialized.
///
/// The message contains the argument or field, the expected type and the kind of value found. It never contains the
/// value.
#[derive(Debug, Clone)]
pub struct PayloadError {
    message: String,
}

impl PayloadError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    pub(crate) fn in_argument(self, index: usize) -> Self {
        self.of(format_args!("argument {}", index + 1))
    }

    /// Prefixes the message with what the value belongs to.
    pub(crate) fn of(self, what: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message) }
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PayloadError {}

/// Serializes a value to one of Temporal's payloads, for callers of the [core](crate::guide::driving_the_core).
///
/// # Errors
/// Returns an error if serde refuses the value (for example a map whose keys are not strings).
pub fn to_payload<T: Serialize + 'static>(value: &T) -> Result<Payload, PayloadError> {
    let any: &dyn Any = value;
    if any.is::<()>() {
        return Ok(payload(BINARY_NULL, Vec::new()));
    }
    if let Some(bytes) = any.downcast_ref::<Vec<u8>>() {
        return Ok(payload(BINARY_PLAIN, bytes.clone()));
    }
    if let Some(raw) = any.downcast_ref::<RawPayload>() {
        return Ok(raw.clone().into_proto());
    }
    if let Some(payload) = payload_of(value) {
        return Ok(payload);
    }
    let json = serde_json::to_vec(value).map_err(|error| {
        PayloadError::new(format!("`{}` cannot be written as JSON: {}", type_name::<T>(), unwritable(&error)))
    })?;
    if json == b"null" { Ok(payload(BINARY_NULL, Vec::new())) } else { Ok(payload(JSON_PLAIN, json)) }
}

/// Deserializes a value from one of Temporal's payloads, for callers of the [core](crate::guide::driving_the_core).
///
/// # Errors
/// Returns an error if the encoding is unknown, or the data does not fit the type.
pub fn from_payload<T: DeserializeOwned + 'static>(payload: &Payload) -> Result<T, PayloadError> {
    let mut slot: Option<T> = None;
    if let Some(raw) = (&mut slot as &mut dyn Any).downcast_mut::<Option<RawPayload>>() {
        *raw = Some(RawPayload::from_proto(payload.clone()));
    }
    if let Some(value) = slot.take() {
        return Ok(value);
    }
    match payload.metadata.get(ENCODING).map(Vec::as_slice) {
        Some(JSON_PLAIN) => json(&payload.data),
        Some(BINARY_NULL) => json(b"null"),
        Some(BINARY_PLAIN) => {
            if let Some(bytes) = (&mut slot as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() {
                *bytes = Some(payload.data.clone());
            }
            slot.ok_or_else(|| {
                PayloadError::new(format!(
                    "expected `{}`, found bytes (encoding binary/plain, {} bytes); read them as `Vec<u8>`",
                    type_name::<T>(),
                    payload.data.len()
                ))
            })
        }
        Some(_) if is_reference(payload) => Err(PayloadError::new(not_configured(payload))),
        Some(JSON_PROTOBUF) => message(payload).unwrap_or_else(|| json(&payload.data)),
        Some(BINARY_PROTOBUF) => message(payload).unwrap_or_else(|| {
            Err(PayloadError::new(format!(
                "expected `{}`, found a protobuf message (encoding binary/protobuf{}); read it as `Protobuf`",
                type_name::<T>(),
                payload
                    .metadata
                    .get(MESSAGE_TYPE)
                    .map_or_else(String::new, |name| format!(", message `{}`", label(name)))
            )))
        }),
        other => Err(PayloadError::new(format!(
            "expected `{}`, found a payload of encoding `{}`; known encodings are json/plain, json/protobuf, binary/null, \
             binary/plain and binary/protobuf",
            type_name::<T>(),
            other.map_or_else(|| "(none)".to_string(), label)
        ))),
    }
}

/// Reads a protobuf message into a value that accepts one; `None` for any other type.
fn message<T: DeserializeOwned>(payload: &Payload) -> Option<Result<T, PayloadError>> {
    let read = from_whole(payload)?;
    Some(read.map_err(|text| PayloadError::new(format!("expected `{}`: {text}", type_name::<T>()))))
}

fn json<T: DeserializeOwned>(data: &[u8]) -> Result<T, PayloadError> {
    // serde's error is dropped, because it quotes the value.
    serde_json::from_slice(data)
        .map_err(|_| PayloadError::new(format!("expected `{}`, {}", type_name::<T>(), misfit::found::<T>(data))))
}

/// Explains why serde cannot serialize a value. A type's own message may repeat the value, so it is replaced.
pub(super) fn unwritable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if error.is_data() && !text.starts_with(NO_PART_OF_JSON) {
        return "its own `Serialize` refuses it (its message may contain the value, so it is left out here: \
                `serde_json::to_string` shows it)"
            .into();
    }
    name(&text).into_owned()
}

/// Returns metadata of another program, cut for use in a message.
pub(super) fn label(bytes: &[u8]) -> String {
    name(&String::from_utf8_lossy(bytes)).into_owned()
}

pub(super) fn payload(encoding: &[u8], data: Vec<u8>) -> Payload {
    let metadata = HashMap::from([(ENCODING.to_string(), encoding.to_vec())]);
    Payload { metadata, data, external_payloads: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug + 'static>(value: T, encoding: &str, data: &str) {
        let written = to_payload(&value).unwrap();
        assert_eq!(String::from_utf8_lossy(&written.metadata["encoding"]), encoding);
        assert_eq!(String::from_utf8_lossy(&written.data), data);
        assert_eq!(from_payload::<T>(&written).unwrap(), value);
    }

    #[test]
    fn values_travel_in_the_encodings_of_other_sdks() {
        check((), "binary/null", "");
        check(None::<u32>, "binary/null", "");
        check(Some(7_u32), "json/plain", "7");
        check(b"raw".to_vec(), "binary/plain", "raw");
        check("text".to_string(), "json/plain", "\"text\"");
        check(vec![1_u32, 2], "json/plain", "[1,2]");
    }

    #[test]
    fn a_raw_payload_is_passed_on_as_it_is() {
        let raw = RawPayload { metadata: [("encoding".to_string(), b"my/own".to_vec())].into(), data: vec![1, 2] };
        assert_eq!(from_payload::<RawPayload>(&to_payload(&raw).unwrap()).unwrap(), raw);
    }

    #[test]
    fn a_payload_that_does_not_fit_says_what_was_expected_and_found() {
        let text = from_payload::<u32>(&to_payload(&"no number".to_string()).unwrap()).unwrap_err().to_string();
        assert_eq!(text, "expected `u32`, found JSON: a string of 9 characters");
    }
}

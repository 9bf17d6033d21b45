//! A list of payloads as one payload in protobuf's JSON form: the Go SDK keeps values in its markers in this form.

use std::collections::HashMap;

use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::history_json::descriptor;
use crate::temporal::api::common::v1::{Payload, Payloads};

const NAME: &str = "temporal.api.common.v1.Payloads";

/// Writes the list as JSON.
#[expect(clippy::missing_panics_doc, reason = "bytes, texts and lists of them are always JSON")]
pub fn to_json(payloads: &Payloads) -> String {
    let message = DynamicMessage::decode(payloads_descriptor(), payloads.encode_to_vec().as_slice());
    let message = message.expect("a message can be decoded from its own encoding");
    serde_json::to_string(&message).expect("bytes, texts and lists of them are always JSON")
}

/// Reads a list from JSON.
///
/// # Errors
/// Returns an error, which does not repeat the data, if it is not such a list.
pub fn from_json(json: &[u8]) -> Result<Payloads, String> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(payloads_descriptor(), &mut json);
    let message = message.map_err(|error| format!("expected `{NAME}` as JSON: {}", kind_of(&error)))?;
    Payloads::decode(message.encode_to_vec().as_slice()).map_err(|error| error.to_string())
}

/// Writes the list as `json/protobuf`.
pub fn to_payload(payloads: &Payloads) -> Payload {
    let data = to_json(payloads).into_bytes();
    let metadata = [("encoding", "json/protobuf"), ("messageType", NAME)];
    let metadata = metadata.map(|(key, value)| (key.to_string(), value.as_bytes().to_vec()));
    Payload { metadata: HashMap::from(metadata), data, ..Default::default() }
}

/// Reads a list that was written as `json/protobuf` or `binary/protobuf`.
///
/// # Errors
/// Returns an error, which does not repeat the data, if the payload has another encoding or is damaged.
pub fn from_payload(payload: &Payload) -> Result<Payloads, String> {
    let encoding = payload.metadata.get("encoding").map(|encoding| String::from_utf8_lossy(encoding));
    match encoding.as_deref() {
        // A converter without an encoding of its own for messages writes the same text as plain JSON.
        Some("json/protobuf" | "json/plain") => from_json(&payload.data),
        Some("binary/protobuf") => Payloads::decode(payload.data.as_slice()).map_err(|error| error.to_string()),
        other => Err(format!("expected `{NAME}` as json/protobuf or binary/protobuf, found encoding {other:?}")),
    }
}

/// Says where the JSON is wrong, without its content.
fn kind_of(error: &serde_json::Error) -> String {
    format!("found an error in line {}, column {}", error.line(), error.column())
}

fn payloads_descriptor() -> MessageDescriptor {
    descriptor(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(data: &[u8]) -> Payload {
        let metadata = HashMap::from([("encoding".to_string(), b"json/plain".to_vec())]);
        Payload { metadata, data: data.to_vec(), ..Default::default() }
    }

    #[test]
    fn a_list_is_written_as_the_go_sdk_writes_it() {
        let payload = to_payload(&Payloads { payloads: vec![value(b"1")] });
        assert_eq!(payload.metadata["encoding"], b"json/protobuf");
        assert_eq!(
            String::from_utf8(payload.data).unwrap(),
            r#"{"payloads":[{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"MQ=="}]}"#
        );
    }

    #[test]
    fn both_forms_are_read() {
        let list = Payloads { payloads: vec![value(b"1"), value(b"\"two\"")] };
        assert_eq!(from_payload(&to_payload(&list)), Ok(list.clone()));
        let metadata = HashMap::from([("encoding".to_string(), b"binary/protobuf".to_vec())]);
        let binary = Payload { metadata, data: list.encode_to_vec(), ..Default::default() };
        assert_eq!(from_payload(&binary), Ok(list));
    }

    #[test]
    fn an_error_does_not_repeat_the_data() {
        let mut payload = to_payload(&Payloads { payloads: vec![] });
        payload.data = b"{\"secret\":".to_vec();
        let error = from_payload(&payload).unwrap_err();
        assert!(error.contains("as JSON: found an error in line 1"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        payload.metadata.insert("encoding".to_string(), b"binary/plain".to_vec());
        let error = from_payload(&payload).unwrap_err();
        assert!(error.contains("found encoding Some(\"binary/plain\")"), "{error}");
    }
}

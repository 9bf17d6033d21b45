//! Failures as JSON: the details of a failure of Nexus.

use prost::Message as _;
use prost_reflect::{DynamicMessage, SerializeOptions};

use crate::history_json::descriptor;
use crate::temporal::api::failure::v1::Failure;

/// Writes a failure as canonical protobuf JSON.
///
/// # Errors
/// Returns an error if a message has a value that JSON cannot represent (a duration out of range).
pub fn to_json(failure: &Failure) -> Result<Vec<u8>, String> {
    let descriptor = descriptor("temporal.api.failure.v1.Failure");
    let message = DynamicMessage::decode(descriptor, failure.encode_to_vec().as_slice());
    let message = message.map_err(|error| error.to_string())?;
    let mut json = Vec::new();
    let mut to = serde_json::Serializer::new(&mut json);
    message.serialize_with_options(&mut to, &SerializeOptions::new()).map_err(|error| error.to_string())?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temporal::api::failure::v1::ApplicationFailureInfo;
    use crate::temporal::api::failure::v1::failure::FailureInfo;

    #[test]
    fn a_failure_is_written_with_the_names_of_protobuf_json() {
        let info = ApplicationFailureInfo { r#type: "Declined".into(), non_retryable: true, ..Default::default() };
        let failure = Failure {
            source: "AbideSDK".into(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        };
        let json = to_json(&failure).unwrap();
        let expected = r#"{"source":"AbideSDK","applicationFailureInfo":{"type":"Declined","nonRetryable":true}}"#;
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }
}

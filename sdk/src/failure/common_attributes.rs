//! The common attributes of failures, message and stack trace, as a payload that codecs see: the same bytes as in other
//! SDKs.

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use serde::{Deserialize, Serialize};

use crate::converter::{from_payload, to_payload};

/// Stands where the message was.
const ENCODED: &str = "Encoded failure";

#[derive(Serialize, Deserialize)]
struct CommonAttributes {
    #[serde(default)]
    message: String,
    #[serde(default)]
    stack_trace: String,
}

/// Hides the message and the stack trace of a failure and its causes where they have a payload; where not, they get one
/// if `all` are to be hidden.
pub(crate) fn encode_common_attributes(failure: &mut FailureProto, all: bool) {
    let mut next = Some(failure);
    while let Some(failure) = next {
        if failure.encoded_attributes.is_none() && all {
            let attributes = CommonAttributes {
                message: std::mem::take(&mut failure.message),
                stack_trace: std::mem::take(&mut failure.stack_trace),
            };
            // Two texts: there is nothing that serde could refuse.
            failure.encoded_attributes = to_payload(&attributes).ok();
        }
        if failure.encoded_attributes.is_some() {
            failure.message = ENCODED.to_string();
            failure.stack_trace.clear();
        }
        next = failure.cause.as_deref_mut();
    }
}

/// Shows them again. The payload stays: whoever passes the failure on hides them as they were hidden.
pub(super) fn decode_common_attributes(failure: &mut FailureProto) {
    let mut next = Some(failure);
    while let Some(failure) = next {
        // What cannot be read was encoded by a codec that is not set here: the failure still says something.
        if let Some(Ok(attributes)) = failure.encoded_attributes.as_ref().map(from_payload::<CommonAttributes>) {
            failure.message = attributes.message;
            failure.stack_trace = attributes.stack_trace;
        }
        next = failure.cause.as_deref_mut();
    }
}

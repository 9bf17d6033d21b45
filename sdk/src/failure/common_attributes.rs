//! The common attributes of failures, message and stack trace, as a payload that codecs encode, in the same format as
//! other SDKs.

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use serde::{Deserialize, Serialize};

use crate::converter::{from_payload, to_payload};

/// The message of a failure whose message was moved to the payload.
const ENCODED: &str = "Encoded failure";

#[derive(Serialize, Deserialize)]
struct CommonAttributes {
    #[serde(default)]
    message: String,
    #[serde(default)]
    stack_trace: String,
}

/// Hides the message and the stack trace of a failure and its causes if they have a payload. If they have none, a
/// payload is added if `all` is set.
pub(crate) fn encode_common_attributes(failure: &mut FailureProto, all: bool) {
    let mut next = Some(failure);
    while let Some(failure) = next {
        if failure.encoded_attributes.is_none() && all {
            let attributes = CommonAttributes {
                message: std::mem::take(&mut failure.message),
                stack_trace: std::mem::take(&mut failure.stack_trace),
            };
            // serde cannot refuse two texts.
            failure.encoded_attributes = to_payload(&attributes).ok();
        }
        if failure.encoded_attributes.is_some() {
            failure.message = ENCODED.to_string();
            failure.stack_trace.clear();
        }
        next = failure.cause.as_deref_mut();
    }
}

/// Restores them. The payload stays, so that code that passes the failure on can hide them in the same way.
pub(super) fn decode_common_attributes(failure: &mut FailureProto) {
    let mut next = Some(failure);
    while let Some(failure) = next {
        // An unreadable payload was encoded by a codec that is not set here. The failure stays as it is.
        if let Some(Ok(attributes)) = failure.encoded_attributes.as_ref().map(from_payload::<CommonAttributes>) {
            failure.message = attributes.message;
            failure.stack_trace = attributes.stack_trace;
        }
        next = failure.cause.as_deref_mut();
    }
}

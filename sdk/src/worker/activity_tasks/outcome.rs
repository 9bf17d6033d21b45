//! Converts an attempt's outcome to the form that is sent: encoded by the data converter and checked against the size
//! limit. An outcome that cannot be sent becomes a failure with the reason. The failure does not claim that a retry
//! would fail too, since it may not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use abide_protos::payload_fields::{Fields, PayloadFields};
use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;

use tokio::time::Instant;

use super::{AttemptEnd, failure};
use crate::activity::ActivityInfo;
use crate::converter::{CodecError, DataConverter, Whose};
use crate::failure::{application_failure, shell};
use crate::worker::coding::encode_by;
use crate::worker::limits::{Excess, Limit};

/// The error type for values that a codec could not encode or decode.
pub(crate) const CODEC_ERROR: &str = "PayloadCodecError";
/// Minimum time for encoding a failure that the worker itself makes.
const AT_LEAST: Duration = Duration::from_millis(100);
/// The error type for values that the server would not accept.
const TOO_LARGE: &str = "PayloadsTooLarge";

impl PayloadFields for AttemptEnd {
    fn payload_fields<'a>(&'a mut self, to: &mut Fields<'a>) {
        match self {
            Self::Completed(result) => result.payload_fields(to),
            Self::Failed(failure) => failure.payload_fields(to),
            Self::Cancelled(details) => details.payload_fields(to),
            Self::Silent { .. } => {}
        }
    }
}

/// Encodes an outcome for sending. Also returns the failure that replaced it, if it could not be sent.
pub(crate) async fn encoded(
    outcome: AttemptEnd,
    converter: &DataConverter,
    limit: Limit,
    deadline: Instant,
    info: &ActivityInfo,
    whose: Whose<'_>,
) -> (AttemptEnd, Option<Box<FailureProto>>) {
    let reported = match &outcome {
        AttemptEnd::Failed(failure) => Some(failure.clone()),
        AttemptEnd::Completed(_) | AttemptEnd::Cancelled(_) | AttemptEnd::Silent { .. } => None,
    };
    let mut outcome = outcome;
    let refused = match encode_by(converter, &mut outcome, whose, deadline).await {
        // The failure's plain message may be what the codec was to hide.
        Err(error) => instead(reported.as_deref(), CODEC_ERROR, &error.to_string()),
        Ok(()) => match too_large(&outcome, limit, info) {
            None => return (outcome, None),
            Some(text) => {
                let message = reported.as_ref().map_or_else(String::new, |failure| failure.message.clone());
                let told = instead(reported.as_deref(), TOO_LARGE, &with_message(&text, &message));
                let mut coded = told.clone();
                if encode_by(converter, &mut *coded, whose, deadline).await.is_ok() {
                    return (AttemptEnd::Failed(coded), Some(told));
                }
                instead(reported.as_deref(), TOO_LARGE, &text)
            }
        },
    };
    (AttemptEnd::Failed(encoded_failure(refused.clone(), converter, whose, deadline).await), Some(refused))
}

/// Returns the failure of an attempt whose arguments a codec could not decode, or has refused.
pub(super) fn of_codec(error: &CodecError) -> Box<FailureProto> {
    error.refusal().map_or_else(|| failure(CODEC_ERROR, &error.to_string()), |refusal| Box::new(refusal.clone()))
}

/// Returns the failure that replaces an outcome. If the outcome was a failure, it is retried under the same conditions.
fn instead(reported: Option<&FailureProto>, error_type: &str, text: &str) -> Box<FailureProto> {
    match reported {
        Some(reported) => Box::new(shell(reported, text)),
        None => failure(error_type, text),
    }
}

fn with_message(text: &str, message: &str) -> String {
    if message.is_empty() { text.to_string() } else { format!("{text}. Sent without details and causes: {message}") }
}

/// Encodes a failure of the worker's own. It contains no user payloads, so it is sent unencoded if the codec fails.
pub(crate) async fn encoded_failure(
    failure: Box<FailureProto>,
    converter: &DataConverter,
    whose: Whose<'_>,
    deadline: Instant,
) -> Box<FailureProto> {
    let mut encoded = failure.clone();
    // The reason for the failure may be that the deadline has passed.
    let deadline = deadline.max(Instant::now() + AT_LEAST);
    match encode_by(converter, &mut *encoded, whose, deadline).await {
        Ok(()) => encoded,
        Err(_) => failure,
    }
}

/// Encodes the details of the last heartbeat, which are sent beside a failure; `None` if they cannot be sent.
pub(crate) async fn encoded_details(
    mut details: Vec<Payload>,
    converter: &DataConverter,
    limit: Limit,
    deadline: Instant,
    info: &ActivityInfo,
    whose: Whose<'_>,
) -> Option<Vec<Payload>> {
    let encoded =
        encode_by(converter, details.as_mut_slice(), whose, deadline).await.map_err(|error| error.to_string());
    let text = match encoded.map(|()| limit.check(size(&details), || "the last heartbeat's details have".to_string())) {
        Ok(Some(Excess::Error(text))) | Err(text) => text,
        Ok(_) => return Some(details),
    };
    let (activity_type, activity_id, attempt) = (&info.activity_type, &info.activity_id, info.attempt);
    tracing::warn!(
        activity_type,
        activity_id,
        attempt,
        workflow_id = info.workflow_id,
        run_id = info.run_id,
        "a failure is reported without the details of the last heartbeat, which the next attempt does not get: {text}"
    );
    None
}

/// Returns the outcome, or the failure that reports that it is too large for the server.
pub(crate) fn within_limit(
    outcome: AttemptEnd,
    limit: Limit,
    info: &ActivityInfo,
) -> Result<AttemptEnd, Box<FailureProto>> {
    match (too_large(&outcome, limit, info), &outcome) {
        (None, _) => Ok(outcome),
        (Some(text), AttemptEnd::Failed(failed)) => {
            Err(instead(Some(failed), TOO_LARGE, &with_message(&text, &failed.message)))
        }
        (Some(text), _) => Err(instead(None, TOO_LARGE, &text)),
    }
}

/// Describes the oversized part of an outcome.
fn too_large(outcome: &AttemptEnd, limit: Limit, info: &ActivityInfo) -> Option<String> {
    let (size, what) = match outcome {
        AttemptEnd::Completed(result) => (result.encoded_len(), "the activity's result has"),
        AttemptEnd::Cancelled(details) => (size(details), "the details of the activity's cancellation have"),
        AttemptEnd::Failed(failure) => (failure.encoded_len(), "the activity's failure has"),
        AttemptEnd::Silent { .. } => return None,
    };
    match limit.check(size, || what.to_string())? {
        Excess::Error(text) => Some(text),
        Excess::Warning(text) => {
            let (activity_type, activity_id, attempt) = (&info.activity_type, &info.activity_id, info.attempt);
            let (workflow_id, run_id) = (&info.workflow_id, &info.run_id);
            tracing::warn!(activity_type, activity_id, attempt, workflow_id, run_id, "{text}");
            None
        }
    }
}

/// Converts an activity's error to a failure. If the failure converter panics, the error is not lost.
pub(crate) fn failure_of(
    error: &(dyn std::error::Error + 'static),
    type_name: Option<&str>,
    converter: &DataConverter,
) -> Box<FailureProto> {
    let converted = catch_unwind(AssertUnwindSafe(|| converter.to_failure(error, type_name)));
    Box::new(converted.unwrap_or_else(|_| {
        tracing::error!(
            "the failure converter panicked; the default conversion is used instead: correct the `FailureConverter` of \
             the client's data converter"
        );
        application_failure(error, type_name)
    }))
}

pub(crate) fn size(payloads: &[Payload]) -> usize {
    payloads.iter().map(|payload| payload.encoded_len()).sum()
}

//! The errors of operations in a workflow.

use std::fmt;

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{CanceledFailureInfo, Failure as FailureProto};
use serde::Serialize;

use super::SOURCE;
use super::cancelled::CANCELLED;
use super::offer::offer;
use super::recorded::{Failure, RetryState, TimeoutType};
use super::temporal_failure::TemporalFailure;
use crate::converter::{PayloadError, to_payload};

/// An operation was cancelled: by a request to cancel the workflow, by its scope, or by its own handle.
#[derive(Clone, PartialEq)]
pub struct Cancelled {
    reason: String,
    details: Vec<Payload>,
}

impl Cancelled {
    /// Creates a cancellation with this reason, which may be empty: for code that finds out by itself that it was asked
    /// to stop and ends the run as cancelled, and for tests.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), details: Vec::new() }
    }

    /// Creates a cancellation without a reason.
    pub(super) fn with_details(details: Vec<Payload>) -> Self {
        Self { reason: String::new(), details }
    }

    /// Returns the reason given with the request; may be empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Adds a value to the run's closing event, if the run ends as cancelled with this: for example what was done and
    /// what was left.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// if let Err(cancelled) = ctx.timer(hours(1)).await {
    ///     return Err(cancelled.detail(&"3 of 10 parcels were sent")?.into());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn detail<T: Serialize + 'static>(mut self, detail: &T) -> Result<Self, PayloadError> {
        self.details.push(to_payload(detail)?);
        Ok(self)
    }
}

/// Shows the number of details but not their values, so it may be logged.
impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancelled").field("reason", &self.reason).field("details", &self.details.len()).finish()
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() { f.write_str(CANCELLED) } else { write!(f, "{CANCELLED}: {}", self.reason) }
    }
}

impl std::error::Error for Cancelled {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        offer(|| FailureProto {
            message: self.to_string(),
            source: SOURCE.into(),
            failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo {
                details: (!self.details.is_empty()).then(|| Payloads { payloads: self.details.clone() }),
                ..Default::default()
            })),
            ..Default::default()
        });
        None
    }
}

/// An activity did not complete: it failed, timed out or was cancelled (Temporal's `ActivityFailure`).
///
/// [`cause`](Self::cause) is the failure of the last attempt.
///
/// ```
/// # fn look(error: abide::ActivityFailure) {
/// if error.is_cancelled() {
///     println!("cancelled");
/// } else if let Some(timeout) = error.timeout_type() {
///     println!("{timeout:?} timeout");
/// } else if error.error_type().as_deref() == Some("CardDeclined") {
///     println!("declined");
/// }
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct ActivityFailure {
    failure: Failure,
}

impl ActivityFailure {
    pub(crate) fn from_proto(proto: FailureProto) -> Self {
        Self { failure: Failure::from_proto(proto) }
    }

    /// Returns the name of the activity type.
    pub fn activity_type(&self) -> &str {
        match &self.failure.as_proto().failure_info {
            Some(FailureInfo::ActivityFailureInfo(info)) => info.activity_type.as_ref().map_or("", |t| &t.name),
            _ => "",
        }
    }

    /// Returns the activity id within the workflow.
    pub fn activity_id(&self) -> &str {
        match &self.failure.as_proto().failure_info {
            Some(FailureInfo::ActivityFailureInfo(info)) => &info.activity_id,
            _ => "",
        }
    }

    /// Returns the reason that there was no further attempt.
    pub fn retry_state(&self) -> RetryState {
        self.failure.retry_state().unwrap_or(RetryState::Unknown)
    }

    /// Returns the failure of the last attempt.
    pub fn cause(&self) -> Option<Failure> {
        self.failure.cause()
    }

    /// Returns true if the activity was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.failure.is_cancelled()
    }

    /// Returns the type of the timeout, if the activity timed out.
    pub fn timeout_type(&self) -> Option<TimeoutType> {
        self.cause().and_then(|cause| cause.timeout_type())
    }

    /// Returns the error type of the application failure that the last attempt ended with, if it did.
    pub fn error_type(&self) -> Option<String> {
        TemporalFailure::error_type(&self.failure)
    }

    /// Returns the whole failure with its chain of causes.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }
}

impl fmt::Display for ActivityFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl fmt::Debug for ActivityFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActivityFailure({self})")
    }
}

impl std::error::Error for ActivityFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        offer(|| self.failure.as_proto().clone());
        None
    }
}

//! What operations in a workflow yield when they do not succeed.

use std::fmt;

use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::failure::v1::{Failure as FailureProto, failure::FailureInfo};

use crate::converter::{PayloadError, to_payload};
use crate::definition::PayloadValue;

use super::recorded::{Failure, FailureKind, RetryState, TimeoutType};

/// An operation was cancelled: by a request to cancel the workflow, by its scope, or by its own handle.
///
/// Returned from a workflow whose cancellation was requested, it ends the run as cancelled; a
/// [`detail`](Self::detail) then tells what the run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Cancelled {
    reason: String,
    details: Option<Box<Payloads>>,
}

impl Cancelled {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), details: None }
    }

    /// Adds a detail to the event with which the run ends as cancelled.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// #[workflow]
    /// async fn send_all(ctx: &WorkflowContext, letters: u32) -> Result<(), WorkflowError> {
    ///     for sent in 0..letters {
    ///         if let Err(cancelled) = ctx.timer(secs(1)).await {
    ///             return Err(cancelled.detail(&format!("{sent} letters are on their way"))?.into());
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// When serde refuses the detail.
    pub fn detail<T: PayloadValue>(mut self, detail: &T) -> Result<Self, PayloadError> {
        self.details.get_or_insert_default().payloads.push(to_payload(detail)?);
        Ok(self)
    }

    pub(crate) fn details(&self) -> Option<&Payloads> {
        self.details.as_deref()
    }

    /// Why, in the words of the one who asked; may be empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() { f.write_str("Cancelled") } else { write!(f, "Cancelled: {}", self.reason) }
    }
}

impl std::error::Error for Cancelled {}

/// An activity ended unsuccessfully: it failed, timed out or was cancelled (Temporal's `ActivityFailure`).
///
/// [`cause`](Self::cause) is what happened in the last attempt.
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

    /// The activity type's name.
    pub fn activity_type(&self) -> &str {
        match &self.failure.as_proto().failure_info {
            Some(FailureInfo::ActivityFailureInfo(info)) => info.activity_type.as_ref().map_or("", |t| &t.name),
            _ => "",
        }
    }

    /// The activity's id within its workflow.
    pub fn activity_id(&self) -> &str {
        match &self.failure.as_proto().failure_info {
            Some(FailureInfo::ActivityFailureInfo(info)) => &info.activity_id,
            _ => "",
        }
    }

    /// Why there was no further attempt.
    pub fn retry_state(&self) -> RetryState {
        self.failure.retry_state().unwrap_or(RetryState::Unknown)
    }

    /// What happened in the last attempt.
    pub fn cause(&self) -> Option<Failure> {
        self.failure.cause()
    }

    /// Whether the activity was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.failure.is_cancelled()
    }

    /// Which timeout passed, if one did.
    pub fn timeout_type(&self) -> Option<TimeoutType> {
        self.cause().and_then(|cause| cause.timeout_type())
    }

    /// The type of the application failure that the last attempt ended with, if it did.
    pub fn error_type(&self) -> Option<String> {
        let cause = self.cause()?;
        (cause.kind() == FailureKind::Application).then(|| cause.error_type().unwrap_or_default().to_string())
    }

    /// The whole failure with its chain of causes.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }
}

impl fmt::Display for ActivityFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "activity {} (id {}): {}", self.activity_type(), self.activity_id(), self.failure)
    }
}

impl fmt::Debug for ActivityFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActivityFailure({self})")
    }
}

impl std::error::Error for ActivityFailure {}

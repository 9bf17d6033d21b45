//! Failures made by application code.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::enums::v1::ApplicationErrorCategory;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure as FailureProto};
use serde::Serialize;

use super::SOURCE;
use super::offer::offer;
use crate::converter::{PayloadError, to_payload};
use crate::duration::to_proto;

/// The error type that all SDKs use for payloads that were refused.
const PAYLOAD_VALIDATION: &str = "PayloadValidationError";

/// A failure made by application code (Temporal's `ApplicationFailure`).
///
/// Retried unless [`non_retryable`](Self::non_retryable) is set or a retry policy names its type.
///
/// ```
/// use abide::ApplicationFailure;
/// let declined = ApplicationFailure::new("card declined").error_type("CardDeclined").non_retryable();
/// assert_eq!(declined.to_string(), "card declined");
/// ```
#[must_use = "a failure does nothing until it is returned as an error"]
pub struct ApplicationFailure {
    pub(crate) message: String,
    pub(crate) error_type: String,
    pub(crate) non_retryable: bool,
    pub(crate) details: Vec<Payload>,
    pub(crate) next_retry_delay: Option<Duration>,
    pub(crate) category: ErrorCategory,
    pub(crate) cause: Option<Box<dyn Error + Send + Sync>>,
}

/// Category of an application failure, for logs and metrics (Temporal's `ApplicationErrorCategory`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCategory {
    /// Logged and counted as a failure.
    #[default]
    Unspecified,
    /// Expected: logged at debug level, not counted.
    Benign,
}

impl ApplicationFailure {
    /// Creates a retryable failure with this message and no error type.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            error_type: String::new(),
            non_retryable: false,
            details: Vec::new(),
            next_retry_delay: None,
            category: ErrorCategory::default(),
            cause: None,
        }
    }

    /// Creates the failure of a codec that has decoded a payload and refuses what it says, as in the other SDKs: not
    /// retryable, of the error type `PayloadValidationError`. Say what is wrong in one [`detail`](Self::detail).
    ///
    /// A [`PayloadCodec`](crate::converter::PayloadCodec) returns it as its error. Then the activity attempt fails with it
    /// and is not retried, and the caller of a Nexus operation gets a bad request. A workflow task fails and is retried: its
    /// history also has the payloads that the workflow itself has sent.
    pub fn payload_validation() -> Self {
        Self::new("Payload validation failed").error_type(PAYLOAD_VALIDATION).non_retryable()
    }

    /// Returns true if it is such a failure, whoever has made it.
    pub(crate) fn is_payload_validation(&self) -> bool {
        self.non_retryable && self.error_type == PAYLOAD_VALIDATION
    }

    /// Sets the error type, by which retry policies and callers distinguish failures.
    pub fn error_type(mut self, error_type: impl Into<String>) -> Self {
        self.error_type = error_type.into();
        self
    }

    /// Excludes the failure from retries.
    pub fn non_retryable(mut self) -> Self {
        self.non_retryable = true;
        self
    }

    /// Appends a detail, which callers read with [`Failure::detail`](crate::Failure::detail).
    ///
    /// ```
    /// # fn hint() -> Result<abide::ApplicationFailure, abide::converter::PayloadError> {
    /// abide::ApplicationFailure::new("card declined").detail(&"ask for another card")
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn detail<T: Serialize + 'static>(mut self, value: &T) -> Result<Self, PayloadError> {
        self.details.push(to_payload(value)?);
        Ok(self)
    }

    /// Sets the time until the next attempt, instead of the retry policy's interval.
    pub fn next_retry_delay(mut self, delay: Duration) -> Self {
        self.next_retry_delay = Some(delay);
        self
    }

    /// Sets the category. Default: [`Unspecified`](ErrorCategory::Unspecified).
    pub fn category(mut self, category: ErrorCategory) -> Self {
        self.category = category;
        self
    }

    /// Sets the error that caused this one; its chain of sources becomes the chain of causes. A failure holds 50 links:
    /// a longer chain keeps its beginning and its root, with one link between them that tells how many are omitted.
    pub fn cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Converts without the cause, which is a source of its own.
    fn to_proto(&self) -> FailureProto {
        let info = ApplicationFailureInfo {
            r#type: self.error_type.clone(),
            non_retryable: self.non_retryable,
            details: (!self.details.is_empty()).then(|| Payloads { payloads: self.details.clone() }),
            next_retry_delay: self.next_retry_delay.map(to_proto),
            category: match self.category {
                ErrorCategory::Unspecified => ApplicationErrorCategory::Unspecified as i32,
                ErrorCategory::Benign => ApplicationErrorCategory::Benign as i32,
            },
        };
        FailureProto {
            message: self.message.clone(),
            source: SOURCE.into(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        }
    }
}

/// Shows the number of details but not their values, so it may be logged.
impl fmt::Debug for ApplicationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplicationFailure")
            .field("message", &self.message)
            .field("error_type", &self.error_type)
            .field("non_retryable", &self.non_retryable)
            .field("details", &self.details.len())
            .field("next_retry_delay", &self.next_retry_delay)
            .field("category", &self.category)
            .field("cause", &self.cause)
            .finish()
    }
}

impl fmt::Display for ApplicationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for ApplicationFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        offer(|| self.to_proto());
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

/// Returns the error type of an application failure, which may be empty; `None` for other failures.
pub(crate) fn error_type(failure: &FailureProto) -> Option<&str> {
    application_info(failure).map(|info| info.r#type.as_str())
}

/// Returns true if the author of an application failure has expected it.
#[cfg(feature = "worker")]
pub(crate) fn is_benign(failure: &FailureProto) -> bool {
    application_info(failure).is_some_and(|info| info.category() == ApplicationErrorCategory::Benign)
}

fn application_info(failure: &FailureProto) -> Option<&ApplicationFailureInfo> {
    let Some(FailureInfo::ApplicationFailureInfo(info)) = &failure.failure_info else { return None };
    Some(info)
}

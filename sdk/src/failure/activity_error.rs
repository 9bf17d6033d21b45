//! The error of an activity function.

use std::error::Error;
use std::fmt;

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use serde::Serialize;

use super::encode::application_failure;
use super::into_failure::{IntoFailure, type_name_of};
use super::offer::offered;
use super::operation::Cancelled;
use super::recorded::Failure;
use crate::converter::{PayloadError, to_payload};

/// The error of an activity attempt: it fails, or reports that it was cancelled.
///
/// `?` converts any error to a retryable failure, with its text as the message and the last part of its Rust type as
/// the error type. An [`ApplicationError`](crate::ApplicationError) and an
/// [`ApplicationFailure`](crate::ApplicationFailure) keep their type, details and retryability. Boxed errors (`Box<dyn
/// Error + Send + Sync>`, `anyhow::Error`) and texts are [accepted, too](crate::IntoFailure).
#[must_use = "an error does nothing until it is returned"]
pub struct ActivityError {
    kind: Box<ActivityErrorKind>,
}

pub(crate) enum ActivityErrorKind {
    /// Fails the attempt.
    Error { error: Box<dyn Error + Send + Sync>, type_name: &'static str },
    /// Reports the attempt as cancelled, with details.
    Cancelled { details: Vec<Payload> },
    /// The result is reported later, by token or id.
    WillCompleteAsync,
}

impl ActivityError {
    /// Reports the activity as cancelled. If cancellation was not requested, it counts as a failure.
    pub fn cancelled() -> Self {
        Self { kind: Box::new(ActivityErrorKind::Cancelled { details: Vec::new() }) }
    }

    /// Reports the activity as cancelled, with a detail for the workflow.
    ///
    /// ```
    /// use abide::prelude::*;
    ///
    /// # fn stop() -> Result<(), abide::converter::PayloadError> {
    /// let stopped = ActivityError::cancelled_with(&"3 of 10 parcels were sent")?;
    /// let failure = stopped.to_failure().expect("a cancellation is a failure");
    /// assert_eq!(failure.detail::<String>(0)?.as_deref(), Some("3 of 10 parcels were sent"));
    /// # Ok(()) }
    /// # stop().unwrap();
    /// ```
    ///
    /// # Errors
    /// Returns an error if serde refuses the detail.
    pub fn cancelled_with<T: Serialize + 'static>(detail: &T) -> Result<Self, PayloadError> {
        Ok(Self { kind: Box::new(ActivityErrorKind::Cancelled { details: vec![to_payload(detail)?] }) })
    }

    /// Ends this attempt without a result, which is reported later by [task token](crate::ActivityInfo::task_token) or
    /// by id.
    ///
    /// `Client::async_activity` and `Client::async_activity_by_id` report it. Until then the attempt counts as running,
    /// and its timeouts apply.
    pub fn will_complete_async() -> Self {
        Self { kind: Box::new(ActivityErrorKind::WillCompleteAsync) }
    }

    /// Returns the failure that is recorded without a failure converter.
    pub(super) fn recorded(&self) -> Option<Failure> {
        let error: &(dyn Error + 'static) = match &*self.kind {
            ActivityErrorKind::Error { error, type_name } => {
                return Some(Failure::from_proto(application_failure(&**error, Some(type_name))));
            }
            ActivityErrorKind::Cancelled { details } => &Cancelled::with_details(details.clone()),
            ActivityErrorKind::WillCompleteAsync => return None,
        };
        Some(Failure::from_proto(application_failure(error, None)))
    }

    #[cfg(feature = "worker")]
    pub(crate) fn into_kind(self) -> ActivityErrorKind {
        *self.kind
    }

    /// Returns true if this reports the activity as cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.kind, ActivityErrorKind::Cancelled { .. })
    }

    /// Returns true if the result is reported later ([`will_complete_async`](Self::will_complete_async)).
    pub fn completes_async(&self) -> bool {
        matches!(*self.kind, ActivityErrorKind::WillCompleteAsync)
    }

    /// Returns the error as `E`, if this was made from an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match &*self.kind {
            ActivityErrorKind::Error { error, .. } => error.downcast_ref(),
            _ => None,
        }
    }
}

impl<E: IntoFailure> From<E> for ActivityError {
    fn from(error: E) -> Self {
        let (error, type_name) = (error.boxed(), type_name_of::<E>());
        // A cancellation counts inside a wrapper, too, but not in a recorded failure, where something else was
        // cancelled.
        if !error.is::<Failure>()
            && let Some(FailureInfo::CanceledFailureInfo(info)) = offered(&*error).and_then(|cause| cause.failure_info)
        {
            let details = info.details.map(|details| details.payloads).unwrap_or_default();
            return Self { kind: Box::new(ActivityErrorKind::Cancelled { details }) };
        }
        Self { kind: Box::new(ActivityErrorKind::Error { error, type_name }) }
    }
}

impl fmt::Display for ActivityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            ActivityErrorKind::Error { error, .. } => error.fmt(f),
            ActivityErrorKind::Cancelled { .. } => f.write_str("the activity was cancelled"),
            ActivityErrorKind::WillCompleteAsync => f.write_str("the activity completes asynchronously"),
        }
    }
}

impl fmt::Debug for ActivityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActivityError({self})")
    }
}

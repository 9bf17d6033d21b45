//! What an activity function returns when it does not succeed.

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

/// Why an activity attempt does not succeed: it fails, or reports that it was cancelled.
///
/// `?` turns any error into a retryable failure with its text as the message and the last part of its Rust type as
/// the type; an [`ApplicationError`](crate::ApplicationError) and an [`ApplicationFailure`](crate::ApplicationFailure)
/// keep their type, details and retryability. Boxed errors (`Box<dyn Error + Send + Sync>`, `anyhow::Error`) and texts
/// are [taken too](crate::IntoFailure).
pub struct ActivityError {
    kind: Box<ActivityErrorKind>,
}

pub(crate) enum ActivityErrorKind {
    /// Fails the attempt.
    Error { error: Box<dyn Error + Send + Sync>, type_name: &'static str },
    /// Reports the attempt as cancelled, with details.
    Cancelled { details: Vec<Payload> },
    /// The result comes later, by token or id.
    WillCompleteAsync,
}

impl ActivityError {
    /// Reports the activity as cancelled. Counts only if cancellation was requested; otherwise it is a failure.
    pub fn cancelled() -> Self {
        Self { kind: Box::new(ActivityErrorKind::Cancelled { details: Vec::new() }) }
    }

    /// Reports the activity as cancelled, with a detail for the workflow.
    ///
    /// # Errors
    /// Returns an error if serde refuses the detail.
    pub fn cancelled_with<T: Serialize + 'static>(detail: &T) -> Result<Self, PayloadError> {
        Ok(Self { kind: Box::new(ActivityErrorKind::Cancelled { details: vec![to_payload(detail)?] }) })
    }

    /// Ends this attempt without a result: somebody reports it later, by
    /// [task token](crate::ActivityInfo::task_token) or by id.
    ///
    /// `Client::async_activity` and `Client::async_activity_by_id` report it. Until then the attempt counts as running,
    /// and its timeouts apply.
    pub fn will_complete_async() -> Self {
        Self { kind: Box::new(ActivityErrorKind::WillCompleteAsync) }
    }

    /// What it becomes without a failure converter.
    pub(super) fn recorded(&self) -> Option<Failure> {
        let error: &(dyn Error + 'static) = match &*self.kind {
            ActivityErrorKind::Error { error, type_name } => {
                return Some(Failure::from_proto(application_failure(&**error, Some(type_name))));
            }
            ActivityErrorKind::Cancelled { .. } => &Cancelled::new(""),
            ActivityErrorKind::WillCompleteAsync => return None,
        };
        Some(Failure::from_proto(application_failure(error, None)))
    }

    pub(crate) fn into_kind(self) -> ActivityErrorKind {
        *self.kind
    }

    /// Returns true if it reports the activity as cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.kind, ActivityErrorKind::Cancelled { .. })
    }

    /// Returns true if somebody else reports the result, later ([`will_complete_async`](Self::will_complete_async)).
    pub fn completes_async(&self) -> bool {
        matches!(*self.kind, ActivityErrorKind::WillCompleteAsync)
    }

    /// The error as `E`, if that is what was turned into this one.
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
        // Also behind a wrapper. A recorded cancellation is somebody else's.
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

//! What a Nexus operation yields when it does not complete.

use std::fmt;

use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{Failure as FailureProto, NexusOperationFailureInfo};

use super::offer::offer;
use super::recorded::{Failure, TimeoutType};
use super::temporal_failure::TemporalFailure;

/// A Nexus operation did not complete: it failed, timed out, was cancelled, or its handler refused it (Temporal's
/// `NexusOperationFailure`).
///
/// [`cause`](Self::cause) is what happened.
///
/// ```
/// # use abide::NexusHandlerErrorType;
/// # fn look(error: abide::NexusOperationFailure) {
/// if error.is_cancelled() {
///     println!("cancelled");
/// } else if error.handler_error_type() == Some(NexusHandlerErrorType::NotFound) {
///     println!("{} has no operation {}", error.service(), error.operation());
/// } else if error.error_type().as_deref() == Some("CardDeclined") {
///     println!("declined");
/// }
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct NexusOperationFailure {
    failure: Failure,
}

/// Which kind of error a Nexus handler answered with: the handler error types that Nexus defines.
///
/// The server tries again by itself after the errors that may pass ([`Internal`](Self::Internal),
/// [`Unavailable`](Self::Unavailable), [`ResourceExhausted`](Self::ResourceExhausted),
/// [`RequestTimeout`](Self::RequestTimeout), [`UpstreamTimeout`](Self::UpstreamTimeout)) unless the handler says
/// otherwise, so a workflow sees the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NexusHandlerErrorType {
    /// `BAD_REQUEST`: the handler cannot use the request, for instance its input.
    BadRequest,
    /// `UNAUTHENTICATED`: the caller is not known.
    Unauthenticated,
    /// `UNAUTHORIZED`: the caller may not do this.
    Unauthorized,
    /// `NOT_FOUND`: there is no such service, operation or resource.
    NotFound,
    /// `REQUEST_TIMEOUT`: the handler gave up on the request.
    RequestTimeout,
    /// `CONFLICT`: the request does not fit the state of what it is for.
    Conflict,
    /// `RESOURCE_EXHAUSTED`: too much is asked of the handler.
    ResourceExhausted,
    /// `INTERNAL`: the handler went wrong.
    Internal,
    /// `NOT_IMPLEMENTED`: the handler cannot do this.
    NotImplemented,
    /// `UNAVAILABLE`: the handler cannot do this now.
    Unavailable,
    /// `UPSTREAM_TIMEOUT`: the handler waited too long for somebody else.
    UpstreamTimeout,
    /// Not known to this version.
    Unknown,
}

impl NexusOperationFailure {
    pub(crate) fn from_proto(proto: FailureProto) -> Self {
        Self { failure: Failure::from_proto(proto) }
    }

    /// The endpoint that was called.
    pub fn endpoint(&self) -> &str {
        self.info().map_or("", |info| &info.endpoint)
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        self.info().map_or("", |info| &info.service)
    }

    /// The operation's name.
    pub fn operation(&self) -> &str {
        self.info().map_or("", |info| &info.operation)
    }

    /// The token under which the handler knows the operation; `None` if it ended before it was started.
    pub fn operation_token(&self) -> Option<&str> {
        self.info().map(|info| info.operation_token.as_str()).filter(|token| !token.is_empty())
    }

    /// What happened.
    pub fn cause(&self) -> Option<Failure> {
        self.failure.cause()
    }

    /// Returns true if the operation was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.failure.is_cancelled()
    }

    /// Which timeout passed, if one did.
    pub fn timeout_type(&self) -> Option<TimeoutType> {
        self.cause().and_then(|cause| cause.timeout_type())
    }

    /// Which kind of error the handler answered with, if it did: the operation was not begun, or cannot be cancelled.
    pub fn handler_error_type(&self) -> Option<NexusHandlerErrorType> {
        self.cause().and_then(|cause| cause.nexus_handler_error_type())
    }

    /// The type of the application failure that the operation ended with, if it did.
    pub fn error_type(&self) -> Option<String> {
        TemporalFailure::error_type(&self.failure)
    }

    /// The whole failure with its chain of causes.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    fn info(&self) -> Option<&NexusOperationFailureInfo> {
        match &self.failure.as_proto().failure_info {
            Some(FailureInfo::NexusOperationExecutionFailureInfo(info)) => Some(info),
            _ => None,
        }
    }
}

impl fmt::Display for NexusOperationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nexus operation {}/{} at {}: {}", self.service(), self.operation(), self.endpoint(), self.failure)
    }
}

impl fmt::Debug for NexusOperationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NexusOperationFailure({self})")
    }
}

impl std::error::Error for NexusOperationFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        offer(|| self.failure.as_proto().clone());
        None
    }
}

impl NexusHandlerErrorType {
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "BAD_REQUEST" => Self::BadRequest,
            "UNAUTHENTICATED" => Self::Unauthenticated,
            "UNAUTHORIZED" => Self::Unauthorized,
            "NOT_FOUND" => Self::NotFound,
            "REQUEST_TIMEOUT" => Self::RequestTimeout,
            "CONFLICT" => Self::Conflict,
            "RESOURCE_EXHAUSTED" => Self::ResourceExhausted,
            "INTERNAL" => Self::Internal,
            "NOT_IMPLEMENTED" => Self::NotImplemented,
            "UNAVAILABLE" => Self::Unavailable,
            "UPSTREAM_TIMEOUT" => Self::UpstreamTimeout,
            _ => Self::Unknown,
        }
    }
}

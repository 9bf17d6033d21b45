//! The error of a Nexus operation.

use std::fmt;

use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{Failure as FailureProto, NexusOperationFailureInfo};

use super::offer::offer;
use super::recorded::{Failure, TimeoutType};
use super::temporal_failure::TemporalFailure;

/// A Nexus operation did not complete: it failed, timed out, was cancelled, or was refused by its handler (Temporal's
/// `NexusOperationFailure`).
///
/// [`cause`](Self::cause) is the failure that the operation ended with.
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

/// Error type of a Nexus handler, as defined by Nexus.
///
/// The server itself retries after errors that may be temporary ([`Internal`](Self::Internal),
/// [`Unavailable`](Self::Unavailable), [`ResourceExhausted`](Self::ResourceExhausted),
/// [`RequestTimeout`](Self::RequestTimeout), [`UpstreamTimeout`](Self::UpstreamTimeout)) unless the handler says
/// otherwise, so a workflow sees the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NexusHandlerErrorType {
    /// `BAD_REQUEST`: the request is invalid, for example its input.
    BadRequest,
    /// `UNAUTHENTICATED`: the caller is not authenticated.
    Unauthenticated,
    /// `UNAUTHORIZED`: the caller lacks permission.
    Unauthorized,
    /// `NOT_FOUND`: no such service, operation or resource exists.
    NotFound,
    /// `REQUEST_TIMEOUT`: the handler gave up on the request.
    RequestTimeout,
    /// `CONFLICT`: the request conflicts with the state of its target.
    Conflict,
    /// `RESOURCE_EXHAUSTED`: the handler is overloaded, or a quota is used up.
    ResourceExhausted,
    /// `INTERNAL`: the handler has an internal error.
    Internal,
    /// `NOT_IMPLEMENTED`: the handler does not support the request.
    NotImplemented,
    /// `UNAVAILABLE`: the handler is not available now.
    Unavailable,
    /// `UPSTREAM_TIMEOUT`: the handler waited too long for another service.
    UpstreamTimeout,
    /// An error type that this version does not know.
    Unknown,
}

impl NexusOperationFailure {
    pub(crate) fn from_proto(proto: FailureProto) -> Self {
        Self { failure: Failure::from_proto(proto) }
    }

    /// Returns the endpoint that was called.
    pub fn endpoint(&self) -> &str {
        self.info().map_or("", |info| &info.endpoint)
    }

    /// Returns the name of the service.
    pub fn service(&self) -> &str {
        self.info().map_or("", |info| &info.service)
    }

    /// Returns the name of the operation.
    pub fn operation(&self) -> &str {
        self.info().map_or("", |info| &info.operation)
    }

    /// Returns the handler's token for the operation; `None` if it ended before it was started.
    pub fn operation_token(&self) -> Option<&str> {
        self.info().map(|info| info.operation_token.as_str()).filter(|token| !token.is_empty())
    }

    /// Returns the failure that the operation ended with.
    pub fn cause(&self) -> Option<Failure> {
        self.failure.cause()
    }

    /// Returns true if the operation was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.failure.is_cancelled()
    }

    /// Returns the type of the timeout, if the operation timed out.
    pub fn timeout_type(&self) -> Option<TimeoutType> {
        self.cause().and_then(|cause| cause.timeout_type())
    }

    /// Returns the handler's error type, if the handler answered with an error: the operation was not started, or
    /// cannot be cancelled.
    pub fn handler_error_type(&self) -> Option<NexusHandlerErrorType> {
        self.cause().and_then(|cause| cause.nexus_handler_error_type())
    }

    /// Returns the error type of the application failure that the operation ended with, if it did.
    pub fn error_type(&self) -> Option<String> {
        TemporalFailure::error_type(&self.failure)
    }

    /// Returns the whole failure with its chain of causes.
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
        self.failure.fmt(f)
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

/// The names that Nexus defines.
const NAMES: [(&str, NexusHandlerErrorType); 11] = [
    ("BAD_REQUEST", NexusHandlerErrorType::BadRequest),
    ("UNAUTHENTICATED", NexusHandlerErrorType::Unauthenticated),
    ("UNAUTHORIZED", NexusHandlerErrorType::Unauthorized),
    ("NOT_FOUND", NexusHandlerErrorType::NotFound),
    ("REQUEST_TIMEOUT", NexusHandlerErrorType::RequestTimeout),
    ("CONFLICT", NexusHandlerErrorType::Conflict),
    ("RESOURCE_EXHAUSTED", NexusHandlerErrorType::ResourceExhausted),
    ("INTERNAL", NexusHandlerErrorType::Internal),
    ("NOT_IMPLEMENTED", NexusHandlerErrorType::NotImplemented),
    ("UNAVAILABLE", NexusHandlerErrorType::Unavailable),
    ("UPSTREAM_TIMEOUT", NexusHandlerErrorType::UpstreamTimeout),
];

impl NexusHandlerErrorType {
    pub(crate) fn from_name(name: &str) -> Self {
        NAMES.iter().find(|(known, _)| *known == name).map_or(Self::Unknown, |(_, kind)| *kind)
    }

    /// Returns the name on the wire. Nexus has none for an unknown type, so it is sent as an internal error.
    #[cfg(feature = "worker")]
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, kind)| *kind == self).map_or("INTERNAL", |(name, _)| name)
    }
}

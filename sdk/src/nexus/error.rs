//! The error of a Nexus handler.

use std::error::Error;
use std::fmt;

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use serde::Serialize;

use crate::client::{
    QueryError, RpcError, SignalError, StartError, UpdateError, UpdateWithStartError, WorkflowFailedError,
};
use crate::converter::{PayloadError, to_payload};
use crate::failure::{IntoFailure, NexusHandlerErrorType, offered, type_name_of};

/// The error of a Nexus handler: it could not serve the request, or the operation has failed or was cancelled.
///
/// | made by | the caller | the server |
/// | --- | --- | --- |
/// | [`handler`](Self::handler) and the constructors with the name of an error type | gets a failure of this [type](NexusHandlerErrorType) | retries errors that may be temporary |
/// | `?` from any other error | gets [`Internal`](NexusHandlerErrorType::Internal) with the error as its cause | retries |
/// | `?` from a [non-retryable](crate::ApplicationFailure::non_retryable) application failure | the same | does not retry |
/// | `?` from an error of the client | gets the type that fits, such as [`NotFound`](NexusHandlerErrorType::NotFound) | retries errors that may be temporary |
/// | [`failed`](Self::failed) | gets the failure: the operation has failed | does not retry |
/// | [`cancelled`](Self::cancelled) | gets a cancellation: the operation was cancelled | does not retry |
///
/// [`retryable`](Self::retryable) and [`non_retryable`](Self::non_retryable) override what the server does.
///
/// ```
/// use abide::NexusError;
///
/// fn charge(cents: u64) -> Result<String, NexusError> {
///     if cents == 0 {
///         return Err(NexusError::bad_request("expected an amount, found 0 cents"));
///     }
///     if cents > 1_000_000 {
///         return Err(NexusError::failed(abide::ApplicationFailure::new("card declined").error_type("CardDeclined")));
///     }
///     Ok(format!("{cents} cents"))
/// }
/// # assert!(charge(0).is_err_and(|error| error.handler_error_type() == Some(abide::NexusHandlerErrorType::BadRequest)));
/// # assert!(charge(2_000_000).is_err_and(|error| error.is_failed()));
/// ```
#[must_use = "an error does nothing until it is returned"]
pub struct NexusError {
    kind: Box<NexusErrorKind>,
}

pub(crate) enum NexusErrorKind {
    /// The request was not served.
    Handler(HandlerError),
    /// The operation has failed.
    Failed(Raised),
    /// The operation was cancelled.
    Cancelled { message: String, details: Vec<Payload> },
}

pub(crate) struct HandlerError {
    pub(crate) error_type: NexusHandlerErrorType,
    pub(crate) message: String,
    /// `None` leaves it to the type.
    pub(crate) retryable: Option<bool>,
    pub(crate) cause: Option<Raised>,
}

/// An error of user code, with the name of its type.
pub(crate) struct Raised {
    pub(crate) error: Box<dyn Error + Send + Sync>,
    pub(crate) type_name: &'static str,
}

impl NexusError {
    /// Refuses the request with an error of this type. The server retries if the type may be temporary.
    pub fn handler(error_type: NexusHandlerErrorType, message: impl Into<String>) -> Self {
        let (message, retryable, cause) = (message.into(), None, None);
        Self::of(NexusErrorKind::Handler(HandlerError { error_type, message, retryable, cause }))
    }

    /// Refuses an invalid request. Not retried.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::handler(NexusHandlerErrorType::BadRequest, message)
    }

    /// Refuses a caller that lacks permission. Not retried.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::handler(NexusHandlerErrorType::Unauthorized, message)
    }

    /// Refuses a request for something that does not exist. Not retried.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::handler(NexusHandlerErrorType::NotFound, message)
    }

    /// Refuses a request that conflicts with the state of its target. Not retried.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::handler(NexusHandlerErrorType::Conflict, message)
    }

    /// Refuses a request because too many came, or a quota is used up. Retried.
    pub fn resource_exhausted(message: impl Into<String>) -> Self {
        Self::handler(NexusHandlerErrorType::ResourceExhausted, message)
    }

    /// Refuses a request that this handler does not support. Not retried.
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::handler(NexusHandlerErrorType::NotImplemented, message)
    }

    /// Refuses the request for now. Retried.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::handler(NexusHandlerErrorType::Unavailable, message)
    }

    /// Reports an error within the handler. Retried. `?` makes one of any error, with the error as its cause.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::handler(NexusHandlerErrorType::Internal, message)
    }

    /// Ends the operation as failed. The caller's workflow gets this failure, and nothing is retried.
    pub fn failed(error: impl IntoFailure) -> Self {
        Self::of(NexusErrorKind::Failed(Raised::of(error)))
    }

    /// Ends the operation as cancelled.
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::of(NexusErrorKind::Cancelled { message: message.into(), details: Vec::new() })
    }

    /// Ends the operation as cancelled, with a detail for the caller.
    ///
    /// # Errors
    /// Returns an error if serde refuses the detail.
    pub fn cancelled_with<T: Serialize + 'static>(
        message: impl Into<String>,
        detail: &T,
    ) -> Result<Self, PayloadError> {
        Ok(Self::of(NexusErrorKind::Cancelled { message: message.into(), details: vec![to_payload(detail)?] }))
    }

    /// Sets the error that caused this one. Only for errors of the handler: a failed operation has its own causes.
    pub fn cause(self, cause: impl IntoFailure) -> Self {
        self.with_handler_error(|error| error.cause = Some(Raised::of(cause)))
    }

    /// Makes the server repeat the request, whatever the type is. No effect on an operation that has ended.
    pub fn retryable(self) -> Self {
        self.with_handler_error(|error| error.retryable = Some(true))
    }

    /// Keeps the server from repeating the request, whatever the type is. No effect on an operation that has ended.
    pub fn non_retryable(self) -> Self {
        self.with_handler_error(|error| error.retryable = Some(false))
    }

    /// Returns the type of a handler's error; `None` if the operation has failed or was cancelled.
    pub fn handler_error_type(&self) -> Option<NexusHandlerErrorType> {
        match &*self.kind {
            NexusErrorKind::Handler(error) => Some(error.error_type),
            NexusErrorKind::Failed(_) | NexusErrorKind::Cancelled { .. } => None,
        }
    }

    /// Returns true if the operation has failed.
    pub fn is_failed(&self) -> bool {
        matches!(*self.kind, NexusErrorKind::Failed(_))
    }

    /// Returns true if the operation was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.kind, NexusErrorKind::Cancelled { .. })
    }

    pub(crate) fn into_kind(self) -> NexusErrorKind {
        *self.kind
    }

    fn of(kind: NexusErrorKind) -> Self {
        Self { kind: Box::new(kind) }
    }

    fn with_handler_error(mut self, change: impl FnOnce(&mut HandlerError)) -> Self {
        if let NexusErrorKind::Handler(error) = &mut *self.kind {
            change(error);
        }
        self
    }
}

impl Raised {
    pub(crate) fn of<E: IntoFailure>(error: E) -> Self {
        Self { error: error.boxed(), type_name: type_name_of::<E>() }
    }
}

impl<E: IntoFailure> From<E> for NexusError {
    fn from(error: E) -> Self {
        let cause = Raised::of(error);
        let (error_type, retryable) = type_of(&*cause.error);
        let message = "the handler of the operation failed".to_string();
        Self::of(NexusErrorKind::Handler(HandlerError { error_type, message, retryable, cause: Some(cause) }))
    }
}

/// Returns the type of the handler's error that this error becomes, and whether it is retried.
fn type_of(error: &(dyn Error + 'static)) -> (NexusHandlerErrorType, Option<bool>) {
    if let Some(error) = rpc_error(error) {
        return type_of_rpc(error);
    }
    if is_final(error) {
        return (NexusHandlerErrorType::Internal, Some(false));
    }
    if let Some(FailureInfo::ApplicationFailureInfo(info)) = offered(error).and_then(|failure| failure.failure_info)
        && info.non_retryable
    {
        return (NexusHandlerErrorType::Internal, Some(false));
    }
    (NexusHandlerErrorType::Internal, None)
}

/// Returns true for an error of the client that a repetition would meet again.
fn is_final(error: &(dyn Error + 'static)) -> bool {
    let start = match error.downcast_ref::<UpdateWithStartError>() {
        Some(UpdateWithStartError::Start(error)) => Some(error),
        _ => error.downcast_ref::<StartError>(),
    };
    let is_refused = matches!(
        start,
        Some(
            StartError::AlreadyStarted { .. }
                | StartError::MissingTaskQueue { .. }
                | StartError::SignalAndUpdate { .. }
        )
    );
    is_refused
        || matches!(error.downcast_ref(), Some(WorkflowFailedError::NotStarted(StartError::AlreadyStarted { .. })))
}

/// Returns the call that failed, if this is an error of the client.
fn rpc_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a RpcError> {
    let of_start = |error: &'a StartError| match error {
        StartError::Rpc(error) => Some(error),
        _ => None,
    };
    let of_update = |error: &'a UpdateError| match error {
        UpdateError::Rpc(error) => Some(error),
        _ => None,
    };
    if let Some(error) = error.downcast_ref() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref::<StartError>() {
        return of_start(error);
    }
    if let Some(SignalError::Rpc(error)) = error.downcast_ref() {
        return Some(error);
    }
    if let Some(QueryError::Rpc(error)) = error.downcast_ref() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref::<UpdateError>() {
        return of_update(error);
    }
    match error.downcast_ref::<UpdateWithStartError>() {
        Some(UpdateWithStartError::Start(error)) => return of_start(error),
        Some(UpdateWithStartError::Update(error)) => return of_update(error),
        None => {}
    }
    match error.downcast_ref::<WorkflowFailedError>() {
        Some(WorkflowFailedError::Rpc(error)) => Some(error),
        Some(WorkflowFailedError::NotStarted(error)) => of_start(error),
        _ => None,
    }
}

/// Missing permissions are an internal error: it is the handler that lacks them, not its caller.
fn type_of_rpc(error: &RpcError) -> (NexusHandlerErrorType, Option<bool>) {
    match error.code() {
        "INVALID_ARGUMENT" => (NexusHandlerErrorType::BadRequest, None),
        "ALREADY_EXISTS" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => (NexusHandlerErrorType::Internal, Some(false)),
        "ABORTED" | "UNAVAILABLE" => (NexusHandlerErrorType::Unavailable, None),
        "NOT_FOUND" => (NexusHandlerErrorType::NotFound, None),
        "RESOURCE_EXHAUSTED" => (NexusHandlerErrorType::ResourceExhausted, None),
        "UNIMPLEMENTED" => (NexusHandlerErrorType::NotImplemented, None),
        "DEADLINE_EXCEEDED" => (NexusHandlerErrorType::UpstreamTimeout, None),
        _ => (NexusHandlerErrorType::Internal, None),
    }
}

impl fmt::Display for NexusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            NexusErrorKind::Handler(HandlerError { error_type, message, cause, .. }) => {
                write!(f, "{message} ({})", error_type.name())?;
                match cause {
                    Some(cause) => write!(f, ": {}", cause.error),
                    None => Ok(()),
                }
            }
            NexusErrorKind::Failed(raised) => write!(f, "the operation failed: {}", raised.error),
            NexusErrorKind::Cancelled { message, .. } if message.is_empty() => {
                f.write_str("the operation was cancelled")
            }
            NexusErrorKind::Cancelled { message, .. } => write!(f, "the operation was cancelled: {message}"),
        }
    }
}

impl fmt::Debug for NexusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NexusError({self})")
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::ApplicationFailure;

    fn handler_error(error: NexusError) -> (NexusHandlerErrorType, Option<bool>) {
        match error.into_kind() {
            NexusErrorKind::Handler(error) => (error.error_type, error.retryable),
            NexusErrorKind::Failed(_) | NexusErrorKind::Cancelled { .. } => panic!("expected an error of the handler"),
        }
    }

    #[test]
    fn an_error_of_user_code_is_an_internal_error_that_is_retried_unless_it_says_otherwise() {
        use NexusHandlerErrorType::Internal;
        assert_eq!(handler_error("no disk".into()), (Internal, None));
        assert_eq!(handler_error(ApplicationFailure::new("no").into()), (Internal, None));
        assert_eq!(handler_error(ApplicationFailure::new("no").non_retryable().into()), (Internal, Some(false)));
        let boxed: Box<dyn Error + Send + Sync> = ApplicationFailure::new("no").non_retryable().into();
        assert_eq!(handler_error(boxed.into()), (Internal, Some(false)));
    }

    #[test]
    fn an_error_of_the_client_has_the_type_that_fits() {
        use NexusHandlerErrorType as Type;
        let of = |code| handler_error(RpcError::for_test(code, "no").into());
        assert_eq!(of(Code::NotFound), (Type::NotFound, None));
        assert_eq!(of(Code::PermissionDenied), (Type::Internal, None), "the caller can do nothing about it");
        assert_eq!(of(Code::FailedPrecondition), (Type::Internal, Some(false)));
        assert_eq!(
            handler_error(StartError::Rpc(RpcError::for_test(Code::Unavailable, "no")).into()).0,
            Type::Unavailable
        );
        let exists =
            StartError::AlreadyStarted { workflow_id: "a".into(), run_id: String::new(), message: String::new() };
        assert_eq!(handler_error(exists.into()), (Type::Internal, Some(false)));
    }

    #[test]
    fn the_author_decides_about_retries() {
        let error = NexusError::not_found("no account").retryable();
        assert_eq!(handler_error(error), (NexusHandlerErrorType::NotFound, Some(true)));
        assert!(NexusError::failed("no").non_retryable().is_failed());
    }

    #[test]
    fn the_text_says_the_type_and_the_cause() {
        let error: NexusError = "no disk".into();
        assert_eq!(error.to_string(), "the handler of the operation failed (INTERNAL): no disk");
        assert_eq!(NexusError::bad_request("what?").to_string(), "what? (BAD_REQUEST)");
        assert_eq!(NexusError::failed("no").to_string(), "the operation failed: no");
        assert_eq!(format!("{:?}", NexusError::cancelled("enough")), "NexusError(the operation was cancelled: enough)");
    }
}

//! The error of a call to the server.

use std::error::Error;
use std::fmt;

use abide_protos::google::rpc::Status as StatusDetails;
use abide_protos::prost::{Message, Name};
use abide_protos::temporal::api::errordetails::v1 as details;
use abide_protos::temporal::api::errordetails::v1::multi_operation_execution_failure::OperationStatus;
use tonic::{Code, Status};

use super::broken_answer::{NotGrpc, is_unreadable};
use crate::bounded_text::cut_message;
use crate::converter::{CodecError, DataConverter, PayloadError, Whose};

/// A call to the Temporal server failed.
///
/// Calls are retried where that can help; this is the error of the last attempt.
#[derive(Clone)]
pub struct RpcError {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    rpc: &'static str,
    code: Code,
    message: String,
    details: StatusDetails,
    /// The server's address, if the call went over a network.
    address: Option<String>,
    origin: Origin,
    /// The workflow that the request went to; empty if it went to none.
    workflow_id: String,
}

/// The origin of the error.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The server, or the way to it.
    Call,
    /// A codec of this program, which could not encode or decode payloads.
    Codec,
    /// An interceptor of this program.
    Interceptor,
}

impl RpcError {
    pub(super) fn from_status(rpc: &'static str, status: &Status) -> Self {
        let code = match status.code() {
            // The transport reports an expired client-side deadline as CANCELLED with this text.
            Code::Cancelled if status.message() == "Timeout expired" => Code::DeadlineExceeded,
            // A status with a source was made on this side, by a broken connection: it says nothing about the call.
            Code::Cancelled | Code::Internal | Code::Unknown if status.source().is_some() => {
                NotGrpc::among_sources(status).map_or(Code::Unavailable, NotGrpc::code)
            }
            // This one was made by the decoder.
            code if is_unreadable(code, status.message()) => Code::Unavailable,
            code => code,
        };
        let mut message = status.message().to_string();
        if let Some(root) = root_cause(status).filter(|root| !message.contains(root.as_str())) {
            message = format!("{message}: {root}");
        }
        // A proxy may answer with a whole page.
        cut_message(&mut message);
        // If the details cannot be read, the error itself must not be lost.
        let details = StatusDetails::decode(status.details()).unwrap_or_default();
        Self::new(rpc, code, message, details, Origin::Call)
    }

    pub(super) fn codec(rpc: &'static str, error: &CodecError) -> Self {
        let mut message = error.to_string();
        cut_message(&mut message);
        Self::new(rpc, Code::Unknown, message, StatusDetails::default(), Origin::Codec)
    }

    /// Creates the error with which an [interceptor](crate::interceptor::ClientInterceptor) refuses a call, instead of
    /// passing it on. [`is_refused`](Self::is_refused) and [`is_permission_denied`](Self::is_permission_denied) then
    /// return true, and the caller's error has the message. Such an error is not retried.
    ///
    /// ```
    /// use abide::client::RpcError;
    ///
    /// let error = RpcError::refused("tenant `acme` may not start workflows");
    /// assert!(error.is_refused());
    /// assert!(error.to_string().ends_with("refused the call: tenant `acme` may not start workflows"));
    /// ```
    pub fn refused(message: impl Into<String>) -> Self {
        let mut message = message.into();
        cut_message(&mut message);
        Self::new("", Code::PermissionDenied, message, StatusDetails::default(), Origin::Interceptor)
    }

    /// Returns the error of a call that was not made, because an option of it is invalid.
    pub(super) fn invalid(rpc: &'static str, message: String) -> Self {
        Self::new(rpc, Code::InvalidArgument, message, StatusDetails::default(), Origin::Call)
    }

    fn new(rpc: &'static str, code: Code, message: String, details: StatusDetails, origin: Origin) -> Self {
        let inner = Inner { rpc, code, message, details, address: None, origin, workflow_id: String::new() };
        Self { inner: Box::new(inner) }
    }

    /// Adds the workflow that the request went to. An interceptor may have changed it, so the caller does not know it.
    pub(super) fn about(mut self, workflow_id: String) -> Self {
        self.inner.workflow_id = workflow_id;
        self
    }

    /// Returns the workflow that the request went to; empty if it went to none.
    pub(super) fn workflow_id(&self) -> &str {
        &self.inner.workflow_id
    }

    /// Returns the status code for metrics: `TRANSPORT_ERROR` if there was no answer.
    pub(super) fn code_for_metrics(&self, status: &Status) -> &'static str {
        let has_answer = status.source().is_none() || self.is_deadline_exceeded();
        if has_answer { self.code() } else { "TRANSPORT_ERROR" }
    }

    /// Adds the address of the server, for errors that come from the way to it.
    pub(super) fn at(mut self, address: &str) -> Self {
        self.inner.address = Some(address.to_string());
        self
    }

    #[cfg(test)]
    pub(crate) fn for_test(code: Code, message: &str) -> Self {
        Self::from_status("Test", &Status::new(code, message))
    }

    /// Returns the error of a poll whose answer has this token, followed by invalid bytes.
    #[cfg(test)]
    pub(crate) fn undecodable_for_test(task_token: &[u8]) -> Self {
        use abide_protos::temporal::api::workflowservice::v1::PollWorkflowTaskQueueResponse as Task;
        let mut bytes = Task { task_token: task_token.to_vec(), ..Task::default() }.encode_to_vec();
        // A history of two bytes, with an event that claims to be longer.
        bytes.extend([0x42, 0x02, 0x0a, 0x7f]);
        let error = abide_protos::deep_failures::decode::<Task>(&bytes).expect_err("it is none");
        Self::from_status("PollWorkflowTaskQueue", &super::undecodable::undecodable(&bytes.into(), &error))
    }

    #[cfg(test)]
    pub(crate) fn for_test_with_detail<D: Message + Name>(code: Code, message: &str, detail: &D) -> Self {
        let mut error = Self::for_test(code, message);
        let any = abide_protos::Any {
            type_url: format!("type.googleapis.com/{}", D::full_name()),
            value: detail.encode_to_vec(),
        };
        error.inner.details.details.push(any);
        error
    }

    /// Returns the method of the service, such as `StartWorkflowExecution`; empty if an interceptor refused the
    /// call.
    pub fn rpc(&self) -> &str {
        self.inner.rpc
    }

    /// Returns the message of the server or the transport.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Returns the name of the gRPC status code, such as `NOT_FOUND`.
    pub fn code(&self) -> &'static str {
        match self.inner.code {
            Code::Ok => "OK",
            Code::Cancelled => "CANCELLED",
            Code::Unknown => "UNKNOWN",
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Aborted => "ABORTED",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::Unimplemented => "UNIMPLEMENTED",
            Code::Internal => "INTERNAL",
            Code::Unavailable => "UNAVAILABLE",
            Code::DataLoss => "DATA_LOSS",
            Code::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// Returns true if the workflow, the run, the task, or the namespace does not exist.
    pub fn is_not_found(&self) -> bool {
        self.inner.code == Code::NotFound
    }

    /// Returns true if the client's namespace does not exist.
    pub fn is_namespace_not_found(&self) -> bool {
        self.detail::<details::NamespaceNotFoundFailure>().is_some()
    }

    /// Returns true if the thing to create exists already.
    pub fn is_already_exists(&self) -> bool {
        self.inner.code == Code::AlreadyExists
    }

    /// Returns true if the server could not be reached or is not ready.
    pub fn is_unavailable(&self) -> bool {
        self.inner.code == Code::Unavailable
    }

    /// Returns true if the deadline passed without an answer.
    pub fn is_deadline_exceeded(&self) -> bool {
        self.inner.code == Code::DeadlineExceeded
    }

    /// Returns true if the server refused the request as invalid.
    pub fn is_invalid_argument(&self) -> bool {
        self.inner.code == Code::InvalidArgument
    }

    /// Returns true if the server's state does not permit the request, for example a query before the first workflow
    /// task.
    pub fn is_failed_precondition(&self) -> bool {
        self.inner.code == Code::FailedPrecondition
    }

    /// Returns true if a rate limit or another limit was exceeded.
    pub fn is_resource_exhausted(&self) -> bool {
        self.inner.code == Code::ResourceExhausted
    }

    /// Returns true if the server does not have the method.
    pub fn is_unimplemented(&self) -> bool {
        self.inner.code == Code::Unimplemented
    }

    /// Returns true if the caller lacks permission or is not authenticated.
    pub fn is_permission_denied(&self) -> bool {
        matches!(self.inner.code, Code::PermissionDenied | Code::Unauthenticated)
    }

    /// Returns true if a message exceeded the size limit of the server or this client. Not retried, since its size
    /// stays the same.
    pub fn is_message_too_large(&self) -> bool {
        matches!(self.inner.code, Code::ResourceExhausted | Code::OutOfRange)
            && (self.inner.message.contains("larger than max") || self.inner.message.contains("length too large"))
    }

    /// Returns true if the call was cancelled, by the server or on the way to it.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.inner.code == Code::Cancelled
    }

    /// Returns true if the server did not take a workflow task's completion, because new events have arrived that the
    /// code must see before it may close the run. The server sends no details with it: only the message tells.
    #[cfg(feature = "worker")]
    pub(crate) fn is_unhandled_command(&self) -> bool {
        self.inner.code == Code::InvalidArgument && self.inner.message.contains("UnhandledCommand")
    }

    /// Returns true if the server has lost pages of a workflow task's completion. All pages must then be sent again.
    pub(crate) fn is_completion_buffer_lost(&self) -> bool {
        self.inner.code == Code::Aborted && self.detail::<details::WorkflowTaskCompletionBufferLostFailure>().is_some()
    }

    /// Returns true if the error is not the server's: a [`PayloadCodec`](crate::converter::PayloadCodec) could not
    /// encode the request or decode the answer.
    pub fn is_codec_failure(&self) -> bool {
        self.inner.origin == Origin::Codec
    }

    /// Returns true if the error is not the server's: an interceptor of this client [refused](Self::refused) the call.
    pub fn is_refused(&self) -> bool {
        self.inner.origin == Origin::Interceptor
    }

    /// Returns what is known of the task in a response that cannot be decoded.
    #[cfg(feature = "worker")]
    pub(crate) fn undecodable_task(&self) -> Option<super::undecodable::TaskHead> {
        super::undecodable::task_head(&self.inner.details)
    }

    /// Returns true if a retry may soon succeed.
    pub(crate) fn is_transient(&self, internal_is_transient: bool) -> bool {
        match self.inner.code {
            _ if self.is_codec_failure() => false,
            Code::Internal => internal_is_transient,
            Code::ResourceExhausted | Code::OutOfRange => !self.is_message_too_large(),
            Code::Aborted => !self.is_completion_buffer_lost(),
            Code::DataLoss | Code::Unknown | Code::Unavailable => true,
            _ => false,
        }
    }

    /// Returns true if the server itself has refused the request, and would do so again.
    ///
    /// A Temporal server uses these codes for requests that it has read: the task or its namespace does not exist, the
    /// request is invalid or too large, the method is unknown. All other codes come from outside the request: a
    /// network, a proxy, a server that is overloaded, moving, shutting down or failing (INTERNAL and UNKNOWN are its
    /// panics and database errors), or missing permission, which rotated keys restore.
    pub(crate) fn is_verdict(&self) -> bool {
        match self.inner.code {
            _ if self.is_codec_failure() => true,
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Unimplemented => true,
            Code::ResourceExhausted => self.is_message_too_large(),
            Code::Aborted => self.is_completion_buffer_lost(),
            // The server may have accepted the request: only its response was too large to read here.
            Code::OutOfRange => false,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::PermissionDenied
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
            | Code::Unauthenticated => false,
        }
    }

    /// Returns true if the server or a proxy cannot read a compressed request.
    pub(super) fn is_compression_refused(&self) -> bool {
        let message = self.inner.message.to_ascii_lowercase();
        self.is_unimplemented() && (message.contains("compress") || message.contains("grpc-encoding"))
    }

    /// Returns the error of one operation of a multi-operation call; `None` if that operation was fine.
    pub(super) fn of_operation(&self, status: OperationStatus) -> Option<Self> {
        let OperationStatus { code: number, message, details } = status;
        let code = Code::from_i32(number);
        let is_refused = !matches!(code, Code::Ok | Code::Aborted);
        let details = StatusDetails { code: number, message: message.clone(), details };
        is_refused.then(|| Self { inner: Box::new(Inner { code, message, details, ..(*self.inner).clone() }) })
    }

    /// Decodes the failure of a query handler, if the details contain one.
    pub(super) async fn decode_details(
        &mut self,
        converter: &DataConverter,
        whose: Whose<'_>,
    ) -> Result<(), CodecError> {
        let Some(mut failed) = self.detail::<details::QueryFailedFailure>() else { return Ok(()) };
        converter.decode_all(&mut failed, whose).await?;
        let name = details::QueryFailedFailure::full_name();
        let all = &mut self.inner.details.details;
        if let Some(any) = all.iter_mut().find(|any| any.type_url.rsplit('/').next() == Some(&name)) {
            any.value = failed.encode_to_vec();
        }
        Ok(())
    }

    /// Returns the first detail of that message type.
    pub(crate) fn detail<D: Message + Name + Default>(&self) -> Option<D> {
        let name = D::full_name();
        let any = self.inner.details.details.iter().find(|any| any.type_url.rsplit('/').next() == Some(&name))?;
        D::decode(any.value.as_slice()).ok()
    }
}

/// An interceptor that cannot read or write a value refuses the call.
impl From<PayloadError> for RpcError {
    fn from(error: PayloadError) -> Self {
        Self::refused(error.to_string())
    }
}

/// Returns the message of the innermost source, which is the meaningful one for a transport error.
pub(super) fn root_cause(error: &dyn Error) -> Option<String> {
    let mut source = error.source()?;
    while let Some(next) = source.source() {
        source = next;
    }
    Some(source.to_string())
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_codec_failure() {
            return write!(f, "{}: {}", self.rpc(), self.message());
        }
        if self.is_refused() {
            return write!(f, "an interceptor of this client refused the call: {}", self.message());
        }
        write!(f, "{}: {}: {}", self.rpc(), self.code(), self.message())?;
        if let Some(address) = &self.inner.address
            && (self.is_unavailable() || self.is_deadline_exceeded())
        {
            write!(f, " (server {address})")?;
        }
        if self.is_namespace_not_found() {
            f.write_str(
                "; create the namespace, or set another one with `ClientOptions::namespace` or TEMPORAL_NAMESPACE",
            )?;
        } else if self.is_permission_denied() {
            f.write_str("; check the API key or client certificate, and that it may use this namespace")?;
        } else if self.is_message_too_large() {
            f.write_str("; pass a reference to large data, not the data itself")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RpcError({self})")
    }
}

impl Error for RpcError {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn broken_connection(code: Code) -> RpcError {
        let mut status = Status::new(code, "transport error");
        status.set_source(Arc::new(std::io::Error::from(std::io::ErrorKind::BrokenPipe)));
        RpcError::from_status("Test", &status)
    }

    #[test]
    fn a_broken_connection_is_passing_trouble_whatever_its_code() {
        for code in [Code::Cancelled, Code::Internal, Code::Unknown] {
            let error = broken_connection(code);
            assert!(error.is_unavailable() && error.is_transient(false), "{error}");
        }
        assert_eq!(broken_connection(Code::Unknown).to_string(), "Test: UNAVAILABLE: transport error: broken pipe");
        assert!(!RpcError::for_test(Code::Internal, "a bug of the server").is_unavailable());
    }

    #[test]
    fn an_error_on_the_way_to_the_server_names_its_address() {
        let at = |error: RpcError| error.at("http://temporal:7233").to_string();
        let lost = at(broken_connection(Code::Unknown));
        assert_eq!(lost, "Test: UNAVAILABLE: transport error: broken pipe (server http://temporal:7233)");
        assert_eq!(at(RpcError::for_test(Code::NotFound, "gone")), "Test: NOT_FOUND: gone");
    }

    #[test]
    fn a_deadline_of_ours_that_passes_is_no_cancellation() {
        assert!(RpcError::for_test(Code::Cancelled, "Timeout expired").is_deadline_exceeded());
        assert!(!RpcError::for_test(Code::Cancelled, "by the server").is_deadline_exceeded());
    }

    #[test]
    fn details_that_cannot_be_read_do_not_hide_the_error() {
        let status = Status::with_details(Code::NotFound, "gone", vec![0xff, 0xff].into());
        assert_eq!(RpcError::from_status("Test", &status).to_string(), "Test: NOT_FOUND: gone");
    }
}

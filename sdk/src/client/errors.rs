//! Errors of client calls: enums where callers branch, otherwise [`RpcError`].

use std::error::Error;
use std::fmt;

use abide_protos::temporal::api::errordetails::v1::{
    QueryFailedFailure, WorkflowExecutionAlreadyStartedFailure, WorkflowNotReadyFailure,
};

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;

use super::policies::WorkflowExecutionStatus;
use super::rpc_error::RpcError;
use crate::converter::PayloadError;
use crate::failure::{Failure, TemporalFailure};

/// The client could not be connected: no server answered, or an option is invalid.
pub struct ConnectError {
    message: String,
    cause: Option<RpcError>,
}

impl ConnectError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { message: message.into(), cause: None }
    }

    pub(super) fn unreachable(address: &str, shows_certificate: bool, cause: RpcError) -> Self {
        let refused = tls_refusal(address, shows_certificate, cause.message());
        let message = if let Some(refused) = refused {
            refused
        } else if cause.is_unavailable() || cause.is_deadline_exceeded() {
            format!(
                "no Temporal server answers at {address} ({}){}; start one, for instance with `abide-dev`, or set \
                 TEMPORAL_ADDRESS to the address of a running server",
                cause.message(),
                missing_port(address)
            )
        } else {
            format!("the Temporal server at {address} refused the client: {cause}")
        };
        Self { message, cause: Some(cause) }
    }

    /// Returns true if the server could not be reached, so that a later attempt may succeed.
    pub fn is_unreachable(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.is_unavailable() || cause.is_deadline_exceeded())
    }

    /// Returns the error of the call, if the options are valid and the call failed.
    pub fn rpc_error(&self) -> Option<&RpcError> {
        self.cause.as_ref()
    }
}

/// Says which port was used if the address has none.
fn missing_port(address: &str) -> &'static str {
    // The last colon of `[::1]` and of `http://host` is not that of a port.
    match address.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => "",
        _ if address.starts_with("https://") => {
            "; the address has no port, so port 443 was used: a Temporal server usually has port 7233"
        }
        _ => "; the address has no port, so port 80 was used: a Temporal server usually has port 7233",
    }
}

/// Describes a failed TLS connection. The transport's message names the TLS alert, but not what to do about it.
fn tls_refusal(address: &str, shows_certificate: bool, said: &str) -> Option<String> {
    let is_https = address.starts_with("https://");
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let alert = has(&["received fatal alert"]);
    // A server that requires a client certificate sends its alert after the handshake, so it may be lost with the
    // connection.
    let hung_up = has(&[
        "connection closed",
        "connection reset",
        "Connection reset",
        "broken pipe",
        "Broken pipe",
        "close_notify",
    ]);
    let text = match (is_https, shows_certificate) {
        (true, false) if has(&["CertificateRequired", "HandshakeFailure", "BadCertificate"]) => {
            "the server requires a client certificate; set one with `TlsOptions::client_identity`, or with \
             TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"
        }
        (true, true) if alert => {
            "the server does not accept the client's certificate; check that an authority of the server has signed it, \
             and that it has not expired"
        }
        (true, _) if has(&["UnknownIssuer", "NotValidForName", "not valid for name", "invalid peer certificate"]) => {
            "the server's certificate is not trusted; add its authority with `TlsOptions::server_ca_cert` \
             (TEMPORAL_TLS_SERVER_CA_CERT_PATH), or set the name in the certificate with `TlsOptions::server_name`"
        }
        (true, false) if hung_up => {
            "the server ended the connection after the TLS handshake; if it requires a client certificate, set one \
             with `TlsOptions::client_identity`, or with TEMPORAL_TLS_CLIENT_CERT_PATH and \
             TEMPORAL_TLS_CLIENT_KEY_PATH"
        }
        (true, true) if hung_up => {
            "the server ended the connection after the TLS handshake; check that it accepts the client's certificate"
        }
        (true, _) if has(&["InvalidContentType", "corrupt message", "InvalidMessage"]) => {
            "the server at this address does not use TLS; if it is the Temporal server, connect without TLS"
        }
        (false, _) if has(&["FRAME_SIZE_ERROR", "frame with invalid size", "invalid HTTP version", "http2 error"]) => {
            "the server at this address does not use HTTP/2 without TLS; if it expects TLS, start the address with \
             `https://`, or set `ClientOptions::tls`"
        }
        _ => return None,
    };
    Some(format!("{address}: {text} ({said})"))
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectError({self})")
    }
}

/// The message includes the cause's, so [`source`](Error::source) does not return it.
impl Error for ConnectError {}

/// A workflow could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A workflow with that id is running, or the id reuse policy forbids another one.
    #[error(
        "workflow `{workflow_id}` already exists (run `{run_id}`: {message}); choose another id, set \
         `id_conflict_policy` or `id_reuse_policy`, or use the existing workflow with `client.handle(..)`"
    )]
    AlreadyStarted {
        /// Workflow id.
        workflow_id: String,
        /// Run id of the existing run; empty if the server does not report it.
        run_id: String,
        /// The server's message.
        message: String,
    },
    /// The task queue is not set.
    #[error(
        "workflow type `{workflow_type}` was started without a task queue; add `.task_queue(\"..\")` with the task \
         queue that its workers poll"
    )]
    MissingTaskQueue {
        /// Name of the workflow type.
        workflow_type: String,
    },
    /// The start has both a signal and an update; the server accepts only one of them.
    #[error(
        "a start can send a signal or an update, not both (update `{update}`); send the signal with the workflow's \
         handle"
    )]
    SignalAndUpdate {
        /// Name of the update.
        update: String,
    },
    /// An argument or a memo value cannot be serialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed.
    #[error("{0}")]
    Rpc(RpcError),
}

impl StartError {
    pub(super) fn from_rpc(error: RpcError) -> Self {
        match error.detail::<WorkflowExecutionAlreadyStartedFailure>() {
            Some(detail) => Self::AlreadyStarted {
                workflow_id: error.workflow_id().to_string(),
                run_id: detail.run_id,
                message: error.message().to_string(),
            },
            None => Self::Rpc(error),
        }
    }
}

/// The result of an activity could not be reported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AsyncActivityError {
    /// The attempt is not open: it has ended or timed out, another attempt has begun, or its workflow is closed.
    #[error(
        "{activity} is not open ({message}): it has ended or timed out, another attempt has begun, or its workflow is \
         closed; to report to the attempt that is open, use `client.async_activity_by_id(..)`"
    )]
    NotFound {
        /// The activity's token or ids, as text.
        activity: String,
        /// The server's message.
        message: String,
    },
    /// A value cannot be serialized.
    #[error("the report of an asynchronous activity cannot be written: {0}")]
    Payload(PayloadError),
    /// The call failed.
    #[error("{0}")]
    Rpc(RpcError),
}

/// The text contains that of the payload's error, so that error is no source: a chain of sources would repeat it.
impl From<PayloadError> for AsyncActivityError {
    fn from(error: PayloadError) -> Self {
        Self::Payload(error)
    }
}

impl AsyncActivityError {
    pub(super) fn from_rpc(activity: &str, error: RpcError) -> Self {
        // The server refuses a report by id about a closed standalone activity as a failed precondition.
        let is_closed = error.is_not_found() || error.is_failed_precondition();
        if is_closed && !error.is_namespace_not_found() {
            return Self::NotFound { activity: activity.to_string(), message: error.message().to_string() };
        }
        Self::Rpc(error)
    }
}

/// A signal could not be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// No workflow with that id is running.
    #[error(
        "signal `{signal}` found no running workflow `{workflow_id}` ({message}); to start the workflow if it is not \
         running, use `client.start(..).with_signal(..)`"
    )]
    NotFound {
        /// Name of the signal.
        signal: String,
        /// Workflow id.
        workflow_id: String,
        /// The server's message.
        message: String,
    },
    /// An argument cannot be serialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed.
    #[error("{0}")]
    Rpc(RpcError),
}

impl SignalError {
    pub(super) fn from_rpc(signal: &str, error: RpcError) -> Self {
        if error.is_not_found() && !error.is_namespace_not_found() {
            let workflow_id = error.workflow_id().to_string();
            let message = error.message().to_string();
            return Self::NotFound { signal: signal.to_string(), workflow_id, message };
        }
        Self::Rpc(error)
    }
}

/// A query was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The workflow's status is excluded by the reject condition.
    #[error(
        "query `{query}` was rejected: the workflow is {status}, which its `reject_condition(..)` excludes; query it \
         without the condition, or while it is open"
    )]
    Rejected {
        /// Name of the query.
        query: String,
        /// Status of the workflow.
        status: WorkflowExecutionStatus,
    },
    /// The handler failed, or the workflow has none for this query.
    #[error("query failed: {0}")]
    Failed(Failure),
    /// The workflow cannot answer, because it has not completed a workflow task yet or its workflow tasks fail.
    #[error(
        "query `{query}` cannot be answered now: {message}; look at the workflow's history for failed workflow tasks"
    )]
    NotReady {
        /// Name of the query.
        query: String,
        /// The server's message.
        message: String,
    },
    /// No workflow has that id.
    #[error("query `{query}` found no workflow `{workflow_id}`: {message}; check the id and the namespace")]
    NotFound {
        /// Name of the query.
        query: String,
        /// Workflow id.
        workflow_id: String,
        /// The server's message.
        message: String,
    },
    /// An argument cannot be serialized, or the answer cannot be deserialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed. A timeout usually means that no worker polls the workflow's task queue.
    #[error("{error}{hint}", error = .0, hint = timeout_hint(.0))]
    Rpc(RpcError),
}

fn timeout_hint(error: &RpcError) -> &'static str {
    if error.is_deadline_exceeded() { "; check that a worker polls the workflow's task queue" } else { "" }
}

impl QueryError {
    pub(super) fn from_rpc(query: &str, error: RpcError) -> Self {
        if let Some(detail) = error.detail::<QueryFailedFailure>() {
            // Older servers send only the worker's text instead of a failure.
            let failure = detail.failure.unwrap_or_default();
            let message = if failure.message.is_empty() { error.message().to_string() } else { failure.message };
            return Self::Failed(Failure::from_proto(FailureProto { message, ..failure }));
        }
        let message = error.message().to_string();
        if error.detail::<WorkflowNotReadyFailure>().is_some() {
            return Self::NotReady { query: query.to_string(), message };
        }
        if error.is_not_found() && !error.is_namespace_not_found() {
            let workflow_id = error.workflow_id().to_string();
            return Self::NotFound { query: query.to_string(), workflow_id, message };
        }
        Self::Rpc(error)
    }
}

impl TemporalFailure for QueryError {
    fn to_failure(&self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(failure.clone()),
            Self::Rejected { .. } | Self::NotReady { .. } | Self::NotFound { .. } | Self::Payload(_) | Self::Rpc(_) => {
                None
            }
        }
    }
}

/// An update has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The validator rejected the update, or its handler failed; the failure's type and message tell which. A rejected
    /// update leaves nothing in the workflow's history.
    #[error("update failed: {0}")]
    Failed(Failure),
    /// The workflow accepted the update and closed before the handler completed.
    #[error(
        "workflow `{workflow_id}` ended before its update `{update}` had completed: {message}; let the workflow wait \
         with `ctx.wait_until(|| ctx.all_handlers_finished())` before it returns"
    )]
    WorkflowClosed {
        /// Name of the update.
        update: String,
        /// Workflow id.
        workflow_id: String,
        /// The server's message.
        message: String,
    },
    /// No workflow with that id is running, it closed before it accepted the update, or it has no update with that id.
    #[error(
        "update `{update}` of workflow `{workflow_id}` was not found, or its workflow is not running ({message}); to \
         start the workflow if it is not running, use `client.start(..).with_update(..)`"
    )]
    NotFound {
        /// Name of the update.
        update: String,
        /// Workflow id.
        workflow_id: String,
        /// The server's message.
        message: String,
    },
    /// The workflow accepts no updates now, because its workflow tasks fail.
    #[error(
        "the workflow cannot accept update `{update}` now: {message}; look at the workflow's history for failed \
         workflow tasks"
    )]
    NotReady {
        /// Name of the update.
        update: String,
        /// The server's message.
        message: String,
    },
    /// An argument cannot be serialized, or the result cannot be deserialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed.
    #[error("{0}")]
    Rpc(RpcError),
}

impl UpdateError {
    pub(super) fn from_rpc(update: &str, error: RpcError) -> Self {
        let message = error.message().to_string();
        if error.detail::<WorkflowNotReadyFailure>().is_some() {
            return Self::NotReady { update: update.to_string(), message };
        }
        if error.is_not_found() && !error.is_namespace_not_found() {
            let workflow_id = error.workflow_id().to_string();
            return Self::NotFound { update: update.to_string(), workflow_id, message };
        }
        Self::Rpc(error)
    }

    pub(super) fn from_failure(update: &str, workflow_id: &str, failure: FailureProto) -> Self {
        let failure = Failure::from_proto(failure);
        // The server's error type for an update that can no longer complete.
        if failure.source_name() == "Server" && failure.error_type() == Some("AcceptedUpdateCompletedWorkflow") {
            let (workflow_id, message) = (workflow_id.to_string(), failure.message().to_string());
            return Self::WorkflowClosed { update: update.to_string(), workflow_id, message };
        }
        Self::Failed(failure)
    }

    /// Returns the failure of the validator or the handler, if that is the reason.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

impl TemporalFailure for UpdateError {
    fn to_failure(&self) -> Option<Failure> {
        self.failure().cloned()
    }
}

/// A workflow was not started with an update. If the workflow was started but the update was not accepted, the error is
/// the update's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateWithStartError {
    /// The workflow could not be started, or the update could not be sent.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The update was not accepted.
    #[error(transparent)]
    Update(#[from] UpdateError),
}

#[cfg(test)]
mod tests {
    use abide_protos::Any;
    use abide_protos::google::rpc;
    use abide_protos::prost::{Message, Name};
    use abide_protos::temporal::api::errordetails::v1::NamespaceNotFoundFailure;
    use abide_protos::temporal::api::failure::v1::ApplicationFailureInfo;
    use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
    use tonic::{Code, Status};

    use super::*;

    fn rpc_error<D: Message + Name>(code: Code, message: &str, detail: &D) -> RpcError {
        let any = Any { type_url: format!("type.googleapis.com/{}", D::full_name()), value: detail.encode_to_vec() };
        let details = rpc::Status { code: code as i32, message: message.to_string(), details: vec![any] };
        RpcError::from_status("Test", &Status::with_details(code, message, details.encode_to_vec().into()))
    }

    #[test]
    fn a_start_that_meets_another_run_says_which() {
        let detail = WorkflowExecutionAlreadyStartedFailure { run_id: "run-1".to_string(), ..Default::default() };
        let error =
            StartError::from_rpc(rpc_error(Code::AlreadyExists, "already running", &detail).about("order-1".into()));
        assert!(matches!(&error, StartError::AlreadyStarted { run_id, .. } if run_id == "run-1"));
        assert!(error.to_string().starts_with("workflow `order-1` already exists (run `run-1`: already running)"));
    }

    #[test]
    fn a_signal_to_a_closed_workflow_names_signal_with_start() {
        let error = RpcError::for_test(Code::NotFound, "workflow execution already completed");
        let error = SignalError::from_rpc("submit", error);
        assert!(matches!(error, SignalError::NotFound { .. }));
        assert!(error.to_string().contains("with_signal"), "{error}");
    }

    #[test]
    fn a_missing_namespace_is_not_a_missing_workflow() {
        let detail = NamespaceNotFoundFailure { namespace: "orders".to_string() };
        let error = rpc_error(Code::NotFound, "Namespace orders is not found.", &detail);
        assert!(matches!(SignalError::from_rpc("submit", error.clone()), SignalError::Rpc(_)));
        assert!(matches!(QueryError::from_rpc("state", error.clone()), QueryError::Rpc(_)));
        assert!(error.to_string().contains("TEMPORAL_NAMESPACE"), "{error}");
    }

    #[test]
    fn a_query_that_fails_brings_the_handlers_failure() {
        let failure = FailureProto { message: "no such player".to_string(), ..Default::default() };
        let detail = QueryFailedFailure { failure: Some(failure) };
        let error = QueryError::from_rpc("state", rpc_error(Code::InvalidArgument, "no such player", &detail));
        assert!(matches!(&error, QueryError::Failed(failure) if failure.message() == "no such player"));
        let bare = rpc_error(Code::InvalidArgument, "text only", &QueryFailedFailure { failure: None });
        assert_eq!(QueryError::from_rpc("state", bare).to_string(), "query failed: text only");
    }

    #[test]
    fn an_update_that_fails_is_told_from_one_whose_workflow_ended() {
        let failure = FailureProto { message: "too many".to_string(), ..Default::default() };
        let error = UpdateError::from_failure("add", "cart-1", failure);
        assert_eq!(error.failure().map(Failure::message), Some("too many"));
        let info =
            ApplicationFailureInfo { r#type: "AcceptedUpdateCompletedWorkflow".to_string(), ..Default::default() };
        let failure = FailureProto {
            message: "the Workflow completed".to_string(),
            source: "Server".to_string(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        };
        let error = UpdateError::from_failure("add", "cart-1", failure);
        assert!(matches!(error, UpdateError::WorkflowClosed { .. }), "{error:?}");
    }

    #[test]
    fn an_address_without_a_port_is_told_of() {
        let text = |address: &str| {
            let cause = RpcError::for_test(Code::Unavailable, "refused");
            ConnectError::unreachable(address, false, cause).to_string()
        };
        assert!(text("http://temporal").contains("port 80 was used: a Temporal server usually has port 7233"));
        assert!(text("https://[::1]").contains("port 443 was used"));
        assert!(!text("http://[::1]:7233").contains("was used"));
        assert!(!text("http://temporal:7233").contains("was used"));
    }

    #[test]
    fn an_update_of_a_workflow_that_is_not_there_names_update_with_start() {
        let error = RpcError::for_test(Code::NotFound, "workflow not found for ID: cart-1");
        let error = UpdateError::from_rpc("add", error);
        assert!(matches!(error, UpdateError::NotFound { .. }));
        assert!(error.to_string().contains("with_update"), "{error}");
    }

    #[test]
    fn a_workflow_that_cannot_answer_is_told_from_one_that_is_missing() {
        let error =
            rpc_error(Code::FailedPrecondition, "Workflow task is not scheduled yet.", &WorkflowNotReadyFailure {});
        assert!(matches!(QueryError::from_rpc("state", error), QueryError::NotReady { .. }));
        let missing = RpcError::for_test(Code::NotFound, "workflow not found for ID: order-1");
        assert!(matches!(QueryError::from_rpc("state", missing), QueryError::NotFound { .. }));
    }
}

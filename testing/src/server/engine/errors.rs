//! What a request can be answered with instead of a response: a gRPC code, a text, and the detail message that clients
//! look at.

use abide_protos::google::rpc;
use abide_protos::prost::Message;

use super::api::{errordetails, failure};

/// The gRPC codes that the engine answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    FailedPrecondition = 9,
    Unimplemented = 12,
}

/// A refused request.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    pub(crate) code: Code,
    pub(crate) message: String,
    detail: Option<abide_protos::Any>,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: None }
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message).with("NotFoundFailure", &errordetails::NotFoundFailure::default())
    }

    pub(crate) fn unimplemented(message: impl Into<String>) -> Self {
        Self::new(Code::Unimplemented, message)
    }

    pub(crate) fn workflow_not_found(workflow_id: &str) -> Self {
        Self::not_found(format!("workflow not found for ID: {workflow_id}"))
    }

    pub(crate) fn run_not_found(workflow_id: &str, run_id: &str) -> Self {
        Self::not_found(format!("workflow execution not found for workflow ID {workflow_id:?} and run ID {run_id:?}"))
    }

    pub(crate) fn completed() -> Self {
        Self::not_found("workflow execution already completed")
    }

    pub(crate) fn workflow_task_not_found() -> Self {
        Self::not_found("Workflow task not found.")
    }

    pub(crate) fn activity_not_found() -> Self {
        Self::not_found("invalid activityID or activity already timed out or invoking workflow is completed")
    }

    pub(crate) fn namespace_not_found(name: &str) -> Self {
        let detail = errordetails::NamespaceNotFoundFailure { namespace: name.to_owned() };
        Self::new(Code::NotFound, format!("Namespace {name} is not found.")).with("NamespaceNotFoundFailure", &detail)
    }

    pub(crate) fn namespace_exists(name: &str) -> Self {
        let detail = errordetails::NamespaceAlreadyExistsFailure::default();
        Self::new(Code::AlreadyExists, format!("Namespace \"{name}\" already exists"))
            .with("NamespaceAlreadyExistsFailure", &detail)
    }

    pub(crate) fn already_started(
        message: impl Into<String>,
        detail: &errordetails::WorkflowExecutionAlreadyStartedFailure,
    ) -> Self {
        Self::new(Code::AlreadyExists, message).with("WorkflowExecutionAlreadyStartedFailure", detail)
    }

    pub(crate) fn not_ready(message: impl Into<String>) -> Self {
        let detail = errordetails::WorkflowNotReadyFailure::default();
        Self::new(Code::FailedPrecondition, message).with("WorkflowNotReadyFailure", &detail)
    }

    pub(crate) fn query_failed(message: impl Into<String>, failure: Option<failure::Failure>) -> Self {
        let detail = errordetails::QueryFailedFailure { failure };
        Self::new(Code::InvalidArgument, message).with("QueryFailedFailure", &detail)
    }

    /// The bytes of `grpc-status-details-bin`: a `google.rpc.Status` that repeats code and text and carries the detail.
    pub(crate) fn details(&self) -> Vec<u8> {
        let details = self.detail.iter().cloned().collect();
        rpc::Status { code: self.code as i32, message: self.message.clone(), details }.encode_to_vec()
    }

    fn with(mut self, name: &str, detail: &impl Message) -> Self {
        let type_url = format!("type.googleapis.com/temporal.api.errordetails.v1.{name}");
        self.detail = Some(abide_protos::Any { type_url, value: detail.encode_to_vec() });
        self
    }
}

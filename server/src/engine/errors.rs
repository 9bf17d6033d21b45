//! Error responses: a gRPC code, a message, and the detail message that clients read.

use abide_protos::google::rpc;
use abide_protos::prost::Message;

use super::api::enums::{ResourceExhaustedCause, ResourceExhaustedScope};
use super::api::{errordetails, failure};

/// The gRPC codes that the engine returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    Unimplemented = 12,
    Internal = 13,
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

    /// An error of which a real server shows only a number. Here it shows the cause.
    pub(crate) fn masked(code: Code, cause: impl std::fmt::Display) -> Self {
        Self::new(code, format!("something went wrong, please retry ({cause})"))
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

    pub(crate) fn failed_precondition(message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    pub(crate) fn permission_denied(message: impl Into<String>) -> Self {
        let detail = errordetails::PermissionDeniedFailure::default();
        Self::new(Code::PermissionDenied, message).with("PermissionDeniedFailure", &detail)
    }

    /// The run is about to close; the request may be sent again for the next run.
    pub(crate) fn workflow_closing() -> Self {
        let text = "workflow operation can not be applied because workflow is closing";
        Self::exhausted(text, ResourceExhaustedCause::BusyWorkflow)
    }

    pub(crate) fn concurrent_limit(message: impl Into<String>) -> Self {
        Self::exhausted(message, ResourceExhaustedCause::ConcurrentLimit)
    }

    /// The worker must send all pages of its completion again.
    pub(crate) fn completion_pages_lost(message: impl Into<String>) -> Self {
        let detail = errordetails::WorkflowTaskCompletionBufferLostFailure::default();
        Self::new(Code::Aborted, message).with("WorkflowTaskCompletionBufferLostFailure", &detail)
    }

    pub(crate) fn update_aborted() -> Self {
        Self::not_found("workflow update was aborted by closing workflow")
    }

    pub(crate) fn update_not_found(id: &str) -> Self {
        Self::not_found(format!("update {id:?} not found"))
    }

    /// At least one of several operations that belong together failed.
    pub(crate) fn multi_operation(operations: &[Result<(), Option<Self>>]) -> Self {
        use errordetails::multi_operation_execution_failure::OperationStatus;
        let detail = failure::MultiOperationExecutionAborted::default();
        let aborted = Self::new(Code::Aborted, "Operation was aborted.")
            .with_detail("temporal.api.failure.v1.MultiOperationExecutionAborted", &detail);
        let statuses = operations.iter().map(|operation| match operation {
            Ok(()) => OperationStatus::default(),
            Err(error) => {
                let Self { code, message, detail } = error.clone().unwrap_or_else(|| aborted.clone());
                OperationStatus { code: code as i32, message, details: detail.into_iter().collect() }
            }
        });
        let detail = errordetails::MultiOperationExecutionFailure { statuses: statuses.collect() };
        let real = operations.iter().find_map(|operation| operation.as_ref().err().and_then(Option::as_ref));
        let code = real.map_or(Code::Aborted, |error| error.code);
        Self::new(code, "Update-with-Start could not be executed.").with("MultiOperationExecutionFailure", &detail)
    }

    pub(crate) fn not_ready(message: impl Into<String>) -> Self {
        let detail = errordetails::WorkflowNotReadyFailure::default();
        Self::new(Code::FailedPrecondition, message).with("WorkflowNotReadyFailure", &detail)
    }

    pub(crate) fn query_failed(message: impl Into<String>, failure: Option<failure::Failure>) -> Self {
        let detail = errordetails::QueryFailedFailure { failure };
        Self::new(Code::InvalidArgument, message).with("QueryFailedFailure", &detail)
    }

    /// Returns the bytes of `grpc-status-details-bin`: a `google.rpc.Status` with code, message and detail.
    pub(crate) fn details(&self) -> Vec<u8> {
        let details = self.detail.iter().cloned().collect();
        rpc::Status { code: self.code as i32, message: self.message.clone(), details }.encode_to_vec()
    }

    fn exhausted(message: impl Into<String>, cause: ResourceExhaustedCause) -> Self {
        let scope = ResourceExhaustedScope::Namespace.into();
        let detail = errordetails::ResourceExhaustedFailure { cause: cause.into(), scope };
        Self::new(Code::ResourceExhausted, message).with("ResourceExhaustedFailure", &detail)
    }

    fn with(self, name: &str, detail: &impl Message) -> Self {
        self.with_detail(&format!("temporal.api.errordetails.v1.{name}"), detail)
    }

    fn with_detail(mut self, name: &str, detail: &impl Message) -> Self {
        let type_url = format!("type.googleapis.com/{name}");
        self.detail = Some(abide_protos::Any { type_url, value: detail.encode_to_vec() });
        self
    }
}

//! The error of a child workflow.

use std::fmt;

use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ChildWorkflowExecutionFailureInfo, Failure as FailureProto};

use super::offer::offer;
use super::recorded::{Failure, FailureKind, RetryState};
use super::temporal_failure::TemporalFailure;

/// A child workflow was not started or did not complete: it failed, timed out, was cancelled or terminated (Temporal's
/// `ChildWorkflowExecutionFailure`).
///
/// [`cause`](Self::cause) is the failure that the child closed with.
///
/// ```
/// # fn look(error: abide::ChildWorkflowFailure) {
/// if error.is_already_started() {
///     println!("{} runs already", error.workflow_id());
/// } else if error.error_type().as_deref() == Some("CardDeclined") {
///     println!("declined");
/// }
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct ChildWorkflowFailure {
    failure: Failure,
}

impl ChildWorkflowFailure {
    pub(crate) fn from_proto(proto: FailureProto) -> Self {
        Self { failure: Failure::from_proto(proto) }
    }

    /// Returns the child's workflow type.
    pub fn workflow_type(&self) -> &str {
        self.info().and_then(|info| info.workflow_type.as_ref()).map_or("", |workflow_type| &workflow_type.name)
    }

    /// Returns the child's workflow id.
    pub fn workflow_id(&self) -> &str {
        self.info().and_then(|info| info.workflow_execution.as_ref()).map_or("", |execution| &execution.workflow_id)
    }

    /// Returns the id of the child's first run; empty if it was not started.
    pub fn run_id(&self) -> &str {
        self.info().and_then(|info| info.workflow_execution.as_ref()).map_or("", |execution| &execution.run_id)
    }

    /// Returns true if the child was not started because a workflow with its id is running, or has run and the [reuse
    /// policy](crate::workflow::WorkflowIdReusePolicy) does not allow another one.
    pub fn is_already_started(&self) -> bool {
        self.was_not_started_because("WorkflowAlreadyExists")
    }

    /// Returns true if the child was not started because its namespace does not exist.
    pub fn is_namespace_not_found(&self) -> bool {
        self.was_not_started_because("NamespaceNotFound")
    }

    /// Returns true if the child or its start was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.failure.is_cancelled()
    }

    /// Returns true if the child was terminated.
    pub fn is_terminated(&self) -> bool {
        self.is_caused_by(FailureKind::Terminated)
    }

    /// Returns the error type of the application failure that the child closed with, if it did.
    pub fn error_type(&self) -> Option<String> {
        TemporalFailure::error_type(&self.failure)
    }

    /// Returns the reason that there was no further run.
    pub fn retry_state(&self) -> RetryState {
        self.failure.retry_state().unwrap_or(RetryState::Unknown)
    }

    /// Returns the failure that the child closed with, or the reason that it was not started.
    pub fn cause(&self) -> Option<Failure> {
        self.failure.cause()
    }

    /// Returns the whole failure with its chain of causes.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    fn info(&self) -> Option<&ChildWorkflowExecutionFailureInfo> {
        match &self.failure.as_proto().failure_info {
            Some(FailureInfo::ChildWorkflowExecutionFailureInfo(info)) => Some(info),
            _ => None,
        }
    }

    fn is_caused_by(&self, kind: FailureKind) -> bool {
        self.cause().is_some_and(|cause| cause.kind() == kind)
    }

    /// A started child may fail with an error type of the same name, so the failure must have no started event.
    fn was_not_started_because(&self, cause: &str) -> bool {
        self.info().is_some_and(|info| info.started_event_id == 0) && self.error_type().as_deref() == Some(cause)
    }
}

impl fmt::Display for ChildWorkflowFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl fmt::Debug for ChildWorkflowFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildWorkflowFailure({self})")
    }
}

impl std::error::Error for ChildWorkflowFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        offer(|| self.failure.as_proto().clone());
        None
    }
}

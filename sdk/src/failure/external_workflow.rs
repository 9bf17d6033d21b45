//! The error of a signal or cancellation request to another workflow.

use std::fmt;

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;

use super::offer::offer;
use super::recorded::Failure;

/// A signal or a cancellation request did not reach another workflow.
///
/// ```
/// # fn look(error: abide::ExternalWorkflowFailure) {
/// if error.is_not_found() {
///     println!("it has closed, or never was there");
/// }
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct ExternalWorkflowFailure {
    failure: Failure,
    workflow_id: String,
}

impl ExternalWorkflowFailure {
    pub(crate) fn new(workflow_id: impl Into<String>, proto: FailureProto) -> Self {
        Self { failure: Failure::from_proto(proto), workflow_id: workflow_id.into() }
    }

    /// Returns the id of the target workflow.
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// Returns true if the workflow does not exist or is closed.
    pub fn is_not_found(&self) -> bool {
        self.failure.error_type() == Some("ExternalWorkflowExecutionNotFound")
    }

    /// Returns true if the target's namespace does not exist.
    pub fn is_namespace_not_found(&self) -> bool {
        self.failure.error_type() == Some("NamespaceNotFound")
    }

    /// Returns true if the workflow has received the maximum number of signals.
    pub fn is_signal_limit_exceeded(&self) -> bool {
        self.failure.error_type() == Some("SignalCountLimitExceeded")
    }

    /// Returns true if the scope was cancelled before anything was sent.
    pub fn is_cancelled(&self) -> bool {
        self.failure.is_cancelled()
    }

    /// Returns the whole failure.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }
}

impl fmt::Display for ExternalWorkflowFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "workflow {}: {}", self.workflow_id, self.failure)
    }
}

impl fmt::Debug for ExternalWorkflowFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExternalWorkflowFailure({self})")
    }
}

impl std::error::Error for ExternalWorkflowFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        offer(|| self.failure.as_proto().clone());
        None
    }
}

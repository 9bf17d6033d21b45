//! The common interface of all failures.

use super::activity_error::ActivityError;
use super::application::ApplicationFailure;
use super::application_error::ApplicationError;
use super::child_workflow::ChildWorkflowFailure;
use super::encode::application_failure;
use super::external_workflow::ExternalWorkflowFailure;
use super::nexus_operation::NexusOperationFailure;
use super::operation::{ActivityFailure, Cancelled};
use super::recorded::{Failure, FailureKind};
use super::workflow_error::WorkflowError;

/// The common interface of failures: errors of operations in a workflow, errors that a client gets, and errors that
/// activities and workflows return.
///
/// ```
/// use abide::TemporalFailure;
///
/// fn advice(error: &impl TemporalFailure) -> String {
///     if error.is_cancelled() {
///         "it was cancelled".to_string()
///     } else if error.is_timeout() {
///         "give it more time".to_string()
///     } else {
///         format!("{} ({})", error.message(), error.error_type().unwrap_or_default())
///     }
/// }
/// # assert_eq!(advice(&abide::Cancelled::new("enough")), "it was cancelled");
/// # assert_eq!(advice(&abide::ApplicationFailure::new("no").error_type("No")), "no (No)");
/// ```
pub trait TemporalFailure {
    /// Returns the failure with its chain of causes, as Temporal records it; `None` if there is none: a client's call
    /// that did not reach the server, a workflow that continues as new.
    fn to_failure(&self) -> Option<Failure>;

    /// Returns the message. Failures of activities, child workflows and Nexus operations only name what failed, so
    /// their cause's message is returned.
    fn message(&self) -> String {
        self.to_failure().map_or_else(String::new, |failure| what_happened(failure).message().to_string())
    }

    /// Returns the error type of the application failure, if this is one, or an activity, child workflow or Nexus
    /// operation that ended with one.
    fn error_type(&self) -> Option<String> {
        self.to_failure().and_then(|failure| what_happened(failure).error_type().map(str::to_string))
    }

    /// Returns the failure that caused this one.
    fn cause(&self) -> Option<Failure> {
        self.to_failure()?.cause()
    }

    /// Returns true if this is a cancellation, or an activity, child workflow or Nexus operation that ended by one.
    fn is_cancelled(&self) -> bool {
        self.to_failure().is_some_and(|failure| failure.is_cancelled())
    }

    /// Returns true if this is a timeout, or an activity, child workflow or Nexus operation that ended by one.
    fn is_timeout(&self) -> bool {
        self.to_failure().is_some_and(|failure| {
            let ended_by = if is_wrapper(&failure) { failure.cause() } else { Some(failure) };
            ended_by.is_some_and(|ended_by| ended_by.kind() == FailureKind::Timeout)
        })
    }

    /// Returns the user-defined error `E`, if it is in the chain of causes: the first failure that has one of its error
    /// types and fitting details. See [`ApplicationError`].
    fn application_error<E: ApplicationError>(&self) -> Option<E>
    where
        Self: Sized,
    {
        let mut next = self.to_failure();
        while let Some(failure) = next {
            if let Some(error) = E::from_application_failure(&failure) {
                return Some(error);
            }
            next = failure.cause();
        }
        None
    }
}

/// Returns the first failure that says more than what failed.
fn what_happened(failure: Failure) -> Failure {
    match failure.cause() {
        Some(cause) if is_wrapper(&failure) => what_happened(cause),
        _ => failure,
    }
}

fn is_wrapper(failure: &Failure) -> bool {
    matches!(failure.kind(), FailureKind::Activity | FailureKind::ChildWorkflow | FailureKind::NexusOperation)
}

impl TemporalFailure for Failure {
    fn to_failure(&self) -> Option<Failure> {
        Some(self.clone())
    }
}

impl TemporalFailure for ActivityFailure {
    fn to_failure(&self) -> Option<Failure> {
        Some(self.failure().clone())
    }
}

impl TemporalFailure for ChildWorkflowFailure {
    fn to_failure(&self) -> Option<Failure> {
        Some(self.failure().clone())
    }
}

impl TemporalFailure for ExternalWorkflowFailure {
    fn to_failure(&self) -> Option<Failure> {
        Some(self.failure().clone())
    }
}

impl TemporalFailure for NexusOperationFailure {
    fn to_failure(&self) -> Option<Failure> {
        Some(self.failure().clone())
    }
}

impl TemporalFailure for Cancelled {
    fn to_failure(&self) -> Option<Failure> {
        Some(Failure::from_proto(application_failure(self, None)))
    }
}

impl TemporalFailure for ApplicationFailure {
    fn to_failure(&self) -> Option<Failure> {
        Some(Failure::from_proto(application_failure(self, None)))
    }
}

impl TemporalFailure for ActivityError {
    fn to_failure(&self) -> Option<Failure> {
        self.recorded()
    }
}

impl TemporalFailure for WorkflowError {
    fn to_failure(&self) -> Option<Failure> {
        self.recorded()
    }
}

//! The error of a workflow function.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use abide_protos::temporal::api::command::v1::ContinueAsNewWorkflowExecutionCommandAttributes;
use abide_protos::temporal::api::common::v1::Payloads;

use super::encode::application_failure;
use super::into_failure::{IntoFailure, type_name_of};
use super::offer::offered;
use super::recorded::{Failure, FailureKind};

/// The error of a workflow function: the workflow fails, is cancelled, or continues as new.
///
/// `?` converts any error. A [`Cancelled`](crate::Cancelled), even inside an
/// [`ActivityFailure`](crate::ActivityFailure) or similar error, closes the run as *cancelled* if its cancellation was
/// requested. An [`ApplicationError`](crate::ApplicationError) and an [`ApplicationFailure`](crate::ApplicationFailure)
/// keep their type and details. Any other error fails the workflow, with its text as the message and the last part of
/// its Rust type as the error type. Boxed errors (`Box<dyn Error + Send + Sync>`, `anyhow::Error`) and texts are
/// [accepted, too](crate::IntoFailure).
///
/// For a mistake that should be fixed in code instead of failing the workflow, panic: that fails only the workflow
/// task, which is retried.
#[must_use = "an error does nothing until it is returned"]
pub struct WorkflowError {
    kind: Box<WorkflowErrorKind>,
    /// The statement that made the error; for `?`, its line.
    location: &'static Location<'static>,
}

pub(crate) enum WorkflowErrorKind {
    /// Fails the workflow, or cancels it.
    Error { error: Box<dyn Error + Send + Sync>, type_name: &'static str },
    /// Closes this run and starts the next one.
    ContinueAsNew(Box<ContinueAsNewWorkflowExecutionCommandAttributes>),
    /// Fails the workflow task, which is retried: the code or its data must be fixed.
    TaskFailure(String),
}

impl WorkflowError {
    #[track_caller]
    pub(crate) fn continue_as_new(attributes: ContinueAsNewWorkflowExecutionCommandAttributes) -> Self {
        Self::new(WorkflowErrorKind::ContinueAsNew(Box::new(attributes)))
    }

    #[track_caller]
    pub(crate) fn task_failure(message: impl Into<String>) -> Self {
        Self::new(WorkflowErrorKind::TaskFailure(message.into()))
    }

    #[track_caller]
    fn new(kind: WorkflowErrorKind) -> Self {
        Self { kind: Box::new(kind), location: Location::caller() }
    }

    /// Returns the statement in user code that made the error; `None` if the macros' output made it.
    pub(crate) fn location(&self) -> Option<&'static Location<'static>> {
        Some(self.location).filter(|location| !location.file().ends_with("__private.rs"))
    }

    pub(crate) fn kind(&self) -> &WorkflowErrorKind {
        &self.kind
    }

    pub(crate) fn into_kind(self) -> WorkflowErrorKind {
        *self.kind
    }

    /// Returns the error as `E`, if this was made from an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match &*self.kind {
            WorkflowErrorKind::Error { error, .. } => error.downcast_ref(),
            _ => None,
        }
    }

    /// Returns true if this is a cancellation: [`Cancelled`](crate::Cancelled), or an operation that was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.offered().is_some_and(|failure| failure.is_cancelled())
    }

    /// Returns the details that user code added to a cancellation.
    pub(crate) fn cancellation_details(&self) -> Option<Payloads> {
        let failure = self.offered().filter(|failure| failure.kind() == FailureKind::Cancelled)?;
        failure.details().cloned()
    }

    /// Returns the failure that is recorded without a failure converter.
    pub(super) fn recorded(&self) -> Option<Failure> {
        match &*self.kind {
            WorkflowErrorKind::Error { error, type_name } => {
                Some(Failure::from_proto(application_failure(&**error, Some(type_name))))
            }
            WorkflowErrorKind::ContinueAsNew(_) | WorkflowErrorKind::TaskFailure(_) => None,
        }
    }

    fn offered(&self) -> Option<Failure> {
        match &*self.kind {
            WorkflowErrorKind::Error { error, .. } => offered(&**error).map(|failure| Failure::from_proto(*failure)),
            WorkflowErrorKind::ContinueAsNew(_) | WorkflowErrorKind::TaskFailure(_) => None,
        }
    }
}

impl<E: IntoFailure> From<E> for WorkflowError {
    #[track_caller]
    fn from(error: E) -> Self {
        let (error, type_name) = (error.boxed(), type_name_of::<E>());
        Self::new(WorkflowErrorKind::Error { error, type_name })
    }
}

impl fmt::Display for WorkflowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            WorkflowErrorKind::Error { error, .. } => error.fmt(f),
            WorkflowErrorKind::ContinueAsNew(_) => f.write_str("continue as new"),
            WorkflowErrorKind::TaskFailure(message) => f.write_str(message),
        }
    }
}

impl fmt::Debug for WorkflowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkflowError({self})")
    }
}

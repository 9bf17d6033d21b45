//! What a workflow function returns when it does not complete.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use abide_protos::temporal::api::command::v1::ContinueAsNewWorkflowExecutionCommandAttributes;
use abide_protos::temporal::api::common::v1::Payloads;

use super::encode::application_failure;
use super::into_failure::{IntoFailure, type_name_of};
use super::offer::offered;
use super::recorded::{Failure, FailureKind};

/// Why a workflow function does not complete: it fails, is cancelled, or continues as new.
///
/// `?` turns any error into one. A [`Cancelled`](crate::Cancelled) (also inside an
/// [`ActivityFailure`](crate::ActivityFailure) or its like) ends the run as *cancelled* if its cancellation was
/// requested; an [`ApplicationError`](crate::ApplicationError) and an [`ApplicationFailure`](crate::ApplicationFailure)
/// keep their type and details; any other error fails the workflow with its text as the message and the last part of its
/// Rust type as the type. Boxed errors (`Box<dyn Error + Send + Sync>`, `anyhow::Error`) and texts are
/// [taken too](crate::IntoFailure).
///
/// What should not end the workflow but be mended and tried again is a panic: it fails the workflow task.
pub struct WorkflowError {
    kind: Box<WorkflowErrorKind>,
    /// The statement that made it: for `?`, the line it stands in.
    location: &'static Location<'static>,
}

pub(crate) enum WorkflowErrorKind {
    /// Fails the workflow, or cancels it.
    Error { error: Box<dyn Error + Send + Sync>, type_name: &'static str },
    /// Ends this run and starts the next one.
    ContinueAsNew(Box<ContinueAsNewWorkflowExecutionCommandAttributes>),
    /// Fails the workflow task, which is tried again: the code or its data has to be mended.
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

    /// The statement of the author's that made it; none if it was made by what the macros call.
    pub(crate) fn location(&self) -> Option<&'static Location<'static>> {
        Some(self.location).filter(|location| !location.file().ends_with("__private.rs"))
    }

    pub(crate) fn into_kind(self) -> WorkflowErrorKind {
        *self.kind
    }

    /// The error as `E`, if that is what was turned into this one.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match &*self.kind {
            WorkflowErrorKind::Error { error, .. } => error.downcast_ref(),
            _ => None,
        }
    }

    /// Whether this is a cancellation: [`Cancelled`](crate::Cancelled), or an operation that was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.offered().is_some_and(|failure| failure.is_cancelled())
    }

    /// What its author adds to a cancellation.
    pub(crate) fn cancellation_details(&self) -> Option<Payloads> {
        let failure = self.offered().filter(|failure| failure.kind() == FailureKind::Cancelled)?;
        failure.details().cloned()
    }

    /// What it becomes without a failure converter.
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

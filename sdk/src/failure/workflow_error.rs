//! What a workflow function returns when it does not complete.

use std::error::Error;
use std::fmt;

use abide_protos::temporal::api::command::v1::ContinueAsNewWorkflowExecutionCommandAttributes;

use super::child_workflow::ChildWorkflowFailure;
use super::external_workflow::ExternalWorkflowFailure;
use super::nexus_operation::NexusOperationFailure;
use super::operation::{ActivityFailure, Cancelled};
use super::recorded::Failure;

/// Why a workflow function does not complete: it fails, is cancelled, or continues as new.
///
/// `?` turns any error into one. A [`Cancelled`] (also inside an [`ActivityFailure`] or its like) ends the run as *cancelled* if
/// its cancellation was requested; [`ApplicationFailure`](crate::ApplicationFailure) keeps its type and details; any
/// other error fails the workflow with its text as the message and the last part of its Rust type as the type.
/// (`Box<dyn Error>` and `anyhow::Error` implement no `Error`; they can be the
/// [cause](crate::ApplicationFailure::cause) of an application failure.)
///
/// What should not end the workflow but be mended and tried again is a panic: it fails the workflow task.
pub struct WorkflowError {
    kind: Box<WorkflowErrorKind>,
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
    pub(crate) fn continue_as_new(attributes: ContinueAsNewWorkflowExecutionCommandAttributes) -> Self {
        Self { kind: Box::new(WorkflowErrorKind::ContinueAsNew(Box::new(attributes))) }
    }

    pub(crate) fn task_failure(message: impl Into<String>) -> Self {
        Self { kind: Box::new(WorkflowErrorKind::TaskFailure(message.into())) }
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

    /// Whether this is a cancellation: [`Cancelled`], or an operation that was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.downcast_ref::<Cancelled>().is_some()
            || self.downcast_ref::<ActivityFailure>().is_some_and(ActivityFailure::is_cancelled)
            || self.downcast_ref::<ChildWorkflowFailure>().is_some_and(ChildWorkflowFailure::is_cancelled)
            || self.downcast_ref::<ExternalWorkflowFailure>().is_some_and(ExternalWorkflowFailure::is_cancelled)
            || self.downcast_ref::<NexusOperationFailure>().is_some_and(NexusOperationFailure::is_cancelled)
            || self.downcast_ref::<Failure>().is_some_and(Failure::is_cancelled)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for WorkflowError {
    fn from(error: E) -> Self {
        let type_name = std::any::type_name::<E>();
        Self { kind: Box::new(WorkflowErrorKind::Error { error: Box::new(error), type_name }) }
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

//! Traits that the macros implement: a workflow's code behind one object, so that the runtime is not generic over it.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use abide_protos::temporal::api::common::v1::Payload;

use super::context::WorkflowContext;
use crate::bounded_text::name as short;
use crate::converter::{PayloadError, PayloadReader, to_payload};
use crate::definition::{PayloadValue, WorkflowDefinition};
use crate::failure::WorkflowError;
use crate::versioning::VersioningBehavior;

/// A workflow's main routine, or the body of one of its async handlers.
pub type RoutineFuture<T> = Pin<Box<dyn Future<Output = Result<T, WorkflowError>>>>;

/// A workflow type with its code, which a worker can register. Implemented by `#[workflow]` and `#[workflow_methods]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a workflow without code",
    label = "expected a function with `#[workflow]`, or `Type::run` of a struct with `#[workflow]`"
)]
pub trait WorkflowImplementation: WorkflowDefinition {
    /// Versioning behaviour of the workflow's runs; `None` for the worker's default.
    fn versioning_behavior(&self) -> Option<VersioningBehavior> {
        None
    }

    /// Returns true if it runs workflows of every type that no other workflow has: `#[workflow(dynamic)]`. Default: false.
    fn is_dynamic(&self) -> bool {
        false
    }

    /// Creates the state of a new run. The arguments are those of the start, for workflows whose state depends on them.
    ///
    /// # Errors
    /// Returns an error if the arguments do not fit.
    fn instantiate(
        &self,
        ctx: &WorkflowContext,
        args: &mut PayloadReader<'_>,
    ) -> Result<Rc<dyn WorkflowInstance>, PayloadError>;
}

/// State and code of one run. Implemented by the macros.
pub trait WorkflowInstance: Any {
    /// Starts the main routine.
    ///
    /// # Errors
    /// Returns an error if the arguments do not fit.
    fn start_main_routine(
        self: Rc<Self>,
        ctx: WorkflowContext,
        args: &mut PayloadReader<'_>,
    ) -> Result<RoutineFuture<Payload>, PayloadError>;

    /// Hands a signal to its handler.
    fn signal(self: Rc<Self>, ctx: WorkflowContext, name: &str, args: &mut PayloadReader<'_>) -> SignalDispatch {
        let _ = (ctx, name, args);
        SignalDispatch::Unknown
    }

    /// Hands an update to its handler. With `validate`, its validator runs first.
    fn update(
        self: Rc<Self>,
        ctx: WorkflowContext,
        name: &str,
        args: &mut PayloadReader<'_>,
        validate: bool,
    ) -> UpdateDispatch {
        let _ = (ctx, name, args, validate);
        UpdateDispatch::Unknown
    }

    /// Answers a query; `None` if there is no handler of that name.
    fn query(
        &self,
        ctx: &WorkflowContext,
        name: &str,
        args: &mut PayloadReader<'_>,
    ) -> Option<Result<Payload, WorkflowError>> {
        let _ = (ctx, name, args);
        None
    }

    /// Handlers of this workflow, for errors about unknown ones and for the metadata query.
    fn handlers(&self) -> &'static [HandlerInfo] {
        &[]
    }
}

/// Outcome of handing over a signal.
pub enum SignalDispatch {
    /// A synchronous handler ran.
    Done(Result<(), WorkflowError>),
    /// An asynchronous handler has begun.
    Running(RoutineFuture<()>),
    /// The arguments do not fit the handler: the signal is dropped with a warning.
    Undecodable(PayloadError),
    /// There is no handler of that name.
    Unknown,
}

/// Outcome of handing over an update.
pub enum UpdateDispatch {
    /// The update is accepted. The handler begins with the first poll, also if it is synchronous.
    Accepted(RoutineFuture<Payload>),
    /// The validator rejected it.
    Rejected(WorkflowError),
    /// The arguments do not fit the handler.
    Undecodable(PayloadError),
    /// There is no handler of that name.
    Unknown,
}

impl fmt::Debug for SignalDispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(result) => f.debug_tuple("Done").field(result).finish(),
            Self::Running(_) => f.write_str("Running(..)"),
            Self::Undecodable(error) => f.debug_tuple("Undecodable").field(error).finish(),
            Self::Unknown => f.write_str("Unknown"),
        }
    }
}

impl fmt::Debug for UpdateDispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(_) => f.write_str("Accepted(..)"),
            Self::Rejected(error) => f.debug_tuple("Rejected").field(error).finish(),
            Self::Undecodable(error) => f.debug_tuple("Undecodable").field(error).finish(),
            Self::Unknown => f.write_str("Unknown"),
        }
    }
}

/// Serializes an update's result. A value that cannot be serialized fails the workflow task, so that the workflow can
/// continue with corrected code.
pub(crate) fn update_result<T: PayloadValue>(output: &T) -> Result<Payload, WorkflowError> {
    to_payload(output)
        .map_err(|error| WorkflowError::task_failure(format!("the update's result cannot be written: {error}")))
}

/// Returns the error for a query whose arguments do not fit its handler.
pub(crate) fn unfit_query(name: &str, error: PayloadError) -> WorkflowError {
    error.of(format_args!("the arguments of query `{}` do not fit its handler", short(name))).into()
}

/// One message handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlerInfo {
    /// Kind of message that it handles.
    pub kind: HandlerKind,
    /// Name on the wire; empty for a dynamic handler.
    pub name: &'static str,
    /// Text of its documentation; empty if there is none.
    pub description: &'static str,
    /// Action if the workflow ends before the handler does.
    pub unfinished_policy: UnfinishedPolicy,
    /// Place in the source, for warnings and errors.
    pub location: &'static Location<'static>,
}

/// Action if a workflow ends before one of its handlers does: `#[signal(unfinished_policy = abandon)]`, and the same
/// for `#[update]`. The handler is dropped in any case, and an update without its outcome fails for its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnfinishedPolicy {
    /// Logs a warning (TMPRL1102), because work may have been lost. The default. In an attribute it is spelled
    /// `warn_and_abandon`.
    #[default]
    WarnAndAbandon,
    /// Logs nothing.
    Abandon,
}

/// Kind of message that a handler takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerKind {
    /// A signal: changes the workflow, has no result.
    Signal,
    /// A query: has a result, changes nothing.
    Query,
    /// An update: changes the workflow, has a result.
    Update,
}

//! What the macros implement: a workflow's code behind one object, so that the runtime is not generic over it.

use std::any::Any;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use abide_protos::temporal::api::common::v1::Payload;

use super::context::WorkflowContext;
use crate::converter::{PayloadError, PayloadReader};
use crate::definition::WorkflowDefinition;
use crate::failure::WorkflowError;
use crate::versioning::VersioningBehavior;

/// A workflow's main routine, or the body of one of its async handlers.
pub type RoutineFuture<T> = Pin<Box<dyn Future<Output = Result<T, WorkflowError>>>>;

/// A workflow type with its code: what a worker can be given. Written by `#[workflow]` and `#[workflow_methods]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a workflow without code",
    label = "expected a function with `#[workflow]`, or `Type::run` of a struct with `#[workflow]`"
)]
pub trait WorkflowImplementation: WorkflowDefinition {
    /// Whether its runs move to newer versions of the program; `None` leaves it to the worker's default.
    fn versioning_behavior(&self) -> Option<VersioningBehavior> {
        None
    }

    /// Makes the state of a new run. The arguments are those of the start, for workflows that begin with them.
    ///
    /// # Errors
    /// When the arguments do not fit.
    fn instantiate(
        &self,
        ctx: &WorkflowContext,
        args: &mut PayloadReader<'_>,
    ) -> Result<Rc<dyn WorkflowInstance>, PayloadError>;
}

/// One run's state and code. Written by the macros.
pub trait WorkflowInstance: Any {
    /// Starts the main routine.
    ///
    /// # Errors
    /// When the arguments do not fit.
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

    /// Hands an update to its handler; with `validate` its validator is asked first.
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

    /// The handlers this workflow has, for messages about unknown ones and for the metadata query.
    fn handlers(&self) -> &'static [HandlerInfo] {
        &[]
    }
}

/// What became of a signal.
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

/// What became of an update's request.
pub enum UpdateDispatch {
    /// It is accepted. The handler begins when this is polled first, whether it is asynchronous or not.
    Accepted(RoutineFuture<Payload>),
    /// Its validator refused it.
    Rejected(WorkflowError),
    /// The arguments do not fit the handler.
    Undecodable(PayloadError),
    /// There is no handler of that name.
    Unknown,
}

/// One message handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlerInfo {
    /// What kind of message it takes.
    pub kind: HandlerKind,
    /// Its name on the wire.
    pub name: &'static str,
    /// What its documentation says; empty without any.
    pub description: &'static str,
    /// What to do when the workflow ends before it does.
    pub unfinished_policy: UnfinishedPolicy,
    /// Where it is, for messages.
    pub location: &'static Location<'static>,
}

/// What to do when a workflow ends while one of its handlers has not: `#[signal(unfinished_policy = abandon)]`, and the
/// same for `#[update]`. The handler is dropped in any case, and an update without its outcome fails for its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnfinishedPolicy {
    /// Warn in the worker's log (TMPRL1102), as work may have been lost. The default; in an attribute it is spelled
    /// `warn_and_abandon`.
    #[default]
    WarnAndAbandon,
    /// Say nothing.
    Abandon,
}

/// What kind of message a handler takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerKind {
    /// A signal: no answer.
    Signal,
    /// A query: an answer, no change.
    Query,
    /// An update: a change, and an answer.
    Update,
}

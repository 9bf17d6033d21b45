//! Workflows that are functions: the return type of a call, and the way from the function to its definition.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::WorkflowContext;
use crate::definition::{ByFunction, Workflow, WorkflowDefinition, named_by_functions};

/// A workflow function that was called directly, like any Rust function. Awaiting it runs the function's code; nothing
/// is sent to the server.
///
/// `D` is the function's definition: from it `client.start(process_order, ..)` learns what to start.
#[must_use = "a called workflow does nothing unless awaited; a client starts it with `client.start(..)`"]
pub struct CalledWorkflow<'a, D, R> {
    code: Pin<Box<dyn Future<Output = R> + 'a>>,
    definition: PhantomData<fn() -> D>,
}

impl<'a, D, R> CalledWorkflow<'a, D, R> {
    /// Wraps the code. Called by the output of `#[workflow]`.
    #[doc(hidden)]
    pub fn new(code: impl Future<Output = R> + 'a) -> Self {
        Self { code: Box::pin(code), definition: PhantomData }
    }
}

impl<D, R> Future for CalledWorkflow<'_, D, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        self.code.as_mut().poll(cx)
    }
}

impl<D, R> fmt::Debug for CalledWorkflow<'_, D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalledWorkflow").finish_non_exhaustive()
    }
}

named_by_functions!(Workflow, WorkflowDefinition, WorkflowContext, CalledWorkflow);

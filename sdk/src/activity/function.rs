//! Activity functions: the return type of a call, and how the function names its definition.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ActivityContext;
use crate::definition::{Activity, ActivityDefinition, ByFunction, named_by_functions};
use crate::direct_call::DirectCall;

/// A direct call of an activity function, like that of any Rust function: a future of its code. Nothing is sent to the
/// server. The code of a function with `blocking` runs at the first poll, on the thread that polls.
///
/// Use it in tests of the activity's code and in other activities. A workflow runs an activity with
/// [`ctx.activity(charge, ..)`](crate::WorkflowContext::activity). If it awaits `charge(..)` instead, the code runs in
/// the workflow, again at each replay, without retries and timeouts, and can use no I/O. The worker logs a warning then.
///
/// `D` is the function's definition, from which `ctx.activity(charge, ..)` learns what to schedule.
#[must_use = "a called activity does nothing unless awaited; a workflow runs it with `ctx.activity(..)`"]
pub struct CalledActivity<'a, D, R> {
    code: Pin<Box<dyn Future<Output = R> + Send + 'a>>,
    call: DirectCall,
    definition: PhantomData<fn() -> D>,
}

impl<'a, D, R> CalledActivity<'a, D, R> {
    /// Wraps the code. Called by the output of `#[activity]`.
    #[doc(hidden)]
    #[track_caller]
    pub fn new(function: &'static str, code: impl Future<Output = R> + Send + 'a) -> Self {
        let call = DirectCall { function, location: Location::caller() };
        Self { code: Box::pin(code), call, definition: PhantomData }
    }
}

impl<D, R> Future for CalledActivity<'_, D, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        self.call.polled();
        let polled = self.code.as_mut().poll(cx);
        if polled.is_ready() {
            self.call.ended();
        }
        polled
    }
}

impl<D, R> fmt::Debug for CalledActivity<'_, D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalledActivity").finish_non_exhaustive()
    }
}

named_by_functions!(Activity, ActivityDefinition, ActivityContext, CalledActivity);

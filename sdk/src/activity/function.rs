//! Activity functions: the return type of a call, and how the function names its definition.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ActivityContext;
use crate::definition::{Activity, ActivityDefinition, ByFunction, named_by_functions};

/// A direct call of an activity function, like that of any Rust function: a future of its code. Nothing is sent to the
/// server. Even if the function is not async, its code runs at the first poll, as in an attempt.
///
/// `D` is the function's definition, from which `ctx.activity(charge, ..)` learns what to schedule.
#[must_use = "futures do nothing unless awaited"]
pub struct CalledActivity<'a, D, R> {
    code: Pin<Box<dyn Future<Output = R> + Send + 'a>>,
    definition: PhantomData<fn() -> D>,
}

impl<'a, D, R> CalledActivity<'a, D, R> {
    /// Wraps the code. Called by the output of `#[activity]`.
    #[doc(hidden)]
    pub fn new(code: impl Future<Output = R> + Send + 'a) -> Self {
        Self { code: Box::pin(code), definition: PhantomData }
    }
}

impl<D, R> Future for CalledActivity<'_, D, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        self.code.as_mut().poll(cx)
    }
}

impl<D, R> fmt::Debug for CalledActivity<'_, D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalledActivity").finish_non_exhaustive()
    }
}

named_by_functions!(Activity, ActivityDefinition, ActivityContext, CalledActivity);

//! Activities that are functions: what a call returns, and how the function names its definition.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ActivityContext;
use crate::definition::{Activity, ActivityDefinition, ByFunction, named_by_functions};

/// An activity function that was called directly, as any Rust function: its code, to be awaited. Nothing goes to the
/// server. (Also if the function is not async: its code runs when it is polled first, as that of an attempt does.)
///
/// `D` is the function's definition. It is how `ctx.activity(charge, ..)` learns from the function alone what to
/// schedule.
#[must_use = "futures do nothing unless awaited"]
pub struct CalledActivity<'a, D, R> {
    code: Pin<Box<dyn Future<Output = R> + Send + 'a>>,
    definition: PhantomData<fn() -> D>,
}

impl<'a, D, R> CalledActivity<'a, D, R> {
    /// Wraps the code. Called by what `#[activity]` writes.
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

//! Timeouts: a future that has a limited time.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::debug_only::debug_only;
use crate::duration::text;
use crate::workflow::context::WorkflowContext;
use crate::workflow::run_state::RunState;
use crate::workflow::timer::TimerHandle;

/// A future that has a limited time. Made by [`WorkflowContext::timeout`].
#[must_use = "neither the future nor its timer begins unless this is awaited"]
pub struct Timeout<F> {
    shared: Rc<RunState>,
    after: Duration,
    summary: Option<String>,
    location: &'static Location<'static>,
    /// `None` once it has ended.
    future: Option<Pin<Box<F>>>,
    timer: Timer,
}

debug_only!(impl[F] Timeout<F>, |this| { after: this.after, location: this.location });

/// A future did not end within its time, which [`WorkflowContext::timeout`] had limited.
///
/// If a workflow returns it, the workflow fails with the error type `TimedOut`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    after: Duration,
}

impl WorkflowContext {
    /// Awaits a future for `duration` of the workflow's time at most.
    ///
    /// The timer starts when this is first awaited, unless the future ends at once. When the time is over, the future is
    /// dropped, which cancels what it waits for. If both are ready in the same workflow task, the future wins. When the
    /// future ends first, the timer is cancelled. If the current scope is cancelled, the future learns of it and
    /// decides: there is no timeout any more.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[activity] async fn quote(shop: String) -> Result<u64, ActivityError> { Ok(1) }
    /// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    /// let asked = ctx.activity(quote, "Ritz".into()).start_to_close_timeout(mins(5));
    /// let price = match ctx.timeout(mins(10), asked).await {
    ///     Ok(quoted) => quoted?,
    ///     Err(_too_late) => 990,
    /// };
    /// # let _ = price; Ok(()) }
    /// ```
    #[track_caller]
    pub fn timeout<F: Future>(&self, duration: Duration, future: F) -> Timeout<F> {
        Timeout {
            shared: self.shared.clone(),
            after: duration,
            summary: None,
            location: Location::caller(),
            future: Some(Box::pin(future)),
            timer: Timer::NotStarted,
        }
    }
}

impl<F> Timeout<F> {
    /// Sets a short text about the timer for people who look at the workflow.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    fn end(&mut self) {
        self.future = None;
        self.timer = Timer::Off;
    }
}

impl TimedOut {
    /// Returns the time that the future had.
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timed out after {}", text(self.after))
    }
}

impl Error for TimedOut {}

enum Timer {
    NotStarted,
    Running(TimerHandle),
    /// The timer was cancelled with the scope, or everything is over.
    Off,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimedOut>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let future = this.future.as_mut().expect(
            "a future with a timeout was awaited again after it had ended: keep the outcome of the first await",
        );
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            this.end();
            return Poll::Ready(Ok(output));
        }
        if let Timer::NotStarted = this.timer {
            let (shared, summary) = (this.shared.clone(), this.summary.take());
            this.timer = Timer::Running(TimerHandle::start(shared, this.after, summary, this.location));
        }
        let Timer::Running(timer) = &mut this.timer else { return Poll::Pending };
        match Pin::new(timer).poll(cx) {
            Poll::Ready(Ok(())) => {
                this.end();
                Poll::Ready(Err(TimedOut { after: this.after }))
            }
            Poll::Ready(Err(_)) => {
                this.timer = Timer::Off;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

//! An attempt is told two things while it runs: that it should stop, and that its worker shuts down. Each is told once and seen
//! by every waiter.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The reason for cancelling an attempt.
///
/// An activity that stops because of it returns [`ActivityError::cancelled()`](crate::ActivityError::cancelled),
/// whatever the reason is. The worker reports what the server expects for this reason:
///
/// | reason | what the worker reports for `ActivityError::cancelled()` | what follows |
/// | --- | --- | --- |
/// | [`Cancelled`](Self::Cancelled) | the activity was cancelled, with the details of the error | no retry; the workflow gets the cancellation |
/// | [`TimedOut`](Self::TimedOut) | nothing: the server has given the attempt up | the server retries, or fails the activity with the timeout |
/// | [`NotFound`](Self::NotFound) | nothing: nobody waits for the attempt | nothing, or the attempt that has replaced this one |
/// | [`Paused`](Self::Paused) | a failure with the type `ActivityPause` | the next attempt begins when an operator unpauses the activity |
/// | [`Reset`](Self::Reset) | a failure with the type `ActivityReset` | the next attempt, which is number 1 again |
/// | [`WorkerShutdown`](Self::WorkerShutdown) | a failure with the type `WorkerShutdown` | the server retries on another worker |
///
/// Failures count as attempts, so the retry policy applies. Any other outcome is reported as it is: an activity that
/// finishes all the same returns `Ok`, and one that failed returns its error.
///
/// A local activity gets `Cancelled`, `TimedOut`, `NotFound` (its run left the worker) and `WorkerShutdown`.
///
/// ```
/// use abide::activity::ActivityCancelReason;
///
/// assert_eq!(ActivityCancelReason::Paused.to_string(), "an operator paused the activity");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActivityCancelReason {
    /// The workflow requested cancellation.
    Cancelled,
    /// The attempt exceeded a timeout, such as its heartbeat timeout.
    TimedOut,
    /// The server no longer knows the attempt: its workflow is closed, or another attempt has begun.
    NotFound,
    /// An operator paused the activity.
    Paused,
    /// An operator reset the activity.
    Reset,
    /// The worker is shutting down and its graceful shutdown timeout is over.
    WorkerShutdown,
}

/// An attempt's cancellation, and the notice that its worker shuts down. Clones share the same state.
#[derive(Clone, Debug, Default)]
pub struct ActivityCancellation {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    reason: Option<ActivityCancelReason>,
    worker_shutting_down: bool,
    /// Those who wait for either. One list, so that code that waits for both keeps only one clone of its waker.
    wakers: Vec<Waker>,
}

impl ActivityCancellation {
    /// Creates a cancellation that has not been requested.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests cancellation. Only the first reason counts. [`WorkerShutdown`](ActivityCancelReason::WorkerShutdown)
    /// also gives the [notice](Self::begin_worker_shutdown).
    pub fn cancel(&self, reason: ActivityCancelReason) {
        self.change(|state| {
            let is_news = state.reason.is_none();
            state.reason = state.reason.or(Some(reason));
            state.worker_shutting_down |= is_news && reason == ActivityCancelReason::WorkerShutdown;
            is_news
        });
    }

    /// Returns the reason; `None` if cancellation was not requested.
    pub fn reason(&self) -> Option<ActivityCancelReason> {
        self.lock().reason
    }

    /// Waits until cancellation is requested.
    pub async fn cancelled(&self) -> ActivityCancelReason {
        poll_fn(|cx| self.poll_state(cx, |state| state.reason)).await
    }

    /// Gives notice that the worker shuts down. The attempt goes on until it is cancelled.
    pub fn begin_worker_shutdown(&self) {
        self.change(|state| !std::mem::replace(&mut state.worker_shutting_down, true));
    }

    /// Returns true if the worker shuts down.
    pub fn is_worker_shutting_down(&self) -> bool {
        self.lock().worker_shutting_down
    }

    /// Waits until the worker shuts down.
    pub async fn worker_shutting_down(&self) {
        poll_fn(|cx| self.poll_state(cx, |state| state.worker_shutting_down.then_some(()))).await;
    }

    pub(super) fn wakes(&self, waker: &Waker) -> bool {
        self.lock().wakers.iter().any(|known| known.will_wake(waker))
    }

    /// Changes the state, and wakes all waiters if that is news.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.lock();
        let wakers = if change(&mut state) { std::mem::take(&mut state.wakers) } else { Vec::new() };
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn poll_state<T>(&self, cx: &mut Context<'_>, look: impl Fn(&State) -> Option<T>) -> Poll<T> {
        let mut state = self.lock();
        if let Some(seen) = look(&state) {
            return Poll::Ready(seen);
        }
        if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for ActivityCancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "the workflow requested cancellation",
            Self::TimedOut => "the attempt exceeded a timeout",
            Self::NotFound => "the server no longer knows the attempt",
            Self::Paused => "an operator paused the activity",
            Self::Reset => "an operator reset the activity",
            Self::WorkerShutdown => "the worker is shutting down",
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn only_the_first_reason_counts() {
        let told = ActivityCancellation::new();
        assert_eq!((told.reason(), told.cancelled().now_or_never()), (None, None));
        told.cancel(ActivityCancelReason::Reset);
        told.cancel(ActivityCancelReason::WorkerShutdown);
        assert_eq!(told.cancelled().now_or_never(), Some(ActivityCancelReason::Reset));
        assert!(!told.is_worker_shutting_down(), "the second reason came too late to tell anything");
    }

    #[test]
    fn the_notice_of_a_shutdown_cancels_nothing_and_a_cancellation_by_it_gives_the_notice() {
        let told = ActivityCancellation::new();
        assert_eq!(told.worker_shutting_down().now_or_never(), None);
        told.begin_worker_shutdown();
        assert_eq!((told.worker_shutting_down().now_or_never(), told.reason()), (Some(()), None));
        let at_once = ActivityCancellation::new();
        at_once.cancel(ActivityCancelReason::WorkerShutdown);
        assert!(at_once.is_worker_shutting_down());
    }

    #[tokio::test]
    async fn waiters_of_both_kinds_are_woken_by_what_they_wait_for() {
        let told = ActivityCancellation::new();
        let tell = async {
            told.begin_worker_shutdown();
            tokio::task::yield_now().await;
            told.cancel(ActivityCancelReason::WorkerShutdown);
        };
        let (reason, (), ()) = tokio::join!(told.cancelled(), told.worker_shutting_down(), tell);
        assert_eq!(reason, ActivityCancelReason::WorkerShutdown);
    }
}

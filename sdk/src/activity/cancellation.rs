//! An attempt's cancellation: requested once, seen by every waiter.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// The reason for cancelling an attempt.
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

/// An attempt's cancellation. Clones share the same state.
#[derive(Clone, Debug, Default)]
pub struct ActivityCancellation {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    reason: Option<ActivityCancelReason>,
    wakers: Vec<Waker>,
}

impl ActivityCancellation {
    /// Creates a cancellation that has not been requested.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests cancellation. Only the first reason counts.
    pub fn cancel(&self, reason: ActivityCancelReason) {
        let wakers = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.reason.is_some() {
                return;
            }
            state.reason = Some(reason);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns the reason; `None` if cancellation was not requested.
    pub fn reason(&self) -> Option<ActivityCancelReason> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).reason
    }

    pub(super) fn wakes(&self, waker: &Waker) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.wakers.iter().any(|known| known.will_wake(waker))
    }

    /// Waits until cancellation is requested.
    pub async fn cancelled(&self) -> ActivityCancelReason {
        poll_fn(|cx| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(reason) = state.reason {
                return Poll::Ready(reason);
            }
            if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

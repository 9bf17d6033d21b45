//! An attempt's cancellation: asked for once, seen by everyone who waits for it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Why an attempt should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActivityCancelReason {
    /// The workflow asked for it.
    Cancelled,
    /// The attempt took too long, or its heartbeats did not come in time.
    TimedOut,
    /// The server no longer knows the attempt: its workflow is closed, or another attempt has begun.
    NotFound,
    /// An operator paused the activity.
    Paused,
    /// An operator reset the activity.
    Reset,
    /// The worker shuts down and its graceful period is over.
    WorkerShutdown,
}

/// An attempt's cancellation. Clones are the same cancellation.
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
    /// A cancellation that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for it. Only the first reason counts.
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

    /// Why it was asked for; `None` if it was not.
    pub fn reason(&self) -> Option<ActivityCancelReason> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).reason
    }

    pub(super) fn wakes(&self, waker: &Waker) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.wakers.iter().any(|known| known.will_wake(waker))
    }

    /// Waits until it is asked for.
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

//! The notices to a running handler: it should stop, or its worker shuts down.

use crate::activity::{ActivityCancelReason, ActivityCancellation};

/// The reason for which a handler should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NexusCancelReason {
    /// The caller no longer waits for the answer: the request's time has passed.
    RequestTimeout,
    /// The worker is shutting down and its graceful shutdown timeout is over.
    WorkerShutdown,
}

/// A handler's cancellation. Clones share the same state. The waiting and waking is that of activities.
#[derive(Clone, Debug, Default)]
pub(crate) struct NexusCancellation(ActivityCancellation);

impl NexusCancellation {
    /// Requests cancellation. Only the first reason counts.
    pub(crate) fn cancel(&self, reason: NexusCancelReason) {
        self.0.cancel(match reason {
            NexusCancelReason::RequestTimeout => ActivityCancelReason::TimedOut,
            NexusCancelReason::WorkerShutdown => ActivityCancelReason::WorkerShutdown,
        });
    }

    /// Gives notice that the worker shuts down. The handler goes on until it is cancelled.
    pub(crate) fn begin_worker_shutdown(&self) {
        self.0.begin_worker_shutdown();
    }

    pub(super) fn reason(&self) -> Option<NexusCancelReason> {
        self.0.reason().map(of_activity)
    }

    pub(super) async fn cancelled(&self) -> NexusCancelReason {
        of_activity(self.0.cancelled().await)
    }

    pub(super) fn is_worker_shutting_down(&self) -> bool {
        self.0.is_worker_shutting_down()
    }

    pub(super) async fn worker_shutting_down(&self) {
        self.0.worker_shutting_down().await;
    }
}

fn of_activity(reason: ActivityCancelReason) -> NexusCancelReason {
    match reason {
        ActivityCancelReason::WorkerShutdown => NexusCancelReason::WorkerShutdown,
        ActivityCancelReason::Cancelled
        | ActivityCancelReason::TimedOut
        | ActivityCancelReason::NotFound
        | ActivityCancelReason::Paused
        | ActivityCancelReason::Reset => NexusCancelReason::RequestTimeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_learns_the_first_reason() {
        for reason in [NexusCancelReason::RequestTimeout, NexusCancelReason::WorkerShutdown] {
            let told = NexusCancellation::default();
            assert_eq!(told.reason(), None);
            told.cancel(reason);
            told.cancel(NexusCancelReason::RequestTimeout);
            assert_eq!(told.reason(), Some(reason));
        }
    }
}

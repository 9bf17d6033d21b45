//! The phases of a worker's shutdown in one place. Every wait in a worker also waits for one of them.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// Progress of a worker's shutdown. Phases only advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Polls and works.
    Running,
    /// Starts no more polls, except of the sticky queue; open polls may still bring a task.
    Draining,
    /// Starts no more polls of the sticky queue either.
    Leaving,
    /// Drops open polls.
    PollsCut,
    /// Cancels activities: their graceful shutdown timeout is over.
    ActivitiesCancelled,
    /// Waits for nothing: activities are dropped, calls are not retried.
    Aborting,
}

/// The current phase.
#[derive(Debug)]
pub(super) struct Phases {
    phase: watch::Sender<Phase>,
}

impl Phases {
    pub(super) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Running) }
    }

    /// Advances to a phase, unless it is already reached.
    pub(super) fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let further = *phase < to;
            if further {
                *phase = to;
            }
            further
        });
    }

    pub(super) fn has_reached(&self, phase: Phase) -> bool {
        *self.phase.borrow() >= phase
    }

    /// Waits until a phase is reached.
    pub(super) async fn reached(&self, phase: Phase) {
        // The sender is `self`, so it outlives this wait.
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }
}

/// Shuts a worker down from other code, for example from a signal handler or at the end of a test. Clones control the
/// same worker.
///
/// ```no_run
/// # async fn end(worker: abide::worker::Worker) -> Result<(), abide::worker::WorkerError> {
/// let handle = worker.shutdown_handle();
/// tokio::spawn(async move {
///     // ... wait for a reason to stop ...
///     handle.shutdown();
/// });
/// worker.run().await
/// # }
/// ```
#[derive(Clone)]
pub struct ShutdownHandle {
    phases: Arc<Phases>,
}

impl ShutdownHandle {
    pub(super) fn new(phases: Arc<Phases>) -> Self {
        Self { phases }
    }

    /// Asks the worker to shut down, and returns at once. The worker stops polling, answers its open workflow tasks,
    /// and gives activities the graceful shutdown timeout; then [`Worker::run`](super::Worker::run) returns.
    pub fn shutdown(&self) {
        self.phases.advance(Phase::Draining);
    }

    /// Returns true if the worker was asked to shut down.
    pub fn is_shutting_down(&self) -> bool {
        self.phases.has_reached(Phase::Draining)
    }
}

impl fmt::Debug for ShutdownHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownHandle").field("is_shutting_down", &self.is_shutting_down()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_advance() {
        let phases = Phases::new();
        phases.advance(Phase::ActivitiesCancelled);
        phases.advance(Phase::Draining);
        assert!(phases.has_reached(Phase::ActivitiesCancelled));
        phases.reached(Phase::PollsCut).await;
    }

    #[tokio::test]
    async fn a_waiter_is_woken_by_a_later_phase() {
        let phases = Arc::new(Phases::new());
        let waiting = phases.reached(Phase::PollsCut);
        let advance = async { phases.advance(Phase::Aborting) };
        tokio::join!(waiting, advance);
    }
}

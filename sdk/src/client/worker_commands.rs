//! Where the server sends commands to this process: one queue for all workers of a connection, polled by one of them.
//!
//! The client only knows that there are workers that may take a command; what they do, the layer above says. Workers are
//! held weakly: a client keeps none alive.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, MutexGuard as HeldTurn};

/// A worker that takes commands.
pub(crate) trait CommandedWorker: Send + Sync {
    /// Tells the attempt with that token to stop, if this worker runs it.
    fn cancel_activity(&self, task_token: &[u8]) -> bool;
}

/// The commands to the workers of one connection, and so of one namespace.
pub(crate) struct WorkerCommands {
    grouping_key: String,
    workers: Mutex<Vec<Weak<dyn CommandedWorker>>>,
    turn: Turn<()>,
}

impl WorkerCommands {
    pub(super) fn new() -> Self {
        let grouping_key = uuid::Uuid::new_v4().to_string();
        Self { grouping_key, workers: Mutex::default(), turn: Turn::default() }
    }

    /// What the workers of this connection have in common, and no others.
    pub(crate) fn grouping_key(&self) -> &str {
        &self.grouping_key
    }

    /// The queue on which commands come.
    pub(crate) fn task_queue(&self, namespace: &str) -> String {
        format!("temporal-sys/worker-commands/{namespace}/{}", self.grouping_key)
    }

    /// Makes a worker known that has begun to run activities.
    pub(crate) fn add(&self, worker: Weak<dyn CommandedWorker>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|known| known.strong_count() > 0);
        workers.push(worker);
    }

    /// Waits until nobody else polls the queue; it is the caller's to poll until the guard is dropped.
    pub(crate) async fn turn(&self) -> HeldTurn<'_, ()> {
        self.turn.lock().await
    }

    /// Tells the attempt with that token to stop, whichever worker runs it. `false` if none does any more.
    pub(crate) fn cancel_activity(&self, task_token: &[u8]) -> bool {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workers.iter().filter_map(Weak::upgrade).any(|worker: Arc<_>| worker.cancel_activity(task_token))
    }
}

impl fmt::Debug for WorkerCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerCommands").field("grouping_key", &self.grouping_key).finish_non_exhaustive()
    }
}

//! A task queue: what is added first is polled first.

use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

/// Longest time that a poll waits, as on a real server.
const LONG_POLL: Duration = Duration::from_secs(60);

pub(crate) struct Queue<T> {
    // Bounded by the runs: each has at most one workflow task, and the activities that its commands schedule.
    added: mpsc::UnboundedSender<T>,
    polled: Mutex<mpsc::UnboundedReceiver<T>>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let (added, polled) = mpsc::unbounded_channel();
        Self { added, polled: Mutex::new(polled) }
    }
}

impl<T> Queue<T> {
    pub(crate) fn add(&self, task: T) {
        let sent = self.added.send(task);
        debug_assert!(sent.is_ok(), "the queue holds its receiver");
    }

    /// Returns the next task; `None` after the time of a long poll.
    pub(crate) async fn poll(&self) -> Option<T> {
        let next = async { self.polled.lock().await.recv().await };
        tokio::time::timeout(LONG_POLL, next).await.ok().flatten()
    }
}

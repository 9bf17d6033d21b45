//! The server's commands to this process: one queue for all workers of a connection, polled by one of them.
//!
//! The client only knows that some workers take commands; the layer above defines what they do. References to workers
//! are weak, so a client keeps none alive.
//!
//! A command and the answer to a poll travel at the same time, so "cancel the attempt with this token" may arrive
//! before the attempt. It is kept until the attempt asks for it.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, MutexGuard as HeldTurn};

/// Maximum kept cancellations without an attempt. Most of them never find one, because their attempt has just ended.
const EARLY_LIMIT: usize = 1000;

/// A worker that accepts commands.
pub(crate) trait CommandedWorker: Send + Sync {
    /// Cancels the attempt with that token. Returns true if this worker runs it.
    fn cancel_activity(&self, task_token: &[u8]) -> bool;
}

/// The commands to the workers of one connection, and so of one namespace.
pub(crate) struct WorkerCommands {
    grouping_key: String,
    workers: Mutex<Vec<Weak<dyn CommandedWorker>>>,
    early: Mutex<Early>,
    turn: Turn<()>,
}

/// The latest cancellations that found no attempt, by task token.
#[derive(Default)]
struct Early {
    tokens: HashSet<Arc<[u8]>>,
    /// The same tokens, oldest first.
    order: VecDeque<Arc<[u8]>>,
}

impl WorkerCommands {
    pub(super) fn new() -> Self {
        let grouping_key = uuid::Uuid::new_v4().to_string();
        Self { grouping_key, workers: Mutex::default(), early: Mutex::default(), turn: Turn::default() }
    }

    /// Returns the key that groups the workers of this connection.
    pub(crate) fn grouping_key(&self) -> &str {
        &self.grouping_key
    }

    /// Returns the queue on which commands arrive.
    pub(crate) fn task_queue(&self, namespace: &str) -> String {
        format!("temporal-sys/worker-commands/{namespace}/{}", self.grouping_key)
    }

    /// Adds a worker that has started to run activities.
    pub(crate) fn add(&self, worker: Weak<dyn CommandedWorker>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|known| known.strong_count() > 0);
        workers.push(worker);
    }

    /// Waits until no other worker polls the queue. The caller may poll it until the guard is dropped.
    pub(crate) async fn turn(&self) -> HeldTurn<'_, ()> {
        self.turn.lock().await
    }

    /// Cancels the attempt with that token, whichever worker runs it. Returns `false` if none does; the command is then
    /// kept in case the attempt is still on its way.
    pub(crate) fn cancel_activity(&self, task_token: &[u8]) -> bool {
        // Kept before the attempt is looked for, while an attempt registers before it asks for kept commands. So in
        // every interleaving at least one of them sees the other.
        self.early().keep(task_token);
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = workers.iter().filter_map(Weak::upgrade).any(|worker: Arc<_>| worker.cancel_activity(task_token));
        let mut early = self.early();
        if found {
            early.take(task_token);
        }
        early.trim();
        found
    }

    /// Returns true if a starting attempt was already cancelled. Must be called after the attempt is registered by its
    /// token.
    pub(crate) fn is_cancelled_early(&self, task_token: &[u8]) -> bool {
        self.early().take(task_token)
    }

    fn early(&self) -> MutexGuard<'_, Early> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Early {
    fn keep(&mut self, task_token: &[u8]) {
        let task_token: Arc<[u8]> = task_token.into();
        // The server may send a command twice.
        if !self.tokens.insert(Arc::clone(&task_token)) {
            return;
        }
        self.order.push_back(task_token);
    }

    /// Removes the oldest entries while there are too many.
    fn trim(&mut self) {
        while self.order.len() > EARLY_LIMIT {
            if let Some(oldest) = self.order.pop_front() {
                self.tokens.remove(&oldest);
            }
        }
    }

    fn take(&mut self, task_token: &[u8]) -> bool {
        let kept = self.tokens.remove(task_token);
        if kept {
            self.order.retain(|other| **other != *task_token);
        }
        kept
    }
}

impl fmt::Debug for WorkerCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerCommands").field("grouping_key", &self.grouping_key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    /// A worker that runs a closure for each cancellation.
    struct Told<F>(F);

    impl<F: Fn(&[u8]) -> bool + Send + Sync> CommandedWorker for Told<F> {
        fn cancel_activity(&self, task_token: &[u8]) -> bool {
            self.0(task_token)
        }
    }

    fn commands_of(workers: &[Arc<dyn CommandedWorker>]) -> WorkerCommands {
        let commands = WorkerCommands::new();
        workers.iter().for_each(|worker| commands.add(Arc::downgrade(worker)));
        commands
    }

    fn kept(commands: &WorkerCommands) -> usize {
        let early = commands.early();
        assert_eq!(early.tokens.len(), early.order.len());
        early.order.len()
    }

    #[test]
    fn b060_a_cancellation_that_overtakes_its_attempt_is_kept_until_that_begins() {
        let idle: Arc<dyn CommandedWorker> = Arc::new(Told(|_: &[u8]| false));
        let commands = commands_of(from_ref(&idle));
        for token in [b"bake", b"brew", b"bake"] {
            assert!(!commands.cancel_activity(token));
        }
        assert_eq!(kept(&commands), 2, "the one that came twice is kept once");
        assert!(!commands.is_cancelled_early(b"wash"));
        assert!(commands.is_cancelled_early(b"bake"));
        assert!(!commands.is_cancelled_early(b"bake"), "it has been told");
        assert_eq!(kept(&commands), 1);
    }

    #[test]
    fn b060_nothing_is_kept_of_a_cancellation_that_finds_its_attempt() {
        let running: Arc<dyn CommandedWorker> = Arc::new(Told(|token: &[u8]| token == b"bake"));
        let commands = commands_of(from_ref(&running));
        assert!(commands.cancel_activity(b"bake"));
        assert_eq!(kept(&commands), 0);
    }

    #[test]
    fn b060_an_attempt_that_begins_while_it_is_looked_for_sees_its_cancellation() {
        let commands = Arc::new(WorkerCommands::new());
        let asked = Arc::downgrade(&commands);
        // The attempt is looked up just before it registers, and asks right after.
        let worker: Arc<dyn CommandedWorker> = Arc::new(Told(move |token: &[u8]| {
            assert!(asked.upgrade().is_some_and(|commands| commands.is_cancelled_early(token)));
            false
        }));
        commands.add(Arc::downgrade(&worker));
        commands.cancel_activity(b"bake");
        assert_eq!(kept(&commands), 0);
    }

    #[test]
    fn b060_only_the_latest_cancellations_without_an_attempt_are_kept() {
        let commands = commands_of(&[]);
        for number in 0..=EARLY_LIMIT {
            commands.cancel_activity(&number.to_be_bytes());
        }
        assert_eq!(kept(&commands), EARLY_LIMIT);
        assert!(!commands.is_cancelled_early(&0_usize.to_be_bytes()), "the oldest one has made room");
        assert!(commands.is_cancelled_early(&1_usize.to_be_bytes()));
        assert!(commands.is_cancelled_early(&EARLY_LIMIT.to_be_bytes()));
    }
}

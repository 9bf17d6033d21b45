//! The pollers of one kind: keeps the wanted number running, and starts new ones when the worker's client is replaced.
//!
//! Pollers are numbered from 0. Those with a number at or above the [scaler](super::scaler)'s target rest until it
//! rises again. A poller belongs to one client. When the client is replaced, the poller finishes its open poll (which
//! may bring a task) and ends, while its successor already polls.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::behavior::PollerBehavior;
use super::counters::Polls;
use super::outage::Outage;
use super::poller::{Poller, TaskSource};
use super::scaler::{PollScaler, Polled};
use super::slots::Slots;
use crate::worker::error::WorkerError;
use crate::worker::shutdown::{Phase, Phases};

/// The pollers of one kind. `source` makes the task source for the current client.
pub(crate) struct Pollers<F> {
    pub(crate) source: F,
    pub(crate) slots: Arc<Slots>,
    pub(crate) phases: Arc<Phases>,
    pub(crate) outage: Arc<Outage>,
    pub(crate) polls: Arc<Polls>,
    pub(crate) wanted: Arc<WantedPolls>,
}

/// The wanted number of polls of one kind.
pub(crate) struct WantedPolls {
    /// `None` if the number is fixed.
    scaler: Option<Mutex<PollScaler>>,
    number: watch::Sender<usize>,
    began: Instant,
}

impl<S: TaskSource, F: Fn() -> S + Send + Sync> Pollers<F> {
    /// Polls until the worker shuts down.
    ///
    /// # Errors
    /// Returns an error if the server refuses polls for more than a minute. The worker then shuts down for that reason.
    pub(crate) async fn run(self) -> Result<(), WorkerError> {
        let mut draining = pin!(self.phases.reached((self.source)().last_poll()));
        let mut wanted = self.wanted.number.subscribe();
        let mut pollers = JoinSet::new();
        'client: loop {
            let source = Arc::new((self.source)());
            let mut replaced = pin!(source.replaced());
            let mut begun = 0;
            loop {
                let number = *wanted.borrow_and_update();
                for index in begun..number {
                    pollers.spawn(self.poller(&source, index).run());
                }
                begun = begun.max(number);
                tokio::select! {
                    biased;
                    () = &mut draining => return all_end(pollers, Ok(())).await,
                    () = &mut replaced => continue 'client,
                    Some(ended) = pollers.join_next() => if let Err(error) = end_of(ended) {
                        // Open polls may still bring a task.
                        self.phases.advance(Phase::Draining);
                        return all_end(pollers, Err(error)).await;
                    },
                    // The sender belongs to `self`.
                    _ = wanted.changed() => {}
                }
            }
        }
    }

    fn poller(&self, source: &Arc<S>, index: usize) -> Poller<S> {
        Poller {
            source: Arc::clone(source),
            slots: Arc::clone(&self.slots),
            phases: Arc::clone(&self.phases),
            outage: Arc::clone(&self.outage),
            polls: Arc::clone(&self.polls),
            wanted: Arc::clone(&self.wanted),
            index,
        }
    }
}

impl WantedPolls {
    /// Creates the target; `server_suggests` is true if the server announces suggestions.
    pub(crate) fn new(behavior: PollerBehavior, server_suggests: bool) -> Arc<Self> {
        let scaler = match behavior {
            PollerBehavior::SimpleMaximum(_) => None,
            PollerBehavior::Autoscaling { minimum, maximum, initial } => {
                Some(Mutex::new(PollScaler::new(minimum, maximum, initial, server_suggests)))
            }
        };
        Arc::new(Self { scaler, number: watch::Sender::new(behavior.initial()), began: Instant::now() })
    }

    /// Waits until the poller with this number may poll. Returns true if it had to wait.
    pub(crate) async fn wants(&self, index: usize) -> bool {
        if index < *self.number.borrow() {
            return false;
        }
        // The sender is `self`, so it outlives this wait.
        let _ = self.number.subscribe().wait_for(|number| index < *number).await;
        true
    }

    /// Updates the target with the result of a poll.
    pub(crate) fn polled(&self, polled: Polled) {
        let Some(scaler) = &self.scaler else { return };
        let mut scaler = scaler.lock().unwrap_or_else(PoisonError::into_inner);
        let number = scaler.polled(polled, self.began.elapsed());
        // Sent under the lock, so that the later of two numbers wins.
        self.number.send_if_modified(|before| std::mem::replace(before, number) != number);
    }

    /// Returns the maximum time for the next poll, if there is one.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        let scaler = self.scaler.as_ref()?;
        scaler.lock().unwrap_or_else(PoisonError::into_inner).poll_timeout(self.began.elapsed())
    }
}

type Ended = Result<Result<(), WorkerError>, JoinError>;

fn end_of(ended: Ended) -> Result<(), WorkerError> {
    ended.unwrap_or_else(|error| Err(poller_panicked(&error)))
}

/// Waits for all pollers; keeps the first error.
async fn all_end(
    mut pollers: JoinSet<Result<(), WorkerError>>,
    mut result: Result<(), WorkerError>,
) -> Result<(), WorkerError> {
    while let Some(ended) = pollers.join_next().await {
        result = result.and(end_of(ended));
    }
    result
}

pub(crate) fn poller_panicked(error: &JoinError) -> WorkerError {
    WorkerError::new(format!("a poller of the worker ended unexpectedly ({error}): this is a bug in abide"))
}

//! The pollers of one kind: as many as are wanted now, and new ones when the worker's client is replaced.
//!
//! Pollers are numbered from 0. Those whose number is not below the one that the [scaler](super::scaler) wants rest
//! until it wants them again. A poller belongs to one client; when another one takes over, it finishes the poll that it
//! has open (which may bring a task) and ends, while its successor polls already.

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

/// The pollers of one kind. `source` makes the source for the client of now.
pub(crate) struct Pollers<F> {
    pub(crate) source: F,
    pub(crate) slots: Arc<Slots>,
    pub(crate) phases: Arc<Phases>,
    pub(crate) outage: Arc<Outage>,
    pub(crate) polls: Arc<Polls>,
    pub(crate) wanted: Arc<WantedPolls>,
}

/// How many polls of one kind are wanted.
pub(crate) struct WantedPolls {
    /// `None`: always the same number.
    scaler: Option<Mutex<PollScaler>>,
    number: watch::Sender<usize>,
    began: Instant,
}

impl<S: TaskSource, F: Fn() -> S + Send + Sync> Pollers<F> {
    /// Polls until the worker shuts down.
    ///
    /// # Errors
    /// Returns an error if the server refuses polls for more than a minute: then the worker shuts down because of that.
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
                        // The polls that are open may still bring a task.
                        self.phases.advance(Phase::Draining);
                        return all_end(pollers, Err(error)).await;
                    },
                    // The sender is `self`'s own.
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
    /// `server_suggests`: whether the server says that it suggests numbers of polls.
    pub(crate) fn new(behavior: PollerBehavior, server_suggests: bool) -> Arc<Self> {
        let scaler = match behavior {
            PollerBehavior::SimpleMaximum(_) => None,
            PollerBehavior::Autoscaling { minimum, maximum, initial } => {
                Some(Mutex::new(PollScaler::new(minimum, maximum, initial, server_suggests)))
            }
        };
        Arc::new(Self { scaler, number: watch::Sender::new(behavior.initial()), began: Instant::now() })
    }

    /// Waits until the poller of that number may poll. Returns whether it had to wait.
    pub(crate) async fn wants(&self, index: usize) -> bool {
        if index < *self.number.borrow() {
            return false;
        }
        // The sender is `self`: it cannot be gone while this waits.
        let _ = self.number.subscribe().wait_for(|number| index < *number).await;
        true
    }

    /// Takes what a poll brought.
    pub(crate) fn polled(&self, polled: Polled) {
        let Some(scaler) = &self.scaler else { return };
        let mut scaler = scaler.lock().unwrap_or_else(PoisonError::into_inner);
        let number = scaler.polled(polled, self.began.elapsed());
        // Still locked: of two numbers the later one stays.
        self.number.send_if_modified(|before| std::mem::replace(before, number) != number);
    }

    /// How long the next poll may take, if not as long as any.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        let scaler = self.scaler.as_ref()?;
        scaler.lock().unwrap_or_else(PoisonError::into_inner).poll_timeout(self.began.elapsed())
    }
}

type Ended = Result<Result<(), WorkerError>, JoinError>;

fn end_of(ended: Ended) -> Result<(), WorkerError> {
    ended.unwrap_or_else(|error| Err(poller_panicked(&error)))
}

/// Waits for all of them; the first error stays.
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

//! Callers that wait: for a task, for new events, for the answer to a query, for an update. A wakeup only tells a
//! caller to come back. It receives what it waited for when it does, so nothing is lost if it is gone by then.
//!
//! Extends `Engine`.

use std::collections::BTreeMap;

use super::Engine;
use super::task_queues::{Poll, QueueKey, Task};
use super::updates::WaitingUpdate;
use super::workflow::ExecutionId;
use super::workflow::QueryId;

/// The id of a waiting caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WaiterId(u64);

/// The answer to a request: now, or after a wakeup.
#[derive(Debug)]
pub(crate) enum Step<T> {
    Done(T),
    Wait(WaiterId),
}

/// The object of a caller's wait.
#[derive(Debug)]
pub(crate) enum Waiter {
    Poll(Box<WaitingPoll>),
    History { execution: ExecutionId, next_event_id: i64, close_only: bool },
    Query(QueryId),
    Update(Box<WaitingUpdate>),
}

/// A worker that waits for a task.
#[derive(Debug)]
pub(crate) struct WaitingPoll {
    pub(crate) queue: QueueKey,
    pub(crate) poll: Poll,
    /// The task for which it was woken.
    pub(crate) offer: Option<Task>,
    /// True if the worker is shutting down, so that it gets an empty response.
    pub(crate) ended: bool,
}

/// All waiting callers.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    next: u64,
    waiting: BTreeMap<WaiterId, Waiter>,
    history_readers: BTreeMap<ExecutionId, Vec<WaiterId>>,
    woken: Vec<WaiterId>,
}

impl Waiters {
    pub(crate) fn park(&mut self, waiter: Waiter) -> WaiterId {
        self.next += 1;
        let id = WaiterId(self.next);
        if let Waiter::History { execution, .. } = &waiter {
            self.history_readers.entry(*execution).or_default().push(id);
        }
        self.waiting.insert(id, waiter);
        id
    }

    /// Puts back a waiter that was resumed too early.
    pub(crate) fn park_again(&mut self, id: WaiterId, waiter: Waiter) {
        self.waiting.insert(id, waiter);
    }

    pub(crate) fn get(&self, id: WaiterId) -> Option<&Waiter> {
        self.waiting.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: WaiterId) -> Option<&mut Waiter> {
        self.waiting.get_mut(&id)
    }

    pub(crate) fn polls_mut(&mut self) -> impl Iterator<Item = (WaiterId, &mut WaitingPoll)> {
        self.waiting.iter_mut().filter_map(|(id, waiter)| match waiter {
            Waiter::Poll(poll) => Some((*id, &mut **poll)),
            _ => None,
        })
    }

    pub(crate) fn remove(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.waiting.remove(&id)?;
        if let Waiter::History { execution, .. } = &waiter {
            let readers = self.history_readers.entry(*execution).or_default();
            readers.retain(|reader| *reader != id);
            if readers.is_empty() {
                self.history_readers.remove(execution);
            }
        }
        Some(waiter)
    }

    pub(crate) fn wake(&mut self, id: WaiterId) {
        self.woken.push(id);
    }

    pub(crate) fn take_wakeups(&mut self) -> Vec<WaiterId> {
        std::mem::take(&mut self.woken)
    }

    /// Returns true if a caller waits for events of this run.
    pub(crate) fn reads_history(&self, execution: ExecutionId) -> bool {
        !self.history_readers(execution).is_empty()
    }

    fn history_readers(&self, execution: ExecutionId) -> &[WaiterId] {
        self.history_readers.get(&execution).map_or(&[], Vec::as_slice)
    }
}

impl Engine {
    /// Removes a caller that has gone or timed out; its offered task goes to another one.
    pub(crate) fn withdraw(&mut self, id: WaiterId) {
        match self.waiters.remove(id) {
            Some(Waiter::Poll(waiting)) => {
                self.queues.forget_poller(&waiting.queue, id);
                if let Some(task) = waiting.offer {
                    self.offer_again(&waiting.queue, task);
                }
            }
            Some(Waiter::Query(query)) => self.drop_query(query),
            Some(Waiter::Update(waiting)) => self.drop_update_waiter(id, waiting.at.execution),
            Some(Waiter::History { .. }) | None => {}
        }
    }

    /// Wakes the callers that wait for events that this run now has.
    pub(crate) fn wake_history_readers(&mut self, id: ExecutionId) {
        let execution = self.execution(id);
        let (next_event_id, running) = (execution.next_event_id(), execution.is_running());
        let readers: Vec<WaiterId> = self.waiters.history_readers(id).to_vec();
        for reader in readers {
            let Some(Waiter::History { next_event_id: wanted, close_only, .. }) = self.waiters.get_mut(reader) else {
                continue;
            };
            if !running || (!*close_only && next_event_id > *wanted) {
                self.waiters.wake(reader);
            }
        }
    }
}

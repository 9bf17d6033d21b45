//! A change of one run: it adds events, changes the state, and collects the effects to execute once it is committed.
//! Nothing of it is visible before.

use std::time::Duration;

use super::deadlines::{Deadline, DeadlineClock, Key};
use super::errand::Errand;
use super::errors::Error;
use super::ids::Ids;
use super::limits;
use super::namespace::Namespaces;
use super::nexus::NexusEndpoints;
use super::nexus::Purpose;
use super::time::{Now, Time};
use super::workflow::{Execution, State};
use super::workflow_tasks::HISTORY_SERVICE;

/// An effect of a committed transaction.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Set a deadline; with a wall time, the machine's clock may make it due earlier.
    SetDeadline(Key, Deadline, Option<Time>),
    RemoveDeadline(Key),
    /// Offer the scheduled workflow task to workers.
    DispatchWorkflowTask,
    /// Offer an activity (by scheduled event id) to workers.
    DispatchActivity(i64),
    /// Send a command to cancel the attempt with that token, on that queue.
    TellWorkerToStop(String, Vec<u8>),
    /// Change other runs.
    Errand(Errand),
    /// Request a Nexus handler to start or to cancel an operation (by scheduled event id).
    RequestOfNexusHandler(i64, Purpose),
    /// Create the run that continues this one.
    Continue(Box<super::workflow::NewRun>),
}

/// A transaction in progress.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    pub(crate) execution: &'a mut Execution,
    pub(crate) now: Now,
    pub(crate) ids: &'a mut Ids,
    pub(crate) endpoints: &'a NexusEndpoints,
    pub(crate) namespaces: &'a Namespaces,
    pub(crate) cross_namespace_commands: bool,
    pub(crate) sequence: &'a mut u64,
    pub(crate) minimum_run_lifetime: Duration,
    pub(crate) effects: Vec<Effect>,
    /// True if nothing happened that a real server would write, so that a speculative task stays speculative.
    pub(crate) stays_in_memory: bool,
}

/// The state to which a failed completion is rolled back.
#[derive(Debug)]
pub(crate) struct Snapshot {
    state: State,
    next_event_id: i64,
    size_bytes: i64,
    effects: usize,
}

impl Transaction<'_> {
    pub(crate) fn state(&mut self) -> &mut State {
        &mut self.execution.state
    }

    pub(crate) fn time(&self) -> Time {
        self.now.time
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let history = &self.execution.history;
        Snapshot {
            state: self.execution.state.clone(),
            next_event_id: history.next_event_id(),
            size_bytes: history.size_bytes,
            effects: self.effects.len(),
        }
    }

    pub(crate) fn roll_back(&mut self, snapshot: Snapshot) {
        self.execution.state = snapshot.state;
        self.execution.history.truncate(snapshot.next_event_id, snapshot.size_bytes);
        self.effects.truncate(snapshot.effects);
    }

    /// Returns the state before this transaction if its history may become too long. Most histories never do, and a
    /// snapshot copies the state.
    pub(crate) fn snapshot_of_long_history(&self) -> Option<Snapshot> {
        let history = &self.execution.history;
        let is_long = history.next_event_id() > limits::HISTORY_EVENTS / 2;
        (is_long || history.size_bytes > limits::HISTORY_BYTES).then(|| self.snapshot())
    }

    /// Terminates a run whose history has become too long, instead of all else that the transaction has done. Returns
    /// the error for the caller. Without a `before`, which one transaction with half of all events lacks, its events
    /// stay.
    pub(crate) fn end_too_long_history(&mut self, before: Option<Snapshot>) -> Option<Error> {
        let is_too_large = before.as_ref().is_some_and(|before| before.size_bytes > limits::HISTORY_BYTES);
        let is_too_long = self.execution.history.next_event_id() - 1 > limits::HISTORY_EVENTS;
        let reason = match (is_too_large, is_too_long) {
            (true, _) => "Workflow history size exceeds limit.",
            (false, true) => "Workflow history count exceeds limit.",
            (false, false) => return None,
        };
        if !self.execution.is_running() {
            return None;
        }
        if let Some(before) = before {
            self.roll_back(before);
        }
        self.terminate(reason.to_owned(), None, HISTORY_SERVICE.to_owned(), Vec::new());
        Some(Error::invalid_argument(reason))
    }

    /// Sets a deadline on the server's clock.
    pub(crate) fn set_deadline(&mut self, at: Time, deadline: Deadline) -> Key {
        self.arm(DeadlineClock::Server, at, deadline, None)
    }

    /// Sets a deadline on the machine's clock.
    pub(crate) fn set_wall_deadline(&mut self, after: Duration, deadline: Deadline) -> Key {
        let at = self.now.wall.plus(after);
        self.arm(DeadlineClock::Wall, at, deadline, None)
    }

    /// Sets a deadline on the server's clock that fires at the latest when the same time has passed on the machine's
    /// clock. Used to limit work that runs outside the server.
    pub(crate) fn set_deadline_of_running_work(&mut self, at: Time, deadline: Deadline) -> Key {
        let wall = self.now.wall.plus(at.since(self.now.time));
        self.arm(DeadlineClock::Server, at, deadline, Some(wall))
    }

    pub(crate) fn remove_deadline(&mut self, key: Option<Key>) {
        self.effects.extend(key.map(Effect::RemoveDeadline));
    }

    fn arm(&mut self, clock: DeadlineClock, at: Time, deadline: Deadline, wall: Option<Time>) -> Key {
        *self.sequence += 1;
        let key = Key { clock, at, sequence: *self.sequence };
        self.effects.push(Effect::SetDeadline(key, deadline, wall));
        key
    }
}

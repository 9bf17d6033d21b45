//! Everything that happens by itself at a certain time. A deadline that no longer applies is removed at once, so that
//! time never skips to it. Deadlines at the same time fire in the order in which they were set.

use std::collections::BTreeMap;

use super::api::enums::TimeoutType;
use super::time::{Now, Time};
use super::workflow::ExecutionId;
use super::workflow::QueryId;

/// The clock of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeadlineClock {
    /// The server's own clock, which may skip time.
    Server,
    /// The machine's clock: for waits that no test should have to make, but which must not last forever if a worker is
    /// dead.
    Wall,
}

/// The key of a deadline, kept by its owner to remove the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) clock: DeadlineClock,
    pub(crate) at: Time,
    pub(crate) sequence: u64,
}

/// The action at a deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// User timers of a run fire.
    Timer(ExecutionId),
    /// A run's delayed first workflow task is due (start delay, retry, continue-as-new).
    FirstWorkflowTask(ExecutionId),
    /// A run or its whole chain times out.
    WorkflowTimeout(ExecutionId),
    /// The next attempt of an activity is due.
    ActivityRetry(ExecutionId, i64),
    /// An activity (by scheduled event id) times out.
    ActivityTimeout(ExecutionId, i64, TimeoutType),
    /// A Nexus operation (by scheduled event id) has a timeout, the end of an attempt or its next attempt.
    NexusOperation(ExecutionId, i64),
    /// The started workflow task times out.
    WorkflowTaskStartToClose(ExecutionId),
    /// The workflow task was not taken from its sticky queue.
    WorkflowTaskScheduleToStart(ExecutionId),
    /// A query was not taken from its sticky queue.
    StickyQuery(QueryId),
}

/// All deadlines.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    set: BTreeMap<Key, Entry>,
    /// Deadlines of the server's clock that the machine's clock may reach first: twin to original.
    twins: BTreeMap<Key, Key>,
}

#[derive(Debug)]
struct Entry {
    deadline: Deadline,
    twin: Option<Key>,
}

impl Deadlines {
    pub(crate) fn set(&mut self, key: Key, deadline: Deadline, wall: Option<Time>) {
        let twin = wall.map(|at| Key { clock: DeadlineClock::Wall, at, sequence: key.sequence });
        if let Some(twin) = twin {
            self.twins.insert(twin, key);
        }
        self.set.insert(key, Entry { deadline, twin });
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Deadline> {
        let entry = self.set.remove(&key)?;
        if let Some(twin) = entry.twin {
            self.twins.remove(&twin);
        }
        Some(entry.deadline)
    }

    /// Removes and returns the first deadline that is due, on either clock.
    pub(crate) fn pop_due(&mut self, now: Now) -> Option<Deadline> {
        let due = self.first(DeadlineClock::Server).filter(|key| key.at <= now.time);
        let due = due.or_else(|| self.first(DeadlineClock::Wall).filter(|key| key.at <= now.wall));
        self.remove(due?)
    }

    /// Returns the next deadline of the server's clock.
    pub(crate) fn next(&self) -> Option<Time> {
        self.first(DeadlineClock::Server).map(|key| key.at)
    }

    /// Returns the deadlines on the server's clock.
    pub(crate) fn of_server_clock(&self) -> impl Iterator<Item = &Deadline> {
        self.set.iter().filter(|(key, _)| key.clock == DeadlineClock::Server).map(|(_, entry)| &entry.deadline)
    }

    /// Returns the next deadline of the machine's clock, including twins.
    pub(crate) fn next_wall(&self) -> Option<Time> {
        let twin = self.twins.first_key_value().map(|(twin, _)| twin.at);
        self.first(DeadlineClock::Wall).map(|key| key.at).into_iter().chain(twin).min()
    }

    /// Returns true if a deadline comes on the machine's clock only: that of a workflow task, or of a query.
    pub(crate) fn any_on_wall_only(&self) -> bool {
        self.first(DeadlineClock::Wall).is_some()
    }

    /// Returns the deadline of the server's clock that the machine's clock has passed: a running activity has used up
    /// its time.
    pub(crate) fn overtaken(&self, now: Now) -> Option<Time> {
        self.twins.iter().find(|(twin, _)| twin.at <= now.wall).map(|(_, key)| key.at).filter(|at| *at > now.time)
    }

    fn first(&self, clock: DeadlineClock) -> Option<Key> {
        let start = Key { clock, at: Time::from_nanos(i64::MIN), sequence: 0 };
        self.set.range(start..).next().map(|(key, _)| *key).filter(|key| key.clock == clock)
    }
}

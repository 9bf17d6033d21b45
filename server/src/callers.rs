//! The callers in this process: an activity's own code, which its thread knows, or another task or thread, which is known by
//! the time of its first call.

use std::collections::HashMap;
use std::thread::ThreadId;

use super::attempts::AttemptId;

/// When somebody was first seen, in the order of all such moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// Somebody who makes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The code of an activity's attempt.
    Attempt(AttemptId),
    /// Another task or thread, which may belong to the test, or to an activity that has spawned it.
    Other(Other),
}

impl Caller {
    pub(crate) fn attempt(self) -> Option<AttemptId> {
        match self {
            Self::Attempt(id) => Some(id),
            Self::Other(_) => None,
        }
    }

    pub(crate) fn other(self) -> Option<Other> {
        match self {
            Self::Other(other) => Some(other),
            Self::Attempt(_) => None,
        }
    }
}

/// A task or thread that is not an activity's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Other {
    pub(crate) first_seen: Moment,
    pub(crate) thread: ThreadId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

#[derive(Debug)]
struct Seen {
    first: Moment,
    last: Moment,
}

/// The maximum number of callers. Beyond it, those whose last call is longest ago are forgotten.
const KEPT: usize = 4096;

/// All who were here.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    now: u64,
    seen: HashMap<Place, Seen>,
}

impl Callers {
    /// The present moment, after all others.
    pub(crate) fn moment(&mut self) -> Moment {
        self.now += 1;
        Moment(self.now)
    }

    /// Returns the caller whose code runs on this thread now.
    pub(crate) fn present(&mut self) -> Caller {
        if let Some(id) = AttemptId::current() {
            return Caller::Attempt(id);
        }
        let (last, thread) = (self.moment(), std::thread::current().id());
        let place = tokio::task::try_id().map_or(Place::Thread(thread), Place::Task);
        if self.seen.len() >= KEPT && !self.seen.contains_key(&place) {
            let since = self.now - KEPT as u64 / 2;
            self.seen.retain(|place, seen| matches!(place, Place::Thread(_)) || seen.last.0 > since);
        }
        let seen = self.seen.entry(place).or_insert(Seen { first: last, last });
        seen.last = last;
        Caller::Other(Other { first_seen: seen.first, thread })
    }
}

//! The callers in this process: the code of an activity, known by its thread, or another task or thread, known by the
//! time of its first call.

use std::collections::HashMap;
use std::thread::ThreadId;

use super::attempts::AttemptId;

/// The time at which a caller was first seen, as a sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// The caller of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The code of an activity attempt.
    Attempt(AttemptId),
    /// Another task or thread, which may belong to the test or to an activity that has spawned it.
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

/// Maximum number of remembered callers. Beyond it, those with the oldest last call are forgotten.
const KEPT: usize = 4096;

/// The remembered callers.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    now: u64,
    seen: HashMap<Place, Seen>,
}

impl Callers {
    /// Returns the current moment, which is after all others.
    pub(crate) fn moment(&mut self) -> Moment {
        self.now += 1;
        Moment(self.now)
    }

    /// Returns the caller whose code is running on this thread.
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

//! In which order code gets its jobs and its routines run. Both vary by who recorded a history.

use crate::replay::flags::{Flags, LANG_FLAG_SINGLE_BATCH};

/// In which order code gets its jobs and its routines run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOrder {
    /// How the jobs of a task are grouped.
    pub grouping: Grouping,
    /// Which routine is polled next.
    pub queue: QueueOrder,
}

/// How the jobs of one workflow task are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// All jobs, then the code: ours, the official Rust SDK's, and with language flag 2 Python's and TypeScript's.
    Batch,
    /// The code runs between the ranks, so handlers of messages come to rest before anything else happens: Python's,
    /// unless the history carries its language flag 2.
    ByRank,
    /// The same in a task with a signal, and one batch in every other: TypeScript's before its language flag 2.
    ByRankIfSignalled,
}

/// In which order a run's routines (the main one, one for each handler, one for each spawned branch) are polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOrder {
    /// First in first out, as jobs and code woke them: ours, Python's and TypeScript's.
    FirstInFirstOut,
    /// In passes until nothing moves: the handlers in the order in which they began, then the main routine. The official
    /// Rust SDK's.
    HandlersFirst,
}

impl RunOrder {
    /// What is used for runs that are recorded here.
    pub const OURS: Self = Self { grouping: Grouping::Batch, queue: QueueOrder::FirstInFirstOut };

    /// The order in which the SDK that recorded a history ran its code.
    pub(crate) fn of(flags: &Flags) -> Self {
        let single_batch = flags.has_lang_flag(LANG_FLAG_SINGLE_BATCH);
        match flags.sdk_name() {
            "temporal-python" if !single_batch => Self { grouping: Grouping::ByRank, ..Self::OURS },
            // Two versions had the behaviour and did not write the flag.
            "temporal-typescript" if !single_batch && !matches!(flags.sdk_version(), "1.11.0" | "1.11.1") => {
                Self { grouping: Grouping::ByRankIfSignalled, ..Self::OURS }
            }
            "temporal-rust" => Self { queue: QueueOrder::HandlersFirst, ..Self::OURS },
            _ => Self::OURS,
        }
    }
}

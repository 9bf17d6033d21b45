//! In which order code gets its jobs and its routines run. Both vary by who recorded a history.

use crate::replay::flags::Flags;

/// In which order code gets its jobs and its routines run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOrder {
    /// How the jobs of a task are grouped.
    pub grouping: Grouping,
}

/// How the jobs of one workflow task are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// All jobs, then the code: ours, the official Rust SDK's and TypeScript's.
    Batch,
    /// The code runs between the ranks, so handlers of messages come to rest before anything else happens: Python's,
    /// unless the history carries its language flag 2.
    ByRank,
}

impl RunOrder {
    /// What is used for runs that are recorded here.
    pub const OURS: Self = Self { grouping: Grouping::Batch };

    /// The order in which the SDK that recorded a history ran its code.
    pub(crate) fn of(flags: &Flags) -> Self {
        const PYTHON_SINGLE_BATCH: u32 = 2;
        let by_rank = flags.sdk_name() == "temporal-python" && !flags.has_lang_flag(PYTHON_SINGLE_BATCH);
        Self { grouping: if by_rank { Grouping::ByRank } else { Grouping::Batch } }
    }
}

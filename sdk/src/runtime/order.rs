//! In which order code gets its jobs, its routines run and its conditions are asked. All of it varies by who recorded a
//! history, and is read off the SDKs' sources and off histories that they recorded.

use crate::replay::flags::{Flags, LANG_FLAG_SINGLE_BATCH};
pub use crate::workflow::ConditionOrder;

/// In which order code gets its jobs, its routines run and its conditions are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOrder {
    /// How the jobs of a task are grouped.
    pub grouping: Grouping,
    /// Which routine is polled next.
    pub queue: QueueOrder,
    /// When conditions are asked, and how many of them are met at a time.
    pub conditions: ConditionOrder,
    /// What becomes of an outcome that comes in one task with a request to cancel the workflow.
    pub cancellation: CancellationTie,
    /// What a request to cancel the workflow does to the handlers of messages.
    pub handlers: HandlerScope,
}

/// How the jobs of one workflow task are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// All jobs, then the code: ours, the official Rust SDK's, and with language flag 2 Python's and .NET's.
    Batch,
    /// The code runs between the ranks, so handlers of messages come to rest before anything else happens: Python's,
    /// unless the history carries its language flag 2.
    ByRank,
    /// The same in a task with a signal, and [`MessagesAtOnce`](Self::MessagesAtOnce) in every other: TypeScript's before
    /// its language flag 2.
    ByRankIfSignalled,
    /// A handler runs up to its first wait as soon as its message is there, and conditions are asked after each; then
    /// the rest is one batch: TypeScript's.
    MessagesAtOnce,
    /// The code comes to rest after each job: .NET's before its language flag 2.
    EachJob,
    /// Who waits for an outcome goes on as soon as it is there; handlers and what these have woken come behind: Ruby's.
    OutcomesAtOnce,
}

/// In which order a run's routines (the main one, one for each handler, one for each spawned branch) are polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOrder {
    /// First in first out, as jobs and code woke them: everybody's but the official Rust SDK's.
    FirstInFirstOut,
    /// In passes until nothing moves: the handlers in the order in which they began, then the main routine. The official
    /// Rust SDK's.
    HandlersFirst,
}

/// What becomes of an outcome that comes in one workflow task with a request to cancel the workflow, for whoever waits
/// for it in the cancelled scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancellationTie {
    /// What has happened has happened, whichever came first: ours, TypeScript's and the official Rust SDK's.
    OutcomeStays,
    /// A timer that fires behind the request is cancelled; every other outcome stays: .NET's and Ruby's.
    TimerBehindIsCancelled,
    /// A timer is cancelled, whichever came first; every other outcome stays: Python's.
    TimerIsCancelled,
    /// A timer and an activity are cancelled, whichever came first; every other outcome stays: Python's with its language
    /// flag 1 alone.
    TimerAndActivityAreCancelled,
    /// The wait for a timer or for the end of anything is cancelled, whichever came first: Python's with its language
    /// flag 2.
    WaitIsCancelled,
}

/// What a request to cancel the workflow does to the handlers of signals and updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerScope {
    /// Nothing; and a handler of a signal that ends as cancelled has ended, and no more: ours and the official Rust SDK's.
    Own,
    /// Nothing; but once it was requested, a handler of a signal that ends as cancelled ends the run: Python's.
    OwnButEndsRun,
    /// The same; and whoever has waited for a condition since before the request is cancelled when that wait is over, also
    /// where no request reaches: Python's with its language flag 2.
    OwnButEndsConditions,
    /// They are cancelled with the main routine, and end the run as it does: TypeScript's, .NET's, Ruby's, and that of
    /// Abide 0.1.0.
    Workflow,
}

impl RunOrder {
    /// What is used for runs that are recorded here.
    pub const OURS: Self = Self {
        grouping: Grouping::Batch,
        queue: QueueOrder::FirstInFirstOut,
        conditions: ConditionOrder::InTurn,
        cancellation: CancellationTie::OutcomeStays,
        handlers: HandlerScope::Own,
    };

    /// The order in which the SDK that recorded a history ran its code. Ours for one that is not read: Go, Java, PHP.
    pub(crate) fn of(flags: &Flags) -> Self {
        let flag_2 = flags.has_lang_flag(LANG_FLAG_SINGLE_BATCH);
        // .NET asks for its flag in a run's first task and stays with the answer.
        let modern = flags.began_in_single_batch();
        match flags.sdk_name() {
            "temporal-python" => Self::python(flags.has_lang_flag(1), flag_2),
            // Two versions had the behaviour and did not write the flag.
            "temporal-typescript" => Self::typescript(flag_2 || matches!(flags.sdk_version(), "1.11.0" | "1.11.1")),
            "temporal-dotnet" => Self {
                grouping: if modern { Grouping::Batch } else { Grouping::EachJob },
                conditions: if modern { ConditionOrder::FirstAtRest } else { ConditionOrder::AllAtRest },
                cancellation: CancellationTie::TimerBehindIsCancelled,
                handlers: HandlerScope::Workflow,
                ..Self::OURS
            },
            "temporal-ruby" => Self {
                grouping: Grouping::OutcomesAtOnce,
                conditions: ConditionOrder::FirstAtRest,
                cancellation: CancellationTie::TimerBehindIsCancelled,
                handlers: HandlerScope::Workflow,
                ..Self::OURS
            },
            "temporal-rust" => Self { queue: QueueOrder::HandlersFirst, ..Self::OURS },
            _ if flags.is_of_our_first_version() => Self { handlers: HandlerScope::Workflow, ..Self::OURS },
            _ => Self::OURS,
        }
    }

    fn python(flag_1: bool, flag_2: bool) -> Self {
        let tie = match (flag_1, flag_2) {
            (_, true) => CancellationTie::WaitIsCancelled,
            (true, false) => CancellationTie::TimerAndActivityAreCancelled,
            (false, false) => CancellationTie::TimerIsCancelled,
        };
        Self {
            grouping: if flag_2 { Grouping::Batch } else { Grouping::ByRank },
            conditions: ConditionOrder::AllAtRest,
            cancellation: tie,
            handlers: if flag_2 { HandlerScope::OwnButEndsConditions } else { HandlerScope::OwnButEndsRun },
            ..Self::OURS
        }
    }

    fn typescript(flag_2: bool) -> Self {
        Self {
            grouping: if flag_2 { Grouping::MessagesAtOnce } else { Grouping::ByRankIfSignalled },
            conditions: ConditionOrder::AllGivingWayOnce,
            handlers: HandlerScope::Workflow,
            ..Self::OURS
        }
    }
}

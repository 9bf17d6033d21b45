//! The order in which code gets its jobs, its routines run and its conditions are asked. It depends on the SDK that
//! recorded a history, and was derived from the SDKs' sources and from histories that they recorded.

use crate::replay::flags::{Flags, LANG_FLAG_SINGLE_BATCH};
pub use crate::workflow::condition::ConditionOrder;

/// Order in which code gets its jobs, its routines run and its conditions are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOrder {
    /// Grouping of the jobs of a task.
    pub grouping: Grouping,
    /// Order in which routines are polled.
    pub queue: QueueOrder,
    /// Moment at which conditions are asked, and number of conditions that are met at a time.
    pub conditions: ConditionOrder,
    /// Precedence between an outcome and a request to cancel the workflow that come in one task.
    pub cancellation: CancellationTie,
    /// Effect of a request to cancel the workflow on a wait for a start.
    pub starts: StartWait,
    /// Effect of a request to cancel the workflow on message handlers.
    pub handlers: HandlerScope,
}

/// Grouping of the jobs of one workflow task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grouping {
    /// All jobs, then the code. Used by Abide, by the official Rust SDK, and with language flag 2 by Python and .NET.
    Batch,
    /// The code runs between the ranks, so message handlers come to rest before anything else happens. Used by Python
    /// without its language flag 2.
    ByRank,
    /// Like [`MessagesAtOnce`](Self::MessagesAtOnce), but in a task with a signal the code also comes to rest after the
    /// messages. Used by TypeScript before its language flag 2.
    ByRankIfSignalled,
    /// A handler runs up to its first wait as soon as its message is handed over, and conditions are asked after each
    /// message. The rest is one batch. Used by TypeScript.
    MessagesAtOnce,
    /// The code comes to rest after each job. Used by .NET before its language flag 2.
    EachJob,
    /// A routine that waits for an outcome goes on as soon as the outcome is there. Handlers, and routines that it
    /// wakes, come after it. Used by Ruby.
    OutcomesAtOnce,
}

/// Order in which a run's routines (the main one, one for each handler, one for each spawned branch) are polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueOrder {
    /// First in, first out, as jobs and code woke them. Used by every SDK but the official Rust SDK.
    FirstInFirstOut,
    /// In passes, until nothing makes progress: the handlers in the order in which they began, then the main routine.
    /// Used by the official Rust SDK.
    HandlersFirst,
}

/// Precedence between an outcome and a request to cancel the workflow that come in one workflow task, for a routine
/// that waits for the outcome in the cancelled scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancellationTie {
    /// Every outcome stays, whichever came first. Used by Abide, TypeScript and the official Rust SDK.
    OutcomeStays,
    /// A timer that fires after the request is cancelled; every other outcome stays. Used by .NET and Ruby.
    TimerBehindIsCancelled,
    /// A timer is cancelled, whichever came first; every other outcome stays. Used by Python.
    TimerIsCancelled,
    /// A timer and an activity are cancelled, whichever came first; every other outcome stays. Used by Python with its
    /// language flag 1 alone.
    TimerAndActivityAreCancelled,
    /// The wait for a timer, or for the end of anything else, is cancelled, whichever came first. Used by Python with
    /// its language flag 2.
    WaitIsCancelled,
}

/// Effect of a request to cancel the workflow on a routine that waits, in the cancelled scope, for the start of a child
/// workflow or a Nexus operation. Code that awaits the result without the start waits for the start first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartWait {
    /// None: the wait lasts until the start. Used by every SDK but Python.
    Lasts,
    /// The wait ends as cancelled, also if the start comes in the same task. The child or the operation is asked to
    /// cancel. Used by Python from version 1.28 on.
    IsCancelled,
    /// Like [`IsCancelled`](Self::IsCancelled), but what starts in the same task is not asked to cancel. Used by Python
    /// with its language flag 2.
    IsCancelledAlone,
}

/// Effect of a request to cancel the workflow on the handlers of signals and updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandlerScope {
    /// None. A signal handler that ends as cancelled does not end the run. Used by Abide and the official Rust SDK.
    Own,
    /// None, but after the request a signal handler that ends as cancelled ends the run. Used by Python.
    OwnButEndsRun,
    /// Like [`OwnButEndsRun`](Self::OwnButEndsRun). In addition, a routine that has waited for a condition since before
    /// the request is cancelled when that wait is over, even in a scope that the request does not reach. Used by Python
    /// with its language flag 2.
    OwnButEndsConditions,
    /// Handlers are cancelled with the main routine, and end the run as it does. Used by TypeScript, .NET, Ruby and
    /// Abide 0.1.0.
    Workflow,
}

impl RunOrder {
    /// Order of runs that are recorded here.
    pub const OURS: Self = Self {
        grouping: Grouping::Batch,
        queue: QueueOrder::FirstInFirstOut,
        conditions: ConditionOrder::InTurn,
        cancellation: CancellationTie::OutcomeStays,
        starts: StartWait::Lasts,
        handlers: HandlerScope::Own,
    };

    /// Returns the order in which the SDK that recorded a history ran its code. It is Abide's own for SDKs that are not
    /// distinguished here (Go, Java, PHP).
    pub(crate) fn of(flags: &Flags) -> Self {
        let flag_2 = flags.has_lang_flag(LANG_FLAG_SINGLE_BATCH);
        // .NET decides on its flag in a run's first task and keeps the decision.
        let modern = flags.began_in_single_batch();
        match flags.sdk_name() {
            "temporal-python" => Self::python(flags.has_lang_flag(1), flag_2, flags.sdk_version()),
            // Two versions behaved this way without writing the flag.
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

    fn python(flag_1: bool, flag_2: bool, version: &str) -> Self {
        let tie = match (flag_1, flag_2) {
            (_, true) => CancellationTie::WaitIsCancelled,
            (true, false) => CancellationTie::TimerAndActivityAreCancelled,
            (false, false) => CancellationTie::TimerIsCancelled,
        };
        Self {
            grouping: if flag_2 { Grouping::Batch } else { Grouping::ByRank },
            conditions: ConditionOrder::AllAtRest,
            cancellation: tie,
            starts: match flag_2 {
                true => StartWait::IsCancelledAlone,
                false if is_at_least(version, (1, 28)) => StartWait::IsCancelled,
                false => StartWait::Lasts,
            },
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

/// Returns true if a version such as `1.28.0` is not older than major and minor number. A version that cannot be read is
/// old.
fn is_at_least(version: &str, (major, minor): (u32, u32)) -> bool {
    let mut numbers = version.split('.').map(str::parse);
    matches!((numbers.next(), numbers.next()), (Some(Ok(a)), Some(Ok(b))) if (a, b) >= (major, minor))
}

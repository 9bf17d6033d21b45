//! Random small programs: after every workflow task, a replay from scratch gives the same commands.
//!
//! [`program`] is a workflow that interprets a list of steps, [`server`] a server that answers its commands with random
//! outcomes. All random choices come from proptest, so that a failure shrinks to a small program and history.

mod children;
mod interceptors;
mod local_activities;
mod nexus;
mod program;
mod server;
mod updates;

use proptest::prelude::*;

use self::interceptors::Interceptors;
use self::program::Step;
use self::server::Server;

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_every_task_a_replay_gives_the_same_commands(
        interceptors in prop::sample::select(Interceptors::ALL),
        program in program::steps(),
        signals in prop::collection::vec(program::steps(), 0..4),
        updates in prop::collection::vec(program::steps(), 0..4),
        choices in prop::collection::vec(any::<u8>(), 0..150),
    ) {
        play(interceptors, program, signals, updates, choices);
    }
}

/// Number of cases; `PROPTEST_CASES` sets another one.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

fn play(
    interceptors: Interceptors,
    program: Vec<Step>,
    signals: Vec<Vec<Step>>,
    updates: Vec<Vec<Step>>,
    choices: Vec<u8>,
) -> Server {
    let mut server = Server::new(interceptors, &program, signals, updates, choices);
    for _ in 0..16 {
        server.workflow_task();
        if !server.goes_on() {
            break;
        }
    }
    server.check_whole_history();
    server
}

/// An update that comes after a task without commands. A run that is rebuilt for it must not merge the two tasks.
#[test]
fn found_an_update_right_after_a_task_that_issued_nothing() {
    use program::Cancellation::TryCancel;
    let program = vec![
        Step::Shielded(vec![Step::WaitForSignals { count: 1, timeout: false }]),
        Step::Shielded(vec![Step::StartActivity(TryCancel)]),
    ];
    let update = vec![Step::Scope(vec![Step::StartLocalActivity(TryCancel)])];
    play(Interceptors::None, program, vec![], vec![update], vec![0, 24, 0, 24, 9, 177, 0, 0, 0, 0]);
}

/// The same, and the task that accepts the update issues other commands before.
#[test]
fn found_an_update_that_is_accepted_after_other_commands() {
    use program::Cancellation::TryCancel;
    let program = vec![
        Step::Shielded(vec![Step::WaitForSignals { count: 1, timeout: false }]),
        Step::Shielded(vec![Step::StartActivity(TryCancel)]),
    ];
    let signal = vec![Step::Shielded(vec![Step::Patch { number: 0, deprecated: false }])];
    let update = vec![Step::Spawn(vec![Step::StartLocalActivity(TryCancel)])];
    play(Interceptors::None, program, vec![signal], vec![update], vec![0, 0, 0, 184, 0, 24, 0, 1, 0, 0, 29, 0]);
}

/// Events that the histories of such programs contain.
const EXPECTED: &[&str] = &[
    "ActivityTaskCancelRequested",
    "ActivityTaskCanceled",
    "ActivityTaskCompleted",
    "ActivityTaskFailed",
    "ActivityTaskTimedOut",
    "ChildWorkflowExecutionCanceled",
    "ChildWorkflowExecutionCompleted",
    "ChildWorkflowExecutionFailed",
    "ChildWorkflowExecutionStarted",
    "ChildWorkflowExecutionTerminated",
    "ChildWorkflowExecutionTimedOut",
    "ExternalWorkflowExecutionCancelRequested",
    "MarkerRecorded",
    "NexusOperationCancelRequestCompleted",
    "NexusOperationCancelRequestFailed",
    "NexusOperationCancelRequested",
    "NexusOperationCanceled",
    "NexusOperationCompleted",
    "NexusOperationFailed",
    "NexusOperationScheduled",
    "NexusOperationStarted",
    "NexusOperationTimedOut",
    "RequestCancelExternalWorkflowExecutionFailed",
    "StartChildWorkflowExecutionFailed",
    "TimerCanceled",
    "TimerFired",
    "UpsertWorkflowSearchAttributes",
    "WorkflowExecutionCancelRequested",
    "WorkflowExecutionContinuedAsNew",
    "WorkflowExecutionSignaled",
    "WorkflowExecutionUpdateAccepted",
    "WorkflowExecutionUpdateCompleted",
    "WorkflowPropertiesModified",
    "WorkflowTaskFailed",
    "WorkflowTaskTimedOut",
    "a heartbeat",
    "a task taken back",
];

#[test]
fn the_programs_reach_what_they_are_for() {
    // A property of empty programs would prove nothing, so this fixed program uses every kind of step.
    use program::{Cancellation, End};
    let branch = vec![Step::StartTimer, Step::Await(0)];
    let program = vec![
        Step::StartActivity(Cancellation::WaitCancellationCompleted),
        Step::StartChild(Cancellation::WaitCancellationCompleted),
        Step::StartChild(Cancellation::TryCancel),
        Step::StartTimer,
        Step::StartLocalActivity(Cancellation::WaitCancellationCompleted),
        Step::StartNexusOperation(Cancellation::WaitCancellationCompleted),
        Step::Patch { number: 1, deprecated: false },
        Step::Version { number: 1 },
        Step::SideEffect { mutable: false },
        Step::SideEffect { mutable: true },
        Step::Upsert { memo: true },
        Step::Look,
        Step::Spawn(branch.clone()),
        Step::Scope(branch.clone()),
        Step::Select,
        Step::CancelScope(0),
        Step::WaitForSignals { count: 1, timeout: true },
        Step::Shielded(branch.clone()),
        Step::Cancel(0),
        Step::Cancel(1),
        Step::Cancel(5),
        Step::JoinAll,
        Step::End(End::ContinueAsNew),
    ];
    let updates = vec![vec![Step::End(End::Fail)], branch.clone(), vec![]];
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..60_u32 {
        let mixed = |n: u32| (seed * 1000 + n).wrapping_mul(0x9e37_79b9) >> 24;
        let choices = (0..150).map(|n| mixed(n) as u8).collect();
        let interceptors = Interceptors::ALL[seed as usize % Interceptors::ALL.len()];
        let server = play(interceptors, program.clone(), vec![branch.clone()], updates.clone(), choices);
        seen.extend(server.event_types());
    }
    for expected in EXPECTED {
        assert!(seen.contains(*expected), "no history has a {expected}: {seen:?}");
    }
}

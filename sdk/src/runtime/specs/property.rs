//! For random small programs, after every workflow task, a replay from scratch gives the same commands.
//!
//! [`program`] is a workflow that interprets a list of steps, [`server`] a server that answers its commands with
//! random outcomes. Everything random comes from proptest, so that a failure shrinks to a small program and history.

mod children;
mod program;
mod server;

use proptest::prelude::*;

use self::program::Step;
use self::server::Server;

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_every_task_a_replay_gives_the_same_commands(
        program in program::steps(),
        signals in prop::collection::vec(program::steps(), 0..4),
        choices in prop::collection::vec(any::<u8>(), 0..150),
    ) {
        play(program, signals, choices);
    }
}

fn play(program: Vec<Step>, signals: Vec<Vec<Step>>, choices: Vec<u8>) {
    let mut server = Server::new(&program, signals, choices);
    for _ in 0..12 {
        server.workflow_task();
        if server.is_closed() || !server.something_happens() {
            break;
        }
    }
    server.check_whole_history();
}

#[test]
fn the_programs_reach_what_they_are_for() {
    // A property that holds for nothing says nothing: one fixed program that uses every kind of step.
    use program::{Cancellation, End};
    let branch = vec![Step::StartTimer, Step::Await(0)];
    let program = vec![
        Step::StartActivity(Cancellation::WaitCancellationCompleted),
        Step::StartChild(Cancellation::WaitCancellationCompleted),
        Step::StartChild(Cancellation::TryCancel),
        Step::StartTimer,
        Step::Spawn(branch.clone()),
        Step::Scope(branch.clone()),
        Step::Select,
        Step::CancelScope(0),
        Step::WaitForSignals { count: 1, timeout: true },
        Step::Shielded(branch.clone()),
        Step::Cancel(0),
        Step::Cancel(1),
        Step::JoinAll,
        Step::End(End::ContinueAsNew),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..60_u32 {
        let mixed = |n: u32| (seed * 1000 + n).wrapping_mul(0x9e37_79b9) >> 24;
        let choices = (0..150).map(|n| mixed(n) as u8).collect();
        let mut server = Server::new(&program, vec![branch.clone()], choices);
        for _ in 0..12 {
            server.workflow_task();
            if server.is_closed() || !server.something_happens() {
                break;
            }
        }
        server.check_whole_history();
        seen.extend(server.event_types());
    }
    for expected in [
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
        "RequestCancelExternalWorkflowExecutionFailed",
        "StartChildWorkflowExecutionFailed",
        "TimerCanceled",
        "TimerFired",
        "WorkflowExecutionCancelRequested",
        "WorkflowExecutionContinuedAsNew",
        "WorkflowExecutionSignaled",
        "WorkflowTaskFailed",
        "WorkflowTaskTimedOut",
    ] {
        assert!(seen.contains(expected), "no history has a {expected}: {seen:?}");
    }
}

//! Histories from other repositories' test suites.

use abide::WorkflowReplayer;
use abide::prelude::*;
use abide::replay::NondeterminismKind;
use abide::replayer::RunOutcome;
use serde::{Deserialize, Serialize};

use super::{differs, fits, from_elsewhere, replayed};

/// The argument of the workflow in Python's replayer test.
#[derive(Serialize, Deserialize)]
struct SayHello {
    name: String,
    should_wait: bool,
    should_error: bool,
    should_cause_nondeterminism: bool,
}

#[activity]
pub(crate) async fn say_hello(name: String) -> Result<String, ActivityError> {
    Ok(format!("Hello, {name}!"))
}

#[workflow(name = "SayHelloWorkflow")]
async fn say_hello_workflow(ctx: &WorkflowContext, params: SayHello) -> Result<String, WorkflowError> {
    let hello = ctx.activity(say_hello, params.name).schedule_to_close_timeout(secs(60)).await?;
    if params.should_wait {
        // Python's workflow waits for a signal that never arrives in the histories.
        ctx.wait_until(|| false).await?;
    }
    if params.should_cause_nondeterminism && ctx.is_replaying() {
        ctx.timer(millis(100)).await?;
    }
    Ok(hello)
}

#[activity(name = "AlwaysFailActivity")]
async fn always_fail_go() -> Result<(), ActivityError> {
    Err(ApplicationFailure::new("activity attempt failed").into())
}

#[workflow(name = "Workflow")]
async fn retry_on_error_go(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.activity(always_fail_go, ()).schedule_to_close_timeout(mins(1)).await?)
}

#[activity(name = "AlwaysFail")]
async fn always_fail_java() -> Result<(), ActivityError> {
    Err(ApplicationFailure::new("activity attempt failed").into())
}

#[workflow(name = "SimpleWorkflow")]
async fn retry_on_error_java(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.activity(always_fail_java, ()).schedule_to_close_timeout(mins(1)).await?)
}

#[workflow(name = "timer_workflow_NqA7v+rB")]
async fn timer_workflow(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.timer(secs(1)).await?)
}

#[test]
fn python_complete_history() {
    let Some(history) = from_elsewhere("python/test_replayer_complete_history.json") else { return };
    fits(&WorkflowReplayer::new().workflow(say_hello_workflow), &history);
}

#[test]
fn python_nondeterministic_history() {
    let Some(history) = from_elsewhere("python/test_replayer_nondeterministic_history.json") else { return };
    let found = differs(&WorkflowReplayer::new().workflow(say_hello_workflow), &history);
    let at = (found.event_id(), found.event_type(), found.kind());
    assert_eq!(at, (11, "WorkflowExecutionCompleted", NondeterminismKind::DifferentCommand), "{found}");
    let location = found.location().unwrap();
    let line = include_str!("others.rs").lines().nth(location.line() as usize - 1).unwrap();
    assert!(location.file().ends_with("others.rs") && line.contains("ctx.timer(millis(100))"), "{found}");
}

#[test]
fn core_ends_in_an_empty_task_completed() {
    let Some(history) = from_elsewhere("core/ends_empty_wft_complete.bin") else { return };
    let replayed = fits(&WorkflowReplayer::new().workflow(say_hello_workflow), &history);
    assert_eq!(replayed.outcome(), &RunOutcome::Open);
}

#[test]
fn features_retry_on_error() {
    let replayer = WorkflowReplayer::new().workflow(retry_on_error_go).workflow(retry_on_error_java);
    for name in ["features/retry_on_error.go.json", "features/retry_on_error.java.json"] {
        let Some(history) = from_elsewhere(name) else { continue };
        // The message of the outer failure differs between SDKs; the cause is the activity's.
        match replayed(&replayer, &history).outcome() {
            RunOutcome::Failed(failure) => {
                assert_eq!(failure.root_cause().message(), "activity attempt 5 failed");
                assert_eq!(failure.retry_state(), Some(abide::RetryState::MaximumAttemptsReached));
            }
            other => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn core_timer_workflow_history() {
    let Some(history) = from_elsewhere("core/timer_workflow_history.bin") else { return };
    fits(&WorkflowReplayer::new().workflow(timer_workflow), &history);
}

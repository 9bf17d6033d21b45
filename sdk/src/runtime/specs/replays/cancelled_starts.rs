//! A request to cancel the workflow while code waits for the start of a child or a Nexus operation. Python's code goes
//! on at once; that of other SDKs waits for the start.

use expect_test::expect;

use crate::runtime::specs::harness::{after_first_task, check_recorded};
use crate::{NexusOperation, WorkflowContext, WorkflowError, workflow};

const PAY: NexusOperation<u64, String> = NexusOperation::new("service", "operation");

const PYTHON: &str = "sdk=temporal-python sdk_version=1.28.0 lang=1";
const PYTHON_2: &str = "sdk=temporal-python sdk_version=1.35.0 lang=1,2";
const WITHOUT: [&str; 5] = [
    "sdk=abide sdk_version=0.2.0 lang=2",
    "sdk=temporal-python sdk_version=1.27.0 lang=1",
    "sdk=temporal-typescript sdk_version=1.13.0 lang=2",
    "sdk=temporal-dotnet lang=1,2",
    "sdk=temporal-ruby",
];

#[workflow(name = "child")]
async fn child(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

fn told(is_cancelled: bool) -> String {
    if is_cancelled { "cancelled" } else { "failed" }.to_string()
}

/// Awaits a child's start, then its end.
async fn starts_child(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    let ended = match ctx.child_workflow(child, ()).id("c").start().await {
        Ok(child) => child.await,
        Err(failure) => Err(failure),
    };
    Ok(ended.map_or_else(|error| told(error.is_cancelled()), |()| "done".to_string()))
}

/// Awaits a child's end.
async fn runs_child(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    let ended = ctx.child_workflow(child, ()).id("c").await;
    Ok(ended.map_or_else(|error| told(error.is_cancelled()), |()| "done".to_string()))
}

/// Awaits an operation's start, then its end.
async fn starts_operation(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    let ended = match ctx.nexus_operation("endpoint", PAY, 7).start().await {
        Ok(operation) => operation.await,
        Err(failure) => Err(failure),
    };
    Ok(ended.unwrap_or_else(|error| told(error.is_cancelled())))
}

/// Awaits an operation's end.
async fn runs_operation(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.nexus_operation("endpoint", PAY, 7).await.unwrap_or_else(|error| told(error.is_cancelled())))
}

/// Replays a history: events 5 and following as given, then a task that brings them, and the events of its answer.
macro_rules! fits {
    ($code:ident, $recorder:expr, $events:expr, $answer:expr) => {
        let (events, answer): (&[&str], &[&str]) = (&$events, &$answer);
        let task = ["WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted"];
        let all = events.iter().chain(&task).chain(answer).enumerate();
        let rest: String = all.map(|(index, event)| format!("{} {event}\n", 5 + index)).collect();
        let history = after_first_task(&rest).replacen(
            "WorkflowTaskCompleted",
            &format!("WorkflowTaskCompleted {}", $recorder),
            1,
        );
        check_recorded($code, &history, expect!["Idle"]);
    };
}

const CHILD: &str = "StartChildWorkflowExecutionInitiated workflow_id=c type=child";
const CHILD_STARTED: &str = "ChildWorkflowExecutionStarted";
const ASK_CHILD: &str = "RequestCancelExternalWorkflowExecutionInitiated workflow=c child_workflow_only=true";
const OPERATION: &str = "NexusOperationScheduled endpoint=endpoint service=service operation=operation input=7";
const OPERATION_STARTED: &str = "NexusOperationStarted operation_token=t";
const ASK_OPERATION: &str = "NexusOperationCancelRequested";
const CANCEL: &str = "WorkflowExecutionCancelRequested";
const CANCELLED: &str = "WorkflowExecutionCompleted result=\"cancelled\"";

#[test]
fn python_gives_up_a_start_that_has_not_come() {
    for recorder in [PYTHON, PYTHON_2] {
        fits!(starts_child, recorder, [CHILD, CANCEL], [ASK_CHILD, CANCELLED]);
        fits!(runs_child, recorder, [CHILD, CANCEL], [ASK_CHILD, CANCELLED]);
        fits!(starts_operation, recorder, [OPERATION, CANCEL], [ASK_OPERATION, CANCELLED]);
        fits!(runs_operation, recorder, [OPERATION, CANCEL], [ASK_OPERATION, CANCELLED]);
    }
}

#[test]
fn other_sdks_wait_for_the_start() {
    for recorder in WITHOUT {
        fits!(starts_child, recorder, [CHILD, CANCEL], [ASK_CHILD]);
        fits!(runs_child, recorder, [CHILD, CANCEL], [ASK_CHILD]);
        fits!(starts_operation, recorder, [OPERATION, CANCEL], [ASK_OPERATION]);
        fits!(runs_operation, recorder, [OPERATION, CANCEL], [ASK_OPERATION]);
    }
}

#[test]
fn python_gives_up_a_start_that_comes_with_the_request() {
    for [first, second] in [[CHILD_STARTED, CANCEL], [CANCEL, CHILD_STARTED]] {
        fits!(starts_child, PYTHON, [CHILD, first, second], [ASK_CHILD, CANCELLED]);
        fits!(runs_child, PYTHON, [CHILD, first, second], [ASK_CHILD, CANCELLED]);
    }
    for [first, second] in [[OPERATION_STARTED, CANCEL], [CANCEL, OPERATION_STARTED]] {
        fits!(starts_operation, PYTHON, [OPERATION, first, second], [ASK_OPERATION, CANCELLED]);
        fits!(runs_operation, PYTHON, [OPERATION, first, second], [ASK_OPERATION, CANCELLED]);
    }
}

/// The child and the operation go on.
#[test]
fn python_with_flag_2_asks_nobody_to_cancel_then() {
    for [first, second] in [[CHILD_STARTED, CANCEL], [CANCEL, CHILD_STARTED]] {
        fits!(starts_child, PYTHON_2, [CHILD, first, second], [CANCELLED]);
        fits!(runs_child, PYTHON_2, [CHILD, first, second], [CANCELLED]);
    }
    for [first, second] in [[OPERATION_STARTED, CANCEL], [CANCEL, OPERATION_STARTED]] {
        fits!(starts_operation, PYTHON_2, [OPERATION, first, second], [CANCELLED]);
        fits!(runs_operation, PYTHON_2, [OPERATION, first, second], [CANCELLED]);
    }
}

/// An operation that completes at once starts and ends in one task.
#[test]
fn python_gives_up_an_operation_that_starts_and_ends_with_the_request() {
    let completed = "NexusOperationCompleted result=\"done\"";
    for recorder in [PYTHON, PYTHON_2] {
        fits!(starts_operation, recorder, [OPERATION, completed, CANCEL], [CANCELLED]);
        fits!(runs_operation, recorder, [OPERATION, CANCEL, completed], [CANCELLED]);
    }
}

/// A wait that began after the start is not a wait for a start.
#[test]
fn python_waits_for_the_end_of_what_has_started() {
    let task = ["WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted"];
    let [scheduled, started, completed] = task;
    for recorder in [PYTHON, PYTHON_2] {
        let events = [CHILD, CHILD_STARTED, scheduled, started, completed, CANCEL];
        fits!(starts_child, recorder, events, [ASK_CHILD]);
        fits!(runs_child, recorder, events, [ASK_CHILD]);
        let events = [OPERATION, OPERATION_STARTED, scheduled, started, completed, CANCEL];
        fits!(starts_operation, recorder, events, [ASK_OPERATION]);
        fits!(runs_operation, recorder, events, [ASK_OPERATION]);
    }
}

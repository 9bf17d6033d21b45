//! Cancelling child workflows: four types, at every point of a child's life.

use expect_test::{Expect, expect};

use super::child_workflows::{ChoreWorkflow, chore};
use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::workflow::{ChildWorkflowCall, ChildWorkflowCancellationType as Type};
use crate::{ChildWorkflowFailure, WorkflowContext, WorkflowError};

const ALL: [Type; 4] =
    [Type::Abandon, Type::TryCancel, Type::WaitCancellationRequested, Type::WaitCancellationCompleted];

fn call(ctx: &WorkflowContext, cancellation_type: Type) -> ChildWorkflowCall<ChoreWorkflow> {
    ctx.child_workflow(chore, 7).id("child-1").cancellation_type(cancellation_type)
}

fn told(error: &ChildWorkflowFailure) -> String {
    format!("{error}; cancelled {}", error.is_cancelled())
}

/// Starts the child, cancels it when timer 1 fires, and returns how it ended.
async fn cancelled_after_timer(ctx: WorkflowContext, cancellation_type: Type) -> Result<String, WorkflowError> {
    let starting = call(&ctx, cancellation_type).start();
    ctx.timer(secs(1)).await?;
    starting.cancel();
    Ok(match starting.await {
        Ok(child) => match child.await {
            Ok(result) => result,
            Err(error) => told(&error),
        },
        Err(error) => format!("not started: {}", told(&error)),
    })
}

#[track_caller]
fn check_cancelled(cancellation_type: Type, rest: &str, expected: Expect) {
    let history = after_first_task(&format!("5 StartChildWorkflowExecutionInitiated\n6 TimerStarted\n{rest}"));
    match cancellation_type {
        Type::Abandon => check(|ctx| cancelled_after_timer(ctx, Type::Abandon), &history, expected),
        Type::TryCancel => check(|ctx| cancelled_after_timer(ctx, Type::TryCancel), &history, expected),
        Type::WaitCancellationRequested => {
            check(|ctx| cancelled_after_timer(ctx, Type::WaitCancellationRequested), &history, expected);
        }
        Type::WaitCancellationCompleted => {
            check(|ctx| cancelled_after_timer(ctx, Type::WaitCancellationCompleted), &history, expected);
        }
    }
}

/// The timer fires before the child has started.
const INITIATED: &str = "7 TimerFired\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted";
/// The timer fires while the child runs.
const STARTED: &str = "7 ChildWorkflowExecutionStarted\n8 TimerFired\n9 WorkflowTaskScheduled\n10 WorkflowTaskStarted";

#[test]
fn cancelled_before_it_is_sent_leaves_no_command_whatever_the_type() {
    check(
        |ctx| async move {
            let mut ends = Vec::new();
            for cancellation_type in ALL {
                let starting = call(&ctx, cancellation_type).start();
                starting.cancel();
                ends.push(told(&starting.await.err().unwrap()));
            }
            ends.dedup();
            Ok(ends)
        },
        FIRST_TASK,
        expect![[
            r#"CompleteWorkflowExecution result=["child workflow child (id child-1): Child Workflow Execution cancelled before scheduled; cancelled true"]"#
        ]],
    );
}

#[test]
fn a_child_begun_in_a_cancelled_scope_fails_at_once_but_takes_a_number() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            scope.cancel_with_reason("enough");
            let error = scope.run(ctx.child_workflow(chore, 1)).await.unwrap_err();
            let outside = ctx.child_workflow(chore, 2).start();
            ctx.timer(secs(1)).summary(format!("{}, {}", told(&error), error.workflow_id())).await?;
            outside.detach();
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            StartChildWorkflowExecution id=c79db051-301f-4619-a03a-11bd33db0957 type=child input=2
            StartTimer id=1 after=1s"#]],
    );
}

#[test]
fn abandon_asks_nobody_and_yields_at_once() {
    check_cancelled(
        Type::Abandon,
        INITIATED,
        expect![[
            r#"CompleteWorkflowExecution result="not started: child workflow child (id child-1): Child Workflow execution cancelled; cancelled true""#
        ]],
    );
    check_cancelled(
        Type::Abandon,
        STARTED,
        expect![[
            r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution cancelled; cancelled true""#
        ]],
    );
}

#[test]
fn try_cancel_asks_and_yields_at_once() {
    check_cancelled(
        Type::TryCancel,
        INITIATED,
        expect![[r#"
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true
            CompleteWorkflowExecution result="not started: child workflow child (id child-1): Child Workflow execution cancelled; cancelled true""#]],
    );
    check_cancelled(
        Type::TryCancel,
        STARTED,
        expect![[r#"
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true
            CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution cancelled; cancelled true""#]],
    );
}

/// Requests name no run: only the first run is known, and the child may have continued as new or been retried since.
#[test]
fn the_waiting_types_ask_and_wait() {
    for cancellation_type in [Type::WaitCancellationRequested, Type::WaitCancellationCompleted] {
        check_cancelled(
            cancellation_type,
            INITIATED,
            expect!["RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true"],
        );
        check_cancelled(
            cancellation_type,
            STARTED,
            expect!["RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true"],
        );
    }
}

#[test]
fn the_arrival_of_the_request_ends_no_waiting() {
    for cancellation_type in [Type::WaitCancellationRequested, Type::WaitCancellationCompleted] {
        for outcome in ["ExternalWorkflowExecutionCancelRequested", "RequestCancelExternalWorkflowExecutionFailed"] {
            check_cancelled(
                cancellation_type,
                &format!(
                    "{STARTED}
                     11 WorkflowTaskCompleted
                     12 RequestCancelExternalWorkflowExecutionInitiated workflow=child-1
                     13 {outcome}
                     14 WorkflowTaskScheduled
                     15 WorkflowTaskStarted"
                ),
                expect![""],
            );
        }
    }
}

#[test]
fn waiting_ends_with_the_outcome_of_the_child() {
    for (event, expected) in [
        (
            "ChildWorkflowExecutionCompleted result=\"made it\"",
            expect![[r#"CompleteWorkflowExecution result="made it""#]],
        ),
        (
            "ChildWorkflowExecutionFailed message=broken",
            expect![[
                r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution failed: broken; cancelled false""#
            ]],
        ),
        (
            "ChildWorkflowExecutionTimedOut",
            expect![[
                r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution timed out: Timed out; cancelled false""#
            ]],
        ),
        (
            "ChildWorkflowExecutionCanceled",
            expect![[
                r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution cancelled; cancelled true""#
            ]],
        ),
        (
            "ChildWorkflowExecutionTerminated",
            expect![[
                r#"CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution terminated: Terminated; cancelled false""#
            ]],
        ),
    ] {
        check_cancelled(
            Type::WaitCancellationCompleted,
            &format!(
                "{STARTED}
                 11 WorkflowTaskCompleted
                 12 RequestCancelExternalWorkflowExecutionInitiated workflow=child-1
                 13 ExternalWorkflowExecutionCancelRequested
                 14 {event}
                 15 WorkflowTaskScheduled
                 16 WorkflowTaskStarted"
            ),
            expected,
        );
    }
}

#[test]
fn a_child_cancelled_before_its_start_may_start_nevertheless() {
    let begun = format!(
        "{INITIATED}
         10 WorkflowTaskCompleted
         11 RequestCancelExternalWorkflowExecutionInitiated workflow=child-1
         12 RequestCancelExternalWorkflowExecutionFailed"
    );
    let to_the_end = format!(
        "{begun}
         13 ChildWorkflowExecutionStarted
         14 ChildWorkflowExecutionCompleted result=\"made it\"
         15 WorkflowTaskScheduled
         16 WorkflowTaskStarted"
    );
    check_cancelled(
        Type::WaitCancellationCompleted,
        &to_the_end,
        expect![[r#"CompleteWorkflowExecution result="made it""#]],
    );
    let not_started = format!(
        "{begun}
         13 StartChildWorkflowExecutionFailed
         14 WorkflowTaskScheduled
         15 WorkflowTaskStarted"
    );
    check_cancelled(
        Type::WaitCancellationCompleted,
        &not_started,
        expect![[
            r#"CompleteWorkflowExecution result="not started: child workflow child (id child-1): Child Workflow execution not started: Workflow execution already started (WorkflowAlreadyExists); cancelled false""#
        ]],
    );
}

/// Like `cancelled_after_timer`, but the workflow goes on after the cancellation, so that late events can come.
async fn goes_on(ctx: WorkflowContext, cancellation_type: Type) -> Result<String, WorkflowError> {
    let starting = call(&ctx, cancellation_type).start();
    ctx.timer(secs(1)).await?;
    starting.cancel();
    let error = match starting.await {
        Ok(child) => child.await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.is_cancelled());
    ctx.timer(secs(9)).await?;
    Ok("the late event was taken in silence".into())
}

#[test]
fn the_end_of_a_child_that_nobody_waits_for_is_ignored() {
    let ends = [
        "ChildWorkflowExecutionCompleted result=\"late\"",
        "ChildWorkflowExecutionFailed message=broken",
        "ChildWorkflowExecutionTimedOut",
        "ChildWorkflowExecutionCanceled",
        "ChildWorkflowExecutionTerminated",
    ];
    let numbered = |lines: &[&str]| {
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            text += &format!("{} {line}\n", index + 5);
        }
        after_first_task(&text)
    };
    let expected = || expect![[r#"CompleteWorkflowExecution result="the late event was taken in silence""#]];
    let last = ["WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted", "TimerFired"];
    let last = [&last[..], &["WorkflowTaskScheduled", "WorkflowTaskStarted"]].concat();
    let first = ["StartChildWorkflowExecutionInitiated", "TimerStarted"];
    let task = ["TimerFired", "WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted"];
    let request = ["RequestCancelExternalWorkflowExecutionInitiated workflow=child-1"];
    for end in ends {
        // Cancelled while it runs, and before it has started.
        let late_start = ["TimerStarted", "ChildWorkflowExecutionStarted", end];
        let late_end = ["TimerStarted", end];
        let started = [&first[..], &["ChildWorkflowExecutionStarted"], &task].concat();
        let initiated = [&first[..], &task].concat();
        for (before, after) in [(&started, &late_end[..]), (&initiated, &late_start[..])] {
            let abandoned = numbered(&[&before[..], after, &last].concat());
            check(|ctx| goes_on(ctx, Type::Abandon), &abandoned, expected());
            for outcome in ["ExternalWorkflowExecutionCancelRequested", "RequestCancelExternalWorkflowExecutionFailed"]
            {
                let tried = numbered(&[&before[..], &request, after, &[outcome], &last].concat());
                check(|ctx| goes_on(ctx, Type::TryCancel), &tried, expected());
            }
        }
    }
    let refused = ["TimerStarted", "StartChildWorkflowExecutionFailed"];
    let abandoned = numbered(&[&first[..], &task, &refused, &last].concat());
    check(|ctx| goes_on(ctx, Type::Abandon), &abandoned, expected());
}

#[test]
fn a_child_that_completes_in_the_task_of_its_cancellation_has_completed() {
    for cancellation_type in ALL {
        check_cancelled(
            cancellation_type,
            "7 ChildWorkflowExecutionStarted
             8 TimerFired
             9 ChildWorkflowExecutionCompleted result=\"just in time\"
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
            expect![[r#"CompleteWorkflowExecution result="just in time""#]],
        );
    }
}

#[test]
fn cancelling_what_has_completed_does_nothing() {
    check(
        |ctx| async move {
            let mut child = call(&ctx, Type::TryCancel).start().await?;
            let result = (&mut child).await?;
            child.cancel();
            child.cancel();
            Ok(result)
        },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 ChildWorkflowExecutionStarted
             7 ChildWorkflowExecutionCompleted result=\"done\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="done""#]],
    );
}

const RUNS: &str = "
    5 StartChildWorkflowExecutionInitiated
    6 ChildWorkflowExecutionStarted
    7 WorkflowTaskScheduled
    8 WorkflowTaskStarted";

#[test]
fn each_cancellation_of_a_child_that_is_waited_for_asks_again() {
    check(
        |ctx| async move {
            let child = call(&ctx, Type::WaitCancellationCompleted).start().await?;
            child.cancel_with_reason("first");
            child.cancel_with_reason("second");
            Ok(child.await?)
        },
        &after_first_task(RUNS),
        expect![[r#"
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true reason=first
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true reason=second"#]],
    );
}

#[test]
fn the_reason_reaches_the_child() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let (ended, ()) = crate::join!(scope.run(call(&ctx, Type::TryCancel)), async {
                ctx.timer(secs(1)).await.unwrap();
                scope.cancel_with_reason("out of time");
            });
            Ok(told(&ended.unwrap_err()))
        },
        &after_first_task(&format!("5 StartChildWorkflowExecutionInitiated\n6 TimerStarted\n{STARTED}")),
        expect![[r#"
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true reason="out of time"
            CompleteWorkflowExecution result="child workflow child (id child-1): Child Workflow execution cancelled; cancelled true""#]],
    );
}

#[test]
fn a_request_to_cancel_the_parent_cancels_its_children() {
    check(
        |ctx| async move {
            let ended = call(&ctx, Type::WaitCancellationCompleted).await;
            Ok(ended?)
        },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 ChildWorkflowExecutionStarted
             7 WorkflowExecutionCancelRequested event.cause=\"shop closed\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true reason="shop closed""#]],
    );
    check(
        |ctx| async move { Ok(call(&ctx, Type::WaitCancellationCompleted).await?) },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 ChildWorkflowExecutionStarted
             7 WorkflowExecutionCancelRequested
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 RequestCancelExternalWorkflowExecutionInitiated workflow=child-1
             12 ExternalWorkflowExecutionCancelRequested
             13 ChildWorkflowExecutionCanceled
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect!["CancelWorkflowExecution"],
    );
}

#[test]
fn a_start_that_is_waited_for_apart_is_cancelled_once() {
    // Start and end are operations of their own, and both are in the scope.
    check(
        |ctx| async move {
            let child = call(&ctx, Type::WaitCancellationCompleted).start().await?;
            Ok(child.await?)
        },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 WorkflowExecutionCancelRequested
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect!["RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true"],
    );
}

#[test]
fn a_dropped_child_is_cancelled_by_its_type_and_a_detached_one_goes_on() {
    check(
        |ctx| async move {
            let start = |id: &str, cancellation_type| {
                ctx.child_workflow(chore, 7).id(id).cancellation_type(cancellation_type).start()
            };
            let tried = start("child-1", Type::TryCancel);
            let waited = start("child-2", Type::WaitCancellationCompleted);
            let abandoned = start("child-3", Type::Abandon);
            start("child-4", Type::WaitCancellationCompleted).detach();
            let asked = start("child-5", Type::WaitCancellationCompleted);
            ctx.timer(secs(1)).await?;
            drop((tried, waited, abandoned));
            asked.cancel();
            drop(asked);
            ctx.timer(secs(2)).await?;
            Ok(())
        },
        &after_first_task(
            "5 StartChildWorkflowExecutionInitiated
             6 StartChildWorkflowExecutionInitiated
             7 StartChildWorkflowExecutionInitiated
             8 StartChildWorkflowExecutionInitiated
             9 StartChildWorkflowExecutionInitiated
             10 TimerStarted
             11 TimerFired
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted",
        ),
        expect![[r#"
            RequestCancelExternalWorkflowExecution id=child-1 child_workflow_only=true
            RequestCancelExternalWorkflowExecution id=child-2 child_workflow_only=true
            RequestCancelExternalWorkflowExecution id=child-5 child_workflow_only=true
            StartTimer id=2 after=2s"#]],
    );
}

//! Cancelling activities: three types, at every point of an activity's life.

use expect_test::{Expect, expect};

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::workflow::{ActivityCall, ActivityCancellationType as Type};
use crate::{ActivityError, WorkflowContext, activity};

#[activity]
async fn work() -> Result<String, ActivityError> {
    Ok("done".into())
}

fn call(ctx: &WorkflowContext, cancellation_type: Type) -> ActivityCall<WorkActivity> {
    ctx.activity(work, ()).start_to_close_timeout(secs(5)).cancellation_type(cancellation_type)
}

/// Starts the activity, cancels it when timer 1 fires, and returns how it ended.
#[track_caller]
fn check_cancelled_after_timer(cancellation_type: Type, history: &str, expected: Expect) {
    let ended = |ctx: WorkflowContext, cancellation_type| async move {
        let activity = call(&ctx, cancellation_type).start();
        ctx.timer(secs(1)).await?;
        activity.cancel();
        Ok(match activity.await {
            Ok(result) => result,
            Err(error) => format!("{error}; cancelled {}", error.is_cancelled()),
        })
    };
    let history = after_first_task(&format!("5 ActivityTaskScheduled type=work\n6 TimerStarted\n{history}"));
    match cancellation_type {
        Type::TryCancel => check(move |ctx| ended(ctx, Type::TryCancel), &history, expected),
        Type::WaitCancellationCompleted => {
            check(move |ctx| ended(ctx, Type::WaitCancellationCompleted), &history, expected);
        }
        Type::Abandon => check(move |ctx| ended(ctx, Type::Abandon), &history, expected),
    }
}

#[test]
fn cancelled_before_it_is_sent_leaves_no_command_whatever_the_type() {
    check(
        |ctx| async move {
            for cancellation_type in [Type::TryCancel, Type::WaitCancellationCompleted, Type::Abandon] {
                let activity = call(&ctx, cancellation_type).start();
                activity.cancel();
                assert!(activity.await.unwrap_err().is_cancelled());
            }
            Ok(call(&ctx, Type::TryCancel).await?)
        },
        FIRST_TASK,
        expect!["ScheduleActivityTask id=4 type=work start_to_close=5s"],
    );
}

const FIRED: &str = "7 TimerFired\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted";
const FIRED_STARTED: &str = "7 ActivityTaskStarted\n8 TimerFired\n9 WorkflowTaskScheduled\n10 WorkflowTaskStarted";

#[test]
fn try_cancel_asks_and_yields_at_once() {
    check_cancelled_after_timer(
        Type::TryCancel,
        FIRED,
        expect![[r#"
        RequestCancelActivityTask scheduled=5
        CompleteWorkflowExecution result="activity work (id 1): Activity cancelled; cancelled true""#]],
    );
}

#[test]
fn try_cancel_of_a_started_activity_asks_and_yields_at_once() {
    check_cancelled_after_timer(
        Type::TryCancel,
        FIRED_STARTED,
        expect![[r#"
        RequestCancelActivityTask scheduled=5
        CompleteWorkflowExecution result="activity work (id 1): Activity cancelled; cancelled true""#]],
    );
}

#[test]
fn wait_cancellation_completed_asks_and_waits() {
    check_cancelled_after_timer(
        Type::WaitCancellationCompleted,
        FIRED,
        expect!["RequestCancelActivityTask scheduled=5"],
    );
}

#[test]
fn abandon_asks_nobody_and_yields_at_once() {
    check_cancelled_after_timer(
        Type::Abandon,
        FIRED_STARTED,
        expect![[r#"CompleteWorkflowExecution result="activity work (id 1): Activity cancelled; cancelled true""#]],
    );
}

#[test]
fn waiting_ends_with_the_outcome_of_the_activity() {
    for (event, expected) in [
        ("ActivityTaskCompleted result=\"made it\"", expect![[r#"CompleteWorkflowExecution result="made it""#]]),
        (
            "ActivityTaskFailed message=broken",
            expect![[
                r#"CompleteWorkflowExecution result="activity work (id 1): Activity task failed: broken; cancelled false""#
            ]],
        ),
        (
            "ActivityTaskTimedOut timeout=StartToClose",
            expect![[
                r#"CompleteWorkflowExecution result="activity work (id 1): Activity task timed out: activity StartToClose timeout; cancelled false""#
            ]],
        ),
        (
            "ActivityTaskCanceled details=1",
            expect![[r#"CompleteWorkflowExecution result="activity work (id 1): Activity cancelled; cancelled true""#]],
        ),
    ] {
        check_cancelled_after_timer(
            Type::WaitCancellationCompleted,
            &format!(
                "{FIRED}
                 10 WorkflowTaskCompleted
                 11 ActivityTaskCancelRequested
                 12 ActivityTaskStarted
                 13 {event}
                 14 WorkflowTaskScheduled
                 15 WorkflowTaskStarted"
            ),
            expected,
        );
    }
}

/// Like the check above, but the workflow goes on after the cancellation, so that late events can come.
#[track_caller]
fn check_late(cancellation_type: Type, requested: bool) {
    for event in [
        "ActivityTaskCompleted result=\"late\"",
        "ActivityTaskFailed message=broken",
        "ActivityTaskTimedOut",
        "ActivityTaskCanceled",
    ] {
        let request = if requested { "11 ActivityTaskCancelRequested\n12" } else { "11" };
        let first = if requested { 13 } else { 12 };
        let history = after_first_task(&format!(
            "5 ActivityTaskScheduled type=work
             6 TimerStarted
             {FIRED}
             10 WorkflowTaskCompleted
             {request} TimerStarted
             {} ActivityTaskStarted
             {} {event}
             {} WorkflowTaskScheduled
             {} WorkflowTaskStarted
             {} WorkflowTaskCompleted
             {} TimerFired
             {} WorkflowTaskScheduled
             {} WorkflowTaskStarted",
            first,
            first + 1,
            first + 2,
            first + 3,
            first + 4,
            first + 5,
            first + 6,
            first + 7,
        ));
        let code = |ctx: WorkflowContext, cancellation_type| async move {
            let activity = call(&ctx, cancellation_type).start();
            ctx.timer(secs(1)).await?;
            activity.cancel();
            assert!(activity.await.unwrap_err().is_cancelled());
            ctx.timer(secs(9)).await?;
            Ok("the late event was taken in silence".to_string())
        };
        let expected = expect![[r#"CompleteWorkflowExecution result="the late event was taken in silence""#]];
        match cancellation_type {
            Type::Abandon => check(move |ctx| code(ctx, Type::Abandon), &history, expected),
            _ => check(move |ctx| code(ctx, Type::TryCancel), &history, expected),
        }
    }
}

#[test]
fn the_end_of_an_activity_after_try_cancel_is_ignored() {
    check_late(Type::TryCancel, true);
}

#[test]
fn the_end_of_an_abandoned_activity_is_ignored() {
    check_late(Type::Abandon, false);
}

#[test]
fn an_activity_that_completes_in_the_task_of_its_cancellation_has_completed() {
    for cancellation_type in [Type::TryCancel, Type::WaitCancellationCompleted, Type::Abandon] {
        check_cancelled_after_timer(
            cancellation_type,
            "7 TimerFired
             8 ActivityTaskStarted
             9 ActivityTaskCompleted result=\"just in time\"
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
            let mut activity = call(&ctx, Type::TryCancel).start();
            let result = (&mut activity).await?;
            activity.cancel();
            activity.cancel();
            Ok(result)
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=work
             6 ActivityTaskStarted
             7 ActivityTaskCompleted result=\"done\"
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="done""#]],
    );
}

#[test]
fn cancelling_twice_asks_once() {
    check(
        |ctx| async move {
            let activity = call(&ctx, Type::WaitCancellationCompleted).start();
            ctx.timer(secs(1)).await?;
            activity.cancel();
            activity.cancel();
            Ok(activity.await?)
        },
        &after_first_task(&format!("5 ActivityTaskScheduled type=work\n6 TimerStarted\n{FIRED}")),
        expect!["RequestCancelActivityTask scheduled=5"],
    );
}

#[test]
fn a_dropped_handle_cancels_by_the_activitys_type() {
    check(
        |ctx| async move {
            let tried = call(&ctx, Type::TryCancel).start();
            let waited = call(&ctx, Type::WaitCancellationCompleted).start();
            let abandoned = call(&ctx, Type::Abandon).start();
            ctx.timer(secs(1)).await?;
            drop((tried, waited, abandoned));
            ctx.timer(secs(2)).await?;
            Ok(())
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=work
             6 ActivityTaskScheduled type=work
             7 ActivityTaskScheduled type=work
             8 TimerStarted
             9 TimerFired
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect![[r#"
            RequestCancelActivityTask scheduled=5
            RequestCancelActivityTask scheduled=6
            StartTimer id=2 after=2s"#]],
    );
}

#[test]
fn an_activity_begun_in_a_cancelled_scope_fails_at_once_but_takes_a_number() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            scope.cancel_with_reason("enough");
            let ended = scope.run(call(&ctx, Type::WaitCancellationCompleted)).await;
            let error = ended.unwrap_err();
            assert_eq!((error.activity_id(), error.is_cancelled()), ("1", true));
            Ok(call(&ctx, Type::TryCancel).await?)
        },
        FIRST_TASK,
        expect!["ScheduleActivityTask id=2 type=work start_to_close=5s"],
    );
}

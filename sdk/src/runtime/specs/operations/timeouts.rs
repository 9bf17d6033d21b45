//! Timeouts: a future that has a limited time.

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::{ActivityError, activity};

#[activity]
async fn work(n: u32) -> Result<u32, ActivityError> {
    Ok(n)
}

/// The activity begins before the timer, because the future is polled first.
const BEGUN: &str = "
    5 ActivityTaskScheduled type=work
    6 TimerStarted";

fn then(rest: &str) -> String {
    after_first_task(&format!("{BEGUN}\n{rest}"))
}

#[test]
fn a_future_that_ends_in_time_cancels_the_timer() {
    check(
        |ctx| async move {
            let work = ctx.activity(work, 7).start_to_close_timeout(secs(5));
            Ok(ctx.timeout(secs(60), work).summary("patience").await??)
        },
        &then(
            "7 ActivityTaskStarted\n8 ActivityTaskCompleted result=7\n9 WorkflowTaskScheduled\n10 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            CompleteWorkflowExecution result=7"#]],
    );
}

#[test]
fn the_timer_starts_at_the_first_await_after_what_the_future_begins() {
    check(
        |ctx| async move {
            let timeout = ctx.timeout(secs(60), ctx.activity(work, 7).start_to_close_timeout(secs(5)));
            let timeout = timeout.summary("patience");
            ctx.timer(secs(1)).await?;
            Ok(timeout.await??)
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"
            ScheduleActivityTask id=1 type=work input=7 start_to_close=5s
            StartTimer id=2 after=1m"#]],
    );
}

#[test]
fn a_future_that_is_too_late_is_dropped_which_cancels_it() {
    check(
        |ctx| async move {
            let work = ctx.activity(work, 7).start_to_close_timeout(secs(5));
            let too_late = ctx.timeout(secs(60), work).await.unwrap_err();
            assert_eq!(too_late.after(), secs(60));
            Ok(too_late.to_string())
        },
        &then("7 TimerFired\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted"),
        expect![[r#"
            RequestCancelActivityTask scheduled=5
            CompleteWorkflowExecution result="timed out after 1m""#]],
    );
}

#[test]
fn the_question_mark_fails_the_workflow_with_a_type_of_its_own() {
    check(
        |ctx| async move {
            ctx.timeout(secs(60), std::future::pending::<()>()).await?;
            Ok(())
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"FailWorkflowExecution message="timed out after 1m" source=AbideSDK type=TimedOut"#]],
    );
}

#[test]
fn the_future_wins_if_both_are_ready() {
    check(
        |ctx| async move {
            let work = ctx.activity(work, 7).start_to_close_timeout(secs(5));
            Ok(ctx.timeout(secs(60), work).await??)
        },
        &then(
            "7 TimerFired
             8 ActivityTaskStarted
             9 ActivityTaskCompleted result=7
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=7"],
    );
}

#[test]
fn a_future_that_is_ready_at_once_takes_no_timer_number() {
    check(
        |ctx| async move {
            let ready = ctx.timeout(secs(60), async { 7 }).await?;
            ctx.timer(secs(ready)).await?;
            Ok(())
        },
        FIRST_TASK,
        expect!["StartTimer id=1 after=7s"],
    );
}

#[test]
fn a_timeout_of_zero_is_a_timer_too() {
    check(
        |ctx| async move { Ok(ctx.timeout(secs(0), ctx.timer(secs(5))).await.is_err()) },
        FIRST_TASK,
        expect![[r#"
            StartTimer id=1 after=5s
            StartTimer id=2 after=0s"#]],
    );
}

#[test]
fn a_cancelled_scope_leaves_the_decision_to_the_future() {
    check(
        |ctx| async move {
            let cleanup = async {
                ctx.timer(secs(60)).await.unwrap_err();
                ctx.shielded(ctx.timer(secs(5))).await.unwrap();
                "cleaned up".to_string()
            };
            Ok(ctx.timeout(secs(60), cleanup).await?)
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 WorkflowExecutionCancelRequested
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 TimerCanceled id=1
             12 TimerCanceled id=2
             13 TimerStarted id=3
             14 TimerFired id=3
             15 WorkflowTaskScheduled
             16 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="cleaned up""#]],
    );
}

#[test]
fn in_a_cancelled_scope_there_is_no_timeout() {
    check(
        |ctx| async move {
            ctx.timer(secs(60)).await.unwrap_err();
            let first = ctx.timeout(secs(60), ctx.timer(secs(60))).await?;
            first.unwrap_err();
            ctx.shielded(ctx.timeout(secs(9), std::future::pending::<()>())).await.unwrap_err();
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionCancelRequested
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            StartTimer id=3 after=9s"#]],
    );
}

#[test]
fn the_inner_of_two_nested_timeouts_wins_a_tie() {
    check(
        |ctx| async move {
            let inner = ctx.timeout(secs(2), std::future::pending::<()>());
            let outcome = ctx.timeout(secs(2), inner).await;
            Ok(format!("{outcome:?}"))
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=1
             8 TimerFired id=2
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="Ok(Err(TimedOut { after: 2s }))""#]],
    );
}

#[test]
fn a_dropped_timeout_cancels_both() {
    check(
        |ctx| async move {
            abide::select! {
                _ = ctx.timeout(secs(60), ctx.timer(secs(50))) => {}
                slept = ctx.timer(secs(1)) => slept?,
            }
            ctx.timer(secs(9)).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=3
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            CancelTimer id=2
            StartTimer id=4 after=9s"#]],
    );
}

//! Timers and conditions.

use expect_test::expect;

use super::harness::check;
use crate::duration::{millis, secs};

const FIRST_TASK: &str = "
    1 WorkflowExecutionStarted type=wf
    2 WorkflowTaskScheduled
    3 WorkflowTaskStarted";

#[test]
fn a_timer_is_a_command() {
    check(
        |ctx| async move {
            ctx.timer(secs(5)).summary("a nap").await?;
            Ok(())
        },
        FIRST_TASK,
        expect!["StartTimer id=1 after=5s"],
    );
}

#[test]
fn a_fired_timer_lets_the_code_go_on() {
    check(
        |ctx| async move {
            ctx.timer(secs(5)).await?;
            Ok("slept".to_string())
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 TimerStarted id=1
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect!["CompleteWorkflowExecution result=\"slept\""],
    );
}

#[test]
fn a_timer_cancelled_before_it_is_sent_leaves_no_command_and_takes_a_number() {
    check(
        |ctx| async move {
            let first = ctx.timer(secs(5)).start();
            first.cancel();
            assert!(first.await.is_err());
            ctx.timer(secs(7)).await?;
            Ok(())
        },
        FIRST_TASK,
        expect!["StartTimer id=2 after=7s"],
    );
}

#[test]
fn a_dropped_timer_is_cancelled() {
    check(
        |ctx| async move {
            let long = ctx.timer(secs(60)).start();
            ctx.timer(secs(1)).await?;
            drop(long);
            Ok(())
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 TimerStarted id=1
         6 TimerStarted id=2
         7 TimerFired id=2
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
        expect![[r#"
            CancelTimer id=1
            CompleteWorkflowExecution result=null"#]],
    );
}

#[test]
fn a_condition_with_timeout_takes_a_timer_number_even_when_it_is_true() {
    check(
        |ctx| async move {
            assert!(ctx.wait_until(|| true).timeout(secs(9)).await?);
            ctx.timer(millis(1500)).await?;
            Ok(())
        },
        FIRST_TASK,
        expect!["StartTimer id=2 after=1.5s"],
    );
}

//! Activities as a workflow sees them: options, outcomes, cancellation.

use abide::ActivityFailure;
use abide::prelude::*;
use abide::workflow::{ActivityCall, ActivityCancellationType as Type};
use expect_test::{Expect, expect};

use crate::harness::{FIRST_TASK, after_first_task, check};

#[activity]
async fn work(n: u32) -> Result<u32, ActivityError> {
    Ok(n)
}

#[activity]
async fn ship(to: String, express: bool, boxes: u32) -> Result<(), ActivityError> {
    Err(ApplicationFailure::new(format!("no way to {to} ({express}, {boxes})")).into())
}

fn call(ctx: &WorkflowContext) -> ActivityCall<WorkActivity> {
    ctx.activity(work, 7).start_to_close_timeout(secs(5))
}

/// Describes how an activity ended.
fn ending(outcome: Result<u32, ActivityFailure>) -> String {
    match outcome {
        Ok(result) => format!("result {result}"),
        Err(error) if error.is_cancelled() => "cancelled".to_string(),
        Err(error) => {
            let cause = error.failure().root_cause();
            let what = match error.timeout_type() {
                Some(timeout) => format!("{timeout:?}"),
                None => cause.error_type().unwrap_or_default().to_string(),
            };
            format!("{:?} {what}, {:?}: {}", cause.kind(), error.retry_state(), cause.message())
        }
    }
}

/// Calls an activity and returns how it ended.
#[workflow(name = "wf")]
async fn calls(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ending(call(ctx).await))
}

#[track_caller]
fn check_ending(event: &str, expected: Expect) {
    let history = after_first_task(&format!(
        "5 ActivityTaskScheduled type=work
         6 ActivityTaskStarted attempt=3
         7 {event}
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted"
    ));
    check(calls, &history, expected);
}

#[test]
fn b042_an_activity_ends_with_its_result_or_its_failure() {
    check(calls, FIRST_TASK, expect!["ScheduleActivityTask id=1 type=work input=7 start_to_close=5s"]);
    check_ending("ActivityTaskCompleted result=49", expect![[r#"CompleteWorkflowExecution result="result 49""#]]);
    check_ending(
        "ActivityTaskFailed message=\"no beans\" type=Broke retry_state=MaximumAttemptsReached",
        expect![[r#"CompleteWorkflowExecution result="Application Broke, MaximumAttemptsReached: no beans""#]],
    );
    check_ending(
        "ActivityTaskFailed message=\"no beans\" type=Broke non_retryable=true",
        expect![[r#"CompleteWorkflowExecution result="Application Broke, NonRetryableFailure: no beans""#]],
    );
}

#[test]
fn b042_attempts_intervals_and_types_that_end_them_are_the_retry_policys() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let policy = RetryPolicy::new()
            .initial_interval(secs(2))
            .backoff_coefficient(1.5)
            .maximum_interval(secs(9))
            .maximum_attempts(4)
            .non_retryable_error_type("Broke");
        call(ctx).retry_policy(policy).await?;
        Ok(())
    }
    check(
        wf,
        FIRST_TASK,
        expect![
            "ScheduleActivityTask id=1 type=work input=7 start_to_close=5s retry.initial_interval=2s retry.backoff_coefficient=1.5 retry.maximum_interval=9s retry.maximum_attempts=4 retry.non_retryable_error_types=Broke"
        ],
    );
}

#[test]
fn b045_a_result_that_does_not_fit_fails_the_task() {
    check_ending(
        "ActivityTaskCompleted result=\"seven\"",
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: the result of activity `work` cannot be read: expected `u32`, found JSON: a string of 5 characters (at sdk/tests/behaviours/activities.rs)"#
        ]],
    );
}

/// Cancels an activity with the cancellation type `kind` when a timer fires, and then waits for an hour.
#[workflow(name = "wf")]
async fn cancels(ctx: &WorkflowContext, kind: String) -> Result<String, WorkflowError> {
    let kind = match kind.as_str() {
        "try" => Type::TryCancel,
        "wait" => Type::WaitCancellationCompleted,
        _ => Type::Abandon,
    };
    let activity = call(ctx).cancellation_type(kind).start();
    ctx.timer(secs(1)).await?;
    activity.cancel();
    let ended = ending(activity.await);
    ctx.timer(secs(3600)).await?;
    Ok(ended)
}

/// Returns the history until the activity is cancelled, with the events `before` in front of that.
fn until_cancelled(kind: &str, before: &str) -> String {
    let lines = [
        &format!("WorkflowExecutionStarted type=wf input=\"{kind}\""),
        "WorkflowTaskScheduled",
        "WorkflowTaskStarted",
        "WorkflowTaskCompleted",
        "ActivityTaskScheduled type=work",
        "TimerStarted",
        before,
        "TimerFired",
        "WorkflowTaskScheduled",
        "WorkflowTaskStarted",
    ];
    numbered(lines)
}

/// Adds an id to each event.
fn numbered<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let lines = lines.into_iter().flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty());
    lines.enumerate().map(|(index, line)| format!("{} {line}\n", index + 1)).collect()
}

/// Returns [`until_cancelled`] with further events.
fn and_then(history: &str, rest: &str) -> String {
    let first = history.lines().count() + 1;
    let lines = rest.lines().map(str::trim).filter(|line| !line.is_empty());
    let rest: String = lines.enumerate().map(|(index, line)| format!("{} {line}\n", first + index)).collect();
    format!("{history}{rest}")
}

const OUTCOMES: [&str; 4] =
    ["ActivityTaskCompleted result=7", "ActivityTaskFailed", "ActivityTaskTimedOut", "ActivityTaskCanceled"];

#[test]
fn b046_try_cancel_resolves_at_once_and_ignores_what_comes_later() {
    for before in ["", "ActivityTaskStarted"] {
        check(
            cancels,
            &until_cancelled("try", before),
            expect![[r#"
                RequestCancelActivityTask scheduled=5
                StartTimer id=2 after=1h"#]],
        );
    }
    for outcome in OUTCOMES {
        let history = and_then(
            &until_cancelled("try", "ActivityTaskStarted"),
            &format!(
                "WorkflowTaskCompleted
                 ActivityTaskCancelRequested
                 TimerStarted
                 {outcome}
                 WorkflowTaskScheduled
                 WorkflowTaskStarted
                 WorkflowTaskCompleted
                 TimerFired
                 WorkflowTaskScheduled
                 WorkflowTaskStarted"
            ),
        );
        check(cancels, &history, expect![[r#"CompleteWorkflowExecution result="cancelled""#]]);
    }
}

#[test]
fn b047_wait_cancellation_completed_waits_for_whatever_comes() {
    check(cancels, &until_cancelled("wait", ""), expect!["RequestCancelActivityTask scheduled=5"]);
    for (outcome, expected) in OUTCOMES.into_iter().zip([
        expect![[r#"CompleteWorkflowExecution result="result 7""#]],
        expect![[r#"CompleteWorkflowExecution result="Application , NonRetryableFailure: the activity failed""#]],
        expect![[r#"CompleteWorkflowExecution result="Timeout StartToClose, Timeout: activity StartToClose timeout""#]],
        expect![[r#"CompleteWorkflowExecution result="cancelled""#]],
    ]) {
        let history = and_then(
            &until_cancelled("wait", "ActivityTaskStarted"),
            &format!(
                "WorkflowTaskCompleted
                 ActivityTaskCancelRequested
                 {outcome}
                 WorkflowTaskScheduled
                 WorkflowTaskStarted
                 WorkflowTaskCompleted
                 TimerStarted
                 TimerFired
                 WorkflowTaskScheduled
                 WorkflowTaskStarted"
            ),
        );
        check(cancels, &history, expected);
    }
}

#[test]
fn b048_abandon_resolves_at_once_sends_nothing_and_ignores_what_comes_later() {
    check(cancels, &until_cancelled("abandon", ""), expect!["StartTimer id=2 after=1h"]);
    for outcome in OUTCOMES {
        let history = and_then(
            &until_cancelled("abandon", ""),
            &format!(
                "WorkflowTaskCompleted
                 TimerStarted
                 ActivityTaskStarted
                 {outcome}
                 WorkflowTaskScheduled
                 WorkflowTaskStarted
                 WorkflowTaskCompleted
                 TimerFired
                 WorkflowTaskScheduled
                 WorkflowTaskStarted"
            ),
        );
        check(cancels, &history, expect![[r#"CompleteWorkflowExecution result="cancelled""#]]);
    }
}

#[test]
fn b049_an_activity_cancelled_before_it_was_sent_is_never_sent() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let mut ended = Vec::new();
        for kind in [Type::TryCancel, Type::WaitCancellationCompleted, Type::Abandon] {
            let activity = call(ctx).cancellation_type(kind).start();
            activity.cancel();
            ended.push(ending(activity.await));
        }
        Ok(ended.join(", "))
    }
    check(wf, FIRST_TASK, expect![[r#"CompleteWorkflowExecution result="cancelled, cancelled, cancelled""#]]);
}

#[test]
fn b050_a_timeout_says_which_also_after_a_request_to_cancel() {
    check_ending(
        "ActivityTaskTimedOut timeout=StartToClose",
        expect![[r#"CompleteWorkflowExecution result="Timeout StartToClose, Timeout: activity StartToClose timeout""#]],
    );
    check(
        calls,
        &after_first_task(
            "5 ActivityTaskScheduled type=work
             6 ActivityTaskTimedOut timeout=ScheduleToStart started=0
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[
            r#"CompleteWorkflowExecution result="Timeout ScheduleToStart, Timeout: activity StartToClose timeout""#
        ]],
    );
    let history = and_then(
        &until_cancelled("wait", "ActivityTaskStarted"),
        "WorkflowTaskCompleted
         ActivityTaskCancelRequested
         ActivityTaskTimedOut timeout=ScheduleToClose
         WorkflowTaskScheduled
         WorkflowTaskStarted
         WorkflowTaskCompleted
         TimerStarted
         TimerFired
         WorkflowTaskScheduled
         WorkflowTaskStarted",
    );
    check(
        cancels,
        &history,
        expect![[
            r#"CompleteWorkflowExecution result="Timeout ScheduleToClose, Timeout: activity StartToClose timeout""#
        ]],
    );
}

#[test]
fn b065_arguments_keep_their_order() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext, to: String, express: bool, boxes: u32) -> Result<(), WorkflowError> {
        Ok(ctx.activity(ship, (to, express, boxes)).start_to_close_timeout(secs(5)).await?)
    }
    check(
        wf,
        "1 WorkflowExecutionStarted type=wf input=\"Oslo\",true,3\n2 WorkflowTaskScheduled\n3 WorkflowTaskStarted",
        expect![[r#"ScheduleActivityTask id=1 type=ship input="Oslo",true,3 start_to_close=5s"#]],
    );
}

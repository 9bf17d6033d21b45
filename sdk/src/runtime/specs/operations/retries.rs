//! Parts of a workflow that are retried.

use expect_test::expect;

use crate::duration::{mins, secs};
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::{ActivityError, ApplicationFailure, RetryPolicy, WorkflowContext, WorkflowError, activity};

#[activity]
async fn reserve(n: u32) -> Result<u32, ActivityError> {
    Ok(n)
}

async fn twice(ctx: WorkflowContext) -> Result<u32, WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(secs(10)).maximum_attempts(2).non_retryable_error_type("Never");
    let retried =
        ctx.retry(policy, async |attempt| Ok(ctx.activity(reserve, attempt).start_to_close_timeout(secs(5)).await?));
    retried.await
}

/// The first attempt ends with this event, numbered 7.
fn first_ends_with(event: &str) -> String {
    after_first_task(&format!(
        "5 ActivityTaskScheduled type=reserve
         6 ActivityTaskStarted
         7 {event}
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted"
    ))
}

#[test]
fn a_failure_is_retried_after_the_policys_interval() {
    check(twice, &first_ends_with("ActivityTaskFailed scheduled=5 message=no"), expect!["StartTimer id=1 after=10s"]);
    check(twice, &first_ends_with("ActivityTaskTimedOut scheduled=5"), expect!["StartTimer id=1 after=10s"]);
}

#[test]
fn the_next_attempt_gets_its_number_and_the_last_error_is_returned() {
    let second = format!(
        "{}
         10 WorkflowTaskCompleted
         11 TimerStarted
         12 TimerFired
         13 WorkflowTaskScheduled
         14 WorkflowTaskStarted",
        first_ends_with("ActivityTaskFailed scheduled=5 message=no")
    );
    check(twice, &second, expect!["ScheduleActivityTask id=2 type=reserve input=2 start_to_close=5s"]);
    check(
        twice,
        &format!(
            "{second}
             15 WorkflowTaskCompleted
             16 ActivityTaskScheduled type=reserve
             17 ActivityTaskStarted
             18 ActivityTaskFailed scheduled=16 message=\"no again\"
             19 WorkflowTaskScheduled
             20 WorkflowTaskStarted"
        ),
        expect![[
            r#"FailWorkflowExecution message="Activity task failed" activity.scheduled_event_id=16 activity.started_event_id=17 activity=reserve activity.activity_id=2 activity.retry_state=NonRetryableFailure cause="no again""#
        ]],
    );
}

#[test]
fn final_errors_end_the_retries() {
    check(
        twice,
        &first_ends_with("ActivityTaskFailed scheduled=5 message=no non_retryable=true"),
        expect![[
            r#"FailWorkflowExecution message="Activity task failed" activity.scheduled_event_id=5 activity.started_event_id=6 activity=reserve activity.activity_id=1 activity.retry_state=NonRetryableFailure cause=no cause.non_retryable=true"#
        ]],
    );
    check(
        twice,
        &first_ends_with("ActivityTaskFailed scheduled=5 message=no type=Never"),
        expect![[
            r#"FailWorkflowExecution message="Activity task failed" activity.scheduled_event_id=5 activity.started_event_id=6 activity=reserve activity.activity_id=1 activity.retry_state=NonRetryableFailure cause=no cause.type=Never"#
        ]],
    );
}

#[test]
fn a_cancellation_ends_the_retries_also_between_attempts() {
    let cancelled = "6 WorkflowExecutionCancelRequested\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";
    check(
        twice,
        &after_first_task(&format!("5 ActivityTaskScheduled type=reserve\n{cancelled}")),
        expect![[r#"
        RequestCancelActivityTask scheduled=5
        CancelWorkflowExecution"#]],
    );
    check(
        |ctx| async move {
            let retried = ctx.retry(RetryPolicy::new(), async |_| Err::<(), _>(ApplicationFailure::new("no").into()));
            retried.await
        },
        &after_first_task(&format!("5 TimerStarted\n{cancelled}")),
        expect![[r#"
            CancelTimer id=1
            CancelWorkflowExecution"#]],
    );
}

#[test]
fn a_failure_may_ask_for_its_own_delay() {
    check(
        |ctx| async move {
            let busy = || ApplicationFailure::new("busy").next_retry_delay(mins(7));
            ctx.retry(RetryPolicy::new(), async |_| Err::<(), _>(busy().into())).await
        },
        FIRST_TASK,
        expect!["StartTimer id=1 after=7m"],
    );
}

#[test]
fn continuing_as_new_is_no_failure() {
    check(
        |ctx| async move {
            let next = crate::WorkflowType::<fn()>::new("wf");
            ctx.retry(RetryPolicy::new(), async |_| Err::<(), _>(ctx.continue_as_new(next.clone(), ()).into())).await
        },
        FIRST_TASK,
        expect!["ContinueAsNewWorkflowExecution type=wf"],
    );
}

//! Sagas: compensations of the steps that succeeded, or may have succeeded.

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::workflow::ActivityCall;
use crate::{ActivityError, ApplicationFailure, WorkflowContext, activity};

#[activity]
async fn step(n: u32) -> Result<u32, ActivityError> {
    Ok(n)
}

#[activity]
async fn undo(n: u32) -> Result<(), ActivityError> {
    Err(ApplicationFailure::new(n.to_string()).into())
}

fn call_step(ctx: &WorkflowContext, n: u32) -> ActivityCall<impl crate::ActivityDefinition<Output = u32> + use<>> {
    ctx.activity(step, n).start_to_close_timeout(secs(5))
}

fn call_undo(ctx: &WorkflowContext, n: u32) -> ActivityCall<impl crate::ActivityDefinition<Output = ()> + use<>> {
    ctx.activity(undo, n).start_to_close_timeout(secs(5))
}

/// Two steps succeed, and the third fails.
const THIRD_STEP_FAILS: &str = "
    5 ActivityTaskScheduled type=step
    6 ActivityTaskStarted
    7 ActivityTaskCompleted scheduled=5 result=1
    8 WorkflowTaskScheduled
    9 WorkflowTaskStarted
    10 WorkflowTaskCompleted
    11 ActivityTaskScheduled type=step
    12 ActivityTaskStarted
    13 ActivityTaskCompleted scheduled=11 result=2
    14 WorkflowTaskScheduled
    15 WorkflowTaskStarted
    16 WorkflowTaskCompleted
    17 ActivityTaskScheduled type=step
    18 ActivityTaskStarted
    19 ActivityTaskFailed scheduled=17 message=\"no third\" type=No
    20 WorkflowTaskScheduled
    21 WorkflowTaskStarted";

async fn three_steps(ctx: WorkflowContext) -> Result<(), crate::WorkflowError> {
    let saga = ctx.saga();
    let steps = saga.run(async {
        for n in 1..=3 {
            let done = call_step(&ctx, n).await?;
            saga.compensate_with(call_undo(&ctx, done));
        }
        Ok(())
    });
    Ok(steps.await?)
}

#[test]
fn the_steps_that_succeeded_are_undone_in_reverse() {
    check(
        three_steps,
        &after_first_task(THIRD_STEP_FAILS),
        expect!["ScheduleActivityTask id=4 type=undo input=2 start_to_close=5s"],
    );
}

#[test]
fn the_error_of_the_step_is_returned_once_all_is_undone() {
    check(
        three_steps,
        &after_first_task(&format!(
            "{THIRD_STEP_FAILS}
             22 WorkflowTaskCompleted
             23 ActivityTaskScheduled type=undo
             24 ActivityTaskStarted
             25 ActivityTaskCompleted scheduled=23
             26 WorkflowTaskScheduled
             27 WorkflowTaskStarted
             28 WorkflowTaskCompleted
             29 ActivityTaskScheduled type=undo
             30 ActivityTaskStarted
             31 ActivityTaskCompleted scheduled=29
             32 WorkflowTaskScheduled
             33 WorkflowTaskStarted"
        )),
        expect![[
            r#"FailWorkflowExecution message="Activity task failed" activity.scheduled_event_id=17 activity.started_event_id=18 activity=step activity.activity_id=3 activity.retry_state=NonRetryableFailure cause="no third" cause.type=No"#
        ]],
    );
}

#[test]
fn compensations_that_fail_do_not_stop_the_others_and_each_failure_is_kept() {
    check(
        three_steps,
        &after_first_task(&format!(
            "{THIRD_STEP_FAILS}
             22 WorkflowTaskCompleted
             23 ActivityTaskScheduled type=undo
             24 ActivityTaskStarted
             25 ActivityTaskFailed scheduled=23 message=\"cannot undo 2\"
             26 WorkflowTaskScheduled
             27 WorkflowTaskStarted
             28 WorkflowTaskCompleted
             29 ActivityTaskScheduled type=undo
             30 ActivityTaskStarted
             31 ActivityTaskFailed scheduled=29 message=\"cannot undo 1\"
             32 WorkflowTaskScheduled
             33 WorkflowTaskStarted"
        )),
        expect![[
            r#"FailWorkflowExecution message="2 of 2 compensations failed: activity undo (id 4): Activity task failed: cannot undo 2; activity undo (id 5): Activity task failed: cannot undo 1 (they ran because a step failed: activity step (id 3): Activity task failed: no third (No))" source=AbideSDK type=CompensationFailed non_retryable=true cause="Activity task failed" cause.activity.scheduled_event_id=17 cause.activity.started_event_id=18 cause.activity=step cause.activity.activity_id=3 cause.activity.retry_state=NonRetryableFailure cause.cause="no third" cause.cause.type=No"#
        ]],
    );
}

#[test]
fn parallel_compensations_begin_at_the_same_time() {
    check(
        |ctx| async move {
            let saga = ctx.saga().parallel();
            let steps = saga.run(async {
                saga.compensate_with(call_undo(&ctx, 1));
                saga.compensate_with(call_undo(&ctx, 2));
                Err::<(), _>(ApplicationFailure::new("no").into())
            });
            Ok(steps.await?)
        },
        FIRST_TASK,
        expect![[r#"
            ScheduleActivityTask id=1 type=undo input=2 start_to_close=5s
            ScheduleActivityTask id=2 type=undo input=1 start_to_close=5s"#]],
    );
}

#[test]
fn a_cancelled_saga_is_compensated_and_the_run_ends_as_cancelled() {
    let cancelled = "
        5 ActivityTaskScheduled type=step
        6 ActivityTaskStarted
        7 ActivityTaskCompleted scheduled=5 result=1
        8 WorkflowTaskScheduled
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted
        11 ActivityTaskScheduled type=step
        12 WorkflowExecutionCancelRequested
        13 WorkflowTaskScheduled
        14 WorkflowTaskStarted";
    check(
        three_steps,
        &after_first_task(cancelled),
        expect![[r#"
        RequestCancelActivityTask scheduled=11
        ScheduleActivityTask id=3 type=undo input=1 start_to_close=5s"#]],
    );
    check(
        three_steps,
        &after_first_task(&format!(
            "{cancelled}
             15 WorkflowTaskCompleted
             16 ActivityTaskCancelRequested scheduled=11
             17 ActivityTaskScheduled type=undo
             18 ActivityTaskCanceled scheduled=11
             19 ActivityTaskStarted scheduled=17
             20 ActivityTaskCompleted scheduled=17
             21 WorkflowTaskScheduled
             22 WorkflowTaskStarted"
        )),
        expect!["CancelWorkflowExecution"],
    );
}

#[test]
fn a_saga_that_succeeds_or_continues_as_new_is_not_compensated() {
    check(
        |ctx| async move {
            let saga = ctx.saga();
            let steps = saga.run(async {
                saga.compensate_with(call_undo(&ctx, 1));
                Ok(7)
            });
            Ok(steps.await?)
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=7"],
    );
    check(
        |ctx| async move {
            let saga = ctx.saga();
            let steps = saga.run(async {
                saga.compensate_with(call_undo(&ctx, 1));
                let next = crate::WorkflowType::<fn()>::new("wf");
                Err::<(), _>(ctx.continue_as_new(next, ()).into())
            });
            Ok(steps.await?)
        },
        FIRST_TASK,
        expect!["ContinueAsNewWorkflowExecution type=wf"],
    );
}

#[test]
fn the_error_tells_the_step_and_the_compensations_apart() {
    check(
        |ctx| async move {
            let saga = ctx.saga();
            let steps = saga.run(async {
                saga.compensate_with(async { Ok::<_, crate::Cancelled>(()) });
                saga.compensate_with(async { Err::<(), _>(ApplicationFailure::new("still there")) });
                Err::<(), _>(ApplicationFailure::new("no room").into())
            });
            let error = steps.await.unwrap_err();
            assert!(!error.is_compensated());
            let failures = error.compensation_failures().iter().map(ToString::to_string);
            Ok((error.cause().to_string(), failures.collect::<Vec<_>>(), error.to_string()))
        },
        FIRST_TASK,
        expect![[
            r#"CompleteWorkflowExecution result=["no room",["still there"],"1 of 2 compensations failed: still there (they ran because a step failed: no room)"]"#
        ]],
    );
}

#[test]
fn a_step_that_is_cancelled_under_way_is_compensated_if_that_was_registered_first() {
    check(
        |ctx: WorkflowContext| async move {
            let saga = ctx.saga();
            let steps = saga.run(async {
                saga.compensate_with(call_undo(&ctx, 1));
                call_step(&ctx, 1).await?;
                Ok(())
            });
            Ok(steps.await?)
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=step
             6 WorkflowExecutionCancelRequested
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            RequestCancelActivityTask scheduled=5
            ScheduleActivityTask id=2 type=undo input=1 start_to_close=5s"#]],
    );
}

//! Activities: the command, and the outcome that the code gets.

use expect_test::{Expect, expect};

use crate::duration::{mins, secs};
use crate::failure::ActivityFailure;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_replayed_plainly, run_of, task};
use crate::workflow::ActivityOptions;
use crate::{ActivityError, ApplicationFailure, RetryPolicy, activity};

#[activity]
async fn charge(cents: u64) -> Result<String, ActivityError> {
    Ok(format!("charged {cents}"))
}

#[activity]
async fn ship(to: String, express: bool) -> Result<(), ActivityError> {
    Err(ApplicationFailure::new(format!("no way to {to} ({express})")).into())
}

#[activity]
async fn look() -> Result<Option<u32>, ActivityError> {
    Ok(None)
}

#[test]
fn an_activity_is_a_command_with_its_input() {
    check(
        |ctx| async move { Ok(ctx.activity(charge, 995).start_to_close_timeout(secs(5)).await?) },
        FIRST_TASK,
        expect!["ScheduleActivityTask id=1 type=charge input=995 start_to_close=5s"],
    );
}

#[test]
fn several_arguments_are_several_payloads_in_order() {
    check(
        |ctx| async move { Ok(ctx.activity(ship, ("Oslo".into(), true)).start_to_close_timeout(secs(5)).await?) },
        FIRST_TASK,
        expect![[r#"ScheduleActivityTask id=1 type=ship input="Oslo",true start_to_close=5s"#]],
    );
}

#[test]
fn no_argument_is_no_input() {
    check(
        |ctx| async move { Ok(ctx.activity(look, ()).schedule_to_close_timeout(secs(5)).await?) },
        FIRST_TASK,
        expect!["ScheduleActivityTask id=1 type=look schedule_to_close=5s"],
    );
}

#[test]
fn all_options_are_on_the_wire() {
    check(
        |ctx| async move {
            let policy = RetryPolicy::new()
                .initial_interval(secs(2))
                .backoff_coefficient(1.5)
                .maximum_interval(secs(9))
                .maximum_attempts(4)
                .non_retryable_error_type("Refused");
            ctx.activity(charge, 1)
                .schedule_to_close_timeout(mins(9))
                .schedule_to_start_timeout(mins(2))
                .start_to_close_timeout(mins(3))
                .heartbeat_timeout(secs(4))
                .retry_policy(policy)
                .task_queue("others")
                .activity_id("mine")
                .summary("a charge")
                .await?;
            Ok(())
        },
        FIRST_TASK,
        expect![
            "ScheduleActivityTask id=mine type=charge queue=others input=1 schedule_to_close=9m schedule_to_start=2m start_to_close=3m heartbeat=4s retry.initial_interval=2s retry.backoff_coefficient=1.5 retry.maximum_interval=9s retry.maximum_attempts=4 retry.non_retryable_error_types=Refused"
        ],
    );
}

#[test]
fn a_summary_goes_beside_the_command() {
    use crate::converter::from_payload;
    use crate::replay::text::parse_history;
    use crate::replay::{Input, Output};
    let mut run = run_of(|ctx| async move {
        let nap = ctx.timer(secs(1)).summary("a nap").start();
        ctx.activity(charge, 1).start_to_close_timeout(secs(5)).summary("a charge").await?;
        nap.await?;
        Ok(())
    });
    let events = parse_history(FIRST_TASK).unwrap();
    let output = run.handle(Input::WorkflowTask(Box::new(task(&events))));
    let Output::Complete(completion) = output else { panic!("{output:?}") };
    let summaries = completion.commands.iter().map(|command| {
        let metadata = command.user_metadata.as_ref().unwrap();
        from_payload::<String>(metadata.summary.as_ref().unwrap()).unwrap()
    });
    assert_eq!(summaries.collect::<Vec<_>>(), ["a nap", "a charge"]);
}

#[test]
fn an_id_of_the_authors_takes_a_number_all_the_same() {
    check(
        |ctx| async move {
            let first = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).activity_id("mine").start();
            let second = ctx.activity(charge, 2).start_to_close_timeout(secs(5)).start();
            futures_util::future::try_join(first, second).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            ScheduleActivityTask id=mine type=charge input=1 start_to_close=5s
            ScheduleActivityTask id=2 type=charge input=2 start_to_close=5s"#]],
    );
}

#[test]
fn options_are_shared_by_several_calls() {
    check(
        |ctx| async move {
            let patient = ActivityOptions::with_schedule_to_close_timeout(mins(60)).heartbeat_timeout(secs(7));
            let first = ctx.activity(charge, 1).options(&patient).start();
            let second = ctx.activity(look, ()).options(&patient).heartbeat_timeout(secs(8)).start();
            first.await?;
            second.await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            ScheduleActivityTask id=1 type=charge input=1 schedule_to_close=1h heartbeat=7s
            ScheduleActivityTask id=2 type=look schedule_to_close=1h heartbeat=8s"#]],
    );
}

#[test]
fn options_come_in_any_order() {
    check(
        |ctx| async move {
            let shared = ActivityOptions::with_schedule_to_close_timeout(mins(60))
                .task_queue("shared")
                .heartbeat_timeout(secs(7))
                .retry_policy(RetryPolicy::new().maximum_attempts(2));
            let before = ctx.activity(charge, 1).task_queue("own").activity_id("a").start_to_close_timeout(secs(5));
            let after = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).activity_id("b").task_queue("own");
            let then_shared = ctx.activity(charge, 1).task_queue("own").heartbeat_timeout(secs(3)).options(&shared);
            let shared_last =
                ctx.activity(charge, 1).start_to_close_timeout(secs(5)).task_queue("own").options(&shared);
            let calls = [before, after, then_shared, shared_last];
            futures_util::future::try_join_all(calls).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            ScheduleActivityTask id=a type=charge queue=own input=1 start_to_close=5s
            ScheduleActivityTask id=b type=charge queue=own input=1 start_to_close=5s
            ScheduleActivityTask id=3 type=charge queue=own input=1 schedule_to_close=1h heartbeat=3s retry.maximum_attempts=2
            ScheduleActivityTask id=4 type=charge queue=own input=1 schedule_to_close=1h start_to_close=5s heartbeat=7s retry.maximum_attempts=2"#]],
    );
}

#[test]
fn a_call_that_is_never_polled_schedules_nothing_and_takes_no_number() {
    check(
        |ctx| async move {
            drop(ctx.activity(charge, 1).start_to_close_timeout(secs(5)));
            Ok(ctx.activity(charge, 2).start_to_close_timeout(secs(5)).await?)
        },
        FIRST_TASK,
        expect!["ScheduleActivityTask id=1 type=charge input=2 start_to_close=5s"],
    );
}

/// Checks the outcome that the code gets when its activity ends with this event.
#[track_caller]
fn check_outcome(events: &str, expected: Expect) {
    check(
        |ctx| async move {
            let outcome = ctx.activity(charge, 995).start_to_close_timeout(secs(5)).await;
            Ok(match outcome {
                Ok(result) => format!("Ok({result})"),
                Err(error) => describe(&error),
            })
        },
        &after_first_task(&format!(
            "5 ActivityTaskScheduled type=charge
             {events}"
        )),
        expected,
    );
}

fn describe(error: &ActivityFailure) -> String {
    let cause = error.cause().map(|cause| cause.to_string());
    format!(
        "{error}; retry state {:?}; cause {cause:?}; type {:?}; timeout {:?}; cancelled {}",
        error.retry_state(),
        error.error_type(),
        error.timeout_type(),
        error.is_cancelled()
    )
}

#[test]
fn a_completed_activity_yields_its_result() {
    check_outcome(
        r#"6 ActivityTaskStarted
           7 ActivityTaskCompleted result="done"
           8 WorkflowTaskScheduled
           9 WorkflowTaskStarted"#,
        expect![[r#"CompleteWorkflowExecution result="Ok(done)""#]],
    );
}

#[test]
fn a_failed_activity_yields_its_failure_with_type_and_cause() {
    check_outcome(
        r#"6 ActivityTaskStarted attempt=3
           7 ActivityTaskFailed message="card refused" type=Refused retry_state=MaximumAttemptsReached cause="no money"
           8 WorkflowTaskScheduled
           9 WorkflowTaskStarted"#,
        expect![[
            r#"CompleteWorkflowExecution result="activity charge (id 1): Activity task failed: card refused (Refused): no money; retry state MaximumAttemptsReached; cause Some(\"card refused (Refused): no money\"); type Some(\"Refused\"); timeout None; cancelled false""#
        ]],
    );
}

#[test]
fn a_timed_out_activity_tells_which_timeout_and_the_last_error() {
    check_outcome(
        r#"6 ActivityTaskStarted
           7 ActivityTaskTimedOut timeout=ScheduleToClose message=late cause="last error" cause.type=Flaky
           8 WorkflowTaskScheduled
           9 WorkflowTaskStarted"#,
        expect![[
            r#"CompleteWorkflowExecution result="activity charge (id 1): Activity task timed out: late: last error (Flaky); retry state Timeout; cause Some(\"late: last error (Flaky)\"); type None; timeout Some(ScheduleToClose); cancelled false""#
        ]],
    );
}

#[test]
fn an_activity_can_time_out_before_it_starts() {
    check_outcome(
        r#"6 ActivityTaskTimedOut timeout=ScheduleToStart started=0
           7 WorkflowTaskScheduled
           8 WorkflowTaskStarted"#,
        expect![[
            r#"CompleteWorkflowExecution result="activity charge (id 1): Activity task timed out: activity StartToClose timeout; retry state Timeout; cause Some(\"activity StartToClose timeout\"); type None; timeout Some(ScheduleToStart); cancelled false""#
        ]],
    );
}

#[test]
fn an_activity_that_ends_as_cancelled_by_itself_yields_a_cancellation() {
    check_outcome(
        r#"6 ActivityTaskStarted
           7 ActivityTaskCanceled details="halfway"
           8 WorkflowTaskScheduled
           9 WorkflowTaskStarted"#,
        expect![[
            r#"CompleteWorkflowExecution result="activity charge (id 1): Activity cancelled; retry state CancelRequested; cause Some(\"Activity cancelled\"); type None; timeout None; cancelled true""#
        ]],
    );
}

#[test]
fn an_uncaught_failure_fails_the_workflow_with_the_whole_chain() {
    check(
        |ctx| async move { Ok(ctx.activity(charge, 995).start_to_close_timeout(secs(5)).await?) },
        &after_first_task(
            r#"5 ActivityTaskScheduled type=charge
               6 ActivityTaskStarted
               7 ActivityTaskFailed message="card refused" type=Refused cause="no money" cause.type=Poor
               8 WorkflowTaskScheduled
               9 WorkflowTaskStarted"#,
        ),
        expect![[
            r#"FailWorkflowExecution message="Activity task failed" activity.scheduled_event_id=5 activity.started_event_id=6 activity=charge activity.activity_id=1 activity.retry_state=NonRetryableFailure cause="card refused" cause.type=Refused cause.cause="no money" cause.cause.type=Poor"#
        ]],
    );
}

#[test]
fn a_missing_result_reads_as_unit_and_as_none() {
    check(
        |ctx| async move {
            let shipped = ctx.activity(ship, ("Oslo".into(), false)).start_to_close_timeout(secs(5)).start();
            let seen = ctx.activity(look, ()).start_to_close_timeout(secs(5)).start();
            shipped.await?;
            Ok(format!("{:?}", seen.await?))
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=ship
             6 ActivityTaskScheduled type=look
             7 ActivityTaskStarted id=1
             8 ActivityTaskStarted id=2
             9 ActivityTaskCompleted id=1
             10 ActivityTaskCompleted id=2
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="None""#]],
    );
}

#[test]
fn replay_does_not_serialize_inputs() {
    // The argument cannot be written at all. Nothing is sent on replay, so nothing notices. (Interceptors would.)
    check_replayed_plainly(
        |ctx| async move {
            Ok(ctx
                .activity(keyed, crate::runtime::specs::tasks::failing_tasks::unwritable())
                .start_to_close_timeout(secs(5))
                .await?)
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=keyed
             6 ActivityTaskStarted
             7 ActivityTaskCompleted result=3
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 WorkflowExecutionCompleted result=3",
        ),
        expect!["Idle"],
    );
}

#[activity]
async fn keyed(map: crate::runtime::specs::tasks::failing_tasks::Unwritable) -> Result<u32, ActivityError> {
    Ok(map.len() as u32)
}

#[test]
fn a_detached_activity_goes_on_when_its_handle_is_gone() {
    check(
        |ctx| async move {
            ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start().detach();
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=charge
             6 TimerStarted
             7 ActivityTaskStarted
             8 ActivityTaskCompleted result=\"late\"
             9 TimerFired
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

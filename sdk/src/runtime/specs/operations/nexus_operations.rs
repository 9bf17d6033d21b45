//! Nexus operations: calls, starts and ends, the effect of cancelling them, and the comparisons of a replay.

use expect_test::{Expect, expect};

use crate::duration::{hours, secs};
use crate::replay::text::parse_history;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded, run_of, task};
use crate::workflow::NexusOperationCall;
use crate::workflow::NexusOperationCancellationType::{
    self as Type, Abandon, TryCancel, WaitCancellationCompleted, WaitCancellationRequested,
};
use crate::{
    ActivityError, NexusHandlerErrorType, NexusOperation, NexusOperationFailure, WorkflowContext, WorkflowError,
    activity,
};

const PAY: NexusOperation<u64, String> = NexusOperation::new("service", "operation");
const TYPES: [Type; 4] = [Abandon, TryCancel, WaitCancellationRequested, WaitCancellationCompleted];

fn pay(ctx: &WorkflowContext) -> NexusOperationCall<u64, String> {
    ctx.nexus_operation("endpoint", PAY, 7)
}

/// Returns the details of a failure on one line.
fn told(error: &NexusOperationFailure) -> String {
    let (token, error_type) = (error.operation_token(), error.error_type());
    let (timeout, handler) = (error.timeout_type(), error.handler_error_type());
    format!("{error}; {token:?} {error_type:?} {timeout:?} {handler:?} cancelled {}", error.is_cancelled())
}

async fn ended(call: impl Future<Output = Result<String, NexusOperationFailure>>) -> Result<String, WorkflowError> {
    Ok(call.await.unwrap_or_else(|error| told(&error)))
}

/// Returns a history in which event 5 schedules the operation, then these events follow, and the code runs again.
fn after_schedule(events: &[&str]) -> String {
    after_first_task(&format!("5 NexusOperationScheduled input=7\n{}", then_a_task(6, events)))
}

/// Returns these events, numbered from `first`, and a workflow task that brings them.
fn then_a_task(first: usize, events: &[&str]) -> String {
    let task = ["WorkflowTaskScheduled", "WorkflowTaskStarted"];
    let all = events.iter().chain(&task).enumerate();
    all.map(|(index, event)| format!("{} {event}\n", first + index)).collect()
}

#[test]
fn a_call_is_one_command() {
    check(
        |ctx| async move { Ok(pay(&ctx).await?) },
        FIRST_TASK,
        expect!["ScheduleNexusOperation endpoint=endpoint service=service operation=operation input=7"],
    );
}

#[test]
fn a_call_carries_its_options() {
    check(
        |ctx| async move {
            let call = pay(&ctx)
                .schedule_to_close_timeout(hours(1))
                .schedule_to_start_timeout(secs(2))
                .start_to_close_timeout(secs(3))
                .cancellation_type(Abandon)
                .nexus_header("Trace", "x")
                .summary("pay the bill");
            Ok(call.await?)
        },
        FIRST_TASK,
        expect![
            "ScheduleNexusOperation endpoint=endpoint service=service operation=operation input=7 schedule_to_close=1h nexus_header.trace=x schedule_to_start=2s start_to_close=3s"
        ],
    );
}

#[test]
fn an_operation_may_take_and_return_nothing() {
    const PING: NexusOperation<(), ()> = NexusOperation::new("service", "operation");
    let ping = |ctx: WorkflowContext| async move { Ok(ctx.nexus_operation("endpoint", PING, ()).await?) };
    check(
        ping,
        FIRST_TASK,
        expect!["ScheduleNexusOperation endpoint=endpoint service=service operation=operation input=null"],
    );
    check(ping, &after_schedule(&["NexusOperationCompleted"]), expect!["CompleteWorkflowExecution result=null"]);
    check(
        ping,
        &after_schedule(&["NexusOperationCompleted result=null"]),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_call_does_nothing_until_it_is_awaited_or_started() {
    check(
        |ctx| async move {
            drop(pay(&ctx));
            let started = pay(&ctx).start();
            ctx.timer(secs(1)).await?;
            Ok(started.await?.await?)
        },
        FIRST_TASK,
        expect![[r#"
            ScheduleNexusOperation endpoint=endpoint service=service operation=operation input=7
            StartTimer id=1 after=1s"#]],
    );
}

#[test]
fn a_synchronous_answer_of_the_handler_is_the_outcome() {
    for (event, expected) in [
        ("NexusOperationCompleted result=\"paid\"", expect![[r#"CompleteWorkflowExecution result="paid""#]]),
        (
            "NexusOperationFailed cause=\"no money\" cause.type=Poor",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: no money (Poor); None Some(\"Poor\") None None cancelled false""#
            ]],
        ),
        (
            "NexusOperationFailed cause=\"what is it?\" cause.handler=BAD_REQUEST",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: what is it?; None None None Some(BadRequest) cancelled false""#
            ]],
        ),
        (
            "NexusOperationTimedOut",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: operation timed out; None None Some(ScheduleToClose) None cancelled false""#
            ]],
        ),
        (
            "NexusOperationCanceled",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: operation canceled; None None None None cancelled true""#
            ]],
        ),
    ] {
        check(|ctx| async move { ended(pay(&ctx)).await }, &after_schedule(&[event]), expected);
    }
}

#[test]
fn the_end_of_a_started_operation_is_its_outcome() {
    for (event, expected) in [
        ("NexusOperationCompleted result=\"paid\"", expect![[r#"CompleteWorkflowExecution result="paid""#]]),
        (
            "NexusOperationFailed cause=\"no money\" cause.type=Poor",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: no money (Poor); None Some(\"Poor\") None None cancelled false""#
            ]],
        ),
        (
            "NexusOperationTimedOut",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: operation timed out; None None Some(ScheduleToClose) None cancelled false""#
            ]],
        ),
        (
            "NexusOperationCanceled",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: operation canceled; None None None None cancelled true""#
            ]],
        ),
    ] {
        let history = after_schedule(&["NexusOperationStarted", event]);
        check(|ctx| async move { ended(pay(&ctx)).await }, &history, expected);
    }
}

#[test]
fn the_start_is_awaited_by_itself() {
    let token_and_result = |ctx: WorkflowContext| async move {
        let handle = pay(&ctx).start().await?;
        let token = handle.operation_token().unwrap_or("none").to_string();
        ctx.timer(secs(1)).await?;
        Ok((token, handle.await?))
    };
    let started = after_schedule(&["NexusOperationStarted operation_token=abc"]);
    check(token_and_result, &started, expect!["StartTimer id=1 after=1s"]);
    let both = ["NexusOperationStarted operation_token=abc", "NexusOperationCompleted result=\"paid\""];
    check(token_and_result, &after_schedule(&both), expect!["StartTimer id=1 after=1s"]);
    let fired =
        "WorkflowTaskCompleted\n10 TimerStarted\n11 TimerFired\n12 WorkflowTaskScheduled\n13 WorkflowTaskStarted";
    let at_once = after_schedule(&["NexusOperationCompleted result=\"paid\""]);
    check(
        token_and_result,
        &format!("{at_once}9 {fired}"),
        expect![[r#"CompleteWorkflowExecution result=["none","paid"]"#]],
    );
}

#[test]
fn an_operation_that_ends_unsuccessfully_before_its_start_has_none() {
    for event in ["NexusOperationFailed", "NexusOperationTimedOut", "NexusOperationCanceled"] {
        check(
            |ctx| async move {
                match pay(&ctx).start().await {
                    Ok(_) => Ok("started".to_string()),
                    Err(error) => Ok(error.cause().unwrap().message().to_string()),
                }
            },
            &after_schedule(&[event]),
            match event {
                "NexusOperationFailed" => expect![[r#"CompleteWorkflowExecution result="the operation failed""#]],
                "NexusOperationTimedOut" => expect![[r#"CompleteWorkflowExecution result="operation timed out""#]],
                _ => expect![[r#"CompleteWorkflowExecution result="operation canceled""#]],
            },
        );
    }
}

#[test]
fn a_result_of_another_type_fails_the_task() {
    check(
        |ctx| async move { Ok(pay(&ctx).await?) },
        &after_schedule(&["NexusOperationCompleted result=[1]"]),
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: the result of Nexus operation `service/operation` cannot be read: expected `String`, found JSON: an array of 1 element (at nexus_operations.rs `ctx.nexus_operation("endpoint", PAY, 7)`)"#
        ]],
    );
}

#[test]
fn an_input_that_cannot_be_written_fails_the_task() {
    const ODD: NexusOperation<std::collections::BTreeMap<Vec<u8>, u8>, ()> = NexusOperation::new("service", "odd");
    check(
        |ctx| async move { Ok(ctx.nexus_operation("endpoint", ODD, [(vec![1], 1)].into()).await?) },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: the input of Nexus operation `service/odd` cannot be written: `BTreeMap<Vec<u8>, u8>` cannot be written as JSON: key must be a string (at nexus_operations.rs `|ctx| async move { Ok(ctx.nexus_operation("endpoint", ODD, [(vec![1], 1)].into()).await?) },`)"#
        ]],
    );
}

#[test]
fn cancelled_before_it_is_sent_leaves_no_command_whatever_the_type() {
    check(
        |ctx| async move {
            let mut all = Vec::new();
            for cancellation_type in TYPES {
                let started = pay(&ctx).cancellation_type(cancellation_type).start();
                started.cancel();
                all.push(told(&started.await.expect_err("it was cancelled")));
            }
            assert!(all.iter().all(|one| *one == all[0]));
            Ok(all.swap_remove(0))
        },
        FIRST_TASK,
        expect![[
            r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus Operation cancelled before scheduled; None None None None cancelled true""#
        ]],
    );
}

#[test]
fn a_call_in_a_cancelled_scope_fails_at_once() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            scope.cancel_with_reason("enough");
            let inner = ctx.clone();
            let both = scope
                .run(async move {
                    let awaited = pay(&inner).await.unwrap_err();
                    let started = pay(&inner).start().await.expect_err("nothing was started");
                    assert_eq!(told(&awaited), told(&started));
                    told(&awaited)
                })
                .await;
            Ok(both)
        },
        FIRST_TASK,
        expect![[
            r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus Operation cancelled before scheduled; None None None None cancelled true""#
        ]],
    );
}

/// Calls the operation, waits for its start if there was one, cancels it when timer 1 fires, and returns how it ended.
async fn cancelled(ctx: WorkflowContext, cancellation_type: Type, awaits_start: bool) -> Result<String, WorkflowError> {
    let started = pay(&ctx).cancellation_type(cancellation_type).start();
    if !awaits_start {
        ctx.timer(secs(1)).await?;
        started.cancel();
        return match started.await {
            Ok(handle) => ended(handle).await,
            Err(error) => Ok(told(&error)),
        };
    }
    let handle = started.await?;
    ctx.timer(secs(1)).await?;
    handle.cancel();
    handle.cancel();
    ended(handle).await
}

#[track_caller]
fn check_cancelled(cancellation_type: Type, awaits_start: bool, history: &str, expected: Expect) {
    check(move |ctx| cancelled(ctx, cancellation_type, awaits_start), history, expected);
}

/// The timer fires before the operation has started.
const SCHEDULED: &str = "
    5 NexusOperationScheduled input=7
    6 TimerStarted
    7 TimerFired
    8 WorkflowTaskScheduled
    9 WorkflowTaskStarted";

/// The timer fires while the operation is under way.
const STARTED: &str = "
    5 NexusOperationScheduled input=7
    6 NexusOperationStarted
    7 WorkflowTaskScheduled
    8 WorkflowTaskStarted
    9 WorkflowTaskCompleted
    10 TimerStarted
    11 TimerFired
    12 WorkflowTaskScheduled
    13 WorkflowTaskStarted";

#[test]
fn abandon_asks_nobody_and_yields_at_once() {
    check_cancelled(
        Abandon,
        false,
        &after_first_task(SCHEDULED),
        expect![[
            r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus operation cancelled after starting; None None None None cancelled true""#
        ]],
    );
    check_cancelled(
        Abandon,
        true,
        &after_first_task(STARTED),
        expect![[
            r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus operation cancelled after starting; Some(\"token\") None None None cancelled true""#
        ]],
    );
}

#[test]
fn try_cancel_asks_and_yields_at_once() {
    check_cancelled(
        TryCancel,
        false,
        &after_first_task(SCHEDULED),
        expect![[r#"
        RequestCancelNexusOperation scheduled=5
        CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus operation cancelled after starting; None None None None cancelled true""#]],
    );
    check_cancelled(
        TryCancel,
        true,
        &after_first_task(STARTED),
        expect![[r#"
        RequestCancelNexusOperation scheduled=5
        CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus operation cancelled after starting; Some(\"token\") None None None cancelled true""#]],
    );
}

#[test]
fn the_waiting_types_ask_once_and_wait() {
    for cancellation_type in [WaitCancellationRequested, WaitCancellationCompleted] {
        for (awaits_start, history) in [(false, SCHEDULED), (true, STARTED)] {
            let expected = expect!["RequestCancelNexusOperation scheduled=5"];
            check_cancelled(cancellation_type, awaits_start, &after_first_task(history), expected);
        }
    }
}

/// Sends a request to cancel the started operation. Then these events come, and the code runs again.
#[track_caller]
fn check_after_request(cancellation_type: Type, events: &[&str], expected: Expect) {
    let begin = format!("{STARTED}\n14 WorkflowTaskCompleted\n15 NexusOperationCancelRequested\n");
    let history = begin + &then_a_task(16, events);
    check_cancelled(cancellation_type, true, &after_first_task(&history), expected);
}

#[test]
fn wait_cancellation_requested_yields_when_the_handler_has_answered() {
    let answered = WaitCancellationRequested;
    check_after_request(
        answered,
        &["NexusOperationCancelRequestCompleted"],
        expect![[
            r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus operation cancellation request completed; Some(\"token\") None None None cancelled true""#
        ]],
    );
    check_after_request(
        answered,
        &["NexusOperationCancelRequestFailed message=\"no such operation\" handler=NOT_FOUND"],
        expect![[
            r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus operation cancellation request failed: no such operation; Some(\"token\") None None Some(NotFound) cancelled false""#
        ]],
    );
    // The first end of the operation is its outcome. The answer to the request comes too late.
    check_after_request(
        answered,
        &["NexusOperationCompleted result=\"made it\""],
        expect![[r#"CompleteWorkflowExecution result="made it""#]],
    );
    let late = ["NexusOperationCanceled", "NexusOperationCancelRequestCompleted scheduled=5"];
    check_after_request(
        answered,
        &late,
        expect![[
            r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: operation canceled; None None None None cancelled true""#
        ]],
    );
}

#[test]
fn wait_cancellation_completed_yields_what_the_operation_ended_with() {
    let completed = WaitCancellationCompleted;
    check_after_request(completed, &["NexusOperationCancelRequestCompleted"], expect![[""]]);
    check_after_request(completed, &["NexusOperationCancelRequestFailed"], expect![[""]]);
    for (event, expected) in [
        ("NexusOperationCompleted result=\"made it\"", expect![[r#"CompleteWorkflowExecution result="made it""#]]),
        (
            "NexusOperationFailed cause=\"no money\"",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: no money; None None None None cancelled false""#
            ]],
        ),
        (
            "NexusOperationTimedOut",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: operation timed out; None None Some(ScheduleToClose) None cancelled false""#
            ]],
        ),
        (
            "NexusOperationCanceled",
            expect![[
                r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: nexus operation completed unsuccessfully: operation canceled; None None None None cancelled true""#
            ]],
        ),
    ] {
        check_after_request(completed, &["NexusOperationCancelRequestCompleted", event], expected);
    }
}

#[test]
fn an_operation_may_start_after_its_cancellation_was_requested() {
    let waits = format!(
        "{SCHEDULED}
         10 WorkflowTaskCompleted
         11 NexusOperationCancelRequested
         12 NexusOperationStarted
         13 NexusOperationCancelRequestCompleted
         14 WorkflowTaskScheduled
         15 WorkflowTaskStarted"
    );
    check_cancelled(
        WaitCancellationRequested,
        false,
        &after_first_task(&waits),
        expect![[
            r#"CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus operation cancellation request completed; Some(\"token\") None None None cancelled true""#
        ]],
    );
    check_cancelled(WaitCancellationCompleted, false, &after_first_task(&waits), expect![[""]]);
    // The code has its outcome. Late events have no effect.
    let goes_on = format!(
        "{SCHEDULED}
         10 WorkflowTaskCompleted
         11 NexusOperationCancelRequested
         12 TimerStarted
         13 NexusOperationStarted
         14 NexusOperationCancelRequestCompleted
         15 WorkflowTaskScheduled
         16 WorkflowTaskStarted"
    );
    check(
        |ctx| async move {
            let told = cancelled(ctx.clone(), TryCancel, false).await?;
            ctx.timer(secs(1)).await?;
            Ok(told)
        },
        &after_first_task(&goes_on),
        expect![""],
    );
}

/// The code goes on after the cancellation, so that late events can come.
#[test]
fn events_after_the_outcome_are_ignored() {
    for (cancellation_type, requested) in [(Abandon, false), (TryCancel, true)] {
        for event in ["Completed result=\"late\"", "Failed", "TimedOut", "Canceled"] {
            let end = format!("NexusOperation{event}");
            let asked = "NexusOperationCancelRequested";
            let events = match requested {
                true => vec![asked, "TimerStarted", "NexusOperationCancelRequestCompleted", &end],
                false => vec!["TimerStarted", &end],
            };
            let history = format!("{STARTED}\n14 WorkflowTaskCompleted\n{}", then_a_task(15, &events));
            check(
                move |ctx| async move {
                    let told = cancelled(ctx.clone(), cancellation_type, true).await?;
                    ctx.timer(secs(1)).await?;
                    Ok(told)
                },
                &after_first_task(&history),
                expect![""],
            );
        }
    }
}

#[test]
fn cancelling_the_workflow_cancels_its_operations() {
    let history = after_schedule(&["WorkflowExecutionCancelRequested"]);
    check(|ctx| async move { ended(pay(&ctx)).await }, &history, expect!["RequestCancelNexusOperation scheduled=5"]);
    check(
        |ctx| async move { ended(pay(&ctx).cancellation_type(TryCancel)).await },
        &history,
        expect![[r#"
        RequestCancelNexusOperation scheduled=5
        CompleteWorkflowExecution result="Nexus operation service/operation at endpoint: Nexus operation cancelled after starting; None None None None cancelled true""#]],
    );
    // A cancellation that the code passes on ends the workflow as cancelled.
    check(
        |ctx| async move { Ok(pay(&ctx).cancellation_type(TryCancel).await?) },
        &history,
        expect![[r#"
        RequestCancelNexusOperation scheduled=5
        CancelWorkflowExecution"#]],
    );
}

#[test]
fn dropping_cancels_and_detaching_does_not() {
    let started = after_schedule(&["NexusOperationStarted"]);
    check(
        |ctx| async move {
            drop(pay(&ctx).start().await?);
            Ok(())
        },
        &started,
        expect![[r#"
            RequestCancelNexusOperation scheduled=5
            CompleteWorkflowExecution result=null"#]],
    );
    check(
        |ctx| async move {
            pay(&ctx).start().await?.detach();
            Ok(())
        },
        &started,
        expect!["CompleteWorkflowExecution result=null"],
    );
    check(
        |ctx| async move {
            let starting = pay(&ctx).start();
            ctx.timer(secs(1)).await?;
            drop(starting);
            Ok(())
        },
        &after_first_task(SCHEDULED),
        expect![[r#"
            RequestCancelNexusOperation scheduled=5
            CompleteWorkflowExecution result=null"#]],
    );
}

#[test]
fn a_failure_that_is_let_through_fails_the_workflow_as_it_is() {
    check(
        |ctx| async move { Ok(pay(&ctx).await?) },
        &after_schedule(&["NexusOperationFailed cause=\"no money\" cause.type=Poor"]),
        expect![[
            r#"FailWorkflowExecution message="nexus operation completed unsuccessfully" nexus.scheduled_event_id=5 nexus.endpoint=endpoint nexus.service=service nexus.operation=operation cause="no money" cause.type=Poor"#
        ]],
    );
}

#[test]
fn on_replay_service_and_operation_are_those_of_the_history() {
    const OTHER: NexusOperation<u64, String> = NexusOperation::new("service", "other");
    const ELSEWHERE: NexusOperation<u64, String> = NexusOperation::new("elsewhere", "operation");
    let history = after_schedule(&["NexusOperationCompleted result=\"paid\""]);
    let other = |ctx: WorkflowContext| async move { Ok(ctx.nexus_operation("endpoint", OTHER, 7).await?) };
    let elsewhere = |ctx: WorkflowContext| async move { Ok(ctx.nexus_operation("endpoint", ELSEWHERE, 7).await?) };
    check_recorded(
        other,
        &history,
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 NexusOperationScheduled: service=service operation=operation
              code now: ScheduleNexusOperation service=service operation=other
              at:       nexus_operations.rs `let other = |ctx: WorkflowContext| async move { Ok(ctx.nexus_operation("endpoint", OTHER, 7).await?) };`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        elsewhere,
        &history,
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 NexusOperationScheduled: service=service operation=operation
              code now: ScheduleNexusOperation service=elsewhere operation=operation
              at:       nexus_operations.rs `let elsewhere = |ctx: WorkflowContext| async move { Ok(ctx.nexus_operation("endpoint", ELSEWHERE, 7).await?) };`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // The same without the flag, which says what Core compares and not what a type is.
    let without = history.replace("4 WorkflowTaskCompleted", "4 WorkflowTaskCompleted flags=1,2,3");
    check_recorded(
        other,
        &without,
        expect![[r#"
        Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
          history:  event 5 NexusOperationScheduled: service=service operation=operation
          code now: ScheduleNexusOperation service=service operation=other
          at:       nexus_operations.rs `let other = |ctx: WorkflowContext| async move { Ok(ctx.nexus_operation("endpoint", OTHER, 7).await?) };`
          next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // The endpoint is not compared: it names a place and may change.
    check_recorded(
        |ctx| async move { Ok(ctx.nexus_operation("new-endpoint", PAY, 7).await?) },
        &history,
        expect![[r#"CompleteWorkflowExecution result="paid""#]],
    );
}

#[activity]
async fn work() -> Result<(), ActivityError> {
    Ok(())
}

#[test]
fn another_command_in_its_place_is_refused() {
    let history = after_schedule(&["NexusOperationCompleted result=\"paid\""]);
    check_recorded(
        |ctx| async move { Ok(ctx.activity(work, ()).start_to_close_timeout(secs(1)).await?) },
        &history,
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 NexusOperationScheduled: service=service operation=operation
              code now: ScheduleActivityTask type=work id=1
              at:       nexus_operations.rs `|ctx| async move { Ok(ctx.activity(work, ()).start_to_close_timeout(secs(1)).await?) },`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        |_| async move { Ok(()) },
        &history,
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 NexusOperationScheduled: service=service operation=operation
              code now: CompleteWorkflowExecution: the workflow returned
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn events_of_no_operation_are_refused() {
    for event in ["NexusOperationStarted scheduled=9", "NexusOperationCompleted scheduled=9"] {
        check_recorded(
            |ctx| async move { Ok(pay(&ctx).await?) },
            &after_schedule(&[event]),
            if event.contains("Started") {
                expect![[r#"
                    Fail NonDeterministicError UnknownOperation: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
                      history:  event 6 NexusOperationStarted: the operation of event 9
                      code now: produced no command here; it waits for Nexus operation service=service operation=operation
                      at:       nexus_operations.rs `ctx.nexus_operation("endpoint", PAY, 7)`
                      next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]]
            } else {
                expect![[r#"
                    Fail NonDeterministicError UnknownOperation: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
                      history:  event 6 NexusOperationCompleted: the operation of event 9
                      code now: produced no command here; it waits for Nexus operation service=service operation=operation
                      at:       nexus_operations.rs `ctx.nexus_operation("endpoint", PAY, 7)`
                      next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]]
            },
        );
    }
    let twice = after_schedule(&["NexusOperationStarted", "NexusOperationStarted scheduled=5"]);
    check_recorded(
        |ctx| async move { Ok(pay(&ctx).await?) },
        &twice,
        expect![[r#"
        Fail NonDeterministicError ImpossibleState: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
          history:  event 7 NexusOperationStarted
          code now: an operation that cannot have this event (its state is Started)
          at:       nexus_operations.rs `ctx.nexus_operation("endpoint", PAY, 7)`
          next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn an_operation_that_has_ended_leaves_nothing_behind() {
    let history = after_schedule(&["NexusOperationStarted", "NexusOperationCompleted result=\"paid\""]);
    let mut run = run_of(|ctx| async move {
        pay(&ctx).start().await?.await?;
        ctx.cancelled().await;
        Ok(())
    });
    let events = parse_history(&history).unwrap();
    run.handle(crate::replay::Input::WorkflowTask(Box::new(task(&events))));
    let core = run.shared().operation_state.borrow();
    assert_eq!((core.machines.machines_alive(), core.operations.len()), (0, 0));
}

#[test]
fn failures_name_what_was_called() {
    let history = after_schedule(&["NexusOperationFailed cause=gone cause.handler=NOT_FOUND"]);
    check(
        |ctx| async move {
            let error = pay(&ctx).await.unwrap_err();
            assert_eq!(error.handler_error_type(), Some(NexusHandlerErrorType::NotFound));
            Ok((error.endpoint().to_string(), error.service().to_string(), error.operation().to_string()))
        },
        &history,
        expect![[r#"CompleteWorkflowExecution result=["endpoint","service","operation"]"#]],
    );
}

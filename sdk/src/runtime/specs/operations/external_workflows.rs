//! Signals and cancellation requests to workflows that this one did not start.

use std::collections::BTreeMap;

use expect_test::expect;

use super::child_workflows::Listener;
use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded};
use crate::{ExternalWorkflowFailure, WorkflowContext, WorkflowError};

fn told(error: &ExternalWorkflowFailure) -> String {
    let facts = [
        ("not found", error.is_not_found()),
        ("namespace not found", error.is_namespace_not_found()),
        ("limit exceeded", error.is_signal_limit_exceeded()),
        ("cancelled", error.is_cancelled()),
    ];
    let facts: Vec<&str> = facts.into_iter().filter(|(_, holds)| *holds).map(|(fact, _)| fact).collect();
    format!("{error} [{}]", facts.join(", "))
}

async fn signals(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    let sent = ctx.external_workflow("other").signal(Listener::hear, "hello".into()).await;
    Ok(sent.map_or_else(|error| told(&error), |()| "delivered".into()))
}

async fn cancels(ctx: WorkflowContext) -> Result<String, WorkflowError> {
    let sent = ctx.external_workflow("other").cancel().reason("enough").await;
    Ok(sent.map_or_else(|error| told(&error), |()| "delivered".into()))
}

fn signalled(outcome: &str) -> String {
    after_first_task(&format!(
        "5 SignalExternalWorkflowExecutionInitiated name=hear
         6 {outcome}
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted"
    ))
}

fn cancel_requested(outcome: &str) -> String {
    after_first_task(&format!(
        "5 RequestCancelExternalWorkflowExecutionInitiated
         6 {outcome}
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted"
    ))
}

#[test]
fn a_signal_is_sent_and_its_delivery_awaited() {
    check(signals, FIRST_TASK, expect![[r#"SignalExternalWorkflowExecution workflow=other name=hear input="hello""#]]);
    check(
        signals,
        &signalled("ExternalWorkflowExecutionSignaled"),
        expect![[r#"CompleteWorkflowExecution result="delivered""#]],
    );
}

#[test]
fn a_signal_that_does_not_arrive_says_why() {
    let failed = |cause: &str| signalled(&format!("SignalExternalWorkflowExecutionFailed event.cause={cause}"));
    check(
        signals,
        &failed("ExternalWorkflowExecutionNotFound"),
        expect![[
            r#"CompleteWorkflowExecution result="workflow other: Unable to signal external workflow because it was not found (ExternalWorkflowExecutionNotFound) [not found]""#
        ]],
    );
    check(
        signals,
        &failed("NamespaceNotFound"),
        expect![[
            r#"CompleteWorkflowExecution result="workflow other: Unable to signal external workflow because it was not found (NamespaceNotFound) [namespace not found]""#
        ]],
    );
    check(
        signals,
        &failed("SignalCountLimitExceeded"),
        expect![[
            r#"CompleteWorkflowExecution result="workflow other: Unable to signal external workflow because The per-workflow signal limit was exceeded (SignalCountLimitExceeded) [limit exceeded]""#
        ]],
    );
}

#[test]
fn a_run_can_be_named() {
    check(
        |ctx| async move {
            let run = ctx.external_workflow("other").with_run_id("run-7");
            run.signal(Listener::hear, "hello".into()).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"SignalExternalWorkflowExecution workflow=other/run-7 name=hear input="hello""#]],
    );
    check(
        |ctx| async move { Ok(ctx.external_workflow("other").with_run_id("run-7").cancel().await?) },
        FIRST_TASK,
        expect![[
            r#"RequestCancelExternalWorkflowExecution id=other run_id=run-7 reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: ""#
        ]],
    );
}

#[test]
fn a_request_to_cancel_is_sent_with_its_reason() {
    check(
        cancels,
        FIRST_TASK,
        expect![[
            r#"RequestCancelExternalWorkflowExecution id=other reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: enough""#
        ]],
    );
    check(
        cancels,
        &cancel_requested("ExternalWorkflowExecutionCancelRequested"),
        expect![[r#"CompleteWorkflowExecution result="delivered""#]],
    );
}

#[test]
fn a_request_to_cancel_that_does_not_arrive_says_why() {
    let failed =
        |cause: &str| cancel_requested(&format!("RequestCancelExternalWorkflowExecutionFailed event.cause={cause}"));
    check(
        cancels,
        &failed("ExternalWorkflowExecutionNotFound"),
        expect![[
            r#"CompleteWorkflowExecution result="workflow other: Unable to cancel external workflow because not found (ExternalWorkflowExecutionNotFound) [not found]""#
        ]],
    );
    check(
        cancels,
        &failed("NamespaceNotFound"),
        expect![[
            r#"CompleteWorkflowExecution result="workflow other: Unable to cancel external workflow because not found (NamespaceNotFound) [namespace not found]""#
        ]],
    );
}

#[test]
fn a_signal_cancelled_before_it_is_sent_leaves_no_command() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let other = ctx.external_workflow("other");
            let signal = scope.run(other.signal(Listener::hear, "hello".into()));
            let (sent, ()) = crate::join!(signal, async { scope.cancel_with_reason("enough") });
            Ok(told(&sent.unwrap_err()))
        },
        FIRST_TASK,
        expect![[
            r#"CompleteWorkflowExecution result="workflow other: Signal was cancelled before being sent [cancelled]""#
        ]],
    );
}

#[test]
fn a_signal_that_is_dropped_before_it_is_sent_leaves_no_command() {
    check(
        |ctx| async move {
            let other = ctx.external_workflow("other");
            crate::select! {
                sent = other.signal(Listener::hear, "hello".into()) => sent?,
                () = std::future::ready(()) => {},
            };
            Ok(())
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_signal_that_was_sent_is_not_called_back() {
    let code = |ctx: WorkflowContext| async move {
        let scope = ctx.cancellation_scope();
        let other = ctx.external_workflow("other");
        let signal = scope.run(other.signal(Listener::hear, "hello".into()));
        let (sent, ()) = crate::join!(signal, async {
            ctx.timer(secs(1)).await.unwrap();
            scope.cancel_with_reason("enough");
        });
        Ok(sent.map_or_else(|error| told(&error), |()| "delivered".into()))
    };
    let fired = after_first_task(
        "5 SignalExternalWorkflowExecutionInitiated name=hear
         6 TimerStarted
         7 TimerFired
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
    );
    check(code, &fired, expect![""]);
    let delivered = "10 WorkflowTaskCompleted
                     11 ExternalWorkflowExecutionSignaled
                     12 WorkflowTaskScheduled
                     13 WorkflowTaskStarted";
    check(code, &format!("{fired}\n{delivered}"), expect![[r#"CompleteWorkflowExecution result="delivered""#]]);
}

#[test]
fn a_request_to_cancel_stands_although_its_scope_is_cancelled() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            let request = scope.run(ctx.external_workflow("other").cancel());
            let (sent, ()) = crate::join!(request, async { scope.cancel_with_reason("enough") });
            sent?;
            Ok(())
        },
        FIRST_TASK,
        expect![[
            r#"RequestCancelExternalWorkflowExecution id=other reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: ""#
        ]],
    );
}

#[test]
fn nothing_is_sent_from_a_cancelled_scope() {
    check(
        |ctx| async move {
            let scope = ctx.cancellation_scope();
            scope.cancel_with_reason("enough");
            let other = ctx.external_workflow("other");
            let signal = scope.run(other.signal(Listener::hear, "hello".into())).await;
            let cancel = scope.run(other.cancel()).await;
            Ok([told(&signal.unwrap_err()), told(&cancel.unwrap_err())])
        },
        FIRST_TASK,
        expect![[
            r#"CompleteWorkflowExecution result=["workflow other: Signal was cancelled before being sent [cancelled]","workflow other: The request to cancel was cancelled before being sent [cancelled]"]"#
        ]],
    );
}

#[test]
fn arguments_that_cannot_be_written_fail_the_task() {
    check(
        |ctx| async move {
            let map = BTreeMap::from([((1, 2), 3)]);
            ctx.external_workflow("other").signal(Listener::unwritable, map).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[
            r#"Fail WorkflowWorkerUnhandledFailure: the arguments of signal `unwritable` cannot be written: argument 1: `BTreeMap<(u8, u8), u8>` cannot be written as JSON: key must be a string (at external_workflows.rs `ctx.external_workflow("other").signal(Listener::unwritable, map).await?;`)"#
        ]],
    );
}

#[test]
fn a_failure_that_is_not_handled_fails_the_workflow() {
    check(
        |ctx| async move {
            ctx.external_workflow("other").cancel().await?;
            Ok(())
        },
        &cancel_requested("RequestCancelExternalWorkflowExecutionFailed"),
        expect![[
            r#"FailWorkflowExecution message="Unable to cancel external workflow because not found" type=ExternalWorkflowExecutionNotFound"#
        ]],
    );
}

#[test]
fn other_commands_than_the_recorded_ones_are_nondeterminism() {
    check_recorded(
        cancels,
        &signalled("ExternalWorkflowExecutionSignaled"),
        expect![[r#"
        Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
          history:  event 5 SignalExternalWorkflowExecutionInitiated: name=hear workflow=other
          code now: RequestCancelExternalWorkflowExecution workflow=other
          at:       external_workflows.rs `let sent = ctx.external_workflow("other").cancel().reason("enough").await;`
          next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        signals,
        &cancel_requested("ExternalWorkflowExecutionCancelRequested"),
        expect![[r#"
        Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
          history:  event 5 RequestCancelExternalWorkflowExecutionInitiated: workflow=other
          code now: SignalExternalWorkflowExecution name=hear workflow=other
          at:       external_workflows.rs `let sent = ctx.external_workflow("other").signal(Listener::hear, "hello".into()).await;`
          next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        |ctx| async move { Ok(ctx.timer(secs(1)).await?) },
        &signalled("ExternalWorkflowExecutionSignaled"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 SignalExternalWorkflowExecutionInitiated: name=hear workflow=other
              code now: StartTimer id=1
              at:       external_workflows.rs `|ctx| async move { Ok(ctx.timer(secs(1)).await?) },`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn results_of_what_was_never_sent_are_nondeterminism() {
    for event in ["ExternalWorkflowExecutionSignaled", "ExternalWorkflowExecutionCancelRequested"] {
        let history = after_first_task(&format!(
            "5 {event} initiated=2
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted"
        ));
        let expected = match event {
            "ExternalWorkflowExecutionSignaled" => expect![[r#"
                Fail NonDeterministicError UnknownOperation: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
                  history:  event 5 ExternalWorkflowExecutionSignaled: the operation of event 2
                  code now: produced no command here; it waits for timer id=1
                  at:       external_workflows.rs `check_recorded(|ctx| async move { Ok(ctx.timer(secs(1)).await?) }, &history, expected);`
                  next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
            _ => expect![[r#"
                Fail NonDeterministicError UnknownOperation: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
                  history:  event 5 ExternalWorkflowExecutionCancelRequested: the operation of event 2
                  code now: produced no command here; it waits for timer id=1
                  at:       external_workflows.rs `check_recorded(|ctx| async move { Ok(ctx.timer(secs(1)).await?) }, &history, expected);`
                  next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
        };
        check_recorded(|ctx| async move { Ok(ctx.timer(secs(1)).await?) }, &history, expected);
    }
}

#[test]
fn a_workflow_of_another_namespace_is_reached_there() {
    check(
        |ctx| async move {
            let other = ctx.external_workflow("other").with_namespace("theirs").with_run_id("run-7");
            let both = (other.signal(Listener::hear, "hello".into()), other.cancel().reason("enough"));
            let (sent, cancelled) = crate::join!(both.0, both.1);
            Ok((sent.is_ok(), cancelled.is_ok()))
        },
        FIRST_TASK,
        expect![[r#"
            SignalExternalWorkflowExecution namespace=theirs workflow=other/run-7 name=hear input="hello"
            RequestCancelExternalWorkflowExecution namespace=theirs id=other run_id=run-7 reason="Cancel requested by workflow with run id 01234567-89ab-4def-8123-456789abcdef with reason: enough""#]],
    );
}

//! Code that no longer matches its history: the error's kind, its event, and the statement.

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{after_first_task, check, check_recorded};
use crate::workflow::ActivityCancellationType as Type;
use crate::{ActivityError, activity};

#[activity]
async fn charge(cents: u64) -> Result<String, ActivityError> {
    Ok(format!("charged {cents}"))
}

#[activity]
async fn refund(cents: u64) -> Result<String, ActivityError> {
    Ok(format!("refunded {cents}"))
}

#[test]
fn a_command_event_that_the_code_issued_no_command_for() {
    check_recorded(
        |ctx| async move {
            ctx.wait_until(|| false).await?;
            Ok(())
        },
        &after_first_task("5 ActivityTaskScheduled type=charge\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"),
        expect![[r#"
            Fail NonDeterministicError UnexpectedEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 ActivityTaskScheduled: type=charge id=1
              code now: produced no command here; it waits for condition
              at:       nondeterminism.rs `ctx.wait_until(|| false).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn another_command_than_the_recorded_one() {
    check_recorded(
        |ctx| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task("5 ActivityTaskScheduled type=charge\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 ActivityTaskScheduled: type=charge id=1
              code now: StartTimer id=1
              at:       nondeterminism.rs `ctx.timer(secs(1)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn the_workflow_ends_where_history_went_on() {
    check_recorded(
        |_| async move { Ok(()) },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 TimerStarted: id=1
              code now: CompleteWorkflowExecution: the workflow returned
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn history_ended_where_the_workflow_goes_on() {
    check_recorded(
        |ctx| async move {
            ctx.activity(charge, 1).start_to_close_timeout(secs(5)).await?;
            Ok(())
        },
        &after_first_task("5 WorkflowExecutionCompleted"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 WorkflowExecutionCompleted
              code now: ScheduleActivityTask type=charge id=1
              at:       nondeterminism.rs `ctx.activity(charge, 1).start_to_close_timeout(secs(5)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn the_workflow_ended_in_another_way() {
    check_recorded(
        |_| async move { Ok(()) },
        &after_first_task("5 WorkflowExecutionFailed message=broken"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 WorkflowExecutionFailed
              code now: CompleteWorkflowExecution: the workflow returned
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn an_event_of_an_operation_that_never_began() {
    for (event, expected) in [
        (
            "TimerFired started=5",
            expect![[r#"
                Fail NonDeterministicError UnknownOperation: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
                  history:  event 6 TimerFired: the operation of event 5
                  code now: produced no command here; it waits for condition
                  at:       nondeterminism.rs `ctx.wait_until(|| false).await?;`
                  next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
        ),
        (
            "ActivityTaskStarted scheduled=5",
            expect![[r#"
                Fail NonDeterministicError UnknownOperation: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
                  history:  event 6 ActivityTaskStarted: the operation of event 5
                  code now: produced no command here; it waits for condition
                  at:       nondeterminism.rs `ctx.wait_until(|| false).await?;`
                  next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
        ),
        (
            "ActivityTaskCompleted scheduled=5 started=1",
            expect![[r#"
                Fail NonDeterministicError UnknownOperation: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
                  history:  event 6 ActivityTaskCompleted: the operation of event 5
                  code now: produced no command here; it waits for condition
                  at:       nondeterminism.rs `ctx.wait_until(|| false).await?;`
                  next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
        ),
    ] {
        check_recorded(
            |ctx| async move {
                ctx.wait_until(|| false).await?;
                Ok(())
            },
            &after_first_task(&format!(
                "5 WorkflowExecutionSignaled\n6 {event}\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"
            )),
            expected,
        );
    }
}

#[test]
fn another_activity_type() {
    check(
        |ctx| async move {
            ctx.activity(refund, 1).start_to_close_timeout(secs(5)).await?;
            Ok(())
        },
        &after_first_task("5 ActivityTaskScheduled type=charge\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"),
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 ActivityTaskScheduled: type=charge id=1
              code now: ScheduleActivityTask type=refund id=1
              at:       nondeterminism.rs `ctx.activity(refund, 1).start_to_close_timeout(secs(5)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn another_activity_id_than_the_author_chose() {
    check(
        |ctx| async move {
            ctx.activity(charge, 1).start_to_close_timeout(secs(5)).activity_id("mine").await?;
            Ok(())
        },
        &after_first_task("5 ActivityTaskScheduled type=charge id=1\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"),
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 ActivityTaskScheduled: type=charge id=1
              code now: ScheduleActivityTask type=charge id=mine
              at:       nondeterminism.rs `ctx.activity(charge, 1).start_to_close_timeout(secs(5)).activity_id("mine").await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn inputs_timeouts_and_durations_are_not_compared() {
    check(
        |ctx| async move {
            let timer = ctx.timer(secs(99)).start();
            let charged = ctx.activity(charge, 5).start_to_close_timeout(secs(99)).task_queue("others").await?;
            timer.await?;
            Ok(charged)
        },
        &after_first_task(
            "5 TimerStarted after=1s
             6 ActivityTaskScheduled type=charge input=1 start_to_close=1s
             7 TimerFired
             8 ActivityTaskStarted
             9 ActivityTaskCompleted result=\"charged\"
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="charged""#]],
    );
}

#[test]
fn another_timer_is_cancelled() {
    check_recorded(
        |ctx| async move {
            let (first, second) = (ctx.timer(secs(60)).start(), ctx.timer(secs(60)).start());
            ctx.timer(secs(1)).await?;
            second.cancel();
            first.await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=3
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 TimerCanceled id=1
             13 WorkflowExecutionSignaled
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 12 TimerCanceled: the timer of event 5
              code now: CancelTimer of the timer of event 6
              at:       nondeterminism.rs `let (first, second) = (ctx.timer(secs(60)).start(), ctx.timer(secs(60)).start());`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn another_activity_is_asked_to_stop() {
    check_recorded(
        |ctx| async move {
            let first = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start();
            let second = ctx.activity(charge, 2).start_to_close_timeout(secs(5)).start();
            ctx.timer(secs(1)).await?;
            drop(second);
            first.await?;
            Ok(())
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=charge
             6 ActivityTaskScheduled type=charge
             7 TimerStarted
             8 TimerFired
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 ActivityTaskCancelRequested scheduled=5
             13 WorkflowExecutionSignaled
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError DifferentIdOrType: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 12 ActivityTaskCancelRequested: activity type=charge id=1
              code now: RequestCancelActivityTask type=charge id=2
              at:       nondeterminism.rs `let second = ctx.activity(charge, 2).start_to_close_timeout(secs(5)).start();`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn an_event_that_cannot_come_to_an_operation_in_its_state() {
    // The code requests cancellation in the task that ends with event 10. The history has an end there, and no request.
    check_recorded(
        |ctx| async move {
            let activity = ctx
                .activity(charge, 1)
                .start_to_close_timeout(secs(5))
                .cancellation_type(Type::WaitCancellationCompleted)
                .start();
            ctx.timer(secs(1)).await?;
            activity.cancel();
            activity.await?;
            Ok(())
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=charge
             6 TimerStarted
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 ActivityTaskStarted
             12 ActivityTaskCompleted result=\"charged\"
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError ImpossibleState: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 11 ActivityTaskStarted
              code now: an operation that cannot have this event (its state is WaitCancelCommandCreated)
              at:       nondeterminism.rs `.activity(charge, 1)`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn a_command_that_history_has_no_event_for() {
    check_recorded(
        |ctx| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task("5 WorkflowExecutionSignaled\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"),
        expect![[r#"
            Fail NonDeterministicError MissingEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 7 WorkflowTaskStarted: the workflow task of this command was completed, but recorded no event for it
              code now: StartTimer id=1
              at:       nondeterminism.rs `ctx.timer(secs(1)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn an_end_that_history_has_no_event_for() {
    check_recorded(
        |_| async move { Ok(()) },
        &after_first_task("5 WorkflowExecutionSignaled"),
        expect![[r#"
            Fail NonDeterministicError MissingEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 the end of the history: the workflow task of this command was completed, but recorded no event for it
              code now: CompleteWorkflowExecution: the workflow returned
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn the_error_has_methods_for_its_parts() {
    use crate::replay::text::parse_history;
    use crate::replay::{Input, NondeterminismKind, Output};
    use crate::runtime::specs::harness::{run_of, task};
    let events =
        parse_history(&after_first_task("5 TimerStarted\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted")).unwrap();
    let mut run = run_of(|ctx| async move {
        let line = line!() + 1;
        ctx.activity(charge, 1).start_to_close_timeout(secs(5)).activity_id(line.to_string()).await?;
        Ok(())
    });
    let Output::Fail(failure) = run.handle(Input::WorkflowTask(Box::new(task(&events)))) else { panic!() };
    let error = failure.nondeterminism.unwrap();
    assert_eq!(error.kind(), NondeterminismKind::DifferentCommand);
    assert_eq!((error.event_id(), error.event_type()), (5, "TimerStarted"));
    assert_eq!(error.recorded(), "id=1");
    let location = error.location().unwrap();
    assert!(location.file().ends_with("specs/replays/nondeterminism.rs"), "{location}");
    let produced = format!("ScheduleActivityTask type=charge id={}", location.line());
    assert_eq!(error.produced_command(), Some(&*produced));
}

#[test]
fn operations_of_handlers_and_conditions_name_their_statements_too() {
    check_recorded(
        |ctx| async move {
            ctx.wait_until(|| false).timeout(secs(1)).await?;
            Ok(())
        },
        &after_first_task("5 ActivityTaskScheduled type=charge\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted"),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 ActivityTaskScheduled: type=charge id=1
              code now: StartTimer id=1
              at:       nondeterminism.rs `ctx.wait_until(|| false).timeout(secs(1)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn a_command_without_an_event_that_was_taken_back_later_is_no_panic() {
    check_recorded(
        |ctx| async move {
            // This timer is new: the history has no event for it, and the cancellation withdraws it.
            let gone = ctx.timer(secs(1)).await.is_err();
            ctx.shielded(ctx.timer(secs(5))).await?;
            Ok(gone)
        },
        &after_first_task(
            "5 WorkflowExecutionCancelRequested
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 TimerStarted id=1
             10 TimerFired
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 9 TimerStarted: id=1
              code now: StartTimer
              at:       nondeterminism.rs `let gone = ctx.timer(secs(1)).await.is_err();`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn an_event_that_names_an_operation_of_another_kind_is_refused() {
    check_recorded(
        |ctx| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 ActivityTaskCompleted scheduled=5
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError UnknownOperation: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 6 ActivityTaskCompleted: the operation of event 5
              code now: produced no command here; it waits for timer id=1
              at:       nondeterminism.rs `ctx.timer(secs(1)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

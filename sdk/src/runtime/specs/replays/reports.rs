//! Nondeterminism errors name the statement: that of the command, of the wait, of the end, or of a handler.

use expect_test::{Expect, expect};

use crate::duration::secs;
use crate::runtime::specs::harness::{after_first_task, check_recorded, check_workflow_recorded};
use crate::{
    ActivityError, ApplicationFailure, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods,
};

#[activity]
async fn charge(cents: u64) -> Result<String, ActivityError> {
    Ok(format!("charged {cents}"))
}

/// Ends in each way; has an update.
#[workflow(name = "wf")]
#[derive(Default)]
struct Ends {
    told: State<u32>,
}

#[workflow_methods]
impl Ends {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.told.get() == 7).await?;
        Ok(())
    }

    #[update]
    fn tell(&self, number: u32) -> u32 {
        self.told.set(number);
        number
    }

    #[update]
    async fn wait(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.told.get() == 3).await?;
        Ok(())
    }
}

#[track_caller]
fn check_ends(history: &str, expected: Expect) {
    check_workflow_recorded(Ends::run, &after_first_task(history), expected);
}

#[test]
fn code_that_produces_nothing_waits_somewhere() {
    check_recorded(
        |ctx| async move {
            let first = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start();
            let second = ctx.timer(secs(5)).start();
            ctx.wait_until(|| false).await?;
            second.await?;
            first.await?;
            Ok(())
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=charge\n6 TimerStarted\n7 TimerStarted\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError UnexpectedEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 7 TimerStarted: id=2
              code now: produced no command here; it waits for activity type=charge id=1 (reports.rs `let first = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start();`), timer id=1 (reports.rs `let second = ctx.timer(secs(5)).start();`), condition (reports.rs `ctx.wait_until(|| false).await?;`)
              at:       reports.rs `let first = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start();`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn a_workflow_that_has_returned_waits_for_nothing() {
    check_recorded(
        |ctx| async move {
            ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start().detach();
            Ok(())
        },
        &after_first_task(
            "5 ActivityTaskScheduled type=charge
             6 TimerFired started=5
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError UnknownOperation: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 6 TimerFired: the operation of event 5
              code now: produced no command here; the workflow has returned; its last command was issued here
              at:       reports.rs `ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start().detach();`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn an_end_says_where_the_workflow_returned() {
    let history = after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted");
    let next = format!("{history}\n9 WorkflowTaskCompleted\n10 TimerStarted");
    check_recorded(
        |ctx| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &next,
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 10 TimerStarted: id=2
              code now: CompleteWorkflowExecution: the workflow returned; its last command was issued here
              at:       reports.rs `ctx.timer(secs(1)).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        |ctx| async move {
            ctx.timer(secs(1)).await?;
            Err::<(), _>(ApplicationFailure::new("broken"))?;
            Ok(())
        },
        &next,
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 10 TimerStarted: id=2
              code now: FailWorkflowExecution: the workflow returned an error here
              at:       reports.rs `Err::<(), _>(ApplicationFailure::new("broken"))?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    check_recorded(
        |_| async move { Ok(()) },
        &history,
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 TimerStarted: id=1
              code now: CompleteWorkflowExecution: the workflow returned
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn an_update_says_what_became_of_it_and_where_its_handler_is() {
    // Accepted, but the history has something else.
    check_ends(
        "5 WorkflowExecutionSignaled
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted
         8 WorkflowTaskCompleted
         9 TimerStarted
         10 WorkflowExecutionUpdateAccepted update=u1 name=tell args=3
         11 WorkflowTaskScheduled
         12 WorkflowTaskStarted",
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 9 TimerStarted: id=1
              code now: accepted update=u1 name=tell
              at:       reports.rs `fn tell(&self, number: u32) -> u32 {`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // Completed, but not in the history.
    check_ends(
        "5 WorkflowExecutionUpdateAccepted update=u1 name=tell args=3
         6 WorkflowExecutionSignaled
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect![[r#"
            Fail NonDeterministicError MissingEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 8 WorkflowTaskStarted: the workflow task of this command was completed, but recorded no event for it
              code now: completed update=u1 name=tell
              at:       reports.rs `fn tell(&self, number: u32) -> u32 {`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // Rejected, but accepted in the history.
    check_ends(
        "5 WorkflowExecutionUpdateAccepted update=u1 name=tell args=\"no number\"
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted",
        expect![[r#"
            Fail NonDeterministicError UnexpectedEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 WorkflowExecutionUpdateAccepted: update=u1 name=tell
              code now: rejected the update: the arguments of update `tell` do not fit its handler: argument 1: expected `u32`, found JSON: a string of 9 characters
              at:       reports.rs `fn tell(&self, number: u32) -> u32 {`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
    // Still open, but completed in the history.
    check_ends(
        "5 WorkflowExecutionUpdateAccepted update=u1 name=wait
         6 WorkflowExecutionUpdateCompleted update=u1 result=null
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect![[r#"
            Fail NonDeterministicError UnexpectedEvent: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 6 WorkflowExecutionUpdateCompleted: update=u1
              code now: produced no command here; it waits for condition in the handler of update `wait` (id u1) (reports.rs `ctx.wait_until(|| self.told.get() == 3).await?;`), condition (reports.rs `ctx.wait_until(|| self.told.get() == 7).await?;`)
              at:       reports.rs `ctx.wait_until(|| self.told.get() == 3).await?;`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn a_patch_that_is_missed_at_its_marker_is_gone_renamed_or_elsewhere() {
    let marker = r#"5 MarkerRecorded name=core_patch details.patch-data={"id":"p","deprecated":false}
        6 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=["p"]"#;
    let history =
        after_first_task(&format!("{marker}\n7 TimerStarted\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted"));
    check_recorded(
        |ctx| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &history,
        expect![[r#"
            Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of patch `p`, which the code does not ask for here
              code now: StartTimer id=1
              at:       reports.rs `ctx.timer(secs(1)).await?;`
              next:     let the code ask for `p` here, before it does anything else, until no run with its marker is left."#]],
    );
    check_recorded(
        |ctx| async move {
            ctx.patched("q");
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        // The history has both; the code asks for one of them under another name.
        &history.replace(
            "7 TimerStarted",
            r#"7 MarkerRecorded name=core_patch details.patch-data={"id":"q","deprecated":false}"#,
        ),
        expect![[r#"
            Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of patch `p`, which the code does not ask for here
              code now: RecordMarker patch=q
              at:       reports.rs `ctx.patched("q");`
              next:     the code asks for `q` here: if that is the same patch, restore its old id `p`; if not, restore the call for `p`, and keep it until no run with its marker is left."#]],
    );
    check_recorded(
        |ctx| async move {
            let timer = ctx.timer(secs(1)).start();
            ctx.patched("p");
            timer.await?;
            Ok(())
        },
        &history,
        expect![[r#"
            Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of patch `p`, which the code does not ask for here
              code now: StartTimer id=1
              at:       reports.rs `let timer = ctx.timer(secs(1)).start();`
              next:     the code asks for `p` at another place: move the call back to its old place, before or after the same commands."#]],
    );
    check_recorded(
        |ctx| async move {
            ctx.wait_until(|| false).await?;
            ctx.patched("p");
            Ok(())
        },
        &history,
        expect![[r#"
            Fail NonDeterministicError PatchRemoved: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 5 MarkerRecorded: the marker of patch `p`, which the code does not ask for here
              code now: produced no command here; it waits for condition
              at:       reports.rs `ctx.wait_until(|| false).await?;`
              next:     let the code ask for `p` here, before it does anything else, until no run with its marker is left."#]],
    );
}

#[test]
fn a_request_to_cancel_names_what_it_cancels_and_says_that_a_handle_was_dropped() {
    check_recorded(
        |ctx| async move {
            let timer = ctx.timer(secs(60)).start();
            let call = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start();
            ctx.timer(secs(1)).await?;
            drop(call);
            timer.await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 ActivityTaskScheduled type=charge
             7 TimerStarted
             8 TimerFired started=7
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted
             11 WorkflowTaskCompleted
             12 TimerCanceled started=5
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted",
        ),
        expect![[r#"
            Fail NonDeterministicError DifferentCommand: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 12 TimerCanceled: the timer of event 5
              code now: RequestCancelActivityTask type=charge id=1, because its handle was dropped
              at:       reports.rs `let call = ctx.activity(charge, 1).start_to_close_timeout(secs(5)).start();`
              next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer."#]],
    );
}

#[test]
fn the_report_of_a_use_of_tokio_names_an_event() {
    check_recorded(
        |_| async move {
            #[expect(clippy::disallowed_methods, reason = "the mistake that is to be found")]
            tokio::time::sleep(secs(1)).await;
            Ok(())
        },
        &after_first_task("5 WorkflowExecutionSignaled"),
        expect![[r#"
            Fail NonDeterministicError ForeignFuture: [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
              history:  event 3 WorkflowTaskStarted: workflow code runs outside tokio
              code now: used tokio's clock, tasks or I/O at reports.rs `tokio::time::sleep(secs(1)).await;`
              next:     await only what the context offers (ctx.timer, ctx.activity, ctx.wait_until); do I/O in an activity."#]],
    );
}

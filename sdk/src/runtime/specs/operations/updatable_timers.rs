//! Timers whose deadline moves while somebody waits for them.

use std::time::SystemTime;

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_workflow};
use crate::workflow::UpdatableTimer;
use crate::{WorkflowContext, WorkflowError, workflow, workflow_methods};

/// Waits until a deadline that signals move, in seconds after the start.
#[workflow(name = "wf")]
struct Reminder {
    timer: UpdatableTimer,
    begun: SystemTime,
}

#[workflow_methods]
impl Reminder {
    #[init]
    fn new(ctx: &WorkflowContext) -> Self {
        Self { timer: ctx.updatable_timer(ctx.now() + secs(60)).summary("reminder"), begun: ctx.now() }
    }

    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<u64, WorkflowError> {
        self.timer.wait().await?;
        Ok(ctx.now().duration_since(self.begun).unwrap_or_default().as_secs())
    }

    #[signal]
    fn set(&self, after: u64) {
        self.timer.set_deadline(self.begun + secs(after));
    }
}

#[track_caller]
fn check_reminder(rest: &str, expected: expect_test::Expect) {
    check_workflow(Reminder::run, &after_first_task(rest), None, expected);
}

#[test]
fn it_waits_for_its_first_deadline() {
    check_workflow(Reminder::run, FIRST_TASK, None, expect!["StartTimer id=1 after=1m"]);
    check_reminder(
        "5 TimerStarted
         6 TimerFired at=60s
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect!["CompleteWorkflowExecution result=60"],
    );
}

#[test]
fn a_later_deadline_replaces_the_servers_timer() {
    check_reminder(
        "5 TimerStarted
         6 WorkflowExecutionSignaled name=set input=100 at=40s
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect![[r#"
            CancelTimer id=1
            StartTimer id=2 after=1m"#]],
    );
}

#[test]
fn an_earlier_deadline_replaces_the_servers_timer() {
    check_reminder(
        "5 TimerStarted
         6 WorkflowExecutionSignaled name=set input=50 at=40s
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect![[r#"
            CancelTimer id=1
            StartTimer id=2 after=10s"#]],
    );
}

#[test]
fn a_deadline_in_the_past_ends_the_wait() {
    check_reminder(
        "5 TimerStarted
         6 WorkflowExecutionSignaled name=set input=30 at=40s
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect![[r#"
            CancelTimer id=1
            CompleteWorkflowExecution result=40"#]],
    );
}

#[test]
fn the_same_deadline_again_changes_nothing() {
    check_reminder(
        "5 TimerStarted
         6 WorkflowExecutionSignaled name=set input=60 at=40s
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect![[""]],
    );
}

#[test]
fn of_two_new_deadlines_in_one_task_the_last_counts() {
    check_reminder(
        "5 TimerStarted
         6 WorkflowExecutionSignaled name=set input=100 at=40s
         7 WorkflowExecutionSignaled name=set input=200
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
        expect![[r#"
            CancelTimer id=1
            StartTimer id=2 after=159.999s"#]],
    );
}

#[test]
fn a_deadline_that_is_moved_when_the_timer_has_fired_counts() {
    check_reminder(
        "5 TimerStarted
         6 TimerFired at=60s
         7 WorkflowExecutionSignaled name=set input=100
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
        expect!["StartTimer id=2 after=39.999s"],
    );
}

#[test]
fn the_replaced_timer_fires_for_the_last_deadline() {
    check_reminder(
        "5 TimerStarted
         6 WorkflowExecutionSignaled name=set input=100 at=40s
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted
         9 WorkflowTaskCompleted
         10 TimerCanceled id=1
         11 TimerStarted id=2
         12 TimerFired id=2 at=100s
         13 WorkflowTaskScheduled
         14 WorkflowTaskStarted",
        expect!["CompleteWorkflowExecution result=100"],
    );
}

#[test]
fn a_request_to_cancel_ends_the_wait() {
    check_reminder(
        "5 TimerStarted
         6 WorkflowExecutionCancelRequested
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect![[r#"
            CancelTimer id=1
            CancelWorkflowExecution"#]],
    );
}

#[test]
fn in_a_cancelled_scope_even_a_past_deadline_is_not_waited_for() {
    check(
        |ctx| async move {
            let timer = ctx.updatable_timer(ctx.now());
            timer.wait().await?;
            let scope = ctx.cancellation_scope();
            scope.cancel_with_reason("enough");
            let error = scope.run(timer.wait()).await.unwrap_err();
            // No timer was started, so no number was taken.
            ctx.timer(secs(1)).await?;
            Ok(error.to_string())
        },
        &after_first_task("5 TimerStarted id=1\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"CompleteWorkflowExecution result="Cancelled: enough""#]],
    );
}

#[test]
fn clones_are_one_timer_and_each_wait_has_its_own_on_the_server() {
    check(
        |ctx| async move {
            let timer = ctx.updatable_timer(ctx.now() + secs(60));
            let branches: Vec<_> = (0..2)
                .map(|_| {
                    let timer = timer.clone();
                    ctx.spawn(async move { timer.wait().await })
                })
                .collect();
            ctx.timer(secs(1)).await?;
            timer.set_deadline(timer.deadline() + secs(60));
            for branch in branches {
                branch.await?;
            }
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted after=1s
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=1 at=10s
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=2
            StartTimer id=4 after=110s
            CancelTimer id=3
            StartTimer id=5 after=110s"#]],
    );
}

#[test]
fn a_dropped_wait_cancels_its_timer() {
    check(
        |ctx| async move {
            let timer = ctx.updatable_timer(ctx.now() + secs(60));
            abide::select! {
                waited = timer.wait() => waited?,
                slept = ctx.timer(secs(1)) => slept?,
            }
            timer.set_deadline(ctx.now() + secs(5));
            ctx.timer(secs(2)).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted\n6 TimerStarted\n7 TimerFired id=2\n8 WorkflowTaskScheduled\n9 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            StartTimer id=3 after=2s"#]],
    );
}

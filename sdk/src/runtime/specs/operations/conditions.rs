//! Conditions: waiting until something about the workflow's state is true.

use std::cell::Cell;
use std::rc::Rc;

use expect_test::{Expect, expect};

use crate::duration::{millis, secs};
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_workflow};
use crate::{State, WorkflowContext, WorkflowError, workflow, workflow_methods};

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

#[test]
fn a_condition_without_timeout_takes_no_number() {
    check(
        |ctx| async move {
            ctx.wait_until(|| true).await?;
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        FIRST_TASK,
        expect!["StartTimer id=1 after=1s"],
    );
}

/// Waits for its total to grow.
#[workflow(name = "wf")]
#[derive(Default)]
struct Till {
    total: State<u32>,
}

#[workflow_methods]
impl Till {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let enough = ctx.wait_until(|| self.total.get() >= 10).timeout(secs(60)).await?;
        ctx.wait_until(|| self.total.get() >= 20).await?;
        Ok(format!("enough in time: {enough}, total {}", self.total.get()))
    }

    #[signal]
    fn add(&self, amount: u32) {
        self.total.update(|total| *total += amount);
    }
}

#[track_caller]
fn check_till(rest: &str, expected: Expect) {
    check_workflow(Till::run, &after_first_task(rest), None, expected);
}

#[test]
fn a_signal_makes_it_true_and_the_timer_is_cancelled() {
    check_till(
        "5 TimerStarted
         6 WorkflowExecutionSignaled name=add input=10
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect!["CancelTimer id=1"],
    );
}

#[test]
fn a_signal_that_is_not_enough_changes_nothing() {
    check_till(
        "5 TimerStarted
         6 WorkflowExecutionSignaled name=add input=9
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect![[""]],
    );
}

#[test]
fn the_timeout_passes_and_the_next_condition_waits_on() {
    check_till(
        "5 TimerStarted
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted
         9 WorkflowTaskCompleted
         10 WorkflowExecutionSignaled name=add input=20
         11 WorkflowTaskScheduled
         12 WorkflowTaskStarted",
        expect![[r#"CompleteWorkflowExecution result="enough in time: false, total 20""#]],
    );
}

#[test]
fn true_and_timed_out_in_one_task_is_true() {
    check_till(
        "5 TimerStarted
         6 TimerFired
         7 WorkflowExecutionSignaled name=add input=20
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
        expect![[r#"CompleteWorkflowExecution result="enough in time: true, total 20""#]],
    );
}

#[test]
fn conditions_wake_each_other_in_the_order_of_their_beginning() {
    check(
        |ctx| async move {
            let turn = Rc::new(Cell::new(0_u32));
            let order = Rc::new(std::cell::RefCell::new(Vec::new()));
            // The last one begins first. The end of each one makes the next one's condition true.
            let branches: Vec<_> = (1..=5_u32)
                .rev()
                .map(|n| {
                    let (ctx, turn, order) = (ctx.clone(), turn.clone(), order.clone());
                    ctx.clone().spawn(async move {
                        ctx.wait_until(|| turn.get() == n).await.unwrap();
                        order.borrow_mut().push(n);
                        turn.set(n + 1);
                    })
                })
                .collect();
            ctx.timer(secs(1)).await?;
            turn.set(1);
            for branch in branches {
                branch.await;
            }
            let order = order.borrow().clone();
            Ok(order)
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect!["CompleteWorkflowExecution result=[1,2,3,4,5]"],
    );
}

#[test]
fn of_several_true_conditions_the_oldest_continues_first() {
    check(
        |ctx| async move {
            let open = Rc::new(Cell::new(false));
            let wait = |n: u64| {
                let (ctx, open) = (ctx.clone(), open.clone());
                async move {
                    ctx.wait_until(|| open.get()).await.unwrap();
                    ctx.timer(secs(n)).await.unwrap();
                }
            };
            let branches = [ctx.spawn(wait(11)), ctx.spawn(wait(12)), ctx.spawn(wait(13))];
            ctx.timer(secs(1)).await?;
            open.set(true);
            for branch in branches {
                branch.await;
            }
            Ok(())
        },
        &after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted"),
        expect![[r#"
            StartTimer id=2 after=11s
            StartTimer id=3 after=12s
            StartTimer id=4 after=13s"#]],
    );
}

#[test]
fn a_condition_over_what_the_context_says_is_asked_at_every_task() {
    check(
        |ctx| async move {
            ctx.wait_until(|| ctx.continue_as_new_suggested()).await?;
            Ok(ctx.history_length())
        },
        &after_first_task(
            "5 WorkflowExecutionSignaled
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted
             8 WorkflowTaskCompleted
             9 WorkflowExecutionSignaled
             10 WorkflowTaskScheduled
             11 WorkflowTaskStarted suggest=true",
        ),
        expect!["CompleteWorkflowExecution result=11"],
    );
}

//! Timers and conditions.

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check, check_recorded};
use crate::{WorkflowContext, WorkflowError};

#[test]
fn a_timer_is_a_command() {
    check(
        |ctx| async move {
            ctx.timer(secs(5)).summary("a nap").await?;
            Ok(())
        },
        FIRST_TASK,
        expect!["StartTimer id=1 after=5s"],
    );
}

#[test]
fn a_fired_timer_lets_the_code_go_on() {
    check(
        |ctx| async move {
            ctx.timer(secs(5)).await?;
            Ok("slept".to_string())
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 TimerStarted id=1
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted",
        expect!["CompleteWorkflowExecution result=\"slept\""],
    );
}

#[test]
fn a_timer_cancelled_before_it_is_sent_leaves_no_command_and_takes_a_number() {
    check(
        |ctx| async move {
            let first = ctx.timer(secs(5)).start();
            first.cancel();
            assert!(first.await.is_err());
            ctx.timer(secs(7)).await?;
            Ok(())
        },
        FIRST_TASK,
        expect!["StartTimer id=2 after=7s"],
    );
}

#[test]
fn a_dropped_timer_is_cancelled() {
    check(
        |ctx| async move {
            let long = ctx.timer(secs(60)).start();
            ctx.timer(secs(1)).await?;
            drop(long);
            Ok(())
        },
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted
         4 WorkflowTaskCompleted
         5 TimerStarted id=1
         6 TimerStarted id=2
         7 TimerFired id=2
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
        expect![[r#"
            CancelTimer id=1
            CompleteWorkflowExecution result=null"#]],
    );
}

#[test]
fn timers_that_fire_in_one_task_resume_in_history_order() {
    check(
        |ctx| async move {
            let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
            let branch = |n: u32| {
                let (ctx, order) = (ctx.clone(), order.clone());
                async move {
                    ctx.timer(secs(n.into())).await.unwrap();
                    order.borrow_mut().push(n);
                }
            };
            let branches = [ctx.spawn(branch(1)), ctx.spawn(branch(2)), ctx.spawn(branch(3))];
            for branch in branches {
                branch.await;
            }
            let order = order.borrow().clone();
            Ok(order)
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=3
             9 TimerFired id=1
             10 TimerFired id=2
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[3,1,2]"],
    );
}

#[test]
fn cancelling_a_timer_that_has_fired_does_nothing_even_if_nobody_has_looked_yet() {
    check(
        |ctx| async move {
            let first = ctx.timer(secs(1)).start();
            let second = ctx.timer(secs(2)).start();
            first.await?;
            second.cancel();
            Ok(second.await.is_ok())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=1
             8 TimerFired id=2
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=true"],
    );
}

#[test]
fn a_cancelled_timer_is_cancelled_at_once_and_its_event_changes_nothing() {
    check(
        |ctx| async move {
            let long = ctx.timer(secs(60)).start();
            ctx.timer(secs(1)).await?;
            long.cancel();
            assert!(long.await.is_err());
            ctx.timer(secs(2)).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=2
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 TimerCanceled id=1
             12 TimerStarted id=3
             13 TimerFired id=3
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=null"],
    );
}

#[test]
fn a_timer_of_zero_length_is_a_command_like_any_other() {
    check(two_timers::<0>, FIRST_TASK, expect!["StartTimer id=1 after=0s"]);
    // TypeScript makes it a millisecond, Python leaves it at zero.
    for recorder in ["sdk=temporal-python", "sdk=temporal-typescript lang=2", "sdk=abide sdk_version=0.2.0", ""] {
        check_recorded(two_timers::<0>, &first_fired(recorder), expect!["StartTimer id=2 after=7s"]);
    }
}

/// The code's timer of zero length, before it was changed to one of a second, has its own event. So the timers after it
/// keep theirs.
#[test]
fn a_timer_that_had_zero_length_keeps_its_event() {
    check_recorded(two_timers::<1>, &first_fired("sdk=abide sdk_version=0.2.0"), expect!["StartTimer id=2 after=7s"]);
}

#[test]
fn a_condition_whose_timeout_is_zero_begins_a_timer() {
    let waits = |ctx: WorkflowContext| async move {
        let met = ctx.wait_until(|| false).timeout(secs(0)).await?;
        ctx.timer(secs(7)).await?;
        Ok(met)
    };
    check(waits, FIRST_TASK, expect!["StartTimer id=1 after=0s"]);
    check(waits, &first_fired(""), expect!["StartTimer id=2 after=7s"]);
}

/// Abide 0.1.0 took a number for a timer of zero length, and began none. A live task of a run that it began follows
/// today's rule, and so does the replay of that task.
#[test]
fn tasks_recorded_without_a_timer_of_zero_length_are_replayed_without_it() {
    let naps = |ctx: WorkflowContext| async move {
        two_timers::<0>(ctx.clone()).await?;
        two_timers::<0>(ctx).await
    };
    let first = FIRST_TASK.to_string()
        + "
         4 WorkflowTaskCompleted sdk=abide sdk_version=0.1.0 lang=2
         5 TimerStarted id=2
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted";
    check_recorded(naps, &first, expect!["StartTimer id=3 after=0s"]);
    let both = first
        + "
         9 WorkflowTaskCompleted sdk_version=0.2.0
         10 TimerStarted id=3
         11 TimerFired started=10
         12 WorkflowTaskScheduled
         13 WorkflowTaskStarted";
    check_recorded(naps, &both, expect!["StartTimer id=4 after=7s"]);
}

/// A timer of `N` seconds, then one of seven.
async fn two_timers<const N: u64>(ctx: WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(N)).await?;
    ctx.timer(secs(7)).await?;
    Ok(())
}

/// A history in which the first timer has fired.
fn first_fired(recorder: &str) -> String {
    let rest = "5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted";
    after_first_task(rest).replace("4 WorkflowTaskCompleted", &format!("4 WorkflowTaskCompleted {recorder}"))
}

#[test]
fn timer_ids_are_never_compared() {
    // Go's timer ids are event ids; old versions of Core counted from 0.
    check(
        |ctx| async move {
            let (first, second) = (ctx.timer(secs(1)).start(), ctx.timer(secs(2)).start());
            second.await?;
            first.cancel();
            Ok(first.await.is_err())
        },
        &after_first_task(
            "5 TimerStarted id=5
             6 TimerStarted id=0
             7 TimerFired started=6
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 TimerCanceled started=5
             12 WorkflowExecutionCompleted",
        ),
        expect!["Idle"],
    );
}

#[test]
fn the_workflows_time_is_that_of_its_tasks() {
    check(
        |ctx| async move {
            let begun = ctx.now();
            ctx.timer(secs(60)).await?;
            Ok(ctx.now().duration_since(begun).unwrap().as_secs())
        },
        &after_first_task(
            "5 TimerStarted after=60s
             6 TimerFired at=61s
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted at=75.003s",
        ),
        expect!["CompleteWorkflowExecution result=75"],
    );
}

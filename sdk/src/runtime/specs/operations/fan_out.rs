//! Bounded fan-out: the same work for many items, a limited number of them at a time.

use std::cell::{Cell, RefCell};
use std::future::Future as _;

use expect_test::expect;

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::workflow::{for_each_concurrent, map_concurrent};
use crate::{ApplicationFailure, WorkflowContext, WorkflowError};

/// The first two of some timers were started; the second fires.
const SECOND_FIRED: &str = "
    5 TimerStarted
    6 TimerStarted
    7 TimerFired id=2
    8 WorkflowTaskScheduled
    9 WorkflowTaskStarted";

#[test]
fn the_work_begins_in_the_order_of_the_items_up_to_the_limit() {
    check(
        |ctx| async move {
            for_each_concurrent(11..=15, 2, async |n| ctx.timer(secs(n)).await).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![[r#"
            StartTimer id=1 after=11s
            StartTimer id=2 after=12s"#]],
    );
}

#[test]
fn an_item_that_is_done_makes_room_for_the_next() {
    check(
        |ctx| async move {
            for_each_concurrent(11..=15, 2, async |n| ctx.timer(secs(n)).await).await?;
            Ok(())
        },
        &after_first_task(SECOND_FIRED),
        expect!["StartTimer id=3 after=13s"],
    );
}

#[test]
fn items_are_taken_only_when_their_turn_comes() {
    check(
        |ctx| async move {
            let (taken, seen) = (Cell::new(0_u64), RefCell::new(Vec::new()));
            let items = (1..=4).inspect(|_| taken.set(taken.get() + 1));
            for_each_concurrent(items, 2, async |n| {
                seen.borrow_mut().push((n, taken.get()));
                ctx.timer(secs(n)).await
            })
            .await?;
            Ok(format!("{:?}", seen.borrow()))
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=2
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 TimerStarted
             12 TimerFired id=3
             13 TimerFired id=1
             14 WorkflowTaskScheduled
             15 WorkflowTaskStarted
             16 WorkflowTaskCompleted
             17 TimerStarted
             18 TimerFired id=4
             19 WorkflowTaskScheduled
             20 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="[(1, 2), (2, 2), (3, 3), (4, 4)]""#]],
    );
}

#[test]
fn the_first_error_drops_the_rest_and_begins_nothing_more() {
    check(
        |ctx| async move {
            for_each_concurrent(1..=9, 2, async |n| {
                ctx.timer(secs(n)).await?;
                Err(WorkflowError::from(ApplicationFailure::new(format!("item {n}"))))
            })
            .await
        },
        &after_first_task(SECOND_FIRED),
        expect![[r#"
            CancelTimer id=1
            FailWorkflowExecution message="item 2" source=AbideSDK"#]],
    );
}

#[test]
fn of_two_errors_in_one_task_the_first_in_the_history_is_returned() {
    check(
        |ctx| async move {
            for_each_concurrent(1..=2, 2, async |n| {
                ctx.timer(secs(n)).await?;
                Err(WorkflowError::from(ApplicationFailure::new(format!("item {n}"))))
            })
            .await
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=2
             8 TimerFired id=1
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect![[r#"FailWorkflowExecution message="item 2" source=AbideSDK"#]],
    );
}

#[test]
fn map_yields_all_outputs_in_the_order_of_the_items() {
    check(
        |ctx| async move {
            let outputs = map_concurrent(1..=3_u64, 3, async |n| {
                ctx.timer(secs(n)).await?;
                if n == 2 { Err(WorkflowError::from(ApplicationFailure::new("item 2"))) } else { Ok(n) }
            })
            .await;
            Ok(format!("{outputs:?}"))
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerStarted
             8 TimerFired id=3
             9 TimerFired id=2
             10 TimerFired id=1
             11 WorkflowTaskScheduled
             12 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="[Ok(1), Err(WorkflowError(item 2)), Ok(3)]""#]],
    );
}

#[test]
fn a_cancelled_scope_reaches_the_work() {
    check(
        |ctx| async move {
            let outputs = map_concurrent(1..=9, 2, async |n| ctx.timer(secs(n)).await.is_err()).await;
            assert_eq!(outputs, [true; 9]);
            for_each_concurrent(1..=9, 2, async |n| ctx.timer(secs(n)).await).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 WorkflowExecutionCancelRequested
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=1
            CancelTimer id=2
            CancelWorkflowExecution"#]],
    );
}

#[test]
fn a_dropped_loop_cancels_its_work() {
    check(
        |ctx| async move {
            abide::select! {
                done = for_each_concurrent(1..=9, 1, async |n| ctx.timer(secs(n)).await) => done?,
                slept = ctx.timer(secs(30)) => slept?,
            }
            Ok(())
        },
        &after_first_task(SECOND_FIRED),
        expect![[r#"
            CancelTimer id=1
            CompleteWorkflowExecution result=null"#]],
    );
}

#[test]
fn closures_that_move_and_functions_fit_too() {
    async fn double(n: u64) -> u64 {
        2 * n
    }
    async fn body(ctx: WorkflowContext) -> Result<Vec<u64>, WorkflowError> {
        let factor = 3;
        let mut all = map_concurrent([1, 2], 9, double).await;
        all.extend(map_concurrent([1, 2], 9, |n| async move { factor * n }).await);
        all.extend(map_concurrent([1, 2], 9, async move |n| factor * n + u64::from(ctx.is_cancelled())).await);
        Ok(all)
    }
    check(body, FIRST_TASK, expect!["CompleteWorkflowExecution result=[2,4,3,6,3,6]"]);
}

#[test]
fn no_items_need_no_time() {
    check(
        |_| async move {
            for_each_concurrent(Vec::<u32>::new(), 3, async |_| Ok::<(), WorkflowError>(())).await?;
            Ok(map_concurrent(Vec::<u32>::new(), usize::MAX, async |n| n).await)
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=[]"],
    );
}

#[test]
fn a_limit_of_zero_is_a_mistake() {
    check(
        |_| async move {
            for_each_concurrent([1], 0, async |_| Ok::<(), WorkflowError>(())).await?;
            Ok(())
        },
        FIRST_TASK,
        expect![
            "Fail WorkflowWorkerUnhandledFailure: workflow code panicked at fan_out.rs `for_each_concurrent([1], 0, async |_| Ok::<(), WorkflowError>(())).await?;`: the limit of a concurrent loop is 0, so no item would ever begin: allow at least 1, or `usize::MAX` for no limit"
        ],
    );
}

#[test]
fn ten_thousand_items_take_a_number_of_polls_that_grows_with_their_number() {
    check(
        |ctx| async move {
            let polls = Cell::new(0_u64);
            let outputs = map_concurrent(0..10_000_u64, 100, async |n| {
                let (polls, mut pause) = (&polls, Box::pin(pause()));
                std::future::poll_fn(move |cx| {
                    polls.set(polls.get() + 1);
                    pause.as_mut().poll(cx)
                })
                .await;
                n
            })
            .await;
            assert!(!ctx.is_cancelled() && outputs.is_sorted());
            Ok(polls.get())
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=20000"],
    );
}

/// Gives way once.
async fn pause() {
    let mut paused = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

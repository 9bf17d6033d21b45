//! Rust's ways to combine futures work here, and give the same on replay.

use std::rc::Rc;

use expect_test::expect;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::{ActivityError, State, activity};

#[activity]
async fn double(n: u32) -> Result<u32, ActivityError> {
    Ok(2 * n)
}

/// A history in which `n` timers were started in the first task and have fired in the reverse order.
fn fired(n: usize) -> String {
    let mut text = String::new();
    for i in 0..n {
        text += &format!("\n{} TimerStarted id={}", 5 + i, i + 1);
    }
    for i in (0..n).rev() {
        text += &format!("\n{} TimerFired started={}", 5 + n + (n - 1 - i), 5 + i);
    }
    text += &format!("\n{} WorkflowTaskScheduled\n{} WorkflowTaskStarted", 5 + 2 * n, 6 + 2 * n);
    after_first_task(&text)
}

/// The first of two timers fires.
const FIRST_FIRED: &str = "
    5 TimerStarted
    6 TimerStarted
    7 TimerFired id=1
    8 WorkflowTaskScheduled
    9 WorkflowTaskStarted";

#[test]
fn join_all_of_forty_is_woken() {
    check(
        |ctx| async move {
            let all = join_all((0..40).map(|_| ctx.timer(secs(1)))).await;
            Ok(all.len() as u64)
        },
        &fired(40),
        expect!["CompleteWorkflowExecution result=40"],
    );
}

#[test]
fn try_join_all_of_forty_activities_keeps_their_order() {
    let mut text = String::new();
    for i in 0..40 {
        text += &format!("\n{} ActivityTaskScheduled type=double", 5 + i);
    }
    for i in 0..40 {
        let (id, scheduled) = (45 + 2 * i, 5 + (7 * i) % 40);
        text += &format!("\n{id} ActivityTaskStarted scheduled={scheduled}");
        text += &format!("\n{} ActivityTaskCompleted scheduled={scheduled} result={}", id + 1, 2 * (scheduled - 5));
    }
    text += "\n125 WorkflowTaskScheduled\n126 WorkflowTaskStarted";
    check(
        |ctx| async move {
            let calls = (0..40).map(|n| ctx.activity(double, n).start_to_close_timeout(secs(5)));
            let doubled = try_join_all(calls).await?;
            assert_eq!(doubled, (0..40).map(|n| 2 * n).collect::<Vec<u32>>());
            Ok(doubled.iter().sum::<u32>())
        },
        &after_first_task(&text),
        expect!["CompleteWorkflowExecution result=1560"],
    );
}

#[test]
fn futures_unordered_is_woken_in_history_order() {
    check(
        |ctx| async move {
            let mut all: FuturesUnordered<_> = (0..5_u32)
                .map(|i| {
                    let timer = ctx.timer(secs(1));
                    async move { timer.await.map(|()| i) }
                })
                .collect();
            let mut order = Vec::new();
            while let Some(i) = all.next().await {
                order.push(i?);
            }
            Ok(format!("{order:?}"))
        },
        &fired(5),
        expect!["CompleteWorkflowExecution result=\"[4, 3, 2, 1, 0]\""],
    );
}

#[test]
fn select_drops_the_losers_which_cancels_them() {
    check(
        |ctx| async move {
            let first = abide::select! {
                fired = ctx.timer(secs(1)) => { fired?; "short" }
                fired = ctx.timer(secs(60)) => { fired?; "long" }
            };
            ctx.timer(secs(2)).await?;
            Ok(first.to_string())
        },
        &after_first_task(FIRST_FIRED),
        expect![[r#"
            CancelTimer id=2
            StartTimer id=3 after=2s"#]],
    );
}

#[test]
fn select_takes_the_topmost_of_two_that_are_ready() {
    check(
        |ctx| async move {
            let (short, long) = (ctx.timer(secs(1)).start(), ctx.timer(secs(60)).start());
            Ok(abide::select! {
                fired = long => { fired?; "upper".to_string() }
                fired = short => { fired?; "lower".to_string() }
            })
        },
        &fired(2),
        expect!["CompleteWorkflowExecution result=\"upper\""],
    );
}

#[test]
fn a_select_in_a_loop_keeps_what_was_pinned_outside() {
    check(
        |ctx| async move {
            let mut deadline = ctx.timer(secs(60)).start();
            let mut ticks = 0_u32;
            loop {
                abide::select! {
                    fired = &mut deadline => { fired?; return Ok(ticks) }
                    tick = ctx.timer(secs(1)) => { tick?; ticks += 1 }
                }
            }
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
             13 WorkflowTaskScheduled
             14 WorkflowTaskStarted
             15 WorkflowTaskCompleted
             16 TimerStarted
             17 TimerFired id=1
             18 WorkflowTaskScheduled
             19 WorkflowTaskStarted",
        ),
        expect![[r#"
            CancelTimer id=4
            CompleteWorkflowExecution result=2"#]],
    );
}

#[test]
fn join_waits_for_all() {
    check(
        |ctx| async move {
            let (a, b, c) = abide::join!(ctx.timer(secs(1)), async { 7 }, ctx.timer(secs(1)));
            a?;
            c?;
            Ok(b)
        },
        &fired(2),
        expect!["CompleteWorkflowExecution result=7"],
    );
}

#[test]
fn channels_pass_values_between_branches() {
    check(
        |ctx| async move {
            let (tx, mut rx) = tokio::sync::mpsc::channel(1);
            for n in 1..=3_u64 {
                let (ctx, tx) = (ctx.clone(), tx.clone());
                drop(ctx.clone().spawn(async move {
                    ctx.timer(secs(n)).await.unwrap();
                    // The channel holds one value, so the others wait here.
                    tx.send(n).await.unwrap();
                    tx.send(10 * n).await.unwrap();
                }));
            }
            drop(tx);
            let mut got = Vec::new();
            while let Some(n) = rx.recv().await {
                got.push(n);
            }
            Ok(got)
        },
        &fired(3),
        expect!["CompleteWorkflowExecution result=[3,30,2,1,20,10]"],
    );
}

#[test]
fn a_mutex_is_handed_on_in_the_order_of_asking() {
    check(
        |ctx| async move {
            let lock = Rc::new(tokio::sync::Mutex::new(Vec::new()));
            let branches: Vec<_> = (1..=3_u64)
                .map(|n| {
                    let (ctx, lock) = (ctx.clone(), lock.clone());
                    ctx.clone().spawn(async move {
                        let mut held = lock.lock().await;
                        ctx.timer(secs(n)).await.unwrap();
                        held.push(n);
                    })
                })
                .collect();
            for branch in branches {
                branch.await;
            }
            let held = lock.lock().await.clone();
            Ok(held)
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerFired
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted
             9 WorkflowTaskCompleted
             10 TimerStarted
             11 TimerFired
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted
             14 WorkflowTaskCompleted
             15 TimerStarted
             16 TimerFired
             17 WorkflowTaskScheduled
             18 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[1,2,3]"],
    );
}

#[test]
fn notify_oneshot_and_semaphore_work_too() {
    check(
        |ctx| async move {
            let notify = Rc::new(tokio::sync::Notify::new());
            let slots = Rc::new(tokio::sync::Semaphore::new(0));
            let (tx, rx) = tokio::sync::oneshot::channel();
            let branch = ctx.spawn({
                let (notify, slots) = (notify.clone(), slots.clone());
                async move {
                    notify.notified().await;
                    let _slot = slots.acquire().await.unwrap();
                    tx.send(7_u32).unwrap();
                }
            });
            ctx.timer(secs(1)).await?;
            notify.notify_one();
            slots.add_permits(1);
            let seven = rx.await.unwrap();
            branch.await;
            Ok(seven)
        },
        &fired(1),
        expect!["CompleteWorkflowExecution result=7"],
    );
}

#[test]
fn branches_run_beside_the_main_routine_and_yield_their_results() {
    check(
        |ctx| async move {
            let branches: Vec<_> = (1..=2_u64)
                .map(|n| {
                    let ctx = ctx.clone();
                    ctx.clone().spawn(async move { ctx.timer(secs(n)).await.map(|()| n) })
                })
                .collect();
            let mut sum = 0;
            for branch in branches {
                sum += branch.await?;
            }
            Ok(sum)
        },
        &fired(2),
        expect!["CompleteWorkflowExecution result=3"],
    );
}

#[test]
fn a_branch_whose_handle_is_dropped_goes_on() {
    check(
        |ctx| async move {
            let branch = ctx.clone();
            drop(ctx.spawn(async move {
                branch.timer(secs(1)).await.unwrap();
                branch.timer(secs(9)).await.unwrap();
            }));
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=2
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted",
        ),
        expect!["StartTimer id=3 after=9s"],
    );
}

#[test]
fn a_state_is_shared_by_branches() {
    check(
        |ctx| async move {
            let total = Rc::new(State::new(0_u32));
            let branch = ctx.spawn({
                let total = total.clone();
                async move { total.update(|total| *total += 1) }
            });
            ctx.wait_until(|| total.get() == 1).await?;
            branch.await;
            Ok(total.get())
        },
        FIRST_TASK,
        expect!["CompleteWorkflowExecution result=1"],
    );
}

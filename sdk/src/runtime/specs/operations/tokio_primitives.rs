//! The primitives of `tokio::sync` within one workflow: they are fair, so a replay repeats their order.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use expect_test::expect;
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};

use crate::duration::secs;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, check};
use crate::workflow::watch;
use crate::{ActivityError, WorkflowContext, WorkflowError, activity};

#[activity]
async fn work(n: u64) -> Result<u64, ActivityError> {
    Ok(n)
}

/// A timer was started in the first task and has fired.
const FIRED: &str = "
    5 TimerStarted
    6 TimerFired
    7 WorkflowTaskScheduled
    8 WorkflowTaskStarted";

#[test]
fn branches_get_a_mutex_in_the_order_of_asking() {
    check(
        |ctx| async move {
            let (lock, group) = (Rc::new(Mutex::new(Vec::new())), ctx.task_group());
            let held = lock.lock().await;
            for n in 1..=5_u64 {
                let lock = lock.clone();
                group.spawn(async move {
                    lock.lock().await.push(n);
                    Ok::<_, WorkflowError>(())
                });
            }
            ctx.timer(secs(1)).await?;
            drop(held);
            // It is not the next in the queue, although it asks when the lock is free.
            lock.lock().await.push(0);
            group.join_all().await?;
            let got = lock.lock().await.clone();
            Ok(got)
        },
        &after_first_task(FIRED),
        expect!["CompleteWorkflowExecution result=[1,2,3,4,5,0]"],
    );
}

#[test]
fn a_branch_that_gives_up_waiting_leaves_its_place_to_the_next() {
    check(
        |ctx| async move {
            let (lock, group) = (Rc::new(Mutex::new(Vec::new())), ctx.task_group());
            let held = lock.lock().await;
            for n in 1..=3_u64 {
                let (lock, ctx) = (lock.clone(), ctx.clone());
                group.spawn(async move {
                    if n == 2 {
                        let given_up = ctx.timeout(secs(1), lock.lock()).await.is_err();
                        assert!(given_up);
                        return Ok(());
                    }
                    lock.lock().await.push(n);
                    Ok::<_, WorkflowError>(())
                });
            }
            ctx.timer(secs(2)).await?;
            drop(held);
            group.join_all().await?;
            let got = lock.lock().await.clone();
            Ok(got)
        },
        &after_first_task(
            "5 TimerStarted
             6 TimerStarted
             7 TimerFired id=2
             8 TimerFired id=1
             9 WorkflowTaskScheduled
             10 WorkflowTaskStarted",
        ),
        expect!["CompleteWorkflowExecution result=[1,3]"],
    );
}

/// Ten activities, three at a time.
async fn three_at_a_time(ctx: WorkflowContext) -> Result<Vec<u64>, WorkflowError> {
    let (slots, group) = (Rc::new(Semaphore::new(3)), ctx.task_group());
    for n in 1..=10 {
        let (ctx, slots) = (ctx.clone(), slots.clone());
        group.spawn(async move {
            let _slot = slots.acquire().await?;
            Ok::<u64, WorkflowError>(ctx.activity(work, n).start_to_close_timeout(secs(5)).await?)
        });
    }
    group.join_all().await
}

#[test]
fn a_semaphore_of_three_lets_three_activities_run_at_a_time() {
    check(
        three_at_a_time,
        FIRST_TASK,
        expect![[r#"
        ScheduleActivityTask id=1 type=work input=1 start_to_close=5s
        ScheduleActivityTask id=2 type=work input=2 start_to_close=5s
        ScheduleActivityTask id=3 type=work input=3 start_to_close=5s"#]],
    );
    check(
        three_at_a_time,
        &after_first_task(
            "5 ActivityTaskScheduled type=work
             6 ActivityTaskScheduled type=work
             7 ActivityTaskScheduled type=work
             8 ActivityTaskStarted scheduled=7
             9 ActivityTaskCompleted scheduled=7 result=3
             10 ActivityTaskStarted scheduled=5
             11 ActivityTaskCompleted scheduled=5 result=1
             12 WorkflowTaskScheduled
             13 WorkflowTaskStarted",
        ),
        expect![[r#"
            ScheduleActivityTask id=4 type=work input=4 start_to_close=5s
            ScheduleActivityTask id=5 type=work input=5 start_to_close=5s"#]],
    );
}

#[test]
fn a_bounded_channel_passes_values_on_in_the_order_of_sending() {
    check(
        |ctx| async move {
            let (sender, mut receiver) = mpsc::channel(2);
            let group = ctx.task_group();
            for n in 1..=4_u64 {
                let sender = sender.clone();
                group.spawn(async move {
                    for round in 0..2 {
                        sender.send(10 * round + n).await?;
                    }
                    Ok::<_, WorkflowError>(())
                });
            }
            drop(sender);
            ctx.timer(secs(1)).await?;
            let mut got = Vec::new();
            while let Some(n) = receiver.recv().await {
                got.push(n);
            }
            Ok(got)
        },
        &after_first_task(FIRED),
        expect!["CompleteWorkflowExecution result=[1,11,2,3,4,12,13,14]"],
    );
}

#[test]
fn a_notify_wakes_in_the_order_of_waiting() {
    check(
        |ctx| async move {
            let (notify, woken, group) = (Rc::new(Notify::new()), Rc::new(RefCell::new(Vec::new())), ctx.task_group());
            for n in 1..=12_u64 {
                let (notify, woken) = (notify.clone(), woken.clone());
                group.spawn(async move {
                    notify.notified().await;
                    woken.borrow_mut().push(n);
                    Ok::<_, WorkflowError>(())
                });
            }
            ctx.timer(secs(1)).await?;
            notify.notify_one();
            notify.notify_one();
            group.join_next().await;
            woken.borrow_mut().push(0);
            notify.notify_waiters();
            group.join_all().await?;
            let woken = woken.borrow().clone();
            Ok(woken)
        },
        &after_first_task(FIRED),
        expect!["CompleteWorkflowExecution result=[1,2,0,3,4,5,6,7,8,9,10,11,12]"],
    );
}

#[test]
fn a_oneshot_carries_an_answer() {
    check(
        |ctx| async move {
            let (ask, mut asked) = mpsc::unbounded_channel::<(u64, oneshot::Sender<u64>)>();
            let server = ctx.spawn({
                let ctx = ctx.clone();
                async move {
                    while let Some((n, answer)) = asked.recv().await {
                        ctx.timer(secs(n)).await.unwrap();
                        answer.send(2 * n).unwrap();
                    }
                }
            });
            let (answer, answered) = oneshot::channel();
            ask.send((1, answer)).map_err(|_| "the branch is gone")?;
            let two = answered.await?;
            drop(ask);
            server.await;
            Ok(two)
        },
        &after_first_task(FIRED),
        expect!["CompleteWorkflowExecution result=2"],
    );
}

#[test]
fn receivers_of_a_watch_go_on_in_the_order_of_waiting() {
    check(
        |ctx| async move {
            let (sender, receiver) = watch(0_u64);
            let (woken, group) = (Rc::new(RefCell::new(Vec::new())), ctx.task_group());
            for n in 1..=20_u64 {
                let (mut receiver, woken) = (receiver.clone(), woken.clone());
                group.spawn(async move {
                    receiver.changed().await?;
                    woken.borrow_mut().push(n);
                    receiver.wait_for(|value| *value == 2).await?;
                    Ok::<_, WorkflowError>(receiver.changed().await.is_err())
                });
            }
            ctx.timer(secs(1)).await?;
            sender.set(1);
            ctx.wait_until(|| woken.borrow().len() == 20).await?;
            sender.set(2);
            drop(sender);
            assert_eq!(group.join_all().await?, [true; 20]);
            let woken = woken.borrow().clone();
            Ok(woken)
        },
        &after_first_task(FIRED),
        expect!["CompleteWorkflowExecution result=[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]"],
    );
}

#[test]
fn a_plain_lock_does_not_notice_cancellation_and_or_cancelled_does() {
    check(
        |ctx| async move {
            let lock = Rc::new(Mutex::new(()));
            let held = lock.lock().await;
            let plain = ctx.spawn({
                let lock = lock.clone();
                async move { drop(lock.lock().await) }
            });
            let error = ctx.or_cancelled(lock.lock()).await.unwrap_err();
            assert!(!plain.is_done());
            drop(held);
            // A result that is there is not lost, even in a cancelled scope.
            assert_eq!(ctx.or_cancelled(async { 7 }).await?, 7);
            plain.await;
            assert!(ctx.or_cancelled(std::future::pending::<()>()).await.is_err());
            Ok(error.to_string())
        },
        &after_first_task(
            "5 WorkflowExecutionCancelRequested cause=\"had enough\"
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted",
        ),
        expect![[r#"CompleteWorkflowExecution result="Cancelled: had enough""#]],
    );
}

/// Waits for a permit, and counts its polls.
async fn counted<F: Future>(polls: &Cell<u64>, future: F) -> F::Output {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        future.as_mut().poll(cx)
    })
    .await
}

#[test]
fn ten_thousand_branches_behind_a_semaphore_are_polled_twice_each() {
    check(
        |ctx| async move {
            let (slots, polls, group) = (Rc::new(Semaphore::new(0)), Rc::new(Cell::new(0)), ctx.task_group());
            let order = Rc::new(RefCell::new(Vec::new()));
            for n in 0..10_000_u64 {
                let (ctx, slots, polls, order) = (ctx.clone(), slots.clone(), polls.clone(), order.clone());
                group.spawn(async move {
                    let _slot = counted(&polls, ctx.or_cancelled(slots.acquire())).await??;
                    order.borrow_mut().push(n);
                    Ok::<_, WorkflowError>(())
                });
            }
            ctx.timer(secs(1)).await?;
            slots.add_permits(3);
            group.join_all().await?;
            assert!(order.borrow().is_sorted());
            Ok(polls.get())
        },
        &after_first_task(FIRED),
        expect!["CompleteWorkflowExecution result=20000"],
    );
}

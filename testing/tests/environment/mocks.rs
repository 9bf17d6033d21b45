//! Mocks that see their attempt, heartbeat and wait; mocked children; messages at a virtual time.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use abide::activity::ActivityCancelReason;
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;
use futures_util::FutureExt as _;

use super::Outcome;

#[activity]
async fn copy(files: u32) -> Result<u32, ActivityError> {
    Err(ApplicationFailure::new(format!("no disk in a test ({files})")).into())
}

#[workflow]
async fn back_up(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    Ok(ctx.activity(copy, 10).start_to_close_timeout(mins(5)).heartbeat_timeout(mins(1)).await?)
}

#[tokio::test]
async fn a_mock_sees_its_attempt_and_what_the_last_one_reported() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let worker = env.worker("copies").workflow(back_up).mock_async(copy, move |ctx, files| {
        let log = Arc::clone(&log);
        async move {
            let before = ctx.last_heartbeat::<u32>()?;
            log.lock().unwrap().push((ctx.info().attempt, ctx.info().workflow_id.clone().unwrap_or_default(), before));
            ctx.heartbeat(&(before.unwrap_or(0) + 4))?;
            if ctx.info().attempt < 3 {
                return Err(ApplicationFailure::new("disk full").into());
            }
            Ok(files)
        }
    });
    assert_eq!(env.run(worker, env.client().execute(back_up, ()).id("b").task_queue("copies")).await?, 10);
    let expected = [(1, "b".to_owned(), None), (2, "b".to_owned(), Some(4)), (3, "b".to_owned(), Some(8))];
    assert_eq!(*seen.lock().unwrap(), expected);
    Ok(())
}

#[tokio::test]
async fn a_mock_can_wait_on_the_environments_clock_and_be_cancelled() -> Outcome {
    let env = Arc::new(TestWorkflowEnvironment::start().await?);
    let (reason, clock) = (Arc::new(Mutex::new(None)), Arc::clone(&env));
    let told = Arc::clone(&reason);
    let worker = env.worker("copies").workflow(back_up).mock_async(copy, move |ctx, _| {
        let (told, clock) = (Arc::clone(&told), Arc::clone(&clock));
        async move {
            loop {
                ctx.heartbeat(&())?;
                tokio::select! {
                    reason = ctx.cancelled() => {
                        *told.lock().unwrap() = Some(reason);
                        return Err(ActivityError::cancelled());
                    }
                    () = clock.sleep(secs(30)) => {}
                }
            }
        }
    });
    let handle = env.client().handle(back_up, "b");
    env.at(mins(2), async move { handle.cancel().await });
    let error = env.run(worker, env.client().execute(back_up, ()).id("b").task_queue("copies")).await;
    assert!(error.expect_err("it was cancelled").is_cancelled());
    assert_eq!(env.elapsed(), mins(2));
    let reason = *reason.lock().unwrap();
    assert!(
        matches!(
            reason,
            Some(
                ActivityCancelReason::Cancelled | ActivityCancelReason::NotFound | ActivityCancelReason::WorkerShutdown
            )
        ),
        "{reason:?}"
    );
    Ok(())
}

#[workflow]
async fn ship(ctx: &WorkflowContext, order: String) -> Result<String, WorkflowError> {
    ctx.timer(days(3)).await?;
    Ok(format!("{order} was shipped"))
}

#[workflow]
async fn sell(ctx: &WorkflowContext, order: String) -> Result<String, WorkflowError> {
    let shipped = ctx.child_workflow(ship, order).id("shipment").await;
    Ok(shipped.unwrap_or_else(|error| format!("refunded: {error}")))
}

#[tokio::test]
async fn a_mocked_child_is_a_workflow_that_ends_at_once() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("shop").workflow(sell).mock_child(ship, |order| match order.as_str() {
        "book" => Ok(format!("{order}, as if shipped")),
        other => Err(ApplicationFailure::new(format!("no {other} on stock")).into()),
    });
    let (sold, refunded) = env
        .run(worker, async {
            let sold = env.client().execute(sell, "book".into()).task_queue("shop").await;
            (sold, env.client().execute(sell, "boat".into()).task_queue("shop").await)
        })
        .await;
    assert_eq!(sold?, "book, as if shipped");
    let refunded = refunded?;
    assert!(refunded.starts_with("refunded") && refunded.contains("no boat on stock"), "{refunded}");
    assert_eq!(env.elapsed(), secs(0));
    let child = env.client().handle(ship, "shipment").describe().await?;
    assert_eq!(child.info().workflow_type(), "ship");
    Ok(())
}

#[tokio::test]
async fn a_failed_assertion_in_the_mock_of_a_child_fails_the_test() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let line = line!() + 2;
    let worker = env.worker("shop").workflow(sell).mock_child(ship, |order| {
        assert_eq!(order, "boat", "the wrong order");
        Ok(order)
    });
    // The parent handles the child's failure and completes.
    let run = env.run(worker, env.client().execute(sell, "book".into()).task_queue("shop"));
    let panic = AssertUnwindSafe(run).catch_unwind().await.expect_err("the mock panics");
    let text = panic.downcast_ref::<String>().expect("a panic with text");
    let begins = format!("the mock of workflow `ship` panicked at {}:{line}:", file!());
    assert!(text.starts_with(&begins) && text.contains("the wrong order") && text.contains("\"book\""), "{text}");
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Diary {
    entries: State<Vec<String>>,
}

#[workflow_methods]
impl Diary {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.timer(days(10)).await?;
        Ok(self.entries.get())
    }

    #[signal]
    fn write(&self, entry: String) {
        self.entries.update(|entries| entries.push(entry));
    }
}

#[tokio::test]
async fn messages_arrive_at_their_virtual_times() -> Outcome {
    let env = Arc::new(TestWorkflowEnvironment::start().await?);
    for day in [9, 2, 5] {
        let (handle, clock) = (env.client().handle(Diary::run, "diary"), Arc::clone(&env));
        env.at(days(day), async move {
            assert_eq!(clock.elapsed(), days(day));
            handle.signal(Diary::write, format!("day {day}")).await
        });
    }
    let worker = env.worker("diaries").workflow(Diary::run);
    let call = env.client().execute(Diary::run, ()).id("diary").task_queue("diaries");
    assert_eq!(env.run(worker, call).await?, ["day 2", "day 5", "day 9"]);
    assert_eq!(env.elapsed(), days(10));
    Ok(())
}

#[tokio::test]
async fn an_error_at_a_virtual_time_fails_the_test() -> Outcome {
    for panics in [false, true] {
        let env = TestWorkflowEnvironment::start().await?;
        let nobody = env.client().handle(Diary::run, "nobody");
        env.at(days(1), async move {
            assert!(!panics, "on purpose");
            nobody.signal(Diary::write, String::new()).await
        });
        let worker = env.worker("diaries").workflow(Diary::run);
        let run = env.run(worker, env.client().execute(Diary::run, ()).task_queue("diaries"));
        let panic = AssertUnwindSafe(run).catch_unwind().await.expect_err("it goes wrong");
        let text = panic.downcast_ref::<String>().expect("a panic with text");
        let why = if panics { "on purpose" } else { "nobody" };
        assert!(text.contains("the action of `env.at(..)` at 1d") && text.contains(why), "{text}");
    }
    Ok(())
}

struct Shop {
    stock: u32,
}

#[activities]
impl Shop {
    #[activity]
    async fn in_stock(&self) -> Result<u32, ActivityError> {
        Ok(self.stock)
    }

    #[activity]
    async fn price(&self) -> Result<u32, ActivityError> {
        Err(ApplicationFailure::new("there are no prices in a test").non_retryable().into())
    }
}

#[workflow]
async fn value_of_stock(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    let stock = ctx.activity(Shop::in_stock, ()).start_to_close_timeout(mins(1)).await?;
    Ok(stock * ctx.activity(Shop::price, ()).start_to_close_timeout(mins(1)).await?)
}

#[tokio::test]
async fn a_mock_replaces_one_method_of_a_struct_whichever_is_added_first() -> Outcome {
    for mock_first in [false, true] {
        let env = TestWorkflowEnvironment::start().await?;
        let worker = env.worker("shop").workflow(value_of_stock);
        let worker = match mock_first {
            true => worker.mock(Shop::price, |()| Ok(7)).activities(Shop { stock: 3 }),
            false => worker.activities(Shop { stock: 3 }).mock(Shop::price, |()| Ok(7)),
        };
        assert_eq!(env.run(worker, env.client().execute(value_of_stock, ()).task_queue("shop")).await?, 21);
    }
    Ok(())
}

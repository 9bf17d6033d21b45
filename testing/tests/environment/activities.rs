//! Single activities in their own environment.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use abide::activity::ActivityCancelReason;
use abide::prelude::*;
use abide_testing::ActivityEnvironment;
use expect_test::expect;
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};

use super::Outcome;

#[activity]
async fn copy(ctx: &ActivityContext, files: u32) -> Result<u32, ActivityError> {
    for file in ctx.last_heartbeat()?.unwrap_or(0)..files {
        if ctx.is_cancelled() {
            return Err(ActivityError::cancelled());
        }
        ctx.heartbeat(&(file + 1))?;
    }
    Ok(files)
}

#[activity(name = "look around")]
async fn look(ctx: &ActivityContext) -> Result<Vec<String>, ActivityError> {
    let info = ctx.info();
    let header: Option<String> = info.header("tenant")?;
    let seen = [info.activity_type.clone(), info.workflow_id.clone().unwrap_or_default(), info.task_queue.clone()];
    Ok(seen.into_iter().chain([format!("attempt {}", info.attempt), header.unwrap_or_default()]).collect())
}

#[activity]
async fn until_told(ctx: &ActivityContext) -> Result<String, ActivityError> {
    Ok(format!("{:?}", ctx.cancelled().await))
}

struct Shop {
    name: &'static str,
}

#[activities]
impl Shop {
    #[activity]
    async fn sell(&self, ctx: &ActivityContext, what: String) -> Result<String, ActivityError> {
        if ctx.info().attempt == 1 {
            return Err(ApplicationFailure::new("sold out").error_type("SoldOut").into());
        }
        Ok(format!("{what} of {}", self.name))
    }
}

#[tokio::test]
async fn an_attempt_sees_what_the_test_says_of_it() -> Outcome {
    let env = ActivityEnvironment::new();
    assert_eq!(env.run(look, ()).await.unwrap(), ["look around", "test", "test", "attempt 1", ""]);
    let env = ActivityEnvironment::new().header("tenant", &"Ada".to_owned())?.info(|info| {
        info.attempt = 3;
        info.workflow_id = Some("order-7".into());
        info.task_queue = "orders".into();
    });
    assert_eq!(env.run(look, ()).await.unwrap(), ["look around", "order-7", "orders", "attempt 3", "Ada"]);
    Ok(())
}

#[tokio::test]
async fn heartbeats_are_seen_and_the_next_attempt_goes_on_from_them() -> Outcome {
    let first = ActivityEnvironment::new().cancel_at_heartbeat(2, ActivityCancelReason::Cancelled);
    assert!(first.run(copy, 9).await.expect_err("it is cancelled").is_cancelled());
    assert_eq!(first.heartbeats::<u32>()?, [1, 2]);
    assert!(first.heartbeats::<String>().is_err(), "they are numbers");
    let second = first.next_attempt();
    assert_eq!(second.run(copy, 4).await.unwrap(), 4);
    assert_eq!(second.heartbeats::<u32>()?, [3, 4]);
    let other = ActivityEnvironment::new().last_heartbeat(&3_u32)?;
    assert_eq!(other.run(copy, 4).await.unwrap(), 4);
    assert_eq!(other.heartbeats::<u32>()?, [4]);
    Ok(())
}

#[tokio::test]
async fn each_heartbeat_can_be_looked_at_and_answered_with_a_cancellation() -> Outcome {
    let (env, heard) = (ActivityEnvironment::new(), Arc::new(Mutex::new(Vec::new())));
    let (cancellation, hears) = (env.cancellation(), Arc::clone(&heard));
    let env = env.on_heartbeat(move |file: u32| {
        hears.lock().unwrap().push(file);
        if file == 3 {
            cancellation.cancel(ActivityCancelReason::Paused);
        }
    });
    assert!(env.run(copy, 9).await.expect_err("it is cancelled").is_cancelled());
    assert_eq!(*heard.lock().unwrap(), [1, 2, 3]);
    assert_eq!(env.heartbeats::<u32>()?, [1, 2, 3]);
    // The callback belongs to its attempt.
    assert_eq!(env.next_attempt().run(copy, 4).await.unwrap(), 4);
    assert_eq!(heard.lock().unwrap().len(), 3);
    Ok(())
}

#[activity]
async fn wait_for_cancellation(ctx: &ActivityContext, beats: u32) -> Result<(), ActivityError> {
    for beat in 0..beats {
        ctx.heartbeat(&beat)?;
    }
    ctx.cancelled().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_activity_that_shows_nothing_stops_the_test() -> Outcome {
    let env = ActivityEnvironment::new().patience(millis(300));
    let panic = AssertUnwindSafe(env.run(wait_for_cancellation, 3)).catch_unwind().await.expect_err("it panics");
    let text = panic.downcast_ref::<String>().expect("a text");
    expect![
        "activity `wait_for_cancellation` has neither sent a heartbeat nor ended for 300ms of real time in its \
         `ActivityEnvironment`. If it waits for its cancellation, call `.cancel(..)` beside `.run(..)` (with \
         `tokio::join!`), or call `.cancel_at_heartbeat(..)` before `.run(..)`. If it needs longer, set \
         `.patience(..)`"
    ]
    .assert_eq(text);
    Ok(())
}

#[tokio::test]
async fn a_heartbeat_that_the_callback_cannot_read_stops_the_test() -> Outcome {
    let env = ActivityEnvironment::new().on_heartbeat(|_: String| {});
    let panic = AssertUnwindSafe(env.run(copy, 9)).catch_unwind().await.expect_err("it panics");
    let text = panic.downcast_ref::<String>().expect("a text");
    expect!["the progress of heartbeat 1 cannot be read by `on_heartbeat`: expected `String`, found JSON: an integer"]
        .assert_eq(text);
    Ok(())
}

/// Its serialized form does not read back.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    article: String,
    #[serde(rename(serialize = "cents", deserialize = "amount"))]
    cents: u64,
}

#[derive(Serialize, Deserialize)]
struct Note {
    text: String,
    #[serde(skip)]
    secret: String,
}

#[activity]
async fn ship(order: Order) -> Result<String, ActivityError> {
    Ok(format!("{} for {}", order.article, order.cents))
}

#[activity]
async fn write_down(mut note: Note) -> Result<Note, ActivityError> {
    note.secret.push_str("set by the activity");
    Ok(note)
}

#[activity]
async fn pack(weights: BTreeMap<(u8, u8), u8>) -> Result<usize, ActivityError> {
    Ok(weights.len())
}

#[activity]
async fn order_again() -> Result<Order, ActivityError> {
    Ok(Order { article: "tea".into(), cents: 995 })
}

#[tokio::test]
async fn arguments_and_results_are_what_a_worker_and_a_workflow_read() -> Outcome {
    let env = ActivityEnvironment::new();
    let note = Note { text: "tea".into(), secret: "set by the caller".into() };
    let note = env.run(write_down, note).await.unwrap();
    assert_eq!((note.text.as_str(), note.secret.as_str()), ("tea", ""));

    let order = Order { article: "tea".into(), cents: 995 };
    let error = env.run(ship, order).await.unwrap_err();
    expect!["the arguments of activity `ship` do not fit its function: argument 1: expected `environment::activities::Order`, found JSON: an object with 2 fields: the field `amount` is missing"].assert_eq(&error.to_string());
    let error = env.run(pack, BTreeMap::from([((1, 2), 3)])).await.unwrap_err();
    expect!["the arguments of activity `pack` cannot be written: argument 1: `BTreeMap<(u8, u8), u8>` cannot be written as JSON: key must be a string"].assert_eq(&error.to_string());
    let error = env.run(order_again, ()).await.unwrap_err();
    expect!["the result of activity `order_again` cannot be read: expected `environment::activities::Order`, found JSON: an object with 2 fields: the field `amount` is missing"].assert_eq(&error.to_string());
    Ok(())
}

#[tokio::test]
async fn headers_and_the_last_progress_are_only_written() -> Outcome {
    #[derive(Serialize)]
    struct Tenant<'a>(&'a str);
    let env = ActivityEnvironment::new().header("tenant", &Tenant("Ada"))?.last_heartbeat(&"3")?;
    assert_eq!(env.run(look, ()).await.unwrap()[4], "Ada");
    Ok(())
}

#[tokio::test]
async fn an_attempt_is_cancelled_for_each_reason() -> Outcome {
    use ActivityCancelReason::{Cancelled, NotFound, Paused, Reset, TimedOut, WorkerShutdown};
    for reason in [Cancelled, TimedOut, NotFound, Paused, Reset] {
        let env = ActivityEnvironment::new();
        let (told, ()) = tokio::join!(env.run(until_told, ()), async { env.cancel(reason) });
        assert_eq!(told.unwrap(), format!("{reason:?}"));
    }
    let env = ActivityEnvironment::new();
    let (told, ()) = tokio::join!(env.run(until_told, ()), async { env.shut_down_worker() });
    assert_eq!(told.unwrap(), format!("{WorkerShutdown:?}"));
    Ok(())
}

#[tokio::test]
async fn methods_run_on_a_host_of_the_test() -> Outcome {
    let (env, shop) = (ActivityEnvironment::new(), Arc::new(Shop { name: "Ada" }));
    let error = env.run_on(Arc::clone(&shop), Shop::sell, "tea".into()).await.expect_err("the first attempt fails");
    let failure = error.downcast_ref::<ApplicationFailure>().expect("an application failure");
    assert_eq!((failure.message(), failure.error_type()), ("sold out".into(), Some("SoldOut".into())));
    assert!(!error.is_cancelled());
    assert_eq!(env.next_attempt().run_on(shop, Shop::sell, "tea".into()).await.unwrap(), "tea of Ada");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn sleeps_take_no_time_under_a_paused_clock() -> Outcome {
    #[activity]
    async fn nap(ctx: &ActivityContext) -> Result<bool, ActivityError> {
        Ok(tokio::time::timeout(hours(8), ctx.cancelled()).await.is_err())
    }
    let began = tokio::time::Instant::now();
    assert!(ActivityEnvironment::new().run(nap, ()).await.unwrap());
    assert_eq!(began.elapsed(), hours(8));
    Ok(())
}

#[activity]
async fn copies_until_the_shutdown(ctx: &ActivityContext, files: Vec<String>) -> Result<usize, ActivityError> {
    let mut copied = 0;
    for _file in ctx.resume(files)? {
        if ctx.is_worker_shutting_down() {
            return Err("the rest is for the next attempt".into());
        }
        copied += 1;
    }
    Ok(copied)
}

#[tokio::test]
async fn an_attempt_has_notice_of_the_shutdown_before_it_is_cancelled() -> Outcome {
    #[activity]
    async fn notices(ctx: &ActivityContext) -> Result<(bool, String), ActivityError> {
        ctx.worker_shutting_down().await;
        let was_cancelled = ctx.cancel_reason().is_some();
        ctx.heartbeat(&())?;
        Ok((was_cancelled, ctx.cancelled().await.to_string()))
    }
    let env = ActivityEnvironment::new().cancel_at_heartbeat(1, ActivityCancelReason::WorkerShutdown);
    let (told, ()) = tokio::join!(env.run(notices, ()), async { env.begin_worker_shutdown() });
    assert_eq!(told.unwrap(), (false, "the worker is shutting down".to_owned()));
    let env = ActivityEnvironment::new();
    env.shut_down_worker();
    assert_eq!(env.run(notices, ()).await.unwrap(), (true, "the worker is shutting down".to_owned()));
    Ok(())
}

#[tokio::test]
async fn items_are_resumed_where_the_attempt_before_has_stopped() -> Outcome {
    let files = || vec!["a".to_owned(), "b".to_owned(), "c".to_owned(), "d".to_owned()];
    let env = ActivityEnvironment::new();
    let cancellation = env.cancellation();
    let env = env.on_heartbeat(move |copied: u64| {
        if copied == 2 {
            cancellation.begin_worker_shutdown();
        }
    });
    let error = env.run(copies_until_the_shutdown, files()).await.expect_err("the third file is left");
    assert_eq!(error.to_string(), "the rest is for the next attempt");
    assert_eq!(env.heartbeats::<u64>()?, [1, 2]);
    let second = env.next_attempt();
    assert_eq!(second.run(copies_until_the_shutdown, files()).await.unwrap(), 2);
    assert_eq!(second.heartbeats::<u64>()?, [3, 4]);
    // Everything was done when the worker died, and fewer items than were finished are none.
    assert_eq!(second.next_attempt().run(copies_until_the_shutdown, files()).await.unwrap(), 0);
    assert_eq!(second.next_attempt().run(copies_until_the_shutdown, Vec::new()).await.unwrap(), 0);
    let other = ActivityEnvironment::new().last_heartbeat(&"half")?;
    let error = other.run(copies_until_the_shutdown, files()).await.expect_err("that is no number of items");
    expect!["the last heartbeat: expected `u64`, found JSON: a string of 4 characters"].assert_eq(&error.to_string());
    Ok(())
}

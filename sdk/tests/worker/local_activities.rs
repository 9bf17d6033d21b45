//! Local activities while runs are lost, workers are killed and workers shut down.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use abide::ActivityFailure;
use abide::prelude::*;
use abide::worker::{Worker, WorkerBuilder};
use tokio::time::{Instant, timeout};

use crate::{LIMIT, address, connect, eventually, unique, with_worker};

/// Number of starts of each test's local activity.
static BEGUN: AtomicU32 = AtomicU32::new(0);
static WAITING: AtomicBool = AtomicBool::new(false);
static LOST: AtomicBool = AtomicBool::new(false);
/// The workflows whose local activity is sleeping, or has slept.
static ASLEEP: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Waits until a workflow's local activity sleeps. The history may show the task as started before a worker has it.
async fn until_it_sleeps(workflow_id: &str) {
    eventually("it sleeps", async || ASLEEP.lock().unwrap().contains(workflow_id)).await;
}

#[activity]
async fn sleep_locally(ctx: &ActivityContext, millis: u64) -> Result<u64, ActivityError> {
    ASLEEP.lock().unwrap().insert(ctx.info().workflow_id.clone().unwrap());
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok(millis)
}

#[activity]
async fn begin_and_sleep(millis: u64) -> Result<u32, ActivityError> {
    let begun = BEGUN.fetch_add(1, Ordering::SeqCst) + 1;
    tokio::time::sleep(Duration::from_millis(millis)).await;
    Ok(begun)
}

#[activity]
async fn until_told(ctx: &ActivityContext) -> Result<(), ActivityError> {
    WAITING.store(true, Ordering::SeqCst);
    let reason = ctx.cancelled().await;
    LOST.store(reason == abide::activity::ActivityCancelReason::NotFound, Ordering::SeqCst);
    Err(ActivityError::cancelled())
}

#[activity]
async fn not_registered() -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
async fn sleeper(ctx: &WorkflowContext, millis: u64) -> Result<u64, WorkflowError> {
    let slept = ctx.local_activity(sleep_locally, millis).start_to_close_timeout(secs(30)).await?;
    Ok(slept + ctx.local_activity(sleep_locally, 1).start_to_close_timeout(secs(30)).await?)
}

#[workflow]
async fn counted(ctx: &WorkflowContext, millis: u64) -> Result<u32, WorkflowError> {
    Ok(ctx.local_activity(begin_and_sleep, millis).start_to_close_timeout(secs(30)).await?)
}

/// Loses its task once while a local activity runs.
#[workflow]
#[derive(Default)]
struct Fragile {}

static PANICKED: AtomicBool = AtomicBool::new(false);

#[workflow_methods]
impl Fragile {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        match PANICKED.load(Ordering::SeqCst) {
            false => ctx.local_activity(until_told, ()).start_to_close_timeout(secs(30)).await?,
            true => drop(ctx.local_activity(sleep_locally, 1).start_to_close_timeout(secs(30)).await?),
        }
        Ok("mended".into())
    }

    #[signal]
    fn break_down(&self) {
        assert!(PANICKED.swap(true, Ordering::SeqCst), "the task is lost");
    }
}

#[workflow]
async fn forgotten(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let policy = RetryPolicy::new().maximum_attempts(1);
    let call = ctx.local_activity(not_registered, ()).start_to_close_timeout(secs(5)).retry_policy(policy);
    let failure: ActivityFailure = call.await.expect_err("nobody can run it");
    Ok(format!("{}: {}", failure.error_type().unwrap_or_default(), failure.cause().unwrap().message()))
}

#[tokio::test]
async fn an_unknown_local_activity_fails_and_the_worker_lives() {
    let register = |worker: WorkerBuilder| worker.workflow(forgotten).activities(sleep_locally);
    with_worker("local-unknown", register, async |client, queue| {
        let text = client.execute(forgotten, ()).task_queue(&queue).await.unwrap();
        assert!(text.starts_with("NotFoundError: activity `not_registered` is not registered"), "{text}");
        assert!(text.contains("sleep_locally"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn b082_one_under_way_is_finished_while_the_worker_shuts_down() {
    let Some(address) = address("b082_one_under_way_is_finished_while_the_worker_shuts_down") else { return };
    let client = connect(address).await;
    let queue = unique("local-grace");
    let worker = Worker::builder(&client, &*queue)
        .workflow(counted)
        .activities(begin_and_sleep)
        .graceful_shutdown_timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    let shutdown = worker.shutdown_handle();
    let before = BEGUN.load(Ordering::SeqCst);
    // The task's time is up before the local activity is done, so its heartbeats continue during the shutdown.
    let start = client.start(counted, 3000).id(&*queue).task_queue(&*queue).task_timeout(secs(2));
    let handle = start.await.unwrap();
    let body = async {
        eventually("it has begun", async || BEGUN.load(Ordering::SeqCst) > before).await;
        shutdown.shutdown();
    };
    let (ended, ()) = timeout(LIMIT, async { tokio::join!(worker.run(), body) }).await.expect("the worker ends");
    ended.unwrap();
    timeout(LIMIT, handle.result()).await.expect("the workflow has ended with its worker").unwrap();
    let history = handle.fetch_history().await.unwrap().to_string();
    assert!(history.contains("WorkflowExecutionCompleted"), "{history}");
    assert_eq!(history.matches("  MarkerRecorded(").count(), 1, "{history}");
}

#[tokio::test]
async fn a_local_activity_stopped_by_a_shutdown_leaves_no_marker_and_runs_elsewhere() {
    let Some(address) = address("a_local_activity_stopped_by_a_shutdown_leaves_no_marker_and_runs_elsewhere") else {
        return;
    };
    let client = connect(address).await;
    let queue = unique("local-stop");
    let worker = || Worker::builder(&client, &*queue).workflow(sleeper).activities(sleep_locally);
    let first = worker().build().unwrap();
    let shutdown = first.shutdown_handle();
    let handle = client.start(sleeper, 25_000).id(&*queue).task_queue(&*queue).await.unwrap();
    let body = async {
        until_it_sleeps(&queue).await;
        shutdown.shutdown();
        Instant::now()
    };
    let (ended, began) = timeout(LIMIT, async { tokio::join!(first.run(), body) }).await.expect("the worker ends");
    ended.unwrap();
    // It ignores its cancellation, so it is dropped; the task is completed without it and a new one requested.
    assert!(began.elapsed() < Duration::from_secs(20), "took {:?}", began.elapsed());
    let history = handle.fetch_history().await.unwrap().to_string();
    assert!(!history.contains("MarkerRecorded(") && history.contains("WorkflowTaskCompleted"), "{history}");
    handle.terminate().reason("the test is over").await.unwrap();
}

#[tokio::test]
async fn a_killed_workers_local_activity_runs_again() {
    let Some(address) = address("a_killed_workers_local_activity_runs_again") else { return };
    let client = connect(address).await;
    let queue = unique("local-kill");
    let worker = || Worker::builder(&client, &*queue).workflow(sleeper).activities(sleep_locally).build().unwrap();
    let start = client.start(sleeper, 1500).id(&*queue).task_queue(&*queue).task_timeout(secs(2));
    let handle = start.await.unwrap();
    tokio::select! {
        ended = worker().run() => panic!("the worker ended by itself: {ended:?}"),
        () = until_it_sleeps(&queue) => {}
    }
    let slept = timeout(LIMIT, worker().run_until(async { handle.result().await.unwrap() })).await;
    assert_eq!(slept.expect("the second worker finishes in time").unwrap(), 1501);
}

#[tokio::test]
async fn b081_a_failed_task_cancels_what_runs_and_records_nothing_of_it() {
    let register =
        |worker: WorkerBuilder| worker.workflow(Fragile::run).activities(until_told).activities(sleep_locally);
    with_worker("local-failed-task", register, async |client, queue| {
        let start = client.start(Fragile::run, ()).id(&*queue).task_queue(&queue).task_timeout(secs(2));
        let handle = start.await.unwrap();
        eventually("it has begun", async || WAITING.load(Ordering::SeqCst)).await;
        handle.signal(Fragile::break_down, ()).await.unwrap();
        assert_eq!(handle.result().await.unwrap(), "mended");
        eventually("the first one was told to stop", async || LOST.load(Ordering::SeqCst)).await;
        let history = handle.fetch_history().await.unwrap().to_string();
        assert!(history.contains("WorkflowTaskFailed"), "{history}");
        assert_eq!(history.matches("  MarkerRecorded(").count(), 1, "{history}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_without_a_cache_finish_theirs() {
    let register = |worker: WorkerBuilder| {
        worker.workflow(sleeper).activities(sleep_locally).max_cached_workflows(0).max_concurrent_local_activities(3)
    };
    with_worker("local-no-cache", register, async |client, queue| {
        let all = (0..12).map(|n| {
            let (client, queue) = (&client, &queue);
            async move { client.execute(sleeper, n * 50).task_queue(queue).await.unwrap() }
        });
        let expected: Vec<u64> = (0..12).map(|n| n * 50 + 1).collect();
        assert_eq!(futures_util::future::join_all(all).await, expected);
    })
    .await;
}

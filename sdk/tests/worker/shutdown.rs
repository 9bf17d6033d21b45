//! A worker's start and shutdown.

use std::time::Duration;

use abide::activity::Activities;
use abide::client::{Client, ClientOptions};
use abide::worker::{Worker, WorkerBuilder};
use tokio::time::{Instant, timeout};

use crate::workflows::*;
use crate::{LIMIT, address, connect, eventually, unique};

#[tokio::test]
async fn a_namespace_that_is_not_there_is_named() {
    let Some(address) = address("a_namespace_that_is_not_there_is_named") else { return };
    let client = Client::connect(ClientOptions::new(address).namespace("nowhere")).await.unwrap();
    let worker = Worker::builder(&client, "queue").activities(greet).build().unwrap();
    let error = timeout(LIMIT, worker.run()).await.expect("the worker ends").unwrap_err();
    assert!(error.is_namespace_not_found() && error.to_string().contains("`nowhere`"), "{error}");
}

#[tokio::test]
async fn a_worker_that_has_nothing_to_do_ends_at_once() {
    let Some(address) = address("a_worker_that_has_nothing_to_do_ends_at_once") else { return };
    let client = connect(address).await;
    let worker = Worker::builder(&client, unique("idle")).workflow(greeting).activities(greet).build().unwrap();
    let handle = worker.shutdown_handle();
    let began = Instant::now();
    handle.shutdown();
    timeout(LIMIT, worker.run()).await.expect("the worker ends").unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "took {:?}", began.elapsed());
}

/// Shuts a worker down while an activity waits. Returns the time it took, and the outcome of the activity.
async fn shut_down_while_waiting<Kind>(
    test: &str,
    activity: impl Activities<Kind>,
    options: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
) -> Option<(Duration, String)> {
    let client = connect(address(test)?).await;
    let queue = unique(test);
    let worker = options(Worker::builder(&client, &*queue)).workflow(waiting).activities(activity).build().unwrap();
    let shutdown = worker.shutdown_handle();
    let handle = client.start(waiting, ()).id(&*queue).task_queue(&*queue).await.unwrap();
    let body = async {
        eventually("the activity has a heartbeat", async || {
            let described = handle.describe().await.unwrap();
            described.pending_activities().iter().any(|activity| activity.last_heartbeat_time().is_some())
        })
        .await;
        shutdown.shutdown();
        Instant::now()
    };
    let (ended, began) = timeout(LIMIT, async { tokio::join!(worker.run(), body) }).await.expect("the worker ends");
    ended.unwrap();
    let took = began.elapsed();
    // If the worker is gone, no workflow code handles the activity's outcome, but the server has it.
    let history = handle.fetch_history().await.unwrap().to_string();
    if handle.describe().await.unwrap().status().is_open() {
        handle.terminate().reason("the test is over").await.unwrap();
    }
    Some((took, history))
}

#[tokio::test]
async fn activities_are_told_to_stop_and_report_why() {
    let Some((took, history)) = shut_down_while_waiting("stop", wait_for_cancellation, |worker| worker).await else {
        return;
    };
    assert!(took < Duration::from_secs(8), "took {took:?}");
    assert!(history.contains("ActivityTaskFailed") && history.contains("the worker shut down"), "{history}");
}

#[tokio::test]
async fn activities_have_notice_of_the_shutdown_before_they_are_cancelled() {
    let options = |worker: WorkerBuilder| worker.graceful_shutdown_timeout(Duration::from_secs(30));
    let Some((took, history)) = shut_down_while_waiting("notice", wait_for_notice, options).await else { return };
    assert!(took < Duration::from_secs(20), "took {took:?}");
    assert!(history.contains("noticed, cancelled: false"), "{history}");
}

#[tokio::test]
async fn activities_have_the_graceful_period_first() {
    let options = |worker: WorkerBuilder| worker.graceful_shutdown_timeout(Duration::from_secs(2));
    let Some((took, _)) = shut_down_while_waiting("grace", wait_for_cancellation, options).await else { return };
    assert!((Duration::from_secs(2)..Duration::from_secs(10)).contains(&took), "took {took:?}");
}

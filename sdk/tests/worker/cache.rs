//! Runs that are evicted, lost, or long: the results are the same as if they had stayed in memory.

use abide::worker::Worker;
use futures_util::future::join_all;

use crate::workflows::*;
use crate::{LIMIT, address, connect, eventually, unique, with_worker};

async fn thirty_at_a_time(test: &str, cached: usize) {
    let register = |worker: abide::worker::WorkerBuilder| {
        worker.workflow(summing).activities(add).max_cached_workflows(cached).worker_threads(2)
    };
    with_worker(test, register, async |client, queue| {
        let sums = (0..30).map(|to| {
            let (client, queue) = (&client, &queue);
            async move { client.execute(summing, to % 6).task_queue(queue).await.unwrap() }
        });
        let expected: Vec<u64> = (0..30).map(|to| (1..=to % 6).sum()).collect();
        assert_eq!(join_all(sums).await, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_workflows_than_the_cache_holds() {
    thirty_at_a_time("small-cache", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cache_at_all() {
    thirty_at_a_time("no-cache", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_of_several_pages_is_rebuilt_by_another_worker() {
    let Some(address) = address("a_history_of_several_pages_is_rebuilt_by_another_worker") else { return };
    let client = connect(address).await;
    let queue = unique("pages");
    let worker = || {
        // The short timeout gives the run to another worker soon after the first one is gone.
        Worker::builder(&client, &*queue)
            .workflow(summing)
            .activities(add)
            .sticky_queue_schedule_to_start_timeout(abide::secs(1))
            .build()
            .unwrap()
    };
    let handle = client.start(summing, 60).id(&*queue).task_queue(&*queue).await.unwrap();
    let first = async {
        eventually("300 events are there", async || handle.describe().await.unwrap().info().history_length() > 300)
            .await;
    };
    // Not shut down, but dropped in the middle of its work, as if it had been killed.
    tokio::select! {
        ended = worker().run() => panic!("the worker ended by itself: {ended:?}"),
        () = first => {}
    }
    let sum = tokio::time::timeout(LIMIT, worker().run_until(async { handle.result().await.unwrap() })).await;
    assert_eq!(sum.expect("the second worker finishes in time").unwrap(), (1..=60).sum::<u64>());
}

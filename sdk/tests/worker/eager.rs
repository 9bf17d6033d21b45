//! Eager activities: which of two workers of a task queue runs them.

use std::future::Future;

use abide::client::Client;
use abide::prelude::*;
use abide::worker::{PollerBehavior, Registered, Worker, WorkerBuilder};

use crate::{address, connect, unique};

/// An activity that returns the name of its worker.
struct Whose(&'static str);

#[activities]
impl Whose {
    #[activity]
    async fn whose(&self) -> Result<String, ActivityError> {
        Ok(self.0.to_string())
    }
}

#[workflow]
async fn one_by_one(ctx: &WorkflowContext, count: u32, queue: Option<String>) -> Result<Vec<String>, WorkflowError> {
    let mut names = Vec::new();
    for _ in 0..count {
        let mut call = ctx.activity(Whose::whose, ()).start_to_close_timeout(secs(20));
        if let Some(queue) = &queue {
            call = call.task_queue(queue.clone());
        }
        names.push(call.await?);
    }
    Ok(names)
}

#[workflow]
async fn all_at_once(ctx: &WorkflowContext, count: u32) -> Result<Vec<String>, WorkflowError> {
    let calls = (0..count).map(|_| ctx.activity(Whose::whose, ()).start_to_close_timeout(secs(20)));
    Ok(futures_util::future::try_join_all(calls).await?)
}

/// Ends in the task that schedules the activity: the server does not start it.
#[workflow]
async fn leaves_it(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(Whose::whose, ()).start_to_close_timeout(secs(20)).start().detach();
    Ok(())
}

/// Runs a body with a worker for workflows and activities (`own`), and one on the same queue with many more polls for
/// activities (`other`).
async fn with_two_workers<F: Future>(
    test: &str,
    options: impl FnOnce(WorkerBuilder<Registered>) -> WorkerBuilder<Registered>,
    body: impl FnOnce(Client, String) -> F,
) {
    let Some(address) = address(test) else { return };
    let client = connect(address).await;
    let queue = unique(test);
    let own = Worker::builder(&client, &*queue).workflow(one_by_one).workflow(all_at_once).workflow(leaves_it);
    let own = options(own.activities(Whose("own")).activity_task_poller_behavior(PollerBehavior::SimpleMaximum(1)))
        .build()
        .unwrap();
    let other = Worker::builder(&client, &*queue)
        .activities(Whose("other"))
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(20))
        .build()
        .unwrap();
    let body = own.run_until(async { other.run_until(body(client, queue)).await.unwrap() });
    tokio::time::timeout(crate::LIMIT, body).await.expect("the test ends in time").unwrap();
}

fn count(names: &[String], name: &str) -> usize {
    names.iter().filter(|found| *found == name).count()
}

#[tokio::test]
async fn b062_an_activity_is_started_by_the_worker_that_schedules_it() {
    with_two_workers(
        "eager",
        |own| own,
        async |client, queue| {
            let names = client.execute(one_by_one, (20, None)).task_queue(&queue).await.unwrap();
            assert_eq!(count(&names, "own"), 20, "{names:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn b062_no_more_than_the_limit_are_started_for_one_task() {
    with_two_workers(
        "eager-limit",
        |own| own.max_eager_activity_reservations_per_workflow_task(30),
        async |client, queue| {
            let names = client.execute(all_at_once, 30).task_queue(&queue).await.unwrap();
            assert_eq!(count(&names, "own"), 30, "{names:?}");
        },
    )
    .await;
    with_two_workers(
        "eager-default",
        |own| own,
        async |client, queue| {
            let names = client.execute(all_at_once, 30).task_queue(&queue).await.unwrap();
            assert!(count(&names, "own") >= 3 && count(&names, "other") > 0, "{names:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn b062_disabled_every_activity_goes_over_the_task_queue() {
    for limit in [3, 0] {
        with_two_workers(
            "eager-disabled",
            |own| {
                let own = own.max_eager_activity_reservations_per_workflow_task(limit);
                // Without reservations there is nothing to disable.
                if limit > 0 { own.disable_eager_activity_execution() } else { own }
            },
            async |client, queue| {
                let names = client.execute(one_by_one, (20, None)).task_queue(&queue).await.unwrap();
                assert!(count(&names, "other") > 0, "{names:?}");
            },
        )
        .await;
    }
}

#[tokio::test]
async fn b062_an_activity_of_another_queue_is_not_eager() {
    with_two_workers(
        "eager-elsewhere",
        |own| own,
        async |client, queue| {
            let elsewhere = format!("{queue}-elsewhere");
            let worker = Worker::builder(&client, &*elsewhere).activities(Whose("elsewhere")).build().unwrap();
            let names = worker.run_until(async {
                client.execute(one_by_one, (5, Some(elsewhere.clone()))).task_queue(&queue).await.unwrap()
            });
            assert_eq!(count(&names.await.unwrap(), "elsewhere"), 5);
        },
    )
    .await;
}

#[tokio::test]
async fn b062_a_slot_that_the_server_did_not_use_is_given_back() {
    with_two_workers(
        "eager-unused",
        // One slot for the poller, one for eager activities.
        |own| own.max_concurrent_activities(2),
        async |client, queue| {
            for _ in 0..5 {
                client.execute(leaves_it, ()).task_queue(&queue).await.unwrap();
            }
            let names = client.execute(one_by_one, (5, None)).task_queue(&queue).await.unwrap();
            assert_eq!(count(&names, "own"), 5, "{names:?}");
        },
    )
    .await;
}

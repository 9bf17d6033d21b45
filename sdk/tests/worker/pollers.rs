//! Pollers that follow the server's suggestions, and polls that move to another client.

use abide::client::{Client, ClientOptions};
use abide::prelude::*;
use abide::worker::{PollerBehavior, Worker};

use crate::outage::Cable;
use crate::worker_heartbeats::Operator;
use crate::workflows::*;
use crate::{LIMIT, address, connect, unique};

#[workflow]
async fn many(ctx: &WorkflowContext, count: u32) -> Result<u32, WorkflowError> {
    let calls = (0..count).map(|_| ctx.activity(slow, ()).start_to_close_timeout(secs(20)));
    Ok(futures_util::future::try_join_all(calls).await?.len() as u32)
}

#[activity]
async fn slow() -> Result<(), ActivityError> {
    tokio::time::sleep(millis(20)).await;
    Ok(())
}

/// Returns the number of open polls for activities that the worker has reported.
async fn open_polls(operator: &Operator, queue: &str) -> i32 {
    tokio::time::sleep(millis(100)).await;
    let pollers = operator.worker_of(queue).await.and_then(|told| told.activity_poller_info);
    assert!(pollers.as_ref().is_none_or(|pollers| pollers.is_autoscaling));
    pollers.map_or(0, |pollers| pollers.current_pollers)
}

#[tokio::test(flavor = "multi_thread")]
async fn b126_pollers_grow_with_the_work_and_shrink_without() {
    let Some(address) = address("b126_pollers_grow_with_the_work_and_shrink_without") else { return };
    let client = connect(address.clone()).await;
    let queue = unique("autoscaling");
    let behavior = PollerBehavior::Autoscaling { minimum: 1, maximum: 20, initial: 1 };
    let worker = Worker::builder(&client, &*queue).workflow(many).activities(slow);
    let worker = worker.disable_eager_activity_execution().worker_heartbeat_interval(millis(50));
    let worker = worker.workflow_task_poller_behavior(behavior).activity_task_poller_behavior(behavior);
    let body = worker.build().unwrap().run_until(async {
        let operator = Operator::of(&address).await;
        let runs = (0..3).map(|_| client.execute(many, 40).task_queue(&*queue));
        let runs = futures_util::future::try_join_all(runs.map(IntoFuture::into_future));
        let mut working = std::pin::pin!(async { assert_eq!(runs.await.unwrap(), [40; 3]) });
        let mut most = 0;
        loop {
            tokio::select! {
                () = &mut working => break,
                open = open_polls(&operator, &queue) => most = most.max(open),
            }
        }
        assert!((4..=20).contains(&most), "{most} polls at most");
        // A poll that waited for a second before a task came was superfluous.
        while open_polls(&operator, &queue).await > most - 3 {
            tokio::time::sleep(millis(500)).await;
            client.execute(many, 1).task_queue(&*queue).await.unwrap();
        }
    });
    tokio::time::timeout(LIMIT, body).await.expect("the test ends in time").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b125_a_worker_goes_on_over_its_new_client_when_the_way_of_the_old_one_is_cut() {
    let test = "b125_a_worker_goes_on_over_its_new_client_when_the_way_of_the_old_one_is_cut";
    let Some(server) = address(test) else { return };
    let direct = connect(server.clone()).await;
    let cable = Cable::to(server).await;
    let client = Client::connect(ClientOptions::new(&*cable.address)).await.unwrap();
    let queue = unique("client-replaced");
    let worker = Worker::builder(&client, &*queue).workflow(greeting).activities(greet).build().unwrap();
    let handle = worker.client_handle();
    let body = worker.run_until(async {
        let greeted = async |name: &str| direct.execute(greeting, name.to_string()).task_queue(&*queue).await.unwrap();
        assert_eq!(greeted("Ada").await, "Hello, Ada!");
        // First with both connections open, then with one that stays cut.
        handle.replace_client(&direct).unwrap();
        assert_eq!(greeted("Grace").await, "Hello, Grace!");
        handle.replace_client(&client).unwrap();
        assert_eq!(greeted("Barbara").await, "Hello, Barbara!");
        cable.unplug();
        handle.replace_client(&direct).unwrap();
        for _ in 0..10 {
            assert_eq!(greeted("Frances").await, "Hello, Frances!");
        }
    });
    tokio::time::timeout(LIMIT, body).await.expect("the test ends in time").unwrap();
}

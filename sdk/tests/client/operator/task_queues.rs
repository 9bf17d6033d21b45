//! Task queues with their statistics and limits, and workers with their heartbeats.

use abide::Priority;
use abide::client::operator::{TaskQueueType, WorkerStatus};
use abide::prelude::*;
use abide::worker::Worker;

use crate::workflows::ProcessOrder;
use crate::{client, unique, until};

#[workflow]
async fn nothing(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[activity]
async fn something() -> Result<(), ActivityError> {
    Ok(())
}

#[tokio::test]
async fn a_backlog_is_counted_in_total_and_by_priority() {
    let Some(client) = client("a_backlog_is_counted_in_total_and_by_priority").await else { return };
    let name = unique("backlog");
    let queue = client.task_queue(&name, TaskQueueType::Workflow);
    let empty = queue.describe().await.unwrap();
    assert_eq!((empty.stats().approximate_backlog_count, empty.pollers().len()), (0, 0));
    for (index, key) in [1, 3, 3].into_iter().enumerate() {
        let start = client.start(ProcessOrder, String::new()).id(format!("{name}-{index}")).task_queue(&name);
        start.priority(Priority::new().priority_key(key)).await.unwrap();
    }
    until("all wait", || async {
        let description = queue.describe().await.unwrap();
        let by_priority =
            |key| description.stats_by_priority_key().get(&key).map_or(0, |it| it.approximate_backlog_count);
        description.stats().approximate_backlog_count == 3 && (by_priority(1), by_priority(3)) == (1, 2)
    })
    .await;
    let stats = queue.describe().await.unwrap().stats().clone();
    assert!(stats.tasks_add_rate > 0.0, "{stats:?}");
    for index in 0..3 {
        client.handle(ProcessOrder, format!("{name}-{index}")).terminate().await.unwrap();
    }
}

#[tokio::test]
async fn limits_and_weights_of_a_task_queue_are_set_shown_and_removed() {
    let Some(client) = client("limits_and_weights_of_a_task_queue_are_set_shown_and_removed").await else { return };
    let queue = client.task_queue(unique("limited"), TaskQueueType::Activity);
    let update = queue.update_config().queue_rate_limit(20.0, "the bank").fairness_key_rate_limit(5.0, "all alike");
    let config = update.fairness_weight("big", 2.5).fairness_weight("small", 0.5).await.unwrap();
    let limit = config.queue_rate_limit.as_ref().unwrap();
    assert_eq!((limit.per_second, limit.reason.as_str()), (20.0, "the bank"));
    assert_eq!(limit.identity, client.connection().identity());
    assert!(limit.time.is_some());
    assert_eq!(config.fairness_key_rate_limit.as_ref().unwrap().per_second, 5.0);
    assert_eq!(config.fairness_weights, [("big".to_string(), 2.5), ("small".to_string(), 0.5)].into());
    until("the queue has it", || async { queue.describe().await.unwrap().config() == &config }).await;
    assert_eq!(queue.describe().await.unwrap().effective_rate_limit(), Some(20.0));

    let update = queue.update_config().unset_queue_rate_limit("enough").unset_fairness_weight("big");
    let config = update.unset_fairness_key_rate_limit("enough").await.unwrap();
    assert_eq!((config.queue_rate_limit, config.fairness_key_rate_limit), (None, None));
    assert_eq!(config.fairness_weights, [("small".to_string(), 0.5)].into());
    let workflows = client.task_queue(queue.name(), TaskQueueType::Workflow);
    let refused = workflows.update_config().queue_rate_limit(1.0, "no").await.unwrap_err();
    assert!(refused.is_invalid_argument(), "{refused}");
}

#[tokio::test]
async fn a_worker_is_listed_and_described_by_its_heartbeat() {
    let Some(client) = client("a_worker_is_listed_and_described_by_its_heartbeat").await else { return };
    let queue = unique("listed");
    let worker = Worker::builder(&client, &queue).workflow(nothing).activities(something);
    let worker = worker.worker_heartbeat_interval(secs(1)).build().unwrap();
    let query = format!("TaskQueue = '{queue}'");
    let test = async {
        client.execute(nothing, ()).task_queue(&queue).await.unwrap();
        until("the server has a heartbeat of it", || async { client.count_workers(&query).await.unwrap() == 1 }).await;
        let found = client.workers(&query).page_size(1).next().await.unwrap().unwrap();
        assert_eq!(
            (found.task_queue(), found.sdk_name(), found.status()),
            (queue.as_str(), "abide", WorkerStatus::Running)
        );
        assert_eq!(found.identity(), client.connection().identity());
        assert!(found.start_time().is_some() && !found.process_id().is_empty());
        until("the heartbeat counts the workflow task", || async {
            let described = client.describe_worker(found.instance_key()).await.unwrap();
            described.workflow_task_slots().is_some_and(|slots| slots.total_processed > 0)
        })
        .await;
        let described = client.describe_worker(found.instance_key()).await.unwrap();
        assert_eq!(described.info(), &found);
        assert!(described.heartbeat_time().is_some());
        let slots = described.activity_slots().unwrap();
        assert!(slots.available > Some(0) && slots.used == 0, "{slots:?}");
        assert!(described.workflow_task_pollers().unwrap().current > 0);
    };
    Box::pin(worker.run_until(test)).await.unwrap();
    assert!(client.describe_worker("no-such-worker").await.unwrap_err().is_not_found());
    let mut invalid = client.workers("TaskQueue =");
    assert!(invalid.next().await.unwrap_err().is_invalid_argument());
}

//! The server's knowledge of a worker from its heartbeats: found by task queue, and described.

use abide::NexusError;
use abide::prelude::*;
use abide::worker::{PollerBehavior, Worker};
use abide_protos::temporal::api::enums::v1::WorkerStatus;
use abide_protos::temporal::api::worker::v1::WorkerHeartbeat;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use abide_protos::temporal::api::workflowservice::v1::{DescribeWorkerRequest, ListWorkersRequest};
use tonic::transport::Channel;

use crate::workflows::*;
use crate::{LIMIT, address, connect, unique};

/// The server's operator API.
#[derive(Clone)]
pub(crate) struct Operator(WorkflowServiceClient<Channel>);

impl Operator {
    pub(crate) async fn of(address: &str) -> Self {
        Self(WorkflowServiceClient::connect(format!("http://{address}")).await.unwrap())
    }

    /// Returns the last heartbeat of the only worker on that task queue in that state; `None` until the server has one.
    pub(crate) async fn worker_of(&self, task_queue: &str) -> Option<WorkerHeartbeat> {
        let namespace = "default".to_string();
        let query = format!("TaskQueue='{task_queue}'");
        let request = ListWorkersRequest { namespace: namespace.clone(), query, page_size: 10, ..Default::default() };
        let mut listed = self.0.clone().list_workers(request).await.unwrap().into_inner().workers;
        assert!(listed.len() <= 1, "one worker at most: {listed:?}");
        let worker_instance_key = listed.pop()?.worker_instance_key;
        let request = DescribeWorkerRequest { namespace, worker_instance_key };
        self.0.clone().describe_worker(request).await.unwrap().into_inner().worker_info.unwrap().worker_heartbeat
    }

    /// Returns the first heartbeat of that worker for which the condition is true.
    pub(crate) async fn worker_when(
        &self,
        task_queue: &str,
        condition: impl Fn(&WorkerHeartbeat) -> bool,
    ) -> WorkerHeartbeat {
        let asking = async {
            loop {
                if let Some(told) = self.worker_of(task_queue).await.filter(&condition) {
                    return told;
                }
                tokio::time::sleep(millis(50)).await;
            }
        };
        tokio::time::timeout(LIMIT / 2, asking).await.expect("the server gets such a heartbeat")
    }
}

#[tokio::test]
async fn b128_the_server_lists_and_describes_the_worker_with_its_counters() {
    let Some(address) = address("b128_the_server_lists_and_describes_the_worker_with_its_counters") else { return };
    let client = connect(address.clone()).await;
    let operator = Operator::of(&address).await;
    let queue = unique("worker-heartbeats");
    let worker = Worker::builder(&client, &*queue).workflow(greeting).workflow(misbehaving);
    let worker = worker.activities(greet).activities(misbehave).identity("barista").build_id("build-7");
    let worker = worker.max_concurrent_activities(20).worker_heartbeat_interval(millis(200)).build().unwrap();
    let body = worker.run_until(async {
        for name in ["Ada", "Grace"] {
            client.execute(greeting, name.to_string()).task_queue(&*queue).await.unwrap();
        }
        client.execute(misbehaving, "declined".to_string()).task_queue(&*queue).await.unwrap_err();
        // Three tasks for each greeting and two for the other run; the server may split them further.
        let told = operator.worker_when(&queue, |told| {
            let (workflows, activities) = (&told.workflow_task_slots_info, &told.activity_task_slots_info);
            let [workflows, activities] = [workflows, activities].map(|slots| slots.clone().unwrap_or_default());
            let ended = workflows.total_processed_tasks >= 8 && activities.total_processed_tasks == 3;
            ended && workflows.current_used_slots == 0 && told.current_sticky_cache_size == 0
        });
        let told = told.await;
        let texts = [&told.worker_identity, &told.task_queue, &told.sdk_name, &told.host_info.unwrap().process_id];
        assert_eq!(texts, ["barista", &*queue, "abide", &std::process::id().to_string()]);
        assert_eq!(told.deployment_version.unwrap().build_id, "build-7");
        assert_eq!(told.status, WorkerStatus::Running as i32);
        let activities = told.activity_task_slots_info.unwrap();
        assert_eq!((activities.current_available_slots, activities.total_failed_tasks), (20, 1));
        let workflows = told.workflow_task_slots_info.unwrap();
        assert_eq!((workflows.current_available_slots, workflows.total_failed_tasks), (100, 0));
        let pollers = [told.workflow_poller_info, told.workflow_sticky_poller_info, told.activity_poller_info];
        let open = pollers.map(|info| info.unwrap().current_pollers);
        assert_eq!(open, [1, 4, 5]);
        assert!(told.total_sticky_cache_hit > 0, "runs were in memory between their tasks");
    });
    tokio::time::timeout(LIMIT, body).await.expect("the test ends in time").unwrap();
    let told = operator.worker_of(&queue).await;
    assert!(
        told.is_none_or(|told| told.status == WorkerStatus::ShuttingDown as i32),
        "the worker has said that it ends"
    );
}

#[abide::nexus_service]
trait Desk {
    fn greet(name: String) -> String;
}

struct Clerk;

#[abide::nexus_handlers(implements = Desk)]
impl Clerk {
    #[nexus_operation]
    fn greet(name: String) -> Result<String, NexusError> {
        Ok(name)
    }
}

#[tokio::test]
async fn the_server_knows_the_slots_and_pollers_of_nexus_handlers() {
    let Some(address) = address("the_server_knows_the_slots_and_pollers_of_nexus_handlers") else { return };
    let client = connect(address.clone()).await;
    let operator = Operator::of(&address).await;
    let queue = unique("nexus-heartbeats");
    let worker = Worker::builder(&client, &*queue).nexus_handlers(Clerk).max_concurrent_nexus_tasks(7);
    let worker = worker.nexus_task_poller_behavior(PollerBehavior::SimpleMaximum(3));
    let worker = worker.worker_heartbeat_interval(millis(200)).build().unwrap();
    let body = worker.run_until(
        operator
            .worker_when(&queue, |told| told.nexus_poller_info.as_ref().is_some_and(|info| info.current_pollers == 3)),
    );
    let told = tokio::time::timeout(LIMIT, body).await.expect("the test ends in time").unwrap();
    let slots = told.nexus_task_slots_info.unwrap();
    assert_eq!((slots.current_available_slots, slots.current_used_slots), (7, 0));
    assert!(told.activity_task_slots_info.is_none(), "it has no activities");
}

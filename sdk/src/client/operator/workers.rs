//! Workers, as their heartbeats describe them.

use std::collections::VecDeque;
use std::time::SystemTime;

use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::worker::v1::{WorkerHeartbeat, WorkerListInfo, WorkerPollerInfo, WorkerSlotsInfo};
use abide_protos::temporal::api::workflowservice::v1::{
    CountWorkersRequest, DescribeWorkerRequest, ListWorkersRequest,
};

use crate::client::Client;
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::debug_only::debug_only;
use crate::presence;
use crate::versioning::DeploymentVersion;

impl Client {
    /// Lists the workers of the namespace that match a query. An empty query matches all workers.
    ///
    /// The server knows workers by their heartbeats, which workers send once a minute. A query compares `TaskQueue`,
    /// `WorkerIdentity`, `WorkerInstanceKey`, `HostName`, `WorkerStatus`, `SdkName`, `SdkVersion`, `DeploymentName`,
    /// `BuildId`, `StartTime` and `HeartbeatTime`.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # async fn look(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut workers = client.workers("TaskQueue = 'orders'");
    /// while let Some(worker) = workers.next().await? {
    ///     let description = client.describe_worker(worker.instance_key()).await?;
    ///     println!("{}: {:?}", worker.identity(), description.activity_slots());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn workers(&self, query: impl Into<String>) -> WorkerList {
        let namespace = self.connection().namespace().to_string();
        WorkerList {
            connection: self.connection().clone(),
            request: ListWorkersRequest { namespace, query: query.into(), ..Default::default() },
            fetched: VecDeque::new(),
            is_last_page: false,
        }
    }

    /// Counts the workers of the namespace that match a query. An empty query matches all workers.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if the query is invalid.
    pub async fn count_workers(&self, query: impl Into<String>) -> Result<u64, RpcError> {
        let namespace = self.connection().namespace().to_string();
        let request = CountWorkersRequest { namespace, query: query.into(), ..Default::default() };
        let count = self.connection().call(request).await?.count;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Returns the last heartbeat of a worker, by its [instance key](WorkerInfo::instance_key).
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the server has no heartbeat of it.
    pub async fn describe_worker(&self, instance_key: impl Into<String>) -> Result<WorkerDescription, RpcError> {
        let request = DescribeWorkerRequest {
            namespace: self.connection().namespace().to_string(),
            worker_instance_key: instance_key.into(),
        };
        let info = self.connection().call(request).await?.worker_info.unwrap_or_default();
        Ok(WorkerDescription::from_proto(info.worker_heartbeat.unwrap_or_default()))
    }
}

/// Workers that match a query, fetched page by page.
#[must_use = "nothing is fetched until `next` is called"]
pub struct WorkerList {
    connection: Connection,
    request: ListWorkersRequest,
    fetched: VecDeque<WorkerInfo>,
    is_last_page: bool,
}

debug_only!(impl[] WorkerList, |this| { query: this.request.query });

impl WorkerList {
    /// Sets the number of workers to fetch per call. Default: the server's.
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Also lists the workers that are part of the server. Default: they are left out.
    pub fn include_system_workers(mut self) -> Self {
        self.request.include_system_workers = true;
        self
    }

    /// Returns the next worker; `None` after the last.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if the query is invalid.
    pub async fn next(&mut self) -> Result<Option<WorkerInfo>, RpcError> {
        while self.fetched.is_empty() && !self.is_last_page {
            let page = self.connection.call(self.request.clone()).await?;
            self.fetched.extend(page.workers.into_iter().map(WorkerInfo::from_proto));
            self.is_last_page = page.next_page_token.is_empty();
            self.request.next_page_token = page.next_page_token;
        }
        Ok(self.fetched.pop_front())
    }
}

/// Status of a worker (Temporal's `WorkerStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerStatus {
    /// It polls.
    Running,
    /// It finishes what it has begun.
    ShuttingDown,
    /// It has ended.
    Shutdown,
    /// A status that this version of Abide does not know.
    Unknown,
}

impl WorkerStatus {
    fn from_proto(value: i32) -> Self {
        match enums::WorkerStatus::try_from(value) {
            Ok(enums::WorkerStatus::Running) => Self::Running,
            Ok(enums::WorkerStatus::ShuttingDown) => Self::ShuttingDown,
            Ok(enums::WorkerStatus::Shutdown) => Self::Shutdown,
            Ok(enums::WorkerStatus::Unspecified) | Err(_) => Self::Unknown,
        }
    }
}

/// Names, state and version of a worker (Temporal's `WorkerListInfo`).
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerInfo {
    proto: Box<WorkerListInfo>,
}

impl WorkerInfo {
    fn from_proto(proto: WorkerListInfo) -> Self {
        Self { proto: Box::new(proto) }
    }

    /// Returns the key by which the server knows this worker. No two workers have the same.
    pub fn instance_key(&self) -> &str {
        &self.proto.worker_instance_key
    }

    /// Returns the identity, as shown in histories.
    pub fn identity(&self) -> &str {
        &self.proto.worker_identity
    }

    /// Returns the task queue.
    pub fn task_queue(&self) -> &str {
        &self.proto.task_queue
    }

    /// Returns the deployment and the build; `None` for a worker without a deployment.
    pub fn deployment_version(&self) -> Option<DeploymentVersion> {
        DeploymentVersion::from_proto(self.proto.deployment_version.clone())
    }

    /// Returns the name of the SDK, such as `abide`.
    pub fn sdk_name(&self) -> &str {
        &self.proto.sdk_name
    }

    /// Returns the version of the SDK.
    pub fn sdk_version(&self) -> &str {
        &self.proto.sdk_version
    }

    /// Returns the status.
    pub fn status(&self) -> WorkerStatus {
        WorkerStatus::from_proto(self.proto.status)
    }

    /// Returns the time at which it started.
    pub fn start_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.start_time.as_ref())
    }

    /// Returns the name of its machine.
    pub fn host_name(&self) -> &str {
        &self.proto.host_name
    }

    /// Returns the id of its process.
    pub fn process_id(&self) -> &str {
        &self.proto.process_id
    }

    /// Returns the names of its plugins.
    pub fn plugins(&self) -> impl Iterator<Item = &str> {
        self.proto.plugins.iter().map(|plugin| plugin.name.as_str())
    }
}

/// The slots of a worker for one kind of tasks: how many run at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSlots {
    /// Slots that are free now; `None` if their number is not known, because it depends on memory and CPU, for example.
    pub available: Option<u32>,
    /// Slots in use now.
    pub used: u32,
    /// The kind of the supplier, such as `Fixed`.
    pub supplier_kind: String,
    /// Tasks that the worker has processed.
    pub total_processed: u32,
    /// Tasks that have failed.
    pub total_failed: u32,
    /// Tasks that were processed between the last two heartbeats.
    pub last_interval_processed: u32,
    /// Tasks that have failed between the last two heartbeats.
    pub last_interval_failed: u32,
}

impl WorkerSlots {
    fn from_proto(proto: Option<WorkerSlotsInfo>) -> Option<Self> {
        let proto = proto?;
        Some(Self {
            available: u32::try_from(proto.current_available_slots).ok(),
            used: number(proto.current_used_slots),
            supplier_kind: proto.slot_supplier_kind,
            total_processed: number(proto.total_processed_tasks),
            total_failed: number(proto.total_failed_tasks),
            last_interval_processed: number(proto.last_interval_processed_tasks),
            last_interval_failed: number(proto.last_interval_failure_tasks),
        })
    }
}

/// The pollers of a worker for one kind of tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerPollers {
    /// Polls that are open now.
    pub current: u32,
    /// When a poll last brought a task.
    pub last_successful_poll_time: Option<SystemTime>,
    /// True if the worker adapts the number of polls.
    pub is_autoscaling: bool,
}

impl WorkerPollers {
    fn from_proto(proto: Option<WorkerPollerInfo>) -> Option<Self> {
        let proto = proto?;
        Some(Self {
            current: number(proto.current_pollers),
            last_successful_poll_time: presence::time(proto.last_successful_poll_time.as_ref()),
            is_autoscaling: proto.is_autoscaling,
        })
    }
}

fn number(count: i32) -> u32 {
    u32::try_from(count).unwrap_or_default()
}

/// The last heartbeat of a worker (Temporal's `WorkerHeartbeat`).
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerDescription {
    info: WorkerInfo,
    heartbeat: Box<WorkerHeartbeat>,
}

impl WorkerDescription {
    fn from_proto(heartbeat: WorkerHeartbeat) -> Self {
        let host = heartbeat.host_info.clone().unwrap_or_default();
        let info = WorkerInfo::from_proto(WorkerListInfo {
            worker_instance_key: heartbeat.worker_instance_key.clone(),
            worker_identity: heartbeat.worker_identity.clone(),
            task_queue: heartbeat.task_queue.clone(),
            deployment_version: heartbeat.deployment_version.clone(),
            sdk_name: heartbeat.sdk_name.clone(),
            sdk_version: heartbeat.sdk_version.clone(),
            status: heartbeat.status,
            start_time: heartbeat.start_time,
            host_name: host.host_name,
            worker_grouping_key: host.worker_grouping_key,
            process_id: host.process_id,
            plugins: heartbeat.plugins.clone(),
            drivers: heartbeat.drivers.clone(),
        });
        Self { info, heartbeat: Box::new(heartbeat) }
    }

    /// Returns the part that lists contain, too.
    pub fn info(&self) -> &WorkerInfo {
        &self.info
    }

    /// Returns the time of the heartbeat.
    pub fn heartbeat_time(&self) -> Option<SystemTime> {
        presence::time(self.heartbeat.heartbeat_time.as_ref())
    }

    /// Returns the slots for workflow tasks; `None` if it runs none.
    pub fn workflow_task_slots(&self) -> Option<WorkerSlots> {
        WorkerSlots::from_proto(self.heartbeat.workflow_task_slots_info.clone())
    }

    /// Returns the slots for activities; `None` if it runs none.
    pub fn activity_slots(&self) -> Option<WorkerSlots> {
        WorkerSlots::from_proto(self.heartbeat.activity_task_slots_info.clone())
    }

    /// Returns the slots for local activities; `None` if it runs none.
    pub fn local_activity_slots(&self) -> Option<WorkerSlots> {
        WorkerSlots::from_proto(self.heartbeat.local_activity_slots_info.clone())
    }

    /// Returns the slots for Nexus tasks; `None` if it runs none.
    pub fn nexus_task_slots(&self) -> Option<WorkerSlots> {
        WorkerSlots::from_proto(self.heartbeat.nexus_task_slots_info.clone())
    }

    /// Returns the pollers of the task queue for workflow tasks; `None` if it has none.
    pub fn workflow_task_pollers(&self) -> Option<WorkerPollers> {
        WorkerPollers::from_proto(self.heartbeat.workflow_poller_info)
    }

    /// Returns the pollers of the worker's sticky queue; `None` if it has none.
    pub fn sticky_workflow_task_pollers(&self) -> Option<WorkerPollers> {
        WorkerPollers::from_proto(self.heartbeat.workflow_sticky_poller_info)
    }

    /// Returns the pollers for activities; `None` if it has none.
    pub fn activity_pollers(&self) -> Option<WorkerPollers> {
        WorkerPollers::from_proto(self.heartbeat.activity_poller_info)
    }

    /// Returns the pollers for Nexus tasks; `None` if it has none.
    pub fn nexus_task_pollers(&self) -> Option<WorkerPollers> {
        WorkerPollers::from_proto(self.heartbeat.nexus_poller_info)
    }

    /// Returns the number of workflow runs in the cache.
    pub fn sticky_cache_size(&self) -> u32 {
        number(self.heartbeat.current_sticky_cache_size)
    }

    /// Returns the number of workflow tasks that found their run in the cache.
    pub fn total_sticky_cache_hits(&self) -> u32 {
        number(self.heartbeat.total_sticky_cache_hit)
    }

    /// Returns the number of workflow tasks that did not find their run in the cache.
    pub fn total_sticky_cache_misses(&self) -> u32 {
        number(self.heartbeat.total_sticky_cache_miss)
    }

    /// Returns the CPU use of the worker's machine, from 0 to 1.
    pub fn host_cpu_usage(&self) -> f32 {
        self.heartbeat.host_info.as_ref().map_or(0.0, |host| host.current_host_cpu_usage)
    }

    /// Returns the memory use of the worker's machine, from 0 to 1.
    pub fn host_memory_usage(&self) -> f32 {
        self.heartbeat.host_info.as_ref().map_or(0.0, |host| host.current_host_mem_usage)
    }
}

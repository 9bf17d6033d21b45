//! Task queues: what waits in them, who polls them, and their rate limits.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::IntoFuture;
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::taskqueue::v1::{
    PollerInfo as PollerInfoProto, RateLimit, RateLimitConfig, TaskQueue, TaskQueueConfig as ConfigProto,
    TaskQueueStats as StatsProto,
};
use abide_protos::temporal::api::workflowservice::v1::update_task_queue_config_request::RateLimitUpdate;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeTaskQueueRequest, DescribeTaskQueueResponse, UpdateTaskQueueConfigRequest,
};

use crate::client::Client;
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::duration::from_proto;
use crate::presence;
use crate::versioning::DeploymentVersion;

impl Client {
    /// Returns a handle to the task queue with this name, for tasks of this kind. Makes no call.
    ///
    /// ```no_run
    /// use abide::client::operator::TaskQueueType;
    /// # use abide::prelude::*;
    /// # async fn look(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let activities = client.task_queue("orders", TaskQueueType::Activity);
    /// let description = activities.describe().await?;
    /// println!("{} tasks wait for {} pollers", description.stats().approximate_backlog_count, description.pollers().len());
    /// // No more than 50 activities per second, whatever the number of workers.
    /// activities.update_config().queue_rate_limit(50.0, "the bank's limit").await?;
    /// # Ok(()) }
    /// ```
    pub fn task_queue(&self, name: impl Into<String>, task_queue_type: TaskQueueType) -> TaskQueueHandle {
        TaskQueueHandle { connection: self.connection().clone(), name: name.into(), task_queue_type }
    }
}

/// The kind of the tasks in a task queue (Temporal's `TaskQueueType`). Queues of different kinds may share a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskQueueType {
    /// Workflow tasks.
    Workflow,
    /// Activity tasks.
    Activity,
    /// Nexus tasks.
    Nexus,
    /// A kind that this version of Abide does not know.
    Unknown,
}

impl TaskQueueType {
    pub(super) fn to_proto(self) -> i32 {
        (match self {
            Self::Workflow => enums::TaskQueueType::Workflow,
            Self::Activity => enums::TaskQueueType::Activity,
            Self::Nexus => enums::TaskQueueType::Nexus,
            Self::Unknown => enums::TaskQueueType::Unspecified,
        }) as i32
    }

    pub(super) fn from_proto(value: i32) -> Self {
        match enums::TaskQueueType::try_from(value) {
            Ok(enums::TaskQueueType::Workflow) => Self::Workflow,
            Ok(enums::TaskQueueType::Activity) => Self::Activity,
            Ok(enums::TaskQueueType::Nexus) => Self::Nexus,
            Ok(enums::TaskQueueType::Unspecified) | Err(_) => Self::Unknown,
        }
    }
}

/// A handle to a task queue.
#[derive(Clone)]
pub struct TaskQueueHandle {
    connection: Connection,
    name: String,
    task_queue_type: TaskQueueType,
}

impl fmt::Debug for TaskQueueHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TaskQueueHandle");
        shown.field("name", &self.name).field("task_queue_type", &self.task_queue_type).finish_non_exhaustive()
    }
}

impl TaskQueueHandle {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the kind of the tasks.
    pub fn task_queue_type(&self) -> TaskQueueType {
        self.task_queue_type
    }

    /// Returns statistics, pollers, versions and rate limits. A task queue that nobody has used is empty.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed.
    pub async fn describe(&self) -> Result<TaskQueueDescription, RpcError> {
        let request = DescribeTaskQueueRequest {
            namespace: self.connection.namespace().to_string(),
            task_queue: Some(TaskQueue { name: self.name.clone(), ..Default::default() }),
            task_queue_type: self.task_queue_type.to_proto(),
            report_stats: true,
            report_config: true,
            ..Default::default()
        };
        self.connection.call(request).await.map(TaskQueueDescription::from_proto)
    }

    /// Changes rate limits and fairness weights, and returns those that the queue has now. What is not mentioned stays
    /// as it is. The server refuses to limit a queue of workflow tasks.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_invalid_argument`](RpcError::is_invalid_argument) if a limit is invalid.
    pub fn update_config(&self) -> UpdateTaskQueueConfig {
        let request = UpdateTaskQueueConfigRequest {
            namespace: self.connection.namespace().to_string(),
            identity: self.connection.identity().to_string(),
            task_queue: self.name.clone(),
            task_queue_type: self.task_queue_type.to_proto(),
            ..Default::default()
        };
        UpdateTaskQueueConfig { connection: self.connection.clone(), request }
    }
}

/// A change of a task queue's configuration, sent when awaited.
#[must_use = "the task queue is changed only when this is awaited"]
pub struct UpdateTaskQueueConfig {
    connection: Connection,
    request: UpdateTaskQueueConfigRequest,
}

debug_only!(impl[] UpdateTaskQueueConfig, |this| { task_queue: this.request.task_queue });

impl UpdateTaskQueueConfig {
    /// Limits how many tasks per second the queue gives to workers, in place of a limit that workers have set. With 0, it
    /// gives none.
    pub fn queue_rate_limit(mut self, per_second: f32, reason: impl Into<String>) -> Self {
        self.request.update_queue_rate_limit = Some(limit(Some(per_second), reason));
        self
    }

    /// Removes the limit of the queue. A limit that workers have set counts again.
    pub fn unset_queue_rate_limit(mut self, reason: impl Into<String>) -> Self {
        self.request.update_queue_rate_limit = Some(limit(None, reason));
        self
    }

    /// Limits how many tasks per second each [fairness key](crate::Priority::fairness_key) gets, times its weight.
    pub fn fairness_key_rate_limit(mut self, per_second: f32, reason: impl Into<String>) -> Self {
        self.request.update_fairness_key_rate_limit_default = Some(limit(Some(per_second), reason));
        self
    }

    /// Removes the limit of fairness keys.
    pub fn unset_fairness_key_rate_limit(mut self, reason: impl Into<String>) -> Self {
        self.request.update_fairness_key_rate_limit_default = Some(limit(None, reason));
        self
    }

    /// Sets the weight of a fairness key, in place of the weight in the tasks' priority.
    pub fn fairness_weight(mut self, key: impl Into<String>, weight: f32) -> Self {
        self.request.set_fairness_weight_overrides.insert(key.into(), weight);
        self
    }

    /// Removes the weight of a fairness key that was set here. The weight in the tasks' priority counts again.
    pub fn unset_fairness_weight(mut self, key: impl Into<String>) -> Self {
        self.request.unset_fairness_weight_overrides.push(key.into());
        self
    }
}

fn limit(per_second: Option<f32>, reason: impl Into<String>) -> RateLimitUpdate {
    let rate_limit = per_second.map(|requests_per_second| RateLimit { requests_per_second });
    RateLimitUpdate { rate_limit, reason: reason.into() }
}

impl IntoFuture for UpdateTaskQueueConfig {
    type Output = Result<TaskQueueConfig, RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let response = self.connection.call(self.request).await?;
            Ok(TaskQueueConfig::from_proto(response.config.unwrap_or_default()))
        })
    }
}

/// Backlog and rates of a task queue (Temporal's `TaskQueueStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TaskQueueStats {
    /// The number of tasks that wait, more or less.
    pub approximate_backlog_count: u64,
    /// Time for which the oldest of them has waited, approximately.
    pub approximate_backlog_age: Duration,
    /// Tasks per second that came in lately.
    pub tasks_add_rate: f32,
    /// Tasks per second that went to workers lately.
    pub tasks_dispatch_rate: f32,
    /// True if a rate limit holds tasks back now.
    pub rate_limiting_active: bool,
}

impl TaskQueueStats {
    pub(super) fn from_proto(proto: StatsProto) -> Self {
        Self {
            approximate_backlog_count: u64::try_from(proto.approximate_backlog_count).unwrap_or_default(),
            approximate_backlog_age: proto.approximate_backlog_age.as_ref().map(from_proto).unwrap_or_default(),
            tasks_add_rate: proto.tasks_add_rate,
            tasks_dispatch_rate: proto.tasks_dispatch_rate,
            rate_limiting_active: proto.rate_limiting_active,
        }
    }
}

/// A poller of a task queue: usually one for each worker (Temporal's `PollerInfo`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PollerInfo {
    /// The worker's identity.
    pub identity: String,
    /// When it polled last.
    pub last_access_time: Option<SystemTime>,
    /// The limit of tasks per second that the worker has set for the queue.
    pub rate_per_second: f64,
    /// The worker's version; `None` for an unversioned worker.
    pub deployment_version: Option<DeploymentVersion>,
}

impl PollerInfo {
    fn from_proto(proto: PollerInfoProto) -> Self {
        let versioned = enums::WorkerVersioningMode::Versioned as i32;
        let deployment = proto.deployment_options.filter(|options| options.worker_versioning_mode == versioned);
        Self {
            identity: proto.identity,
            last_access_time: presence::time(proto.last_access_time.as_ref()),
            rate_per_second: proto.rate_per_second,
            deployment_version: deployment.map(|it| DeploymentVersion::new(it.deployment_name, it.build_id)),
        }
    }
}

/// A task queue, as the server describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskQueueDescription {
    stats: TaskQueueStats,
    stats_by_priority_key: BTreeMap<u32, TaskQueueStats>,
    pollers: Vec<PollerInfo>,
    current_version: Option<DeploymentVersion>,
    ramping_version: Option<DeploymentVersion>,
    ramping_version_percentage: f32,
    config: TaskQueueConfig,
    effective_rate_limit: Option<f32>,
}

impl TaskQueueDescription {
    fn from_proto(proto: DescribeTaskQueueResponse) -> Self {
        let versioning = proto.versioning_info.unwrap_or_default();
        let by_priority = proto.stats_by_priority_key.into_iter();
        let by_priority =
            by_priority.filter_map(|(key, stats)| Some((u32::try_from(key).ok()?, TaskQueueStats::from_proto(stats))));
        Self {
            stats: TaskQueueStats::from_proto(proto.stats.unwrap_or_default()),
            stats_by_priority_key: by_priority.collect(),
            pollers: proto.pollers.into_iter().map(PollerInfo::from_proto).collect(),
            current_version: DeploymentVersion::from_proto(versioning.current_deployment_version),
            ramping_version: DeploymentVersion::from_proto(versioning.ramping_deployment_version),
            ramping_version_percentage: versioning.ramping_version_percentage,
            config: TaskQueueConfig::from_proto(proto.config.unwrap_or_default()),
            effective_rate_limit: proto.effective_rate_limit.map(|limit| limit.requests_per_second),
        }
    }

    /// Returns what waits in the queue.
    pub fn stats(&self) -> &TaskQueueStats {
        &self.stats
    }

    /// Returns the same for each [priority key](crate::Priority::priority_key) of tasks in the queue.
    pub fn stats_by_priority_key(&self) -> &BTreeMap<u32, TaskQueueStats> {
        &self.stats_by_priority_key
    }

    /// Returns who has polled the queue in the last five minutes.
    pub fn pollers(&self) -> &[PollerInfo] {
        &self.pollers
    }

    /// Returns the deployment version that gets new workflows of this queue; `None` for unversioned workers.
    pub fn current_version(&self) -> Option<&DeploymentVersion> {
        self.current_version.as_ref()
    }

    /// Returns the deployment version that gets a part of the new workflows.
    pub fn ramping_version(&self) -> Option<&DeploymentVersion> {
        self.ramping_version.as_ref()
    }

    /// Returns the part that the ramping version gets, from 0 to 100.
    pub fn ramping_version_percentage(&self) -> f32 {
        self.ramping_version_percentage
    }

    /// Returns the limits and weights that were set with [`TaskQueueHandle::update_config`].
    pub fn config(&self) -> &TaskQueueConfig {
        &self.config
    }

    /// Returns the limit of tasks per second that counts now, whoever has set it; `None` if the server does not say.
    pub fn effective_rate_limit(&self) -> Option<f32> {
        self.effective_rate_limit
    }
}

/// The limits and weights of a task queue that operators have set (Temporal's `TaskQueueConfig`).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TaskQueueConfig {
    /// Tasks per second of the whole queue; `None` if not set.
    pub queue_rate_limit: Option<TaskQueueRateLimit>,
    /// Tasks per second of each fairness key; `None` if not set.
    pub fairness_key_rate_limit: Option<TaskQueueRateLimit>,
    /// Weights of fairness keys.
    pub fairness_weights: HashMap<String, f32>,
}

/// A rate limit of a task queue, with who has set it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskQueueRateLimit {
    /// Tasks per second.
    pub per_second: f32,
    /// The reason that was given.
    pub reason: String,
    /// The identity of the client that set it.
    pub identity: String,
    /// When it was set.
    pub time: Option<SystemTime>,
}

impl TaskQueueConfig {
    fn from_proto(proto: ConfigProto) -> Self {
        Self {
            queue_rate_limit: proto.queue_rate_limit.and_then(TaskQueueRateLimit::from_proto),
            fairness_key_rate_limit: proto.fairness_keys_rate_limit_default.and_then(TaskQueueRateLimit::from_proto),
            fairness_weights: proto.fairness_weight_overrides,
        }
    }
}

impl TaskQueueRateLimit {
    fn from_proto(proto: RateLimitConfig) -> Option<Self> {
        let metadata = proto.metadata.unwrap_or_default();
        Some(Self {
            per_second: proto.rate_limit?.requests_per_second,
            reason: metadata.reason,
            identity: metadata.update_identity,
            time: presence::time(metadata.update_time.as_ref()),
        })
    }
}

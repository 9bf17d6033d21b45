//! Calls of operators: what the `temporal` CLI does, with types.
//!
//! Most of them are methods of what they are about:
//!
//! | about | methods |
//! | --- | --- |
//! | one workflow | [`WorkflowHandle::reset`](crate::WorkflowHandle::reset), `pause`, `unpause`, `delete`, `update_options` |
//! | its pending activities | `pause_activities`, `unpause_activities`, `reset_activities`, `update_activity_options` of the same handle |
//! | one standalone activity | [`StandaloneActivityHandle::pause`](crate::client::StandaloneActivityHandle::pause), `unpause`, `reset`, `update_options` |
//! | worker deployments | [`Client::deployment`](crate::Client::deployment), [`Client::deployments`](crate::Client::deployments) |
//! | task queues | [`Client::task_queue`](crate::Client::task_queue) |
//! | workers | [`Client::workers`](crate::Client::workers), [`Client::describe_worker`](crate::Client::describe_worker), `count_workers` |
//! | many workflows at once | [`Client::start_batch`](crate::Client::start_batch), [`Client::batch`](crate::Client::batch), [`Client::batches`](crate::Client::batches) |
//! | namespaces, search attributes, Nexus endpoints, the server | [`Client::operator`](crate::Client::operator) |
//!
//! Interceptors do not see these calls.

mod activities;
mod batch;
mod cluster;
mod deployments;
mod entry;
mod namespaces;
mod nexus_endpoints;
mod reset;
mod search_attributes;
mod standalone_activity;
mod task_queues;
mod workers;
mod workflow;

pub use activities::{
    ActivityOptionsChange, ActivitySelector, PauseActivities, PendingActivityOptions, ResetActivities,
    UnpauseActivities,
};
pub use batch::{
    BatchActivities, BatchDescription, BatchHandle, BatchInfo, BatchList, BatchOperation, BatchOperationState,
    BatchOperationType, BatchReset, BatchResetActivities, BatchTargets, BatchUnpauseActivities, StartBatch,
    StartBatchError,
};
pub use cluster::{ClusterInfo, HealthStatus, SystemInfo};
pub use deployments::{
    ConflictToken, DeleteDeploymentVersion, DeploymentError, DescribeDeploymentVersion, RoutingConfig,
    SetDeploymentManager, SetDeploymentVersion, UpdateDeploymentVersionMetadata, VersionDrainageStatus,
    VersionTaskQueue, WorkerDeploymentDescription, WorkerDeploymentHandle, WorkerDeploymentList,
    WorkerDeploymentListEntry, WorkerDeploymentVersionDescription, WorkerDeploymentVersionStatus,
    WorkerDeploymentVersionSummary,
};
pub use entry::Operator;
pub use namespaces::{NamespaceDescription, NamespaceList, NamespaceState, RegisterNamespace, UpdateNamespace};
pub use nexus_endpoints::{NexusEndpoint, NexusEndpointList, NexusEndpointTarget, SetNexusEndpoint};
pub use reset::{ResetError, ResetPoint, ResetReapplyExcludeType, ResetWorkflow};
pub use search_attributes::{SearchAttributeList, SearchAttributeType};
pub use standalone_activity::{PauseStandaloneActivity, ResetStandaloneActivity, UnpauseStandaloneActivity};
pub use task_queues::{
    PollerInfo, TaskQueueConfig, TaskQueueDescription, TaskQueueHandle, TaskQueueRateLimit, TaskQueueStats,
    TaskQueueType, UpdateTaskQueueConfig,
};
pub use workers::{WorkerDescription, WorkerInfo, WorkerList, WorkerPollers, WorkerSlots, WorkerStatus};
pub use workflow::{PauseWorkflow, UnpauseWorkflow, WorkflowExecutionOptions, WorkflowOptionsChange};

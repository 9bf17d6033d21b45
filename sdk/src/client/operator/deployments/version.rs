//! One version of a worker deployment: its description, its metadata, its end.

use std::collections::HashMap;
use std::future::IntoFuture;
use std::time::SystemTime;

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::workflowservice::v1::{
    DeleteWorkerDeploymentVersionRequest, DescribeWorkerDeploymentVersionRequest,
    DescribeWorkerDeploymentVersionResponse, UpdateWorkerDeploymentVersionMetadataRequest,
};
use serde::Serialize;

use super::{DeploymentError, VersionDrainageStatus, WorkerDeploymentVersionStatus};
use crate::client::connection::Connection;
use crate::client::operator::task_queues::{TaskQueueStats, TaskQueueType};
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::converter::{PayloadError, from_payload, to_payload};
use crate::debug_only::debug_only;
use crate::definition::PayloadValue;
use crate::presence;
use crate::versioning::DeploymentVersion;

/// A request for the description of a version, sent when awaited.
#[must_use = "the version is described only when this is awaited"]
pub struct DescribeDeploymentVersion {
    connection: Connection,
    request: DescribeWorkerDeploymentVersionRequest,
}

debug_only!(impl[] DescribeDeploymentVersion, |this| { version: this.request.deployment_version });

impl DescribeDeploymentVersion {
    pub(super) fn new(connection: Connection, request: DescribeWorkerDeploymentVersionRequest) -> Self {
        Self { connection, request }
    }

    /// Also returns the statistics of the version's task queues. Default: their names only.
    pub fn with_task_queue_stats(mut self) -> Self {
        self.request.report_task_queue_stats = true;
        self
    }
}

impl IntoFuture for DescribeDeploymentVersion {
    type Output = Result<WorkerDeploymentVersionDescription, RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let response = self.connection.call_coded(self.request).await?;
            Ok(WorkerDeploymentVersionDescription::from_proto(response))
        })
    }
}

/// A version of a worker deployment (Temporal's `WorkerDeploymentVersionInfo`).
#[derive(Clone, PartialEq)]
pub struct WorkerDeploymentVersionDescription {
    version: DeploymentVersion,
    status: WorkerDeploymentVersionStatus,
    drainage_status: Option<VersionDrainageStatus>,
    ramp_percentage: f32,
    create_time: Option<SystemTime>,
    current_since_time: Option<SystemTime>,
    ramping_since_time: Option<SystemTime>,
    task_queues: Vec<VersionTaskQueue>,
    metadata: HashMap<String, Payload>,
}

debug_only!(impl[] WorkerDeploymentVersionDescription, |this| {
    version: this.version,
    status: this.status,
    task_queues: this.task_queues,
});

impl WorkerDeploymentVersionDescription {
    fn from_proto(proto: DescribeWorkerDeploymentVersionResponse) -> Self {
        let info = proto.worker_deployment_version_info.unwrap_or_default();
        let task_queues = proto.version_task_queues.into_iter().map(|queue| VersionTaskQueue {
            name: queue.name,
            task_queue_type: TaskQueueType::from_proto(queue.r#type),
            stats: queue.stats.map(TaskQueueStats::from_proto),
        });
        Self {
            version: DeploymentVersion::from_proto(info.deployment_version).unwrap_or_default(),
            status: WorkerDeploymentVersionStatus::from_proto(info.status),
            drainage_status: info.drainage_info.and_then(|info| VersionDrainageStatus::from_proto(info.status)),
            ramp_percentage: info.ramp_percentage,
            create_time: presence::time(info.create_time.as_ref()),
            current_since_time: presence::time(info.current_since_time.as_ref()),
            ramping_since_time: presence::time(info.ramping_since_time.as_ref()),
            task_queues: task_queues.collect(),
            metadata: info.metadata.unwrap_or_default().entries,
        }
    }

    /// Returns deployment and build.
    pub fn version(&self) -> &DeploymentVersion {
        &self.version
    }

    /// Returns the status.
    pub fn status(&self) -> WorkerDeploymentVersionStatus {
        self.status
    }

    /// Returns whether pinned workflows are left; `None` for a version that does not drain.
    pub fn drainage_status(&self) -> Option<VersionDrainageStatus> {
        self.drainage_status
    }

    /// Returns the part of the workflows that it gets as the ramping version, from 0 to 100.
    pub fn ramp_percentage(&self) -> f32 {
        self.ramp_percentage
    }

    /// Returns the time at which it was created.
    pub fn create_time(&self) -> Option<SystemTime> {
        self.create_time
    }

    /// Returns since when it is the current version; `None` if it is not.
    pub fn current_since_time(&self) -> Option<SystemTime> {
        self.current_since_time
    }

    /// Returns since when it is the ramping version; `None` if it is not.
    pub fn ramping_since_time(&self) -> Option<SystemTime> {
        self.ramping_since_time
    }

    /// Returns the task queues that workers of this version have polled.
    pub fn task_queues(&self) -> &[VersionTaskQueue] {
        &self.task_queues
    }

    /// Returns a value of the metadata; `None` if the key is missing.
    ///
    /// # Errors
    /// Returns an error if the value is present and not a `T`.
    pub fn metadata<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        self.metadata.get(key).map(from_payload).transpose()
    }
}

/// A task queue of a version.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VersionTaskQueue {
    /// Name of the task queue.
    pub name: String,
    /// The kind of its tasks.
    pub task_queue_type: TaskQueueType,
    /// Statistics of its tasks for this version; `None` unless
    /// [`with_task_queue_stats`](DescribeDeploymentVersion::with_task_queue_stats) was set.
    pub stats: Option<TaskQueueStats>,
}

/// A request to delete a version, sent when awaited.
#[must_use = "the version is deleted only when this is awaited"]
pub struct DeleteDeploymentVersion {
    connection: Connection,
    request: DeleteWorkerDeploymentVersionRequest,
}

debug_only!(impl[] DeleteDeploymentVersion, |this| { version: this.request.deployment_version });

impl DeleteDeploymentVersion {
    pub(super) fn new(connection: Connection, request: DeleteWorkerDeploymentVersionRequest) -> Self {
        Self { connection, request }
    }

    /// Deletes the version even if pinned workflows are left. They cannot continue until they get another version.
    pub fn skip_drainage(mut self) -> Self {
        self.request.skip_drainage = true;
        self
    }
}

impl IntoFuture for DeleteDeploymentVersion {
    type Output = Result<(), DeploymentError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let name = self.request.deployment_version.clone().unwrap_or_default().deployment_name;
        Box::pin(async move {
            let deleted = self.connection.call(self.request).await;
            deleted.map(drop).map_err(|error| DeploymentError::from_rpc(&name, error))
        })
    }
}

/// A change of a version's metadata, sent when awaited.
#[must_use = "the metadata is changed only when this is awaited"]
pub struct UpdateDeploymentVersionMetadata {
    connection: Connection,
    request: UpdateWorkerDeploymentVersionMetadataRequest,
    error: Option<PayloadError>,
}

debug_only!(impl[] UpdateDeploymentVersionMetadata, |this| { version: this.request.deployment_version });

impl UpdateDeploymentVersionMetadata {
    pub(super) fn new(connection: Connection, request: UpdateWorkerDeploymentVersionMetadataRequest) -> Self {
        Self { connection, request, error: None }
    }

    /// Sets a value.
    pub fn set<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        let key = key.into();
        match to_payload(value) {
            Ok(payload) => drop(self.request.upsert_entries.insert(key, payload)),
            Err(error) => self.error = Some(error.of(format_args!("metadata `{key}` of a deployment version"))),
        }
        self
    }

    /// Removes a value.
    pub fn remove(mut self, key: impl Into<String>) -> Self {
        self.request.remove_entries.push(key.into());
        self
    }

    async fn send(self) -> Result<(), DeploymentError> {
        if let Some(error) = self.error {
            return Err(error.into());
        }
        let name = self.request.deployment_version.clone().unwrap_or_default().deployment_name;
        let updated = self.connection.call_coded(self.request).await;
        updated.map(drop).map_err(|error| DeploymentError::from_rpc(&name, error))
    }
}

impl IntoFuture for UpdateDeploymentVersionMetadata {
    type Output = Result<(), DeploymentError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

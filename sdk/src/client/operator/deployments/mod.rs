//! Worker deployments: their versions, and which of them gets the tasks of new workflows.

mod description;
mod version;

use std::collections::VecDeque;
use std::fmt;
use std::future::IntoFuture;

use abide_protos::temporal::api::workflowservice::v1::set_worker_deployment_manager_request::NewManagerIdentity;
use abide_protos::temporal::api::workflowservice::v1::{
    DeleteWorkerDeploymentRequest, DeleteWorkerDeploymentVersionRequest, DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentVersionRequest, ListWorkerDeploymentsRequest, SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentManagerRequest, SetWorkerDeploymentRampingVersionRequest,
    UpdateWorkerDeploymentVersionMetadataRequest,
};

pub use description::{
    RoutingConfig, VersionDrainageStatus, WorkerDeploymentDescription, WorkerDeploymentListEntry,
    WorkerDeploymentVersionStatus, WorkerDeploymentVersionSummary,
};
pub use version::{
    DeleteDeploymentVersion, DescribeDeploymentVersion, UpdateDeploymentVersionMetadata, VersionTaskQueue,
    WorkerDeploymentVersionDescription,
};

use crate::client::Client;
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::converter::PayloadError;
use crate::debug_only::debug_only;
use crate::versioning::DeploymentVersion;

impl Client {
    /// Returns a handle to the worker deployment with this name. Makes no call, so the deployment need not exist.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # async fn roll_out(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let orders = client.deployment("orders");
    /// orders.set_ramping_version("build-7", 5.0).await?;
    /// // .. and when all is well:
    /// orders.set_current_version("build-7").await?;
    /// println!("{:?}", orders.describe().await?.routing_config().current_version);
    /// # Ok(()) }
    /// ```
    pub fn deployment(&self, name: impl Into<String>) -> WorkerDeploymentHandle {
        WorkerDeploymentHandle { connection: self.connection().clone(), name: name.into() }
    }

    /// Lists the worker deployments of the namespace.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # async fn look(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut deployments = client.deployments();
    /// while let Some(deployment) = deployments.next().await? {
    ///     println!("{}: {:?}", deployment.name(), deployment.routing_config().current_version);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn deployments(&self) -> WorkerDeploymentList {
        let namespace = self.connection().namespace().to_string();
        WorkerDeploymentList {
            connection: self.connection().clone(),
            request: ListWorkerDeploymentsRequest { namespace, ..Default::default() },
            fetched: VecDeque::new(),
            is_last_page: false,
        }
    }
}

/// The worker deployments of a namespace, fetched page by page.
#[must_use = "nothing is fetched until `next` is called"]
pub struct WorkerDeploymentList {
    connection: Connection,
    request: ListWorkerDeploymentsRequest,
    fetched: VecDeque<WorkerDeploymentListEntry>,
    is_last_page: bool,
}

debug_only!(impl[] WorkerDeploymentList, |this| { namespace: this.request.namespace });

impl WorkerDeploymentList {
    /// Sets the number of deployments to fetch per call. Default: the server's.
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Returns the next deployment; `None` after the last.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed.
    pub async fn next(&mut self) -> Result<Option<WorkerDeploymentListEntry>, RpcError> {
        while self.fetched.is_empty() && !self.is_last_page {
            let page = self.connection.call(self.request.clone()).await?;
            self.fetched.extend(page.worker_deployments.into_iter().map(WorkerDeploymentListEntry::from_proto));
            self.is_last_page = page.next_page_token.is_empty();
            self.request.next_page_token = page.next_page_token;
        }
        Ok(self.fetched.pop_front())
    }
}

/// A token for the state of a worker deployment. A call that takes it fails if the deployment has changed since.
///
/// Descriptions contain it, and so do the answers to changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictToken(pub(super) Vec<u8>);

/// A change of a worker deployment was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeploymentError {
    /// The deployment, or its version, does not exist. A deployment exists once a worker of it has polled.
    #[error(
        "worker deployment `{deployment}` cannot be changed: {message}; check the name, and that a worker has started"
    )]
    NotFound {
        /// Name of the deployment.
        deployment: String,
        /// The server's message.
        message: String,
    },
    /// The deployment has changed since the [`ConflictToken`] was made.
    #[error(
        "worker deployment `{deployment}` has changed since it was read: {message}; describe it again, and decide again"
    )]
    Conflict {
        /// Name of the deployment.
        deployment: String,
        /// The server's message.
        message: String,
    },
    /// The version has workers that poll, so that it cannot be deleted. The server remembers a poll for five minutes.
    #[error(
        "worker deployment `{deployment}`: {message}; stop the workers of the version, and wait until their polls are \
         forgotten"
    )]
    HasPollers {
        /// Name of the deployment.
        deployment: String,
        /// The server's message.
        message: String,
    },
    /// The version may still have pinned workflows, so that it cannot be deleted without
    /// [`skip_drainage`](DeleteDeploymentVersion::skip_drainage).
    #[error(
        "worker deployment `{deployment}`: {message}; wait until the version is drained, or add `.skip_drainage()`"
    )]
    Draining {
        /// Name of the deployment.
        deployment: String,
        /// The server's message.
        message: String,
    },
    /// The new version has no workers on a task queue of the current version, whose tasks would then go to unversioned
    /// workers. [`ignore_missing_task_queues`](SetDeploymentVersion::ignore_missing_task_queues) allows it.
    #[error(
        "worker deployment `{deployment}`: {message}; start workers for these task queues, or add \
         `.ignore_missing_task_queues()`"
    )]
    MissingTaskQueues {
        /// Name of the deployment.
        deployment: String,
        /// The server's message.
        message: String,
    },
    /// Another client is the [manager](WorkerDeploymentHandle::set_manager) of the deployment.
    #[error("worker deployment `{deployment}` is managed by another client: {message}")]
    ManagedByOther {
        /// Name of the deployment.
        deployment: String,
        /// The server's message.
        message: String,
    },
    /// A value of the metadata cannot be serialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed.
    #[error("{0}")]
    Rpc(RpcError),
}

impl DeploymentError {
    /// Reads the server's refusal. It sends no details, so only its message tells one reason from the other.
    pub(super) fn from_rpc(deployment: &str, error: RpcError) -> Self {
        let (deployment, message) = (deployment.to_string(), error.message().to_string());
        let says = |text: &str| message.contains(text);
        if error.is_not_found() && !error.is_namespace_not_found() {
            return Self::NotFound { deployment, message };
        }
        if !error.is_failed_precondition() {
            return Self::Rpc(error);
        }
        match () {
            () if says("conflict token") => Self::Conflict { deployment, message },
            () if says("active pollers") => Self::HasPollers { deployment, message },
            () if says("is draining") => Self::Draining { deployment, message },
            () if says("missing active task queues") => Self::MissingTaskQueues { deployment, message },
            () if says("ManagerIdentity") => Self::ManagedByOther { deployment, message },
            () => Self::Rpc(error),
        }
    }
}

/// A handle to a worker deployment: a program whose builds are its versions (Temporal's worker deployment).
#[derive(Clone)]
pub struct WorkerDeploymentHandle {
    connection: Connection,
    name: String,
}

impl fmt::Debug for WorkerDeploymentHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerDeploymentHandle").field("name", &self.name).finish_non_exhaustive()
    }
}

impl WorkerDeploymentHandle {
    /// Returns the name of the deployment.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the deployment's versions and its routing.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if no worker of the deployment has ever polled.
    pub async fn describe(&self) -> Result<WorkerDeploymentDescription, RpcError> {
        let request =
            DescribeWorkerDeploymentRequest { namespace: self.namespace(), deployment_name: self.name.clone() };
        self.connection.call(request).await.map(WorkerDeploymentDescription::from_proto)
    }

    /// Makes a build the current version: new workflows start on it, and auto-upgrade workflows move to it.
    ///
    /// # Errors
    /// [`DeploymentError`]: the version does not exist, or lacks task queues.
    pub fn set_current_version(&self, build_id: impl Into<String>) -> SetDeploymentVersion {
        self.set_version(Some(build_id.into()), None)
    }

    /// Removes the current version: new workflows go to unversioned workers.
    ///
    /// # Errors
    /// [`DeploymentError`]: the deployment does not exist.
    pub fn unset_current_version(&self) -> SetDeploymentVersion {
        self.set_version(None, None)
    }

    /// Makes a build the ramping version: it gets this percentage (0 to 100) of the workflows that would go to the
    /// current version.
    ///
    /// # Errors
    /// [`DeploymentError`]: the version does not exist, or lacks task queues.
    pub fn set_ramping_version(&self, build_id: impl Into<String>, percentage: f32) -> SetDeploymentVersion {
        self.set_version(Some(build_id.into()), Some(percentage))
    }

    /// Lets unversioned workers have this percentage (0 to 100) of the workflows that would go to the current version.
    ///
    /// # Errors
    /// [`DeploymentError`]: the deployment does not exist.
    pub fn ramp_to_unversioned(&self, percentage: f32) -> SetDeploymentVersion {
        self.set_version(None, Some(percentage))
    }

    /// Removes the ramping version: the current version gets all workflows.
    ///
    /// # Errors
    /// [`DeploymentError`]: the deployment does not exist.
    pub fn unset_ramping_version(&self) -> SetDeploymentVersion {
        self.set_version(None, Some(0.0))
    }

    fn set_version(&self, build_id: Option<String>, ramp: Option<f32>) -> SetDeploymentVersion {
        let request = SetWorkerDeploymentRampingVersionRequest {
            namespace: self.namespace(),
            deployment_name: self.name.clone(),
            build_id: build_id.unwrap_or_default(),
            percentage: ramp.unwrap_or_default(),
            identity: self.connection.identity().to_string(),
            ..Default::default()
        };
        SetDeploymentVersion { connection: self.connection.clone(), is_ramp: ramp.is_some(), request }
    }

    /// Sets who may change the deployment: only clients with this identity. While a manager is set, changes of other
    /// clients are refused.
    ///
    /// # Errors
    /// [`DeploymentError`]: the deployment does not exist.
    pub fn set_manager(&self, identity: impl Into<String>) -> SetDeploymentManager {
        self.set_new_manager(NewManagerIdentity::ManagerIdentity(identity.into()))
    }

    /// Makes this client the [manager](Self::set_manager). Give the client a fixed
    /// [identity](crate::ClientOptions::identity) first: the default differs for each process, so the next one would be
    /// locked out.
    ///
    /// # Errors
    /// [`DeploymentError`]: the deployment does not exist.
    pub fn set_manager_to_self(&self) -> SetDeploymentManager {
        self.set_new_manager(NewManagerIdentity::Self_(true))
    }

    /// Removes the [manager](Self::set_manager): every client may change the deployment.
    ///
    /// # Errors
    /// [`DeploymentError`]: the deployment does not exist.
    pub fn unset_manager(&self) -> SetDeploymentManager {
        self.set_new_manager(NewManagerIdentity::ManagerIdentity(String::new()))
    }

    fn set_new_manager(&self, manager: NewManagerIdentity) -> SetDeploymentManager {
        let request = SetWorkerDeploymentManagerRequest {
            namespace: self.namespace(),
            deployment_name: self.name.clone(),
            identity: self.connection.identity().to_string(),
            new_manager_identity: Some(manager),
            ..Default::default()
        };
        SetDeploymentManager { connection: self.connection.clone(), request }
    }

    /// Deletes the deployment, which must not have versions any more.
    ///
    /// # Errors
    /// [`DeploymentError`]: the deployment has versions, or another client manages it.
    pub async fn delete(&self) -> Result<(), DeploymentError> {
        let request = DeleteWorkerDeploymentRequest {
            namespace: self.namespace(),
            deployment_name: self.name.clone(),
            identity: self.connection.identity().to_string(),
        };
        let deleted = self.connection.call(request).await;
        deleted.map(drop).map_err(|error| DeploymentError::from_rpc(&self.name, error))
    }

    /// Returns the status of a version, its task queues and metadata.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the version does not exist.
    pub fn describe_version(&self, build_id: impl Into<String>) -> DescribeDeploymentVersion {
        let request = DescribeWorkerDeploymentVersionRequest {
            namespace: self.namespace(),
            deployment_version: Some(self.version(build_id).to_proto()),
            ..Default::default()
        };
        DescribeDeploymentVersion::new(self.connection.clone(), request)
    }

    /// Deletes a version. It must not be current or ramping, its workers must have stopped, and it must be drained.
    ///
    /// # Errors
    /// [`DeploymentError`]: it has pollers, or is not drained.
    pub fn delete_version(&self, build_id: impl Into<String>) -> DeleteDeploymentVersion {
        let request = DeleteWorkerDeploymentVersionRequest {
            namespace: self.namespace(),
            deployment_version: Some(self.version(build_id).to_proto()),
            identity: self.connection.identity().to_string(),
            ..Default::default()
        };
        DeleteDeploymentVersion::new(self.connection.clone(), request)
    }

    /// Changes the metadata of a version: values that operators attach to it. Payload codecs encode them.
    ///
    /// # Errors
    /// [`DeploymentError`]: the version does not exist, or a value cannot be serialized.
    pub fn update_version_metadata(&self, build_id: impl Into<String>) -> UpdateDeploymentVersionMetadata {
        let request = UpdateWorkerDeploymentVersionMetadataRequest {
            namespace: self.namespace(),
            deployment_version: Some(self.version(build_id).to_proto()),
            identity: self.connection.identity().to_string(),
            ..Default::default()
        };
        UpdateDeploymentVersionMetadata::new(self.connection.clone(), request)
    }

    fn version(&self, build_id: impl Into<String>) -> DeploymentVersion {
        DeploymentVersion::new(&self.name, build_id)
    }

    fn namespace(&self) -> String {
        self.connection.namespace().to_string()
    }
}

/// A change of the current or the ramping version, sent when awaited. Returns the new [`ConflictToken`].
#[must_use = "the version is set only when this is awaited"]
pub struct SetDeploymentVersion {
    connection: Connection,
    is_ramp: bool,
    request: SetWorkerDeploymentRampingVersionRequest,
}

debug_only!(impl[] SetDeploymentVersion, |this| {
    deployment: this.request.deployment_name,
    build_id: this.request.build_id,
});

impl SetDeploymentVersion {
    /// Fails with [`DeploymentError::Conflict`] if the deployment has changed since this token was made. Default:
    /// changes it in any case.
    pub fn conflict_token(mut self, token: ConflictToken) -> Self {
        self.request.conflict_token = token.0;
        self
    }

    /// Allows a version without workers on some task queues of the current version. Default: refused.
    pub fn ignore_missing_task_queues(mut self) -> Self {
        self.request.ignore_missing_task_queues = true;
        self
    }

    /// Allows a version whose workers have not polled yet. If the deployment or the version does not exist, it is
    /// created. Default: refused.
    pub fn allow_no_pollers(mut self) -> Self {
        self.request.allow_no_pollers = true;
        self
    }

    async fn send(self) -> Result<ConflictToken, DeploymentError> {
        let name = self.request.deployment_name.clone();
        let set = if self.is_ramp {
            self.connection.call(self.request).await.map(|answer| answer.conflict_token)
        } else {
            let request = SetWorkerDeploymentCurrentVersionRequest {
                namespace: self.request.namespace,
                deployment_name: self.request.deployment_name,
                build_id: self.request.build_id,
                conflict_token: self.request.conflict_token,
                identity: self.request.identity,
                ignore_missing_task_queues: self.request.ignore_missing_task_queues,
                allow_no_pollers: self.request.allow_no_pollers,
                ..Default::default()
            };
            self.connection.call(request).await.map(|answer| answer.conflict_token)
        };
        set.map(ConflictToken).map_err(|error| DeploymentError::from_rpc(&name, error))
    }
}

impl IntoFuture for SetDeploymentVersion {
    type Output = Result<ConflictToken, DeploymentError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A change of a deployment's manager, sent when awaited. Returns the new [`ConflictToken`].
#[must_use = "the manager is set only when this is awaited"]
pub struct SetDeploymentManager {
    connection: Connection,
    request: SetWorkerDeploymentManagerRequest,
}

debug_only!(impl[] SetDeploymentManager, |this| { deployment: this.request.deployment_name });

impl SetDeploymentManager {
    /// Fails with [`DeploymentError::Conflict`] if the deployment has changed since this token was made. Default:
    /// changes it in any case.
    pub fn conflict_token(mut self, token: ConflictToken) -> Self {
        self.request.conflict_token = token.0;
        self
    }

    async fn send(self) -> Result<ConflictToken, DeploymentError> {
        let name = self.request.deployment_name.clone();
        let set = self.connection.call(self.request).await;
        set.map(|answer| ConflictToken(answer.conflict_token)).map_err(|error| DeploymentError::from_rpc(&name, error))
    }
}

impl IntoFuture for SetDeploymentManager {
    type Output = Result<ConflictToken, DeploymentError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_message() {
        let read = |code, message: &str| DeploymentError::from_rpc("orders", RpcError::for_test(code, message));
        let refused = |message: &str| read(Code::FailedPrecondition, message);
        assert!(matches!(read(Code::NotFound, "no Worker Deployment"), DeploymentError::NotFound { .. }));
        assert!(matches!(refused("conflict token mismatch"), DeploymentError::Conflict { .. }));
        assert!(matches!(refused("it has active pollers"), DeploymentError::HasPollers { .. }));
        assert!(matches!(refused("since it is draining"), DeploymentError::Draining { .. }));
        assert!(matches!(refused("is missing active task queues from"), DeploymentError::MissingTaskQueues { .. }));
        assert!(matches!(refused("ManagerIdentity 'a' is set"), DeploymentError::ManagedByOther { .. }));
        assert!(matches!(refused("something else"), DeploymentError::Rpc(_)));
        assert!(matches!(read(Code::Unavailable, "conflict token"), DeploymentError::Rpc(_)));
    }
}

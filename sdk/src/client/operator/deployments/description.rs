//! Descriptions of worker deployments, and of their versions in lists.

use std::time::SystemTime;

use abide_protos::temporal::api::deployment::v1::worker_deployment_info::WorkerDeploymentVersionSummary as SummaryProto;
use abide_protos::temporal::api::deployment::v1::{RoutingConfig as RoutingConfigProto, WorkerDeploymentInfo};
use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::workflowservice::v1::DescribeWorkerDeploymentResponse;
use abide_protos::temporal::api::workflowservice::v1::list_worker_deployments_response::WorkerDeploymentSummary;

use super::ConflictToken;
use crate::presence;
use crate::versioning::DeploymentVersion;

/// Status of a version (Temporal's `WorkerDeploymentVersionStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerDeploymentVersionStatus {
    /// Created, but no worker has polled.
    Created,
    /// It was never current or ramping.
    Inactive,
    /// The current version.
    Current,
    /// The ramping version.
    Ramping,
    /// Neither current nor ramping any more. It may still have pinned workflows.
    Draining,
    /// No pinned workflow is left.
    Drained,
    /// A status that this version of Abide does not know.
    Unknown,
}

impl WorkerDeploymentVersionStatus {
    pub(super) fn from_proto(value: i32) -> Self {
        use enums::WorkerDeploymentVersionStatus as Proto;
        match Proto::try_from(value) {
            Ok(Proto::Created) => Self::Created,
            Ok(Proto::Inactive) => Self::Inactive,
            Ok(Proto::Current) => Self::Current,
            Ok(Proto::Ramping) => Self::Ramping,
            Ok(Proto::Draining) => Self::Draining,
            Ok(Proto::Drained) => Self::Drained,
            Ok(Proto::Unspecified) | Err(_) => Self::Unknown,
        }
    }
}

/// Progress of a version's drainage (Temporal's `VersionDrainageStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionDrainageStatus {
    /// It may have open pinned workflows.
    Draining,
    /// It has none, so its workers can be stopped.
    Drained,
}

impl VersionDrainageStatus {
    /// Returns `None` for a version that does not drain, because it is current, ramping or was never either.
    pub(super) fn from_proto(value: i32) -> Option<Self> {
        use enums::VersionDrainageStatus as Proto;
        match Proto::try_from(value) {
            Ok(Proto::Draining) => Some(Self::Draining),
            Ok(Proto::Drained) => Some(Self::Drained),
            Ok(Proto::Unspecified) | Err(_) => None,
        }
    }
}

/// The versions that get the workflows of a deployment (Temporal's `RoutingConfig`).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RoutingConfig {
    /// The version of new workflows; `None` for unversioned workers.
    pub current_version: Option<DeploymentVersion>,
    /// The version that gets a part of them. `None` with a percentage above zero stands for unversioned workers.
    pub ramping_version: Option<DeploymentVersion>,
    /// The part that the ramping version gets, from 0 to 100.
    pub ramping_version_percentage: f32,
    /// When the current version was set.
    pub current_version_changed_time: Option<SystemTime>,
    /// When the ramping version was set.
    pub ramping_version_changed_time: Option<SystemTime>,
}

impl RoutingConfig {
    fn from_proto(proto: Option<RoutingConfigProto>) -> Self {
        let proto = proto.unwrap_or_default();
        Self {
            current_version: DeploymentVersion::from_proto(proto.current_deployment_version),
            ramping_version: DeploymentVersion::from_proto(proto.ramping_deployment_version),
            ramping_version_percentage: proto.ramping_version_percentage,
            current_version_changed_time: presence::time(proto.current_version_changed_time.as_ref()),
            ramping_version_changed_time: presence::time(proto.ramping_version_changed_time.as_ref()),
        }
    }
}

/// A worker deployment in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerDeploymentListEntry {
    name: String,
    create_time: Option<SystemTime>,
    routing_config: RoutingConfig,
    latest_version: Option<WorkerDeploymentVersionSummary>,
}

impl WorkerDeploymentListEntry {
    pub(super) fn from_proto(proto: WorkerDeploymentSummary) -> Self {
        Self {
            name: proto.name,
            create_time: presence::time(proto.create_time.as_ref()),
            routing_config: RoutingConfig::from_proto(proto.routing_config),
            latest_version: proto.latest_version_summary.map(WorkerDeploymentVersionSummary::from_proto),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the time at which the first worker of the deployment polled.
    pub fn create_time(&self) -> Option<SystemTime> {
        self.create_time
    }

    /// Returns which versions get the deployment's workflows.
    pub fn routing_config(&self) -> &RoutingConfig {
        &self.routing_config
    }

    /// Returns the version that was created last.
    pub fn latest_version(&self) -> Option<&WorkerDeploymentVersionSummary> {
        self.latest_version.as_ref()
    }
}

/// A worker deployment with its versions (Temporal's `WorkerDeploymentInfo`).
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerDeploymentDescription {
    name: String,
    create_time: Option<SystemTime>,
    routing_config: RoutingConfig,
    versions: Vec<WorkerDeploymentVersionSummary>,
    manager_identity: String,
    last_modifier_identity: String,
    conflict_token: ConflictToken,
}

impl WorkerDeploymentDescription {
    pub(super) fn from_proto(proto: DescribeWorkerDeploymentResponse) -> Self {
        let WorkerDeploymentInfo {
            name,
            version_summaries,
            create_time,
            routing_config,
            last_modifier_identity,
            manager_identity,
            ..
        } = proto.worker_deployment_info.unwrap_or_default();
        Self {
            name,
            create_time: presence::time(create_time.as_ref()),
            routing_config: RoutingConfig::from_proto(routing_config),
            versions: version_summaries.into_iter().map(WorkerDeploymentVersionSummary::from_proto).collect(),
            manager_identity,
            last_modifier_identity,
            conflict_token: ConflictToken(proto.conflict_token),
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the time at which the first worker of the deployment polled.
    pub fn create_time(&self) -> Option<SystemTime> {
        self.create_time
    }

    /// Returns which versions get the deployment's workflows.
    pub fn routing_config(&self) -> &RoutingConfig {
        &self.routing_config
    }

    /// Returns the versions.
    pub fn versions(&self) -> &[WorkerDeploymentVersionSummary] {
        &self.versions
    }

    /// Returns the version with this build id.
    pub fn version(&self, build_id: &str) -> Option<&WorkerDeploymentVersionSummary> {
        self.versions.iter().find(|version| version.version.build_id == build_id)
    }

    /// Returns the identity of the [manager](super::WorkerDeploymentHandle::set_manager); `None` if there is none.
    pub fn manager_identity(&self) -> Option<&str> {
        Some(self.manager_identity.as_str()).filter(|identity| !identity.is_empty())
    }

    /// Returns the identity of the client that changed the deployment last; empty if none has.
    pub fn last_modifier_identity(&self) -> &str {
        &self.last_modifier_identity
    }

    /// Returns the token for this state of the deployment.
    pub fn conflict_token(&self) -> ConflictToken {
        self.conflict_token.clone()
    }
}

/// A version of a worker deployment, as the deployment's description lists it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WorkerDeploymentVersionSummary {
    /// Deployment and build.
    pub version: DeploymentVersion,
    /// The status.
    pub status: WorkerDeploymentVersionStatus,
    /// Progress of the drainage of pinned workflows; `None` for a version that does not drain.
    pub drainage_status: Option<VersionDrainageStatus>,
    /// When it was created.
    pub create_time: Option<SystemTime>,
    /// Since when it is the current version; `None` if it is not.
    pub current_since_time: Option<SystemTime>,
    /// Since when it is the ramping version; `None` if it is not.
    pub ramping_since_time: Option<SystemTime>,
}

impl WorkerDeploymentVersionSummary {
    fn from_proto(proto: SummaryProto) -> Self {
        let drainage = proto.drainage_info.map_or(proto.drainage_status, |info| info.status);
        Self {
            version: DeploymentVersion::from_proto(proto.deployment_version).unwrap_or_default(),
            status: WorkerDeploymentVersionStatus::from_proto(proto.status),
            drainage_status: VersionDrainageStatus::from_proto(drainage),
            create_time: presence::time(proto.create_time.as_ref()),
            current_since_time: presence::time(proto.current_since_time.as_ref()),
            ramping_since_time: presence::time(proto.ramping_since_time.as_ref()),
        }
    }
}

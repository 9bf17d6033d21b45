//! Worker deployments: the version of a program that runs a workflow, and the workflow's move to newer versions.

use abide_protos::temporal::api::deployment::v1::WorkerDeploymentVersion;
use abide_protos::temporal::api::enums::v1;
use abide_protos::temporal::api::workflow::v1 as workflow;

/// A version of a program: a deployment and one of its builds (Temporal's worker deployment version).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct DeploymentVersion {
    /// Name of the deployment, which is the program as a whole. Empty for a worker without a deployment.
    pub deployment_name: String,
    /// Build id of this version.
    pub build_id: String,
}

/// Behaviour of a running workflow when a newer version of its program is deployed (Temporal's `VersioningBehavior`).
///
/// Set for a workflow type with `#[workflow(versioning_behavior = pinned)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersioningBehavior {
    /// The workflow stays on the version it started with: its code may be changed without patches.
    Pinned,
    /// The workflow moves to the current version with its next workflow task: its code must stay compatible.
    AutoUpgrade,
}

/// Version on which the next run of a [continue-as-new](crate::WorkflowContext::continue_as_new) starts, whatever its
/// [`VersioningBehavior`] is afterwards. If unset, a pinned workflow stays on its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContinueAsNewVersioningBehavior {
    /// The version on which new workflows of the task queue start.
    AutoUpgrade,
    /// The ramping version; the current one if there is none.
    UseRampingVersion,
}

/// Sets the worker deployment version of a workflow and overrides its own versioning behaviour (Temporal's
/// `VersioningOverride`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersioningOverride {
    /// This version, until the workflow closes.
    Pinned(DeploymentVersion),
    /// The current version at each workflow task.
    AutoUpgrade,
    /// This version, until it has completed one workflow task. Then the workflow's own behaviour counts again.
    OneTime(DeploymentVersion),
}

/// Routes the activities, children and next run of a workflow to workers with a compatible build, or not (Temporal's
/// versioning intent).
///
/// It applies to task queues whose workers are distinguished only by build ids, the predecessor of [worker
/// deployments](DeploymentVersion); with deployments it has no effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersioningIntent {
    /// [`Compatible`](Self::Compatible) on the workflow's own task queue, [`Default`](Self::Default) on another one,
    /// where build ids have a different meaning.
    #[default]
    Unspecified,
    /// To workers whose build is compatible with the one that runs this workflow.
    Compatible,
    /// To workers with the task queue's default build.
    Default,
}

impl VersioningIntent {
    /// Returns true if the command asks for this workflow's build.
    pub(crate) fn inherits_build_id(self, own_queue: bool) -> bool {
        match self {
            Self::Unspecified => own_queue,
            Self::Compatible => true,
            Self::Default => false,
        }
    }
}

impl DeploymentVersion {
    /// Creates the version for a build of a deployment.
    pub fn new(deployment_name: impl Into<String>, build_id: impl Into<String>) -> Self {
        Self { deployment_name: deployment_name.into(), build_id: build_id.into() }
    }

    pub(crate) fn to_proto(&self) -> WorkerDeploymentVersion {
        WorkerDeploymentVersion { deployment_name: self.deployment_name.clone(), build_id: self.build_id.clone() }
    }

    /// Returns `None` for no version, and for a message without a build.
    #[cfg(feature = "client")]
    pub(crate) fn from_proto(proto: Option<WorkerDeploymentVersion>) -> Option<Self> {
        let WorkerDeploymentVersion { deployment_name, build_id } = proto?;
        (!build_id.is_empty()).then_some(Self { deployment_name, build_id })
    }

    pub(crate) fn is(&self, deployment_name: &str, build_id: &str) -> bool {
        self.deployment_name == deployment_name && self.build_id == build_id
    }
}

impl VersioningOverride {
    pub(crate) fn to_proto(&self) -> workflow::VersioningOverride {
        use workflow::versioning_override::{OneTimeOverride, Override, PinnedOverride, PinnedOverrideBehavior};
        let chosen = match self {
            Self::Pinned(version) => Override::Pinned(PinnedOverride {
                behavior: PinnedOverrideBehavior::Pinned as i32,
                version: Some(version.to_proto()),
            }),
            Self::AutoUpgrade => Override::AutoUpgrade(true),
            Self::OneTime(version) => {
                Override::OneTime(OneTimeOverride { target_deployment_version: Some(version.to_proto()) })
            }
        };
        workflow::VersioningOverride { r#override: Some(chosen), ..Default::default() }
    }

    /// Returns `None` for a message without an override, or with one that this version does not know.
    #[cfg(feature = "client")]
    pub(crate) fn from_proto(proto: workflow::VersioningOverride) -> Option<Self> {
        use workflow::versioning_override::Override;
        match proto.r#override? {
            Override::Pinned(pinned) => DeploymentVersion::from_proto(pinned.version).map(Self::Pinned),
            Override::AutoUpgrade(_) => Some(Self::AutoUpgrade),
            Override::OneTime(once) => DeploymentVersion::from_proto(once.target_deployment_version).map(Self::OneTime),
        }
    }
}

impl std::fmt::Display for DeploymentVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.deployment_name, self.build_id)
    }
}

impl VersioningBehavior {
    #[cfg(feature = "worker")]
    pub(crate) fn to_proto(self) -> v1::VersioningBehavior {
        match self {
            Self::Pinned => v1::VersioningBehavior::Pinned,
            Self::AutoUpgrade => v1::VersioningBehavior::AutoUpgrade,
        }
    }
}

impl ContinueAsNewVersioningBehavior {
    pub(crate) fn to_proto(self) -> v1::ContinueAsNewVersioningBehavior {
        match self {
            Self::AutoUpgrade => v1::ContinueAsNewVersioningBehavior::AutoUpgrade,
            Self::UseRampingVersion => v1::ContinueAsNewVersioningBehavior::UseRampingVersion,
        }
    }

    /// Converts from protobuf; `None` leaves it to the server.
    pub(crate) fn from_proto(behavior: v1::ContinueAsNewVersioningBehavior) -> Option<Self> {
        match behavior {
            v1::ContinueAsNewVersioningBehavior::Unspecified => None,
            v1::ContinueAsNewVersioningBehavior::AutoUpgrade => Some(Self::AutoUpgrade),
            v1::ContinueAsNewVersioningBehavior::UseRampingVersion => Some(Self::UseRampingVersion),
        }
    }
}

//! Worker deployments: which version of a program runs a workflow, and whether the workflow moves to newer ones.

use abide_protos::temporal::api::deployment::v1::WorkerDeploymentVersion;
use abide_protos::temporal::api::enums::v1;
use abide_protos::temporal::api::workflow::v1 as workflow;

/// One version of a program: a deployment and a build of it (Temporal's worker deployment version).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct DeploymentVersion {
    /// The deployment: the program, whatever its version. Empty for a worker that takes part in no versioning.
    pub deployment_name: String,
    /// The build of it.
    pub build_id: String,
}

/// Whether a workflow moves to a newer version of its program while it runs (Temporal's `VersioningBehavior`).
///
/// Given to a workflow type with `#[workflow(versioning_behavior = pinned)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersioningBehavior {
    /// It stays on the version it began with: its code may be changed without patches.
    Pinned,
    /// It moves to the current version with its next workflow task: its code has to stay compatible.
    AutoUpgrade,
}

/// Which version the next run of a [continue-as-new](crate::WorkflowContext::continue_as_new) begins on, whatever its
/// [`VersioningBehavior`] is afterwards. Without one a pinned workflow stays on its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContinueAsNewVersioningBehavior {
    /// The version that new workflows of the task queue begin on.
    AutoUpgrade,
    /// The version that is being ramped up; the current one if there is none.
    UseRampingVersion,
}

/// Sets the worker deployment version of a workflow and overrides its own versioning behaviour (Temporal's
/// `VersioningOverride`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersioningOverride {
    /// This version, until the end.
    Pinned(DeploymentVersion),
    /// The current version at each workflow task.
    AutoUpgrade,
}

/// Whether what a workflow begins (an activity, a child, its next run) goes to workers of the same build (Temporal's
/// versioning intent).
///
/// It concerns task queues whose workers are told apart by build ids alone, the server's way before
/// [worker deployments](DeploymentVersion); with deployments it means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersioningIntent {
    /// As [`Compatible`](Self::Compatible) where the task queue is the workflow's own, as [`Default`](Self::Default)
    /// where it is another: there build ids mean something else.
    #[default]
    Unspecified,
    /// To workers whose build is compatible with the one that runs this workflow.
    Compatible,
    /// To workers of the task queue's default build.
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
    /// A build of a deployment.
    pub fn new(deployment_name: impl Into<String>, build_id: impl Into<String>) -> Self {
        Self { deployment_name: deployment_name.into(), build_id: build_id.into() }
    }

    pub(crate) fn is(&self, deployment_name: &str, build_id: &str) -> bool {
        self.deployment_name == deployment_name && self.build_id == build_id
    }
}

impl VersioningOverride {
    pub(crate) fn to_proto(&self) -> workflow::VersioningOverride {
        use workflow::versioning_override::{Override, PinnedOverride, PinnedOverrideBehavior};
        let chosen = match self {
            Self::Pinned(version) => Override::Pinned(PinnedOverride {
                behavior: PinnedOverrideBehavior::Pinned as i32,
                version: Some(WorkerDeploymentVersion {
                    deployment_name: version.deployment_name.clone(),
                    build_id: version.build_id.clone(),
                }),
            }),
            Self::AutoUpgrade => Override::AutoUpgrade(true),
        };
        workflow::VersioningOverride { r#override: Some(chosen), ..Default::default() }
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
}

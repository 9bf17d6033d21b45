//! Versions of workers, as far as this server knows them: it notes who answered, and what a run leaves to those that
//! follow it. It hands tasks to workers of any version.

use crate::engine::api::common::{WorkerVersionCapabilities, WorkerVersionStamp};
use crate::engine::api::deployment::{InheritedAutoUpgradeInfo, WorkerDeploymentOptions, WorkerDeploymentVersion};
use crate::engine::api::enums::{ContinueAsNewVersioningBehavior, VersioningBehavior, WorkerVersioningMode};
use crate::engine::api::workflow::versioning_override::Override;
use crate::engine::api::{Attributes, history};
use crate::engine::workflow::Execution;

impl Execution {
    /// The version that the run stays on: because somebody else said so, or because its last answer did.
    pub(crate) fn pinned_version(&self) -> Option<WorkerDeploymentVersion> {
        match self.chosen() {
            Some(Override::Pinned(pinned)) => return pinned.version.clone(),
            Some(Override::AutoUpgrade(_) | Override::OneTime(_)) => return None,
            None => {}
        }
        let last = self.last_answer()?;
        last.deployment_version.clone().filter(|_| last.versioning_behavior() == VersioningBehavior::Pinned)
    }

    /// What the next run is told of this one where it does not stay on its version. The server's own count of changes
    /// is left out: this server has none.
    pub(crate) fn auto_upgrade_info(
        &self,
        asked_for: ContinueAsNewVersioningBehavior,
    ) -> Option<InheritedAutoUpgradeInfo> {
        let last = self.last_answer()?;
        let info = InheritedAutoUpgradeInfo {
            source_deployment_version: Some(last.deployment_version.clone()?),
            continue_as_new_initial_versioning_behavior: asked_for.into(),
            ..Default::default()
        };
        (self.upgrades() || asked_for != ContinueAsNewVersioningBehavior::Unspecified).then_some(info)
    }

    /// Whether a child in the same namespace begins on this run's version, or is told it: if workers of the same queue
    /// run it and nobody chose another one.
    pub(crate) fn tells_its_version_to(&self, child: &history::WorkflowExecutionStartedEventAttributes) -> bool {
        let queue = child.task_queue.as_ref().map(|queue| queue.name.as_str());
        queue == Some(self.state.task_queue()) && child.versioning_override.is_none()
    }

    /// What the next attempt inherits: the version that this one has inherited itself, if it stayed on it, or what a run
    /// is told that does not stay.
    pub(crate) fn version_for_retry(&self) -> (Option<WorkerDeploymentVersion>, Option<InheritedAutoUpgradeInfo>) {
        let start = &self.state.start;
        if self.last_answer().is_none() {
            return (start.inherited_pinned_version.clone(), start.inherited_auto_upgrade_info.clone());
        }
        let pinned = start.inherited_pinned_version.as_ref().and_then(|_| self.pinned_version());
        let told =
            start.inherited_auto_upgrade_info.as_ref().map(|info| info.continue_as_new_initial_versioning_behavior());
        (pinned, self.auto_upgrade_info(told.unwrap_or_default()).filter(|_| self.upgrades()))
    }

    /// Whether the run goes on with whatever version is the current one: because somebody said so, or its last answer.
    fn upgrades(&self) -> bool {
        match self.chosen() {
            Some(Override::Pinned(_)) => false,
            Some(Override::AutoUpgrade(upgrades)) => *upgrades,
            Some(Override::OneTime(_)) | None => {
                self.last_answer().is_some_and(|answer| answer.versioning_behavior() == VersioningBehavior::AutoUpgrade)
            }
        }
    }

    /// What somebody chose for this run, whatever its answers say.
    fn chosen(&self) -> Option<&Override> {
        self.state.start.versioning_override.as_ref()?.r#override.as_ref()
    }

    pub(crate) fn last_answer(&self) -> Option<&history::WorkflowTaskCompletedEventAttributes> {
        self.history.events.iter().rev().find_map(|event| match &event.attributes {
            Some(Attributes::WorkflowTaskCompletedEventAttributes(answer)) => Some(answer),
            _ => None,
        })
    }
}

/// The versioning of a run as its search attributes tell it: somebody's choice for it comes before what its last answer
/// says.
pub(crate) struct Shown {
    pub(crate) behavior: VersioningBehavior,
    pub(crate) version: Option<WorkerDeploymentVersion>,
    /// The name of the deployment, which a worker tells also without a version.
    pub(crate) deployment: String,
}

impl Shown {
    pub(crate) fn of(execution: &Execution, answer: &history::WorkflowTaskCompletedEventAttributes) -> Self {
        let answered = answer.deployment_version.as_ref();
        let (behavior, version) = match execution.chosen() {
            Some(Override::Pinned(pinned)) => (VersioningBehavior::Pinned, pinned.version.clone()),
            Some(Override::OneTime(once)) if once.target_deployment_version.as_ref() != answered => {
                (VersioningBehavior::Pinned, once.target_deployment_version.clone())
            }
            Some(Override::AutoUpgrade(true)) => (VersioningBehavior::AutoUpgrade, answered.cloned()),
            Some(Override::AutoUpgrade(false) | Override::OneTime(_)) | None => {
                (answer.versioning_behavior(), answered.cloned())
            }
        };
        let version = version.filter(|_| behavior != VersioningBehavior::Unspecified);
        let deployment = version.as_ref().map_or(&answer.worker_deployment_name, |version| &version.deployment_name);
        Self { behavior, deployment: deployment.clone(), version }
    }
}

/// The build that started events tell: of a worker that belongs to a deployment they tell none.
pub(crate) fn stamp(
    capabilities: Option<WorkerVersionCapabilities>,
    options: Option<&WorkerDeploymentOptions>,
) -> Option<WorkerVersionStamp> {
    let capabilities = capabilities.filter(|capabilities| !capabilities.build_id.is_empty())?;
    let versioned = options.is_some_and(|options| {
        options.worker_versioning_mode() == WorkerVersioningMode::Versioned && !options.deployment_name.is_empty()
    });
    let in_series = capabilities.use_versioning && !capabilities.deployment_series_name.is_empty();
    let stamp = WorkerVersionStamp { build_id: capabilities.build_id, use_versioning: capabilities.use_versioning };
    Some(stamp).filter(|_| !versioned && !in_series)
}

//! Versions of workers, which this server only records: who answered, and what a run passes on to those that follow it.
//! It sends tasks to workers of any version.

use crate::engine::api::common::{WorkerVersionCapabilities, WorkerVersionStamp};
use crate::engine::api::deployment::{InheritedAutoUpgradeInfo, WorkerDeploymentOptions, WorkerDeploymentVersion};
use crate::engine::api::enums::{ContinueAsNewVersioningBehavior, VersioningBehavior, WorkerVersioningMode};
use crate::engine::api::workflow::versioning_override::Override;
use crate::engine::api::{Attributes, history};
use crate::engine::workflow::Execution;

impl Execution {
    /// Returns the version that the run is pinned to, by an override or by its last answer.
    pub(crate) fn pinned_version(&self) -> Option<WorkerDeploymentVersion> {
        match self.chosen() {
            Some(Override::Pinned(pinned)) => return pinned.version.clone(),
            Some(Override::AutoUpgrade(_) | Override::OneTime(_)) => return None,
            None => {}
        }
        let last = self.last_answer()?;
        last.deployment_version.clone().filter(|_| last.versioning_behavior() == VersioningBehavior::Pinned)
    }

    /// Returns the information for the next run if it is not pinned. The server's own count of changes is omitted,
    /// because this server has none.
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

    /// Returns true if a child in the same namespace starts on this run's version or inherits it: if it is on the same
    /// queue and has no override.
    pub(crate) fn tells_its_version_to(&self, child: &history::WorkflowExecutionStartedEventAttributes) -> bool {
        let queue = child.task_queue.as_ref().map(|queue| queue.name.as_str());
        queue == Some(self.state.task_queue()) && child.versioning_override.is_none()
    }

    /// Returns what the next attempt inherits: the version that this run inherited, if it stayed on it, or the
    /// information for a run that is not pinned.
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

    /// Returns true if the run continues on the current version, by an override or by its last answer.
    fn upgrades(&self) -> bool {
        match self.chosen() {
            Some(Override::Pinned(_)) => false,
            Some(Override::AutoUpgrade(upgrades)) => *upgrades,
            Some(Override::OneTime(_)) | None => {
                self.last_answer().is_some_and(|answer| answer.versioning_behavior() == VersioningBehavior::AutoUpgrade)
            }
        }
    }

    /// Returns the override of this run, whatever its answers say.
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

/// The versioning of a run as in its search attributes: an override takes precedence over the last answer.
pub(crate) struct Shown {
    pub(crate) behavior: VersioningBehavior,
    pub(crate) version: Option<WorkerDeploymentVersion>,
    /// The name of the deployment, which a worker may report without a version.
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

/// Returns the build for started events; none for a worker that belongs to a deployment.
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

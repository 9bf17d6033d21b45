//! Versions of workers, as far as this server knows them: it notes who answered, and what a run leaves to those that
//! follow it. It hands tasks to workers of any version.

use super::api::deployment::{InheritedAutoUpgradeInfo, WorkerDeploymentVersion};
use super::api::enums::{ContinueAsNewVersioningBehavior, VersioningBehavior};
use super::api::workflow::versioning_override::Override;
use super::api::{Attributes, history};
use super::execution::Execution;

impl Execution {
    /// The version that the run stays on: because somebody else said so, or because its last answer did.
    pub(crate) fn pinned_version(&self) -> Option<WorkerDeploymentVersion> {
        let chosen = self.state.start.versioning_override.as_ref().and_then(|chosen| chosen.r#override.as_ref());
        if let Some(chosen) = chosen {
            return match chosen {
                Override::Pinned(pinned) => pinned.version.clone(),
                Override::AutoUpgrade(_) | Override::OneTime(_) => None,
            };
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
        let upgrades = last.versioning_behavior() == VersioningBehavior::AutoUpgrade;
        let info = InheritedAutoUpgradeInfo {
            source_deployment_version: Some(last.deployment_version.clone()?),
            continue_as_new_initial_versioning_behavior: asked_for.into(),
            ..Default::default()
        };
        (upgrades || asked_for != ContinueAsNewVersioningBehavior::Unspecified).then_some(info)
    }

    fn last_answer(&self) -> Option<&history::WorkflowTaskCompletedEventAttributes> {
        self.history.events.iter().rev().find_map(|event| match &event.attributes {
            Some(Attributes::WorkflowTaskCompletedEventAttributes(answer)) => Some(answer),
            _ => None,
        })
    }

    /// The version that a child begins on: its pinned parent's, if workers of the same queue run it and nobody chose
    /// another one.
    pub(crate) fn version_for_child(
        &self,
        child: &history::WorkflowExecutionStartedEventAttributes,
    ) -> Option<WorkerDeploymentVersion> {
        let queue = child.task_queue.as_ref().map(|queue| queue.name.as_str());
        let inherits = queue == Some(self.state.task_queue()) && child.versioning_override.is_none();
        self.pinned_version().filter(|_| inherits)
    }
}

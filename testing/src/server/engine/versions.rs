//! Versions of workers, as far as this server knows them: it notes who answered, and what a run leaves to those that
//! follow it. It hands tasks to workers of any version.

use super::api::deployment::WorkerDeploymentVersion;
use super::api::enums::VersioningBehavior;
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
        let answers = self.history.events.iter().rev().filter_map(|event| match &event.attributes {
            Some(Attributes::WorkflowTaskCompletedEventAttributes(answer)) => Some(answer),
            _ => None,
        });
        let last = answers.into_iter().next()?;
        last.deployment_version.clone().filter(|_| last.versioning_behavior() == VersioningBehavior::Pinned)
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

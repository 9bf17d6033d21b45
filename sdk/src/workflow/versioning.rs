//! Which version of the program runs the workflow, and what the server suggests about the run's end.

use super::context::WorkflowContext;
use crate::versioning::DeploymentVersion;

/// Why the server [suggests](WorkflowContext::continue_as_new_suggested) to continue as new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContinueAsNewReason {
    /// The history has too many bytes.
    HistorySizeTooLarge,
    /// The history has too many events.
    TooManyHistoryEvents,
    /// The run has taken too many updates.
    TooManyUpdates,
}

impl WorkflowContext {
    /// Whether the server suggests to continue as new, because the history has become long.
    pub fn continue_as_new_suggested(&self) -> bool {
        self.shared.core.borrow().machines.continue_as_new_suggested
    }

    /// Why it does; empty if it does not, or if the server is older than these reasons.
    pub fn continue_as_new_reasons(&self) -> Vec<ContinueAsNewReason> {
        use ContinueAsNewReason::{HistorySizeTooLarge, TooManyHistoryEvents, TooManyUpdates};
        let bits = self.shared.core.borrow().machines.continue_as_new_reasons;
        let numbers = [(1, HistorySizeTooLarge), (2, TooManyHistoryEvents), (3, TooManyUpdates)];
        numbers.into_iter().filter(|(number, _)| bits & (1 << number) != 0).map(|(_, reason)| reason).collect()
    }

    /// Whether new runs would begin on another version of the program than this run is on. A pinned workflow that
    /// wants to move continues as new with an
    /// [initial versioning behaviour](super::ContinueAsNew::initial_versioning_behavior).
    pub fn target_deployment_version_changed(&self) -> bool {
        self.shared.core.borrow().machines.target_version_changed
    }

    /// The version of the program that runs the current workflow task, or ran it, if it is replayed. A worker of no
    /// deployment has a build id only. `None` if that is not known.
    pub fn current_deployment_version(&self) -> Option<DeploymentVersion> {
        self.shared.core.borrow().machines.deployment_version.as_deref().cloned()
    }
}

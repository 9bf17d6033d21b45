//! Worker versioning as a workflow sees it, and the server's suggestion to continue as new.

use super::context::WorkflowContext;
use crate::versioning::DeploymentVersion;

/// Reason for which the server [suggests](WorkflowContext::continue_as_new_suggested) to continue as new.
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
    /// Returns true if the server suggests to continue as new, because the history has become long.
    pub fn continue_as_new_suggested(&self) -> bool {
        self.shared.operation_state.borrow().machines.continue_as_new_suggested
    }

    /// Reasons for the suggestion; empty without one, or if the server is too old to give reasons.
    pub fn continue_as_new_reasons(&self) -> Vec<ContinueAsNewReason> {
        use ContinueAsNewReason::{HistorySizeTooLarge, TooManyHistoryEvents, TooManyUpdates};
        let bits = self.shared.operation_state.borrow().machines.continue_as_new_reasons;
        let numbers = [(1, HistorySizeTooLarge), (2, TooManyHistoryEvents), (3, TooManyUpdates)];
        numbers.into_iter().filter(|(number, _)| bits & (1 << number) != 0).map(|(_, reason)| reason).collect()
    }

    /// Returns true if new runs would begin on another version of the program than this run is on. To move to that
    /// version, a pinned workflow continues as new with an
    /// [initial versioning behaviour](super::ContinueAsNew::initial_versioning_behavior).
    pub fn target_deployment_version_changed(&self) -> bool {
        self.shared.operation_state.borrow().machines.target_version_changed
    }

    /// Version of the program that runs the current workflow task, or that ran it, on replay. A worker without a
    /// deployment has only a build id. `None` if the version is not known.
    pub fn current_deployment_version(&self) -> Option<DeploymentVersion> {
        self.shared.operation_state.borrow().machines.deployment_version.as_deref().cloned()
    }
}

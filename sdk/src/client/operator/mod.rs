//! Calls of operators: what the `temporal` CLI does, with types.
//!
//! Most of them are methods of what they are about:
//!
//! | about | methods |
//! | --- | --- |
//! | one workflow | [`WorkflowHandle::reset`](crate::WorkflowHandle::reset), `pause`, `unpause`, `delete`, `update_options` |
//! | its pending activities | `pause_activities`, `unpause_activities`, `reset_activities`, `update_activity_options` of the same handle |
//!
//! Interceptors do not see these calls.

mod activities;
mod reset;
mod workflow;

pub use activities::{
    ActivityOptionsChange, ActivitySelector, PauseActivities, PendingActivityOptions, ResetActivities,
    UnpauseActivities,
};
pub use reset::{ResetError, ResetPoint, ResetReapplyExcludeType, ResetWorkflow};
pub use workflow::{PauseWorkflow, UnpauseWorkflow, WorkflowExecutionOptions, WorkflowOptionsChange};

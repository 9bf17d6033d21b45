//! Policies for workflow ids and queries, and the status of a workflow.

use std::fmt;

use abide_protos::temporal::api::enums::v1 as enums;

pub use crate::workflow_id_reuse_policy::WorkflowIdReusePolicy;

/// Policy for starting a workflow whose id is in use by a running one (Temporal's `WorkflowIdConflictPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkflowIdConflictPolicy {
    /// The start fails.
    #[default]
    Fail,
    /// The start returns a handle to the running workflow.
    UseExisting,
    /// The running workflow is terminated, and a new one starts.
    TerminateExisting,
}

impl WorkflowIdConflictPolicy {
    pub(crate) fn to_proto(self) -> i32 {
        (match self {
            Self::Fail => enums::WorkflowIdConflictPolicy::Fail,
            Self::UseExisting => enums::WorkflowIdConflictPolicy::UseExisting,
            Self::TerminateExisting => enums::WorkflowIdConflictPolicy::TerminateExisting,
        }) as i32
    }

    /// Returns `None` if the request leaves the policy to the server.
    pub(crate) fn from_proto(value: i32) -> Option<Self> {
        [Self::Fail, Self::UseExisting, Self::TerminateExisting].into_iter().find(|policy| policy.to_proto() == value)
    }
}

/// Condition for rejecting a query instead of answering it (Temporal's `QueryRejectCondition`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryRejectCondition {
    /// The workflow is not open.
    NotOpen,
    /// The workflow is closed in any other way than by completing.
    NotCompletedCleanly,
}

impl QueryRejectCondition {
    pub(super) fn to_proto(self) -> i32 {
        (match self {
            Self::NotOpen => enums::QueryRejectCondition::NotOpen,
            Self::NotCompletedCleanly => enums::QueryRejectCondition::NotCompletedCleanly,
        }) as i32
    }
}

/// Status of a workflow run (Temporal's `WorkflowExecutionStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkflowExecutionStatus {
    /// The run is open.
    Running,
    /// The run is open and paused.
    Paused,
    /// The run returned a result.
    Completed,
    /// The run failed.
    Failed,
    /// The run was cancelled.
    Cancelled,
    /// The run was terminated.
    Terminated,
    /// The run continued as new.
    ContinuedAsNew,
    /// The run exceeded a timeout.
    TimedOut,
    /// A status that this version does not know.
    Unknown,
}

impl WorkflowExecutionStatus {
    pub(crate) fn to_proto(self) -> i32 {
        (match self {
            Self::Running => enums::WorkflowExecutionStatus::Running,
            Self::Paused => enums::WorkflowExecutionStatus::Paused,
            Self::Completed => enums::WorkflowExecutionStatus::Completed,
            Self::Failed => enums::WorkflowExecutionStatus::Failed,
            Self::Cancelled => enums::WorkflowExecutionStatus::Canceled,
            Self::Terminated => enums::WorkflowExecutionStatus::Terminated,
            Self::ContinuedAsNew => enums::WorkflowExecutionStatus::ContinuedAsNew,
            Self::TimedOut => enums::WorkflowExecutionStatus::TimedOut,
            Self::Unknown => enums::WorkflowExecutionStatus::Unspecified,
        }) as i32
    }

    pub(crate) fn from_proto(value: i32) -> Self {
        match enums::WorkflowExecutionStatus::try_from(value) {
            Ok(enums::WorkflowExecutionStatus::Running) => Self::Running,
            Ok(enums::WorkflowExecutionStatus::Paused) => Self::Paused,
            Ok(enums::WorkflowExecutionStatus::Completed) => Self::Completed,
            Ok(enums::WorkflowExecutionStatus::Failed) => Self::Failed,
            Ok(enums::WorkflowExecutionStatus::Canceled) => Self::Cancelled,
            Ok(enums::WorkflowExecutionStatus::Terminated) => Self::Terminated,
            Ok(enums::WorkflowExecutionStatus::ContinuedAsNew) => Self::ContinuedAsNew,
            Ok(enums::WorkflowExecutionStatus::TimedOut) => Self::TimedOut,
            _ => Self::Unknown,
        }
    }

    /// Returns true if the run has not closed.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

impl fmt::Display for WorkflowExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Terminated => "terminated",
            Self::ContinuedAsNew => "continued as new",
            Self::TimedOut => "timed out",
            Self::Unknown => "in an unknown state",
        })
    }
}

/// The two policies for the ids of standalone activities or of standalone Nexus operations.
macro_rules! id_policies {
    ($Reuse:ident, $Conflict:ident, $an:literal) => {
        #[doc = concat!("Policy for reusing an id after its ", $an, " has closed (Temporal's `", stringify!($Reuse), "`).")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $Reuse {
            /// The id may always be reused.
            #[default]
            AllowDuplicate,
            /// The id may be reused only if the last run failed, timed out, or was cancelled or terminated.
            AllowDuplicateFailedOnly,
            /// The id may not be reused.
            RejectDuplicate,
        }

        impl $Reuse {
            pub(crate) fn to_proto(self) -> i32 {
                (match self {
                    Self::AllowDuplicate => enums::$Reuse::AllowDuplicate,
                    Self::AllowDuplicateFailedOnly => enums::$Reuse::AllowDuplicateFailedOnly,
                    Self::RejectDuplicate => enums::$Reuse::RejectDuplicate,
                }) as i32
            }

            /// Returns `None` if the request leaves the policy to the server.
            pub(crate) fn from_proto(value: i32) -> Option<Self> {
                let all = [Self::AllowDuplicate, Self::AllowDuplicateFailedOnly, Self::RejectDuplicate];
                all.into_iter().find(|policy| policy.to_proto() == value)
            }
        }

        #[doc = concat!("Policy for an id that a running ", $an, " uses (Temporal's `", stringify!($Conflict), "`).")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $Conflict {
            /// The start fails.
            #[default]
            Fail,
            #[doc = concat!("The start returns a handle to the running ", $an, ".")]
            UseExisting,
        }

        impl $Conflict {
            pub(crate) fn to_proto(self) -> i32 {
                (match self {
                    Self::Fail => enums::$Conflict::Fail,
                    Self::UseExisting => enums::$Conflict::UseExisting,
                }) as i32
            }

            /// Returns `None` if the request leaves the policy to the server.
            pub(crate) fn from_proto(value: i32) -> Option<Self> {
                [Self::Fail, Self::UseExisting].into_iter().find(|policy| policy.to_proto() == value)
            }
        }
    };
}

id_policies!(ActivityIdReusePolicy, ActivityIdConflictPolicy, "standalone activity");

id_policies!(NexusOperationIdReusePolicy, NexusOperationIdConflictPolicy, "standalone Nexus operation");

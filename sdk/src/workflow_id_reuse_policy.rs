//! The policy for reusing workflow ids, shared by clients and by parents of child workflows.

use abide_protos::temporal::api::enums::v1 as enums;

/// Policy for reusing a workflow id after its workflow has closed (Temporal's `WorkflowIdReusePolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkflowIdReusePolicy {
    /// The id may always be reused.
    #[default]
    AllowDuplicate,
    /// The id may be reused only if the last run failed, timed out, or was cancelled or terminated.
    AllowDuplicateFailedOnly,
    /// The id may not be reused.
    RejectDuplicate,
    /// The id may always be reused, and a running workflow is terminated. For child workflows, which have no conflict
    /// policy; clients should use the conflict policy instead.
    TerminateIfRunning,
}

impl WorkflowIdReusePolicy {
    pub(crate) fn to_proto(self) -> i32 {
        #[expect(deprecated, reason = "it is all that the command to start a child has to say so")]
        let terminate = enums::WorkflowIdReusePolicy::TerminateIfRunning;
        (match self {
            Self::AllowDuplicate => enums::WorkflowIdReusePolicy::AllowDuplicate,
            Self::AllowDuplicateFailedOnly => enums::WorkflowIdReusePolicy::AllowDuplicateFailedOnly,
            Self::RejectDuplicate => enums::WorkflowIdReusePolicy::RejectDuplicate,
            Self::TerminateIfRunning => terminate,
        }) as i32
    }

    /// Returns `None` if the request leaves the policy to the server.
    #[cfg(feature = "client")]
    pub(crate) fn from_proto(value: i32) -> Option<Self> {
        let all =
            [Self::AllowDuplicate, Self::AllowDuplicateFailedOnly, Self::RejectDuplicate, Self::TerminateIfRunning];
        all.into_iter().find(|policy| policy.to_proto() == value)
    }
}

//! Whether a workflow id may be used again: the same choice for clients and for parents of child workflows.

use abide_protos::temporal::api::enums::v1 as enums;

/// Whether a workflow id may be used again after its workflow has closed (Temporal's `WorkflowIdReusePolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkflowIdReusePolicy {
    /// Yes.
    #[default]
    AllowDuplicate,
    /// Only if the last run failed, timed out, was cancelled or terminated.
    AllowDuplicateFailedOnly,
    /// No.
    RejectDuplicate,
    /// Yes, and a workflow that is running is terminated. For child workflows, which have no conflict policy; a client
    /// had better say so by its conflict policy.
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
}

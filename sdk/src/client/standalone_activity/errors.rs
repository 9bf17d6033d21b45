//! The error of a start.

use abide_protos::temporal::api::errordetails::v1::ActivityExecutionAlreadyStartedFailure;

use crate::client::rpc_error::RpcError;
use crate::converter::PayloadError;

/// A standalone activity could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartActivityError {
    /// A standalone activity with that id is running, or the id reuse policy forbids another one.
    #[error(
        "standalone activity `{activity_id}` already exists (run `{run_id}`: {message}); choose another id, set \
         `id_conflict_policy` or `id_reuse_policy`, or use the existing activity with `client.activity_handle(..)`"
    )]
    AlreadyStarted {
        /// Activity id.
        activity_id: String,
        /// Run id of the existing run; empty if the server does not report it.
        run_id: String,
        /// The server's message.
        message: String,
    },
    /// The task queue is not set.
    #[error(
        "activity type `{activity_type}` was started without a task queue; add `.task_queue(\"..\")` with the task \
         queue that its workers poll"
    )]
    MissingTaskQueue {
        /// Name of the activity type.
        activity_type: String,
    },
    /// No timeout is set.
    #[error(
        "activity type `{activity_type}` was started without a timeout; add `.start_to_close_timeout(..)`, the limit of \
         one attempt, or `.schedule_to_close_timeout(..)`, the limit of all attempts together"
    )]
    MissingTimeout {
        /// Name of the activity type.
        activity_type: String,
    },
    /// An argument or another value cannot be serialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed.
    #[error("{error}{hint}", error = .0, hint = hint(.0))]
    Rpc(RpcError),
}

impl StartActivityError {
    pub(super) fn from_rpc(activity_id: String, error: RpcError) -> Self {
        match error.detail::<ActivityExecutionAlreadyStartedFailure>() {
            Some(detail) => {
                Self::AlreadyStarted { activity_id, run_id: detail.run_id, message: error.message().to_string() }
            }
            None => Self::Rpc(error),
        }
    }
}

pub(super) fn hint(error: &RpcError) -> &'static str {
    if error.is_unimplemented() {
        "; standalone activities need a real Temporal server, 1.31 or newer, with `activity.enableStandalone`"
    } else {
        ""
    }
}

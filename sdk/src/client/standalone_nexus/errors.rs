//! The error of a start.

use abide_protos::temporal::api::errordetails::v1::NexusOperationExecutionAlreadyStartedFailure;

use crate::client::rpc_error::RpcError;
use crate::converter::PayloadError;

/// A standalone Nexus operation could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartNexusOperationError {
    /// A standalone Nexus operation with that id is running, or the id reuse policy forbids another one.
    #[error(
        "standalone Nexus operation `{operation_id}` already exists (run `{run_id}`: {message}); choose another id, set \
         `id_conflict_policy` or `id_reuse_policy`, or use the existing operation with `client.nexus_operation_handle(..)`"
    )]
    AlreadyStarted {
        /// Operation id.
        operation_id: String,
        /// Run id of the existing run; empty if the server does not report it.
        run_id: String,
        /// The server's message.
        message: String,
    },
    /// The input or another value cannot be serialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed.
    #[error("{error}{hint}", error = .0, hint = hint(.0))]
    Rpc(RpcError),
}

impl StartNexusOperationError {
    pub(super) fn from_rpc(operation_id: String, error: RpcError) -> Self {
        match error.detail::<NexusOperationExecutionAlreadyStartedFailure>() {
            Some(detail) => {
                Self::AlreadyStarted { operation_id, run_id: detail.run_id, message: error.message().to_string() }
            }
            None => Self::Rpc(error),
        }
    }
}

pub(super) fn hint(error: &RpcError) -> &'static str {
    if error.is_unimplemented() {
        "; standalone Nexus operations need a real Temporal server, 1.32 or newer, with `nexusoperation.enableStandalone`"
    } else {
        ""
    }
}

//! Errors of calls about schedules.

use abide_protos::temporal::api::errordetails::v1::WorkflowExecutionAlreadyStartedFailure;

use crate::client::rpc_error::RpcError;
use crate::converter::PayloadError;

/// A schedule could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateScheduleError {
    /// A schedule with that id exists.
    #[error(
        "schedule `{schedule_id}` already exists ({message}); choose another id, or change the existing one with \
         `client.schedule(..).update(..)`"
    )]
    AlreadyExists {
        /// Schedule id.
        schedule_id: String,
        /// The server's message.
        message: String,
    },
    /// The task queue of the action is not set.
    #[error(
        "schedule `{schedule_id}` starts the workflow type `{workflow_type}` without a task queue; add \
         `.task_queue(\"..\")` to the action, with the task queue that its workers poll"
    )]
    MissingTaskQueue {
        /// Schedule id.
        schedule_id: String,
        /// Name of the workflow type.
        workflow_type: String,
    },
    /// An argument, a memo value or another value cannot be serialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed.
    #[error("{error}{hint}", error = .0, hint = hint(.0))]
    Rpc(RpcError),
}

impl CreateScheduleError {
    pub(super) fn from_rpc(schedule_id: &str, error: RpcError) -> Self {
        let exists = error.is_already_exists() || error.detail::<WorkflowExecutionAlreadyStartedFailure>().is_some();
        if exists {
            return Self::AlreadyExists { schedule_id: schedule_id.to_string(), message: error.message().to_string() };
        }
        Self::Rpc(error)
    }
}

/// A call about an existing schedule failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// No schedule has that id.
    #[error(
        "schedule `{schedule_id}` does not exist ({message}); check the id and the namespace, or create it with \
         `client.create_schedule(..)`"
    )]
    NotFound {
        /// Schedule id.
        schedule_id: String,
        /// The server's message.
        message: String,
    },
    /// An argument, a memo value or another value cannot be serialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed.
    #[error("{error}{hint}", error = .0, hint = hint(.0))]
    Rpc(RpcError),
}

impl ScheduleError {
    pub(super) fn from_rpc(schedule_id: &str, error: RpcError) -> Self {
        if error.is_not_found() && !error.is_namespace_not_found() {
            return Self::NotFound { schedule_id: schedule_id.to_string(), message: error.message().to_string() };
        }
        Self::Rpc(error)
    }
}

fn hint(error: &RpcError) -> &'static str {
    if error.is_unimplemented() { "; schedules need a real Temporal server" } else { "" }
}

//! The progress of a batch, and the list of batches.

use std::collections::VecDeque;
use std::time::SystemTime;

use abide_protos::temporal::api::batch::v1::BatchOperationInfo;
use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::workflowservice::v1::{DescribeBatchOperationResponse, ListBatchOperationsRequest};

use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::debug_only::debug_only;
use crate::presence;

/// State of a batch (Temporal's `BatchOperationState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchOperationState {
    /// It goes on.
    Running,
    /// It has ended. Some of its operations may have failed.
    Completed,
    /// It has failed, or was stopped.
    Failed,
    /// A state that this version of Abide does not know.
    Unknown,
}

impl BatchOperationState {
    fn from_proto(value: i32) -> Self {
        match enums::BatchOperationState::try_from(value) {
            Ok(enums::BatchOperationState::Running) => Self::Running,
            Ok(enums::BatchOperationState::Completed) => Self::Completed,
            Ok(enums::BatchOperationState::Failed) => Self::Failed,
            Ok(enums::BatchOperationState::Unspecified) | Err(_) => Self::Unknown,
        }
    }
}

/// Kind of a batch's operation (Temporal's `BatchOperationType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchOperationType {
    /// It terminates workflows.
    TerminateWorkflow,
    /// It requests their cancellation.
    CancelWorkflow,
    /// It sends them a signal.
    SignalWorkflow,
    /// It deletes them.
    DeleteWorkflow,
    /// It resets them.
    ResetWorkflow,
    /// It changes their options.
    UpdateWorkflowExecutionOptions,
    /// It continues their paused activities.
    UnpauseActivity,
    /// It changes options of their activities.
    UpdateActivityOptions,
    /// It resets their activities.
    ResetActivity,
    /// Something that this version of Abide does not know.
    Unknown,
}

impl BatchOperationType {
    #[expect(deprecated, reason = "servers up to 1.32 report the older numbers")]
    fn from_proto(value: i32) -> Self {
        use enums::BatchOperationType as Proto;
        match Proto::try_from(value) {
            Ok(Proto::Terminate | Proto::TerminateWorkflow) => Self::TerminateWorkflow,
            Ok(Proto::Cancel | Proto::CancelWorkflow) => Self::CancelWorkflow,
            Ok(Proto::Signal | Proto::SignalWorkflow) => Self::SignalWorkflow,
            Ok(Proto::Delete | Proto::DeleteWorkflow) => Self::DeleteWorkflow,
            Ok(Proto::Reset | Proto::ResetWorkflow) => Self::ResetWorkflow,
            Ok(Proto::UpdateExecutionOptions | Proto::UpdateWorkflowExecutionOptions) => {
                Self::UpdateWorkflowExecutionOptions
            }
            Ok(Proto::UnpauseActivity) => Self::UnpauseActivity,
            Ok(Proto::UpdateActivityOptions) => Self::UpdateActivityOptions,
            Ok(Proto::ResetActivity) => Self::ResetActivity,
            Ok(Proto::Unspecified | Proto::TerminateActivity | Proto::CancelActivity | Proto::DeleteActivity)
            | Err(_) => Self::Unknown,
        }
    }
}

/// A batch in a list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BatchInfo {
    /// The job id.
    pub job_id: String,
    /// The state.
    pub state: BatchOperationState,
    /// Kind of the operation. Servers up to 1.32 do not say this in lists.
    pub operation_type: BatchOperationType,
    /// When it started.
    pub start_time: Option<SystemTime>,
    /// When it ended; `None` while it runs.
    pub close_time: Option<SystemTime>,
}

impl BatchInfo {
    fn from_proto(proto: BatchOperationInfo) -> Self {
        Self {
            job_id: proto.job_id,
            state: BatchOperationState::from_proto(proto.state),
            operation_type: BatchOperationType::from_proto(proto.operation_type),
            start_time: presence::time(proto.start_time.as_ref()),
            close_time: presence::time(proto.close_time.as_ref()),
        }
    }
}

/// The batches of a namespace, fetched page by page.
#[must_use = "nothing is fetched until `next` is called"]
pub struct BatchList {
    connection: Connection,
    request: ListBatchOperationsRequest,
    fetched: VecDeque<BatchInfo>,
    is_last_page: bool,
}

debug_only!(impl[] BatchList, |this| { namespace: this.request.namespace });

impl BatchList {
    pub(super) fn new(connection: Connection) -> Self {
        let namespace = connection.namespace().to_string();
        let request = ListBatchOperationsRequest { namespace, ..Default::default() };
        Self { connection, request, fetched: VecDeque::new(), is_last_page: false }
    }

    /// Sets the number of batches to fetch per call. Default: the server's.
    pub fn page_size(mut self, size: u32) -> Self {
        self.request.page_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Returns the next batch; `None` after the last.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed.
    pub async fn next(&mut self) -> Result<Option<BatchInfo>, RpcError> {
        while self.fetched.is_empty() && !self.is_last_page {
            let page = self.connection.call(self.request.clone()).await?;
            self.fetched.extend(page.operation_info.into_iter().map(BatchInfo::from_proto));
            self.is_last_page = page.next_page_token.is_empty();
            self.request.next_page_token = page.next_page_token;
        }
        Ok(self.fetched.pop_front())
    }
}

/// The state and the progress of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchDescription {
    info: BatchInfo,
    total_count: u64,
    complete_count: u64,
    failure_count: u64,
    identity: String,
    reason: String,
    query: String,
}

impl BatchDescription {
    pub(super) fn from_proto(proto: DescribeBatchOperationResponse) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        Self {
            info: BatchInfo {
                job_id: proto.job_id,
                state: BatchOperationState::from_proto(proto.state),
                operation_type: BatchOperationType::from_proto(proto.operation_type),
                start_time: presence::time(proto.start_time.as_ref()),
                close_time: presence::time(proto.close_time.as_ref()),
            },
            total_count: count(proto.total_operation_count),
            complete_count: count(proto.complete_operation_count),
            failure_count: count(proto.failure_operation_count),
            identity: proto.identity,
            reason: proto.reason,
            query: proto.query,
        }
    }

    /// Returns the part that lists contain, too: job id, times.
    pub fn info(&self) -> &BatchInfo {
        &self.info
    }

    /// Returns the state.
    pub fn state(&self) -> BatchOperationState {
        self.info.state
    }

    /// Returns what the batch does.
    pub fn operation_type(&self) -> BatchOperationType {
        self.info.operation_type
    }

    /// Returns the number of workflows of the batch. It is 0 until the server has counted them.
    pub fn total_count(&self) -> u64 {
        self.total_count
    }

    /// Returns the number of workflows for which the operation has succeeded.
    pub fn complete_count(&self) -> u64 {
        self.complete_count
    }

    /// Returns the number of workflows for which the operation has failed.
    pub fn failure_count(&self) -> u64 {
        self.failure_count
    }

    /// Returns the identity of the client that started the batch.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Returns the reason of the batch.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the visibility query; empty for a batch over a list, and with servers that do not say it.
    pub fn query(&self) -> &str {
        &self.query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_numbers_of_operations_mean_the_same_as_the_newer_ones() {
        let read = |values: [i32; 2]| values.map(BatchOperationType::from_proto);
        assert_eq!(read([1, 13]), [BatchOperationType::TerminateWorkflow; 2]);
        assert_eq!(read([2, 14]), [BatchOperationType::CancelWorkflow; 2]);
        assert_eq!(read([3, 15]), [BatchOperationType::SignalWorkflow; 2]);
        assert_eq!(read([4, 16]), [BatchOperationType::DeleteWorkflow; 2]);
        assert_eq!(read([5, 17]), [BatchOperationType::ResetWorkflow; 2]);
        assert_eq!(read([6, 18]), [BatchOperationType::UpdateWorkflowExecutionOptions; 2]);
        assert_eq!(read([0, 99]), [BatchOperationType::Unknown; 2]);
    }
}

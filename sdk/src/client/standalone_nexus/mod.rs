//! Standalone Nexus operations: operations that a client calls, without a workflow.

mod calls;
mod description;
mod errors;
mod handle;
mod list;
mod result;
mod start;

use abide_protos::temporal::api::workflowservice::v1::CountNexusOperationExecutionsRequest;

pub use self::description::{
    NexusOperationDescription, NexusOperationExecutionInfo, NexusOperationExecutionStatus, NexusOperationState,
};
pub use self::errors::StartNexusOperationError;
pub use self::handle::{CancelNexusOperation, StandaloneNexusOperationHandle, TerminateNexusOperation};
pub use self::list::NexusOperationList;
pub(crate) use self::result::NexusOperationResultCall;
pub use self::result::{GetNexusOperationResult, NexusOperationFailedError};
pub use self::start::StartNexusOperation;
use super::{Client, RpcError, UntilClosed, UntilStarted, WorkflowCount};
use crate::definition::PayloadValue;
use crate::nexus_operation::NexusOperation;

impl Client {
    /// Starts a standalone Nexus operation behind an endpoint: an operation without a workflow that calls it. Awaiting it
    /// returns a handle as soon as the server has accepted the start.
    ///
    /// ```no_run
    /// use abide::NexusOperation;
    /// use abide::prelude::*;
    ///
    /// const CHARGE: NexusOperation<u64, String> = NexusOperation::new("Payments", "charge");
    ///
    /// # async fn start(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let start = client.start_nexus_operation("payments-endpoint", CHARGE, 995).id("charge-4711");
    /// let charged = start.schedule_to_close_timeout(mins(10)).await?;
    /// println!("receipt {}", charged.result().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StartNexusOperationError`]: an operation with this id already exists, or the call failed.
    pub fn start_nexus_operation<I: PayloadValue, O: PayloadValue>(
        &self,
        endpoint: impl Into<String>,
        operation: NexusOperation<I, O>,
        input: I,
    ) -> StartNexusOperation<I, O, UntilStarted> {
        StartNexusOperation::new(self.connection().clone(), endpoint.into(), operation, &input)
    }

    /// Starts a standalone Nexus operation. Awaiting it returns the operation's result.
    ///
    /// # Errors
    /// [`NexusOperationFailedError`]: the operation could not be started, or closed without a result.
    pub fn execute_nexus_operation<I: PayloadValue, O: PayloadValue>(
        &self,
        endpoint: impl Into<String>,
        operation: NexusOperation<I, O>,
        input: I,
    ) -> StartNexusOperation<I, O, UntilClosed> {
        StartNexusOperation::new(self.connection().clone(), endpoint.into(), operation, &input)
    }

    /// Returns a handle to the standalone Nexus operation with this id. Makes no call, so the operation need not exist.
    pub fn nexus_operation_handle<I: PayloadValue, O: PayloadValue>(
        &self,
        operation: NexusOperation<I, O>,
        operation_id: impl Into<String>,
    ) -> StandaloneNexusOperationHandle<I, O> {
        StandaloneNexusOperationHandle::new(self.connection().clone(), operation, operation_id.into(), None)
    }

    /// Lists the standalone Nexus operations that match a visibility query. An empty query matches all of them.
    pub fn list_nexus_operations(&self, query: impl Into<String>) -> NexusOperationList {
        NexusOperationList::new(self.connection().clone(), query.into())
    }

    /// Counts the standalone Nexus operations that match a visibility query. If the query has a `GROUP BY`, counts them
    /// in groups.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed. If the query is invalid, [`is_invalid_argument`](RpcError::is_invalid_argument)
    /// returns true.
    pub async fn count_nexus_operations(&self, query: impl Into<String>) -> Result<WorkflowCount, RpcError> {
        let namespace = self.connection().namespace().to_string();
        let request = CountNexusOperationExecutionsRequest { namespace, query: query.into() };
        self.connection().carry_out(request).await
    }
}

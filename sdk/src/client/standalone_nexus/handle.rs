//! The handle of a standalone Nexus operation: its result, its description, its end.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;

use abide_protos::temporal::api::enums::v1::NexusOperationWaitStage;
use abide_protos::temporal::api::workflowservice::v1::{
    DeleteNexusOperationExecutionRequest, DescribeNexusOperationExecutionRequest, PollNexusOperationExecutionRequest,
    RequestCancelNexusOperationExecutionRequest, TerminateNexusOperationExecutionRequest,
};
use uuid::Uuid;

use super::description::NexusOperationDescription;
use super::result::GetNexusOperationResult;
use crate::client::connection::Connection;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::definition::PayloadValue;
use crate::nexus_operation::NexusOperation;

/// A handle to a standalone Nexus operation, started by this client or elsewhere.
///
/// A handle with a run id, such as that of a start, refers to that run only. A handle without one refers to the last
/// run of the operation id.
///
/// ```no_run
/// use abide::NexusOperation;
/// use abide::prelude::*;
///
/// const CHARGE: NexusOperation<u64, String> = NexusOperation::new("Payments", "charge");
///
/// # async fn look(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let charged = client.nexus_operation_handle(CHARGE, "charge-4711");
/// println!("attempt {}", charged.describe().await?.attempt());
/// println!("receipt {}", charged.result().await?);
/// # Ok(()) }
/// ```
pub struct StandaloneNexusOperationHandle<I, O> {
    connection: Connection,
    operation: NexusOperation<I, O>,
    operation_id: String,
    run_id: Option<String>,
}

impl<I: PayloadValue, O: PayloadValue> StandaloneNexusOperationHandle<I, O> {
    pub(super) fn new(
        connection: Connection,
        operation: NexusOperation<I, O>,
        operation_id: String,
        run_id: Option<String>,
    ) -> Self {
        Self { connection, operation, operation_id, run_id }
    }

    /// Restricts the handle to this run of the operation.
    pub fn with_run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into());
        self
    }

    /// Returns the operation id.
    pub fn operation_id(&self) -> &str {
        &self.operation_id
    }

    /// Returns the run that was started or named; `None` for a handle made from an operation id only.
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// Waits until the operation has closed, and returns its result.
    ///
    /// # Errors
    /// [`NexusOperationFailedError`](super::NexusOperationFailedError): the operation closed without a result, or does not exist.
    pub fn result(&self) -> GetNexusOperationResult<O> {
        let request = PollNexusOperationExecutionRequest {
            namespace: self.connection.namespace().to_string(),
            operation_id: self.operation_id.clone(),
            run_id: self.run(),
            wait_stage: NexusOperationWaitStage::Closed as i32,
        };
        GetNexusOperationResult { connection: self.connection.clone(), request, output: PhantomData }
    }

    /// Returns the server's description of the operation: its status, attempt, last failure, options.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the operation does not exist.
    pub async fn describe(&self) -> Result<NexusOperationDescription, RpcError> {
        let request = DescribeNexusOperationExecutionRequest {
            namespace: self.connection.namespace().to_string(),
            operation_id: self.operation_id.clone(),
            run_id: self.run(),
            ..Default::default()
        };
        self.connection.carry_out(request).await
    }

    /// Requests cancellation of the operation; `.reason(..)` sets the reason. The
    /// handler gets the request, and decides when and how the operation ends.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the operation does not exist,
    /// [`is_failed_precondition`](RpcError::is_failed_precondition) if it has closed, or if its cancellation was
    /// requested before.
    pub fn cancel(&self) -> CancelNexusOperation {
        CancelNexusOperation {
            connection: self.connection.clone(),
            request: RequestCancelNexusOperationExecutionRequest {
                namespace: self.connection.namespace().to_string(),
                operation_id: self.operation_id.clone(),
                run_id: self.run(),
                identity: self.connection.identity().to_string(),
                request_id: Uuid::new_v4().to_string(),
                ..Default::default()
            },
        }
    }

    /// Terminates the operation at once; `.reason(..)` says why. The handler is not told, and its result is lost.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the operation does not exist or has closed.
    pub fn terminate(&self) -> TerminateNexusOperation {
        TerminateNexusOperation {
            connection: self.connection.clone(),
            request: TerminateNexusOperationExecutionRequest {
                namespace: self.connection.namespace().to_string(),
                operation_id: self.operation_id.clone(),
                run_id: self.run(),
                identity: self.connection.identity().to_string(),
                request_id: Uuid::new_v4().to_string(),
                ..Default::default()
            },
        }
    }

    /// Deletes the operation with its result. If it is running, it is terminated first. The server deletes it a little
    /// later.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the operation does not exist.
    pub async fn delete(&self) -> Result<(), RpcError> {
        let request = DeleteNexusOperationExecutionRequest {
            namespace: self.connection.namespace().to_string(),
            operation_id: self.operation_id.clone(),
            run_id: self.run(),
        };
        self.connection.carry_out(request).await
    }

    /// Returns the run id as requests have it: empty for the last run.
    fn run(&self) -> String {
        self.run_id.clone().unwrap_or_default()
    }
}

impl<I: PayloadValue, O: PayloadValue> Clone for StandaloneNexusOperationHandle<I, O> {
    fn clone(&self) -> Self {
        Self::new(self.connection.clone(), self.operation.clone(), self.operation_id.clone(), self.run_id.clone())
    }
}

impl<I: PayloadValue, O: PayloadValue> fmt::Debug for StandaloneNexusOperationHandle<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandaloneNexusOperationHandle")
            .field("operation", &self.operation)
            .field("operation_id", &self.operation_id)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

/// A request to cancel a standalone Nexus operation, sent when awaited.
#[must_use = "the cancellation is requested only when this is awaited"]
pub struct CancelNexusOperation {
    connection: Connection,
    request: RequestCancelNexusOperationExecutionRequest,
}

debug_only!(impl[] CancelNexusOperation, |this| { operation_id: this.request.operation_id });

impl CancelNexusOperation {
    /// Sets the reason, which the operation's description shows. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }
}

impl IntoFuture for CancelNexusOperation {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.carry_out(self.request).await })
    }
}

/// A request to terminate a standalone Nexus operation, sent when awaited.
#[must_use = "the operation is terminated only when this is awaited"]
pub struct TerminateNexusOperation {
    connection: Connection,
    request: TerminateNexusOperationExecutionRequest,
}

debug_only!(impl[] TerminateNexusOperation, |this| { operation_id: this.request.operation_id });

impl TerminateNexusOperation {
    /// Sets the reason, which the errors of waiting callers show. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }
}

impl IntoFuture for TerminateNexusOperation {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.carry_out(self.request).await })
    }
}

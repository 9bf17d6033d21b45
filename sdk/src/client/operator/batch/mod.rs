//! Batch operations: one operation on many workflows, which the server carries out in the background.

mod operation;
mod progress;

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeBatchOperationRequest, StartBatchOperationRequest, StopBatchOperationRequest,
};
use tokio::time::Instant;
use uuid::Uuid;

pub use operation::{BatchActivities, BatchOperation, BatchReset, BatchResetActivities, BatchUnpauseActivities};
pub use progress::{BatchDescription, BatchInfo, BatchList, BatchOperationState, BatchOperationType};

use crate::client::Client;
use crate::client::connection::{Connection, sleep};
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::converter::PayloadError;
use crate::debug_only::debug_only;

/// The first and the longest time between two looks at a batch.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

impl Client {
    /// Starts a batch: an operation on each workflow that a visibility query finds, or on the workflows of a list. The
    /// server carries it out in the background. Returns the batch's handle.
    ///
    /// The reason is required. It shows in the batch's description and, for some operations, in histories.
    ///
    /// ```no_run
    /// use abide::client::operator::{BatchOperation, BatchOperationState};
    /// # use abide::prelude::*;
    /// # async fn clean_up(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let query = "WorkflowType = 'process_order' AND ExecutionStatus = 'Running' AND StartTime < '2026-01-01T00:00:00Z'";
    /// println!("{} workflows", client.count(query).await?.count());
    /// let batch = client.start_batch(BatchOperation::terminate(), query, "they are too old").await?;
    /// let ended = batch.wait_until_completed(mins(10)).await?;
    /// if ended.state() == BatchOperationState::Completed {
    ///     println!("{} of {} done", ended.complete_count(), ended.total_count());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`StartBatchError`]: the query is invalid, or too many batches run (usually one is permitted).
    pub fn start_batch(
        &self,
        operation: impl Into<BatchOperation>,
        targets: impl Into<BatchTargets>,
        reason: impl Into<String>,
    ) -> StartBatch {
        let mut request = StartBatchOperationRequest {
            namespace: self.connection().namespace().to_string(),
            job_id: Uuid::new_v4().to_string(),
            reason: reason.into(),
            ..Default::default()
        };
        targets.into().fill(&mut request);
        let operation = operation.into();
        StartBatch { connection: self.connection().clone(), operation, request }
    }

    /// Returns a handle to the batch with this job id. Makes no call, so the batch need not exist.
    pub fn batch(&self, job_id: impl Into<String>) -> BatchHandle {
        BatchHandle { connection: self.connection().clone(), job_id: job_id.into() }
    }

    /// Lists the batches of the namespace.
    pub fn batches(&self) -> BatchList {
        BatchList::new(self.connection().clone())
    }
}

/// The workflows of a batch: those that a visibility query finds, or those of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchTargets {
    /// The workflows that this visibility query finds. A query as text becomes this.
    Query(String),
    /// These runs: workflow id and run id. The server permits 1000, unless configured.
    Executions(Vec<(String, String)>),
}

impl BatchTargets {
    /// Names the runs one by one: workflow id and run id.
    pub fn executions<W: Into<String>, R: Into<String>>(runs: impl IntoIterator<Item = (W, R)>) -> Self {
        Self::Executions(runs.into_iter().map(|(workflow, run)| (workflow.into(), run.into())).collect())
    }

    #[expect(deprecated, reason = "servers before 1.32 know only this field for a list")]
    fn fill(self, request: &mut StartBatchOperationRequest) {
        match self {
            Self::Query(query) => request.visibility_query = query,
            Self::Executions(runs) => {
                let runs = runs.into_iter().map(|(workflow_id, run_id)| WorkflowExecution { workflow_id, run_id });
                request.executions = runs.collect();
            }
        }
    }
}

impl From<&str> for BatchTargets {
    fn from(query: &str) -> Self {
        Self::Query(query.to_string())
    }
}

impl From<String> for BatchTargets {
    fn from(query: String) -> Self {
        Self::Query(query)
    }
}

/// A batch could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartBatchError {
    /// An argument of a signal cannot be serialized.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The call failed. [`is_invalid_argument`](RpcError::is_invalid_argument) if the query is invalid or the reason is
    /// empty, [`is_resource_exhausted`](RpcError::is_resource_exhausted) if too many batches run.
    #[error("{0}")]
    Rpc(RpcError),
}

/// A batch to be started, sent when awaited.
#[must_use = "the batch is started only when this is awaited"]
pub struct StartBatch {
    connection: Connection,
    operation: BatchOperation,
    request: StartBatchOperationRequest,
}

debug_only!(impl[] StartBatch, |this| { job_id: this.request.job_id, query: this.request.visibility_query });

impl StartBatch {
    /// Sets the job id. Two batches with the same id cannot run at the same time. Default: a random UUID.
    pub fn job_id(mut self, id: impl Into<String>) -> Self {
        self.request.job_id = id.into();
        self
    }

    /// Limits how many workflows per second the batch changes. Default: the server's limit (50), which
    /// always applies. Servers up to 1.32 know only their own limit.
    pub fn max_operations_per_second(mut self, rate: f32) -> Self {
        self.request.max_operations_per_second = rate;
        self
    }

    async fn send(mut self) -> Result<BatchHandle, StartBatchError> {
        let mut operation = self.operation.0?;
        operation::set_identity(&mut operation, self.connection.identity());
        self.request.operation = Some(operation);
        let job_id = self.request.job_id.clone();
        self.connection.call_coded(self.request).await.map_err(StartBatchError::Rpc)?;
        Ok(BatchHandle { connection: self.connection, job_id })
    }
}

impl IntoFuture for StartBatch {
    type Output = Result<BatchHandle, StartBatchError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A handle to a batch.
#[derive(Clone)]
pub struct BatchHandle {
    connection: Connection,
    job_id: String,
}

impl fmt::Debug for BatchHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchHandle").field("job_id", &self.job_id).finish_non_exhaustive()
    }
}

impl BatchHandle {
    /// Returns the job id.
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// Returns the state and the progress.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if there is no such batch.
    pub async fn describe(&self) -> Result<BatchDescription, RpcError> {
        let request = DescribeBatchOperationRequest {
            namespace: self.connection.namespace().to_string(),
            job_id: self.job_id.clone(),
        };
        self.connection.call(request).await.map(BatchDescription::from_proto)
    }

    /// Stops the batch. What it has done stays done.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the batch is not running.
    pub async fn stop(&self, reason: impl Into<String>) -> Result<(), RpcError> {
        let request = StopBatchOperationRequest {
            namespace: self.connection.namespace().to_string(),
            job_id: self.job_id.clone(),
            reason: reason.into(),
            identity: self.connection.identity().to_string(),
        };
        self.connection.call(request).await.map(drop)
    }

    /// Waits until the batch has ended, and returns its last description. It asks the server repeatedly, at first after
    /// 100 ms, later every 5 s. If the time is over before, it returns the description of the running batch.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if there is no such batch.
    pub async fn wait_until_completed(&self, time: Duration) -> Result<BatchDescription, RpcError> {
        let (started, mut wait) = (Instant::now(), FIRST_WAIT);
        loop {
            let description = self.describe().await?;
            let left = time.saturating_sub(started.elapsed());
            if description.state() != BatchOperationState::Running || left.is_zero() {
                return Ok(description);
            }
            sleep(wait.min(left)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

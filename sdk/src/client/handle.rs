//! The handle of a workflow: its result, its messages, its cancellation and termination.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest, RequestCancelWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};
use serde::Serialize;
use uuid::Uuid;

use super::connection::Connection;
use super::description::WorkflowDescription;
use super::message::{QueryWorkflow, SignalWorkflow};
use super::result::GetResult;
use super::rpc_error::RpcError;
use super::start::ClientFuture;
use super::update::{UntilAccepted, UntilCompleted, UpdateHandle, UpdateWorkflow};
use crate::History;
use crate::converter::{PayloadError, to_payload};
use crate::debug_only::debug_only;
use crate::definition::{QueryOf, SignalOf, UpdateDefinition, UpdateOf, WorkflowDefinition};
use crate::interceptor::client::StartedWorkflow;

/// A handle to a workflow, started by this client or elsewhere.
///
/// A handle refers to a workflow id: messages go to the run that is open when they arrive. A handle with a run id
/// ([`with_run_id`](Self::with_run_id)) refers to that run only.
///
/// ```no_run
/// use abide::client::WorkflowFailedError;
/// use abide::prelude::*;
///
/// # #[workflow] async fn process_order(ctx: &WorkflowContext, id: String) -> Result<String, WorkflowError> { Ok(id) }
/// # async fn look(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let order = client.handle(process_order, "order-4711");
/// order.cancel().reason("the customer has changed her mind").await?;
/// match order.result().await {
///     Ok(text) => println!("too late: {text}"),
///     Err(error) if error.is_cancelled() => println!("cancelled"),
///     Err(WorkflowFailedError::Failed(failure)) => println!("failed: {}", failure.root_cause()),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(()) }
/// ```
pub struct WorkflowHandle<W: WorkflowDefinition> {
    connection: Connection,
    workflow: W,
    workflow_id: String,
    run: Run,
}

#[derive(Clone, Debug)]
enum Run {
    /// The open run, or else the last one.
    Current,
    /// This run only.
    Only(String),
    /// The chain of runs that this client started or found: the run, and the first run of its chain (may be empty).
    Started { run_id: String, first_execution_run_id: String },
}

impl<W: WorkflowDefinition> WorkflowHandle<W> {
    pub(super) fn current(connection: Connection, workflow: W, workflow_id: String) -> Self {
        Self { connection, workflow, workflow_id, run: Run::Current }
    }

    pub(super) fn started(connection: Connection, workflow: W, started: StartedWorkflow) -> Self {
        let StartedWorkflow { workflow_id, run_id, first_execution_run_id, .. } = started;
        Self { connection, workflow, workflow_id, run: Run::Started { run_id, first_execution_run_id } }
    }

    /// Returns the handle of a chain of runs of the same workflow.
    pub(super) fn of_chain(&self, run_id: String, first_execution_run_id: String) -> Self {
        Self { run: Run::Started { run_id, first_execution_run_id }, ..self.clone() }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Restricts the handle to this run of the workflow.
    pub fn with_run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run = Run::Only(run_id.into());
        self
    }

    /// Returns the workflow id.
    pub fn workflow_id(&self) -> &str {
        &self.workflow_id
    }

    /// Returns the run that was started or named; `None` for a handle made from a workflow id only.
    pub fn run_id(&self) -> Option<&str> {
        match &self.run {
            Run::Current => None,
            Run::Only(run_id) | Run::Started { run_id, .. } => Some(run_id),
        }
    }

    /// Returns the first run of the chain that was started; `None` if it is not known.
    pub fn first_execution_run_id(&self) -> Option<&str> {
        Some(self.chain()).filter(|first| !first.is_empty())
    }

    /// Waits until the workflow has closed, and returns its result. `.without_following_runs()` restricts this to one
    /// run.
    ///
    /// # Errors
    /// [`WorkflowFailedError`](super::WorkflowFailedError): the workflow closed without a result, or does not exist.
    pub fn result(&self) -> GetResult<W> {
        let execution = self.execution(self.run_id().unwrap_or_default());
        GetResult { connection: self.connection.clone(), execution, follow_runs: true, workflow: PhantomData }
    }

    /// Sends a signal. When this returns, the server has it; the workflow handles it in its next workflow task.
    ///
    /// # Errors
    /// [`SignalError`](super::SignalError): the workflow is not running, or an argument cannot be serialized.
    pub fn signal<S>(&self, signal: S, args: S::Args) -> SignalWorkflow<S>
    where
        S: SignalOf<W::Workflow>,
    {
        SignalWorkflow::new(self.connection.clone(), self.execution(self.pinned()), signal, &args)
    }

    /// Queries the workflow, which may be open or closed. A worker must answer within the call timeout of 30 seconds.
    ///
    /// # Errors
    /// [`QueryError`](super::QueryError): the handler failed or does not exist, or no worker answered in time.
    pub fn query<Q>(&self, query: Q, args: Q::Args) -> QueryWorkflow<Q>
    where
        Q: QueryOf<W::Workflow>,
    {
        QueryWorkflow::new(self.connection.clone(), self.execution(self.pinned()), query, &args)
    }

    /// Sends an update and waits for its result without a time limit: the workflow's validator may reject it, otherwise
    /// its handler runs. Dropping the future does not stop the update.
    ///
    /// ```no_run
    /// # use abide::client::{UpdateError, WorkflowHandle};
    /// # use abide::{UpdateDefinition, UpdateOf, WorkflowDefinition};
    /// # async fn pay<W: WorkflowDefinition, U>(
    /// #     order: WorkflowHandle<W>, pay: U) -> Result<(), UpdateError>
    /// # where U: UpdateOf<W::Workflow> + UpdateDefinition<Args = u32, Output = String> {
    /// match order.update(pay, 100).await {
    ///     Ok(receipt) => println!("paid: {receipt}"),
    ///     Err(UpdateError::Failed(failure)) => println!("not paid: {failure}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`UpdateError`](super::UpdateError): the update was rejected or failed, or the workflow is not running.
    pub fn update<U>(&self, update: U, args: U::Args) -> UpdateWorkflow<U, UntilCompleted>
    where
        U: UpdateOf<W::Workflow>,
    {
        self.new_update(update, &args)
    }

    /// Sends an update and waits until the workflow has accepted it, that is, until its validator has passed on a
    /// worker. The result comes from [`UpdateHandle::result`]. A rejected update also returns a handle, whose result is
    /// the rejection. The wait has no time limit and continues while no worker is there; use `tokio::time::timeout` to
    /// limit it.
    ///
    /// # Errors
    /// [`UpdateError`](super::UpdateError): the workflow is not running, or an argument cannot be serialized.
    pub fn start_update<U>(&self, update: U, args: U::Args) -> UpdateWorkflow<U, UntilAccepted>
    where
        U: UpdateOf<W::Workflow>,
    {
        self.new_update(update, &args)
    }

    /// Returns a handle to the update with that id. Makes no call, so the update need not exist.
    pub fn update_handle<U>(&self, update: U, update_id: impl Into<String>) -> UpdateHandle<U>
    where
        U: UpdateOf<W::Workflow>,
    {
        let execution = self.execution(self.pinned());
        UpdateHandle::new(self.connection.clone(), update, execution, update_id.into(), None)
    }

    fn new_update<U: UpdateDefinition, Until>(&self, update: U, args: &U::Args) -> UpdateWorkflow<U, Until> {
        let (execution, chain) = (self.execution(self.pinned()), self.chain().to_string());
        UpdateWorkflow::new(self.connection.clone(), execution, chain, update, args)
    }

    /// Requests cancellation of the workflow; `.reason(..)` sets the reason. The workflow decides when and how it ends.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow does not exist.
    pub fn cancel(&self) -> CancelWorkflow {
        CancelWorkflow {
            connection: self.connection.clone(),
            request: RequestCancelWorkflowExecutionRequest {
                namespace: self.connection.namespace().to_string(),
                workflow_execution: Some(self.execution(self.pinned())),
                identity: self.connection.identity().to_string(),
                request_id: Uuid::new_v4().to_string(),
                first_execution_run_id: self.chain().to_string(),
                ..Default::default()
            },
        }
    }

    /// Terminates the workflow at once; `.reason(..)` and `.detail(..)` say why. Its code gets no chance to clean up.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow is not running.
    pub fn terminate(&self) -> TerminateWorkflow {
        TerminateWorkflow {
            connection: self.connection.clone(),
            request: TerminateWorkflowExecutionRequest {
                namespace: self.connection.namespace().to_string(),
                workflow_execution: Some(self.execution(self.pinned())),
                identity: self.connection.identity().to_string(),
                first_execution_run_id: self.chain().to_string(),
                ..Default::default()
            },
        }
    }

    /// Returns the server's description of the workflow: its status, times, memo, pending activities.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow does not exist.
    pub async fn describe(&self) -> Result<WorkflowDescription, RpcError> {
        let request = DescribeWorkflowExecutionRequest {
            namespace: self.connection.namespace().to_string(),
            execution: Some(self.execution(self.pinned())),
        };
        self.connection.carry_out(request).await
    }

    /// Returns the history so far: of the run that was started or named, otherwise of the last run. Payloads are as
    /// stored on the server, not decoded by a codec.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow does not exist.
    pub async fn fetch_history(&self) -> Result<History, RpcError> {
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: self.connection.namespace().to_string(),
            execution: Some(self.execution(self.run_id().unwrap_or_default())),
            ..Default::default()
        };
        self.connection.carry_out(request).await
    }

    /// Returns the run that messages are for; empty for the open run.
    pub(super) fn pinned(&self) -> &str {
        match &self.run {
            Run::Only(run_id) => run_id,
            Run::Current | Run::Started { .. } => "",
        }
    }

    /// Returns the first run of the chain, so that a cancellation or termination does not hit a later workflow with the
    /// same id; empty if not known.
    pub(super) fn chain(&self) -> &str {
        match &self.run {
            Run::Started { first_execution_run_id, .. } => first_execution_run_id,
            Run::Current | Run::Only(_) => "",
        }
    }

    pub(super) fn execution(&self, run_id: &str) -> WorkflowExecution {
        WorkflowExecution { workflow_id: self.workflow_id.clone(), run_id: run_id.to_string() }
    }
}

impl<W: WorkflowDefinition> Clone for WorkflowHandle<W> {
    fn clone(&self) -> Self {
        let (connection, workflow_id, run) = (self.connection.clone(), self.workflow_id.clone(), self.run.clone());
        Self { connection, workflow: self.workflow.clone(), workflow_id, run }
    }
}

impl<W: WorkflowDefinition> fmt::Debug for WorkflowHandle<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowHandle")
            .field("workflow_type", &self.workflow.name())
            .field("workflow_id", &self.workflow_id)
            .field("run_id", &self.run_id())
            .finish_non_exhaustive()
    }
}

/// A request to cancel a workflow, sent when awaited.
#[must_use = "the cancellation is requested only when this is awaited"]
pub struct CancelWorkflow {
    connection: Connection,
    request: RequestCancelWorkflowExecutionRequest,
}

debug_only!(impl[] CancelWorkflow, |this| {
    workflow_id: this.request.workflow_execution.as_ref().map(|execution| &execution.workflow_id),
});

impl CancelWorkflow {
    /// Sets the reason, which the workflow and its history show.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }
}

impl IntoFuture for CancelWorkflow {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.carry_out(self.request).await })
    }
}

/// A request to terminate a workflow, sent when awaited.
#[must_use = "the workflow is terminated only when this is awaited"]
pub struct TerminateWorkflow {
    connection: Connection,
    request: TerminateWorkflowExecutionRequest,
}

debug_only!(impl[] TerminateWorkflow, |this| {
    workflow_id: this.request.workflow_execution.as_ref().map(|execution| &execution.workflow_id),
});

impl TerminateWorkflow {
    /// Sets the reason, which the workflow's history and the errors of waiting callers show.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }

    /// Adds a detail, which the workflow's history and the errors of waiting callers
    /// ([`Terminated`](super::WorkflowFailedError::Terminated)) show. Default: none.
    ///
    /// # Errors
    /// Returns an error if serde refuses the value.
    pub fn detail<T: Serialize + 'static>(mut self, value: &T) -> Result<Self, PayloadError> {
        let details = self.request.details.get_or_insert_default();
        let number = details.payloads.len() + 1;
        let payload = to_payload(value);
        details.payloads.push(payload.map_err(|error| error.of(format_args!("detail {number} of the termination")))?);
        Ok(self)
    }
}

impl IntoFuture for TerminateWorkflow {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.carry_out(self.request).await })
    }
}

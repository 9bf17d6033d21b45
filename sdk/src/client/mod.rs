//! The client. It connects to a Temporal server, starts workflows and sends them messages.
//!
//! ```no_run
//! # use abide::client::{Client, ClientOptions};
//! # async fn look<W: abide::WorkflowDefinition<Args = String, Output = String>>(process_order: W)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(ClientOptions::from_env()?).await?;
//! let order = client.start(process_order, "4711".to_string()).id("order-4711").task_queue("orders").await?;
//! println!("{}", order.result().await?);
//! # Ok(())
//! # }
//! ```
//!
//! Calls return builders. Set the options that differ from the defaults, then `.await` the builder.

#![cfg_attr(not(feature = "worker"), allow(dead_code, reason = "parts of the connection serve the worker alone"))]

mod async_activity;
mod broken_answer;
pub(crate) mod call;
mod call_options;
mod config_file;
mod connection;
mod description;
pub(crate) mod eager;
mod environment;
mod errors;
mod handle;
mod handle_calls;
mod long_wait;
mod message;
pub mod operator;
mod options;
mod policies;
mod proxy;
mod request_metrics;
mod result;
pub(crate) mod retry;
pub(crate) mod rpc;
mod rpc_error;
mod schedule;
mod standalone_activity;
mod standalone_nexus;
mod start;
mod undecodable;
mod update;
mod update_with_start;
mod visibility;
pub(crate) mod worker_commands;

use abide_protos::temporal::api::workflowservice::v1::{CountSchedulesRequest, CountWorkflowExecutionsRequest};

pub use async_activity::{AsyncActivityHandle, AsyncActivityHeartbeat, AsyncActivityId};
pub(crate) use async_activity::{CancelActivityCall, CompleteActivityCall, FailActivityCall, HeartbeatActivityCall};
pub use call_options::CallOptions;
pub use connection::Connection;
pub(crate) use connection::{HttpRequest, HttpResponse};
#[cfg(feature = "worker")]
pub(crate) use connection::{LONG_POLL_TIMEOUT, call_over, deliver_over, host_name};
pub use description::{PauseInfo, PendingActivity, PendingActivityState, WorkflowDescription, WorkflowExecutionInfo};
pub use errors::{
    AsyncActivityError, ConnectError, QueryError, SignalError, StartError, UpdateError, UpdateWithStartError,
};
pub use handle::{CancelWorkflow, TerminateWorkflow, WorkflowHandle};
pub use message::{QueryWorkflow, SignalWorkflow};
pub use options::{ClientOptions, TlsOptions};
pub use policies::{
    ActivityIdConflictPolicy, ActivityIdReusePolicy, NexusOperationIdConflictPolicy, NexusOperationIdReusePolicy,
    QueryRejectCondition, WorkflowExecutionStatus, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};
pub use proxy::HttpProxy;
pub(crate) use result::ResultCall;
pub use result::{GetResult, WorkflowFailedError};
pub use rpc_error::RpcError;
pub use schedule::{
    CreateSchedule, CreateScheduleError, Schedule, ScheduleAction, ScheduleActionResult, ScheduleBackfill,
    ScheduleCalendar, ScheduleDescription, ScheduleError, ScheduleHandle, ScheduleInfo, ScheduleInterval, ScheduleList,
    ScheduleListEntry, ScheduleOverlapPolicy, SchedulePolicies, ScheduleRange, ScheduleSpec, ScheduleState,
    TriggerSchedule, UpdateSchedule,
};
pub(crate) use schedule::{CreateScheduleCall, DescribeScheduleCall, UpdateScheduleCall};
pub(crate) use standalone_activity::ActivityResultCall;
pub use standalone_activity::{
    ActivityDescription, ActivityExecutionInfo, ActivityExecutionStatus, ActivityFailedError, ActivityList,
    CancelStandaloneActivity, GetActivityResult, StandaloneActivityHandle, StartActivity, StartActivityError,
    TerminateActivity,
};
pub(crate) use standalone_nexus::NexusOperationResultCall;
pub use standalone_nexus::{
    CancelNexusOperation, GetNexusOperationResult, NexusOperationDescription, NexusOperationExecutionInfo,
    NexusOperationExecutionStatus, NexusOperationFailedError, NexusOperationList, NexusOperationState,
    StandaloneNexusOperationHandle, StartNexusOperation, StartNexusOperationError, TerminateNexusOperation,
};
pub use start::{ClientFuture, StartWorkflow, UntilClosed, UntilStarted};
pub(crate) use start::{SignalWithStartCall, StartCall};
pub(crate) use update::UpdateAnswer;
pub use update::{UntilAccepted, UntilCompleted, UpdateHandle, UpdateWorkflow};
pub use update_with_start::UpdateWithStart;
pub(crate) use update_with_start::UpdateWithStartCall;
pub use visibility::{WorkflowCount, WorkflowCountGroup, WorkflowList};

use crate::definition::{Arguments, Workflow};
use crate::metrics::Metrics;

/// A client of one namespace. Cloning it is cheap.
///
/// ```no_run
/// use abide::prelude::*;
///
/// # #[workflow] async fn process_order(ctx: &WorkflowContext, id: String) -> Result<String, WorkflowError> { Ok(id) }
/// # async fn order() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect(ClientOptions::new("localhost:7233")).await?;
/// // Start it and continue, ..
/// let order = client.start(process_order, "4711".into()).id("order-4711").task_queue("orders").await?;
/// // .. or start it and wait for its result.
/// let result = client.execute(process_order, "4712".into()).id("order-4712").task_queue("orders").await?;
/// # let _ = (order, result); Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Connects to the server.
    ///
    /// # Errors
    /// Returns an error if an option is invalid, or no Temporal server answers at the address.
    pub async fn connect(options: ClientOptions) -> Result<Self, ConnectError> {
        Ok(Self { connection: Connection::connect(&options).await? })
    }

    /// Creates a client that connects when the first call is made. Until a server answers, calls fail with
    /// [`is_unavailable`](RpcError::is_unavailable) after their retries, and workers wait for it.
    ///
    /// For programs that start before their server, or that may not need it.
    ///
    /// # Errors
    /// Returns an error if an option is invalid, or no tokio runtime is running.
    pub fn connect_lazy(options: ClientOptions) -> Result<Self, ConnectError> {
        Ok(Self { connection: Connection::lazy(&options)? })
    }

    /// Returns a client whose calls have these options, over the same connection. They also apply to handles that it
    /// makes.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use abide::client::{CallOptions, Client};
    /// # use abide::WorkflowType;
    /// # async fn quick(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let quick = client.with_call_options(CallOptions::new().timeout(Duration::from_secs(2)));
    /// let described = quick.handle(WorkflowType::<fn(String) -> String>::new("order"), "order-4711").describe().await?;
    /// # let _ = described; Ok(()) }
    /// ```
    pub fn with_call_options(&self, options: CallOptions) -> Self {
        Self { connection: self.connection.with_call_options(options) }
    }

    /// Creates a client that uses an existing connection.
    pub fn from_connection(connection: Connection) -> Self {
        Self { connection }
    }

    /// Returns the connection, to share it with a worker or another client.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the metrics into which this client and its workers count: those of
    /// [`ClientOptions::metrics`], or metrics of its own.
    pub fn metrics(&self) -> &Metrics {
        self.connection.metrics()
    }

    /// Starts a workflow. Awaiting it returns a handle as soon as the server has accepted the start.
    ///
    /// The task queue is the only required option.
    ///
    /// # Errors
    /// [`StartError`]: a workflow with this id already exists, or the call failed.
    pub fn start<Kind, W: Workflow<Kind>>(
        &self,
        workflow: W,
        args: <W::Definition as Arguments>::Args,
    ) -> StartWorkflow<W::Definition, UntilStarted> {
        StartWorkflow::new(self.connection.clone(), workflow.definition(), &args, UntilStarted)
    }

    /// Starts a workflow. Awaiting it returns the workflow's result.
    ///
    /// # Errors
    /// [`WorkflowFailedError`]: the workflow could not be started, or closed without a result.
    pub fn execute<Kind, W: Workflow<Kind>>(
        &self,
        workflow: W,
        args: <W::Definition as Arguments>::Args,
    ) -> StartWorkflow<W::Definition, UntilClosed> {
        StartWorkflow::new(self.connection.clone(), workflow.definition(), &args, UntilClosed)
    }

    /// Returns a handle to the workflow with this id. Makes no call, so the workflow need not exist.
    pub fn handle<Kind, W: Workflow<Kind>>(
        &self,
        workflow: W,
        workflow_id: impl Into<String>,
    ) -> WorkflowHandle<W::Definition> {
        WorkflowHandle::current(self.connection.clone(), workflow.definition(), workflow_id.into())
    }

    /// Lists the workflows that match a visibility query. An empty query matches all workflows.
    pub fn list(&self, query: impl Into<String>) -> WorkflowList {
        WorkflowList::new(self.connection.clone(), query.into())
    }

    /// Counts the workflows that match a visibility query. If the query has a `GROUP BY`, counts them in groups.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed. If the query is invalid, [`is_invalid_argument`](RpcError::is_invalid_argument)
    /// returns true.
    pub async fn count(&self, query: impl Into<String>) -> Result<WorkflowCount, RpcError> {
        let namespace = self.connection.namespace().to_string();
        let request = CountWorkflowExecutionsRequest { namespace, query: query.into() };
        self.connection.carry_out(request).await
    }

    /// Creates a schedule: the server starts a workflow again and again. Awaiting it returns a handle.
    ///
    /// # Errors
    /// [`CreateScheduleError`]: a schedule with this id exists, or the call failed.
    pub fn create_schedule(&self, schedule_id: impl Into<String>, schedule: Schedule) -> CreateSchedule {
        CreateSchedule::new(self.connection.clone(), schedule_id.into(), schedule)
    }

    /// Returns a handle to the schedule with this id. Makes no call, so the schedule need not exist.
    pub fn schedule(&self, schedule_id: impl Into<String>) -> ScheduleHandle {
        ScheduleHandle::new(self.connection.clone(), schedule_id.into())
    }

    /// Lists the schedules that match a visibility query. An empty query matches all schedules.
    pub fn list_schedules(&self, query: impl Into<String>) -> ScheduleList {
        ScheduleList::new(self.connection.clone(), query.into())
    }

    /// Counts the schedules that match a visibility query. The groups are those of a `GROUP BY`, if the server permits one
    /// for schedules.
    ///
    /// # Errors
    /// [`RpcError`]: the call failed. If the query is invalid, [`is_invalid_argument`](RpcError::is_invalid_argument)
    /// returns true.
    pub async fn count_schedules(&self, query: impl Into<String>) -> Result<WorkflowCount, RpcError> {
        let namespace = self.connection.namespace().to_string();
        let request = CountSchedulesRequest { namespace, query: query.into() };
        self.connection.carry_out(request).await
    }
}

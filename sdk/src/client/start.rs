//! Starting workflows: one builder for start, execute and signal-with-start; update-with-start builds on it.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::{Memo, Payload, Payloads, WorkflowType};
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::sdk::v1::UserMetadata;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::{
    SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse, StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
};
use serde::Serialize;
use uuid::Uuid;

use super::call::{Call, answer_is_output};
use super::connection::Connection;
use super::eager::Reservation;
use super::errors::StartError;
use super::handle::WorkflowHandle;
use super::message::written;
use super::policies::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use super::result::WorkflowFailedError;
use super::rpc_error::RpcError;
use super::update_with_start::UpdateWithStart;
use crate::converter::{PayloadError, PayloadWriter, RawArguments, to_payload};
use crate::debug_only::debug_only;
use crate::definition::{SignalOf, UpdateOf, WorkflowDefinition};
use crate::duration::to_proto;
use crate::header::set_header;
use crate::interceptor::client::{SignalWithStartWorkflowInput, StartWorkflowInput, StartedWorkflow};
use crate::search_attributes::{SearchAttributeUpdate, apply};
use crate::{Priority, RetryPolicy, VersioningOverride};

/// A client call in progress.
pub type ClientFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Awaiting the start returns a handle once the server has accepted it; made by
/// [`Client::start`](super::Client::start) and [`Client::start_activity`](super::Client::start_activity).
#[derive(Clone, Copy, Debug)]
pub struct UntilStarted;

/// Awaiting the start returns the result; made by [`Client::execute`](super::Client::execute) and
/// [`Client::execute_activity`](super::Client::execute_activity).
#[derive(Clone, Copy, Debug)]
pub struct UntilClosed;

/// A workflow start: set options, then `.await` it.
#[must_use = "the workflow is started only when this is awaited"]
pub struct StartWorkflow<W: WorkflowDefinition, Until = UntilStarted> {
    connection: Connection,
    workflow: W,
    request: Box<StartWorkflowExecutionRequest>,
    signal: Option<(String, Option<Payloads>)>,
    eager: bool,
    unwritable: Option<PayloadError>,
    until: Until,
}

debug_only!(impl[W: WorkflowDefinition, Until] StartWorkflow<W, Until>, |this| {
    workflow_type: this.workflow.name(),
    workflow_id: this.request.workflow_id,
    task_queue: this.request.task_queue.as_ref().map(|queue| &queue.name),
});

impl<W: WorkflowDefinition, Until> StartWorkflow<W, Until> {
    pub(crate) fn new(connection: Connection, workflow: W, args: &W::Args, until: Until) -> Self {
        let request = StartWorkflowExecutionRequest {
            namespace: connection.namespace().to_string(),
            workflow_type: Some(WorkflowType { name: workflow.name().to_string() }),
            identity: connection.identity().to_string(),
            ..Default::default()
        };
        let mut start = Self {
            connection,
            workflow,
            request: Box::new(request),
            signal: None,
            eager: false,
            unwritable: None,
            until,
        };
        let name = start.workflow.name().into_owned();
        start.request.input = start.written("workflow", &name, |to| W::write_args(args, to));
        start
    }

    /// Sets the workflow id, usually a business id such as an order number. Default: a random UUID.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.request.workflow_id = id.into();
        self
    }

    /// Sets the task queue that the workflow's workers poll. Required.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        let kind = TaskQueueKind::Normal as i32;
        self.request.task_queue = Some(TaskQueue { name: name.into(), kind, ..Default::default() });
        self
    }

    /// Limits the time of the workflow with all its runs: retries, cron and continue-as-new. Default: no limit.
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.request.workflow_execution_timeout = Some(to_proto(timeout));
        self
    }

    /// Limits the time of one run. Default: the execution timeout.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.request.workflow_run_timeout = Some(to_proto(timeout));
        self
    }

    /// Limits the time of one workflow task before another worker gets it. Default: 10 s, at most 120 s.
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.request.workflow_task_timeout = Some(to_proto(timeout));
        self
    }

    /// Starts the workflow again when it fails or times out. Default: no retries.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.request.retry_policy = Some(policy.to_proto());
        self
    }

    /// Policy for reusing the id of a closed workflow. Default: reuse is allowed.
    pub fn id_reuse_policy(mut self, policy: WorkflowIdReusePolicy) -> Self {
        self.request.workflow_id_reuse_policy = policy.to_proto();
        self
    }

    /// Policy for an id that a running workflow uses. Default: the start fails; with a signal
    /// ([`with_signal`](Self::with_signal)), the running workflow gets the signal.
    pub fn id_conflict_policy(mut self, policy: WorkflowIdConflictPolicy) -> Self {
        self.request.workflow_id_conflict_policy = policy.to_proto();
        self
    }

    /// Delays the first workflow task. Default: no delay.
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.request.workflow_start_delay = Some(to_proto(delay));
        self
    }

    /// Repeats the workflow by a cron expression in UTC such as `0 3 * * *`, `@daily` or `@every 90s`. The first run
    /// waits for its time, too. Each run gets the last result
    /// ([`last_completion_result`](crate::workflow::WorkflowInfo::last_completion_result)) and the failure of the
    /// previous run, if it failed. Cancellation, termination, continue-as-new and the [execution
    /// timeout](Self::execution_timeout) end the repetition.
    pub fn cron_schedule(mut self, schedule: impl Into<String>) -> Self {
        self.request.cron_schedule = schedule.into();
        self
    }

    /// Adds a memo value, shown by [`describe`](WorkflowHandle::describe) and in lists.
    pub fn memo<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        match to_payload(value) {
            Ok(payload) => {
                self.request.memo.get_or_insert_with(Memo::default).fields.insert(key.into(), payload);
            }
            Err(error) => self.unwritable = Some(error),
        }
        self
    }

    /// Sets search attributes for visibility queries; their names and types must be registered on the server.
    pub fn search_attributes(mut self, values: impl IntoIterator<Item = SearchAttributeUpdate>) -> Self {
        let values: Vec<SearchAttributeUpdate> = values.into_iter().collect();
        apply(&values, self.request.search_attributes.get_or_insert_default());
        self
    }

    /// Adds a header, shown by the workflow's [info](crate::workflow::WorkflowInfo::header). With
    /// [`with_signal`](Self::with_signal) the signal has it, too.
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = set_header(&mut self.request.header, key, value) {
            self.unwritable = Some(error);
        }
        self
    }

    /// Sets a one-line summary of this run in Markdown, which the web UI shows in lists. Default: none.
    pub fn static_summary(mut self, summary: impl Into<String>) -> Self {
        let summary = self.text(summary.into());
        self.request.user_metadata.get_or_insert_with(UserMetadata::default).summary = summary;
        self
    }

    /// Sets details of this run in Markdown, of one or more lines, which the web UI shows. Default: none.
    pub fn static_details(mut self, details: impl Into<String>) -> Self {
        let details = self.text(details.into());
        self.request.user_metadata.get_or_insert_with(UserMetadata::default).details = details;
        self
    }

    /// Sets the priority and fairness of the workflow's tasks in its task queue. Activities and child workflows inherit
    /// it. Default: the server's.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.request.priority = Some(priority.to_proto());
        self
    }

    /// Sets the worker deployment version that runs the workflow. Default: decided by worker versioning.
    pub fn versioning_override(mut self, versioning: VersioningOverride) -> Self {
        self.request.versioning_override = Some(versioning.to_proto());
        self
    }

    /// Sets the request id. The server ignores a repeated start with the same id. Default: a random UUID.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request.request_id = id.into();
        self
    }

    /// Requests an eager start (Temporal's `request_eager_execution`): the server sends the first workflow task with
    /// its answer if a worker of this process can take it, without going through the task queue.
    ///
    /// The worker must use this client or another client of the same [`Connection`], poll the task queue, have the
    /// workflow registered, and have a free slot for a workflow task. Otherwise, or with a start delay, a cron
    /// schedule, a signal or an update, the workflow starts normally. Default: not requested.
    pub fn request_eager_start(mut self) -> Self {
        self.eager = true;
        self
    }

    /// Sends a signal with the start (signal-with-start): a running workflow gets the signal; otherwise a new one is
    /// started and gets it before anything else.
    pub fn with_signal<S>(mut self, signal: S, args: S::Args) -> Self
    where
        S: SignalOf<W::Workflow>,
    {
        let name = signal.name().into_owned();
        let input = self.written("signal", &name, |to| S::write_args(&args, to));
        self.signal = Some((name, input));
        self
    }

    fn text(&mut self, text: String) -> Option<Payload> {
        to_payload(&text).map_err(|error| self.unwritable = Some(error)).ok()
    }

    /// Serializes arguments; an error is returned when the call is awaited.
    fn written(
        &mut self,
        of: &str,
        name: &str,
        write: impl FnOnce(&mut PayloadWriter) -> Result<(), PayloadError>,
    ) -> Option<Payloads> {
        let mut writer = PayloadWriter::new();
        match write(&mut writer) {
            Ok(()) => writer.finish(),
            Err(error) => {
                self.unwritable = Some(error.of(format_args!("{of} `{name}`")));
                None
            }
        }
    }

    pub(crate) fn has_signal(&self) -> bool {
        self.signal.is_some()
    }

    pub(crate) fn until(&self) -> &Until {
        &self.until
    }

    /// Returns the request, for what has no option.
    pub(crate) fn request_mut(&mut self) -> &mut StartWorkflowExecutionRequest {
        &mut self.request
    }

    /// Returns the complete request, or an error if something is missing or cannot be serialized.
    pub(super) fn checked(mut self) -> Result<(Connection, W, Box<StartWorkflowExecutionRequest>), StartError> {
        if let Some(error) = self.unwritable {
            return Err(StartError::Payload(error));
        }
        if self.request.task_queue.as_ref().is_none_or(|queue| queue.name.is_empty()) {
            return Err(StartError::MissingTaskQueue { workflow_type: self.workflow.name().into_owned() });
        }
        for id in [&mut self.request.workflow_id, &mut self.request.request_id] {
            if id.is_empty() {
                *id = Uuid::new_v4().to_string();
            }
        }
        Ok((self.connection, self.workflow, self.request))
    }

    async fn send(self) -> Result<WorkflowHandle<W>, StartError> {
        let (connection, workflow) = (self.connection.clone(), self.workflow.clone());
        let started = self.started().await?;
        Ok(WorkflowHandle::started(connection, workflow, started))
    }

    /// Starts the workflow.
    pub(crate) async fn started(mut self) -> Result<StartedWorkflow, StartError> {
        let (signal, eager) = (self.signal.take(), self.eager);
        let (connection, _, request) = self.checked()?;
        let started = match signal {
            None => connection.carry_out(StartCall { request, eager }).await,
            Some((signal_name, signal_input)) => {
                connection.carry_out(SignalWithStartCall { start: request, signal_name, signal_input }).await
            }
        };
        started.map_err(StartError::from_rpc)
    }
}

impl<W: WorkflowDefinition> StartWorkflow<W, UntilStarted> {
    /// Sends an update with the start (update-with-start): a running workflow gets the update; otherwise a new one is
    /// started and gets it with its first workflow task. Awaiting it returns handles to both once the update is
    /// accepted.
    ///
    /// The default conflict policy is [`UseExisting`](WorkflowIdConflictPolicy::UseExisting) here. A start delay, a
    /// cron schedule and a signal cannot be combined with an update; the server refuses the first two.
    ///
    /// ```no_run
    /// # use abide::client::{Client, UpdateError};
    /// # use abide::{UpdateDefinition, UpdateOf, WorkflowDefinition};
    /// # async fn add<W: WorkflowDefinition<Args = ()>, U>(
    /// #     client: Client, cart: W, add: U) -> Result<(), Box<dyn std::error::Error>>
    /// # where U: UpdateOf<W::Workflow> + UpdateDefinition<Args = String, Output = u32> {
    /// let start = client.start(cart, ()).id("cart-17").task_queue("carts");
    /// let (cart, added) = start.with_update(add, "book".to_string()).await?;
    /// println!("{} has {} items", cart.workflow_id(), added.result().await?);
    /// # Ok(()) }
    /// ```
    pub fn with_update<U>(self, update: U, args: U::Args) -> UpdateWithStart<W, U>
    where
        U: UpdateOf<W::Workflow>,
    {
        UpdateWithStart::new(self, update, written::<U>(&args))
    }
}

impl<W: WorkflowDefinition> IntoFuture for StartWorkflow<W, UntilStarted> {
    type Output = Result<WorkflowHandle<W>, StartError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<W: WorkflowDefinition> IntoFuture for StartWorkflow<W, UntilClosed> {
    type Output = Result<W::Output, WorkflowFailedError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.send().await.map_err(WorkflowFailedError::NotStarted)?.result().await })
    }
}

/// Reserves a slot of a worker in this process for the workflow's first task, if the server may send it with its
/// answer.
fn reserve(connection: &Connection, request: &StartWorkflowExecutionRequest) -> Option<Reservation> {
    let begins_later = request.workflow_start_delay.is_some() || !request.cron_schedule.is_empty();
    if begins_later || !connection.capabilities().eager_workflow_start {
        return None;
    }
    let task_queue = request.task_queue.as_ref()?;
    let workflow_type = request.workflow_type.as_ref()?;
    connection.eager_workers().reserve(&task_queue.name, &workflow_type.name)
}

/// A start.
pub(crate) struct StartCall {
    request: Box<StartWorkflowExecutionRequest>,
    eager: bool,
}

impl Call for StartCall {
    type Input = StartWorkflowInput;
    type Answer = StartedWorkflow;

    /// Starts the workflow, and hands over its first task if the server sent it.
    async fn send(self, connection: &Connection) -> Result<StartedWorkflow, RpcError> {
        let mut request = *self.request;
        let reservation = if self.eager { reserve(connection, &request) } else { None };
        if let Some(reservation) = &reservation {
            request.request_eager_execution = true;
            request.eager_worker_deployment_options.clone_from(&reservation.deployment_options);
        }
        let workflow_id = request.workflow_id.clone();
        // The worker that takes the task decodes it.
        let sent = async {
            connection.encode(&mut request).await?;
            Box::pin(connection.call(request)).await
        };
        match sent.await {
            Ok(mut response) => {
                if let (Some(task), Some(reservation)) = (response.eager_workflow_task.take(), reservation) {
                    (reservation.hand_over)(task);
                }
                let StartWorkflowExecutionResponse { run_id, first_execution_run_id, started, link, .. } = response;
                Ok(StartedWorkflow::of(workflow_id, run_id, first_execution_run_id, started).with_link(link))
            }
            Err(error) => Err(error.about(workflow_id)),
        }
    }

    fn into_input(self) -> StartWorkflowInput {
        let mut input = StartWorkflowInput::from_request(self.request);
        input.request_eager_start = self.eager;
        input
    }

    fn from_input(input: StartWorkflowInput) -> Self {
        Self { eager: input.request_eager_start, request: input.into_request() }
    }

    answer_is_output!();
}

/// A start with a signal.
pub(crate) struct SignalWithStartCall {
    start: Box<StartWorkflowExecutionRequest>,
    signal_name: String,
    signal_input: Option<Payloads>,
}

impl Call for SignalWithStartCall {
    type Input = SignalWithStartWorkflowInput;
    type Answer = StartedWorkflow;

    async fn send(self, connection: &Connection) -> Result<StartedWorkflow, RpcError> {
        let workflow_id = self.start.workflow_id.clone();
        let request = signal_with_start(*self.start, self.signal_name, self.signal_input);
        match connection.call_coded(request).await {
            Ok(SignalWithStartWorkflowExecutionResponse { run_id, first_execution_run_id, started, .. }) => {
                Ok(StartedWorkflow::of(workflow_id, run_id, first_execution_run_id, started))
            }
            Err(error) => Err(error.about(workflow_id)),
        }
    }

    fn into_input(self) -> SignalWithStartWorkflowInput {
        SignalWithStartWorkflowInput {
            start: StartWorkflowInput::from_request(self.start),
            signal_name: self.signal_name,
            signal_arguments: RawArguments::from_proto(self.signal_input),
        }
    }

    fn from_input(input: SignalWithStartWorkflowInput) -> Self {
        let SignalWithStartWorkflowInput { start, signal_name, signal_arguments } = input;
        Self { start: start.into_request(), signal_name, signal_input: signal_arguments.into_proto() }
    }

    answer_is_output!();
}

fn signal_with_start(
    start: StartWorkflowExecutionRequest,
    signal_name: String,
    signal_input: Option<Payloads>,
) -> SignalWithStartWorkflowExecutionRequest {
    SignalWithStartWorkflowExecutionRequest {
        namespace: start.namespace,
        workflow_id: start.workflow_id,
        workflow_type: start.workflow_type,
        task_queue: start.task_queue,
        input: start.input,
        workflow_execution_timeout: start.workflow_execution_timeout,
        workflow_run_timeout: start.workflow_run_timeout,
        workflow_task_timeout: start.workflow_task_timeout,
        identity: start.identity,
        request_id: start.request_id,
        workflow_id_reuse_policy: start.workflow_id_reuse_policy,
        workflow_id_conflict_policy: start.workflow_id_conflict_policy,
        signal_name,
        signal_input,
        retry_policy: start.retry_policy,
        cron_schedule: start.cron_schedule,
        user_metadata: start.user_metadata,
        priority: start.priority,
        memo: start.memo,
        header: start.header,
        search_attributes: start.search_attributes,
        workflow_start_delay: start.workflow_start_delay,
        versioning_override: start.versioning_override,
        ..Default::default()
    }
}

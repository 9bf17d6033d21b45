//! Updates: sending them to a running workflow, waiting for them, finding them again by their id.
//!
//! An update has its id before it is sent, so that it can be sent again: the server treats two requests with one id as
//! one update. Waiting means polling: the server answers within 20 s with the update's stage.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::{Header, Link, Payloads, WorkflowExecution};
use abide_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
use abide_protos::temporal::api::update::v1::{Input, Meta, Outcome, Request, UpdateRef, WaitPolicy, outcome};
use abide_protos::temporal::api::workflowservice::v1::{
    PollWorkflowExecutionUpdateRequest, UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse,
};
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::call::Call;
use super::connection::{Connection, sleep};
use super::errors::UpdateError;
use super::message::{workflow_id, written};
use super::retry::{Backoff, EmptyAnswers, RetrySchedule};
use super::rpc::Rpc;
use super::rpc_error::RpcError;
use super::start::ClientFuture;
use crate::converter::{PayloadError, read_first};
use crate::debug_only::debug_only;
use crate::definition::UpdateDefinition;
use crate::header::set_header;
use crate::interceptor::client::{PollUpdateInput, StartUpdateInput, StartedUpdate, UpdateOutcome};

/// Awaiting the update returns a handle once the workflow has accepted it; made by
/// [`start_update`](super::WorkflowHandle::start_update).
#[derive(Clone, Copy, Debug)]
pub struct UntilAccepted;

/// Awaiting the update returns its result; made by [`update`](super::WorkflowHandle::update).
#[derive(Clone, Copy, Debug)]
pub struct UntilCompleted;

/// An update, sent when awaited.
#[must_use = "the update is sent only when this is awaited"]
pub struct UpdateWorkflow<U: UpdateDefinition, Until = UntilCompleted> {
    connection: Connection,
    execution: WorkflowExecution,
    first_execution_run_id: String,
    update: U,
    input: Result<Option<Payloads>, PayloadError>,
    header: Option<Header>,
    id: Option<String>,
    until: PhantomData<fn() -> Until>,
}

debug_only!(impl[U: UpdateDefinition, Until] UpdateWorkflow<U, Until>, |this| {
    update: this.update.name(),
    id: this.id,
    workflow_id: this.execution.workflow_id,
});

impl<U: UpdateDefinition, Until> UpdateWorkflow<U, Until> {
    pub(super) fn new(
        connection: Connection,
        execution: WorkflowExecution,
        first_execution_run_id: String,
        update: U,
        args: &U::Args,
    ) -> Self {
        let input = written::<U>(args);
        let (header, id, until) = (None, None, PhantomData);
        Self { connection, execution, first_execution_run_id, update, input, header, id, until }
    }

    /// Sets the update id. A second update of the workflow with the same id is the same update: it runs once, and both
    /// callers get its result. Default: a random UUID.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds a header, which the update's handler and validator [can read](crate::WorkflowContext::message_header).
    pub fn header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = set_header(&mut self.header, key, value) {
            self.input = Err(error);
        }
        self
    }

    async fn send(self, wait: Stage) -> Result<UpdateHandle<U>, UpdateError> {
        self.send_with(wait, |_| {}).await.map(|(handle, _)| handle)
    }

    /// Sends the update after a change for which there is no option. Also returns the server's link to its event.
    pub(crate) async fn send_with(
        self,
        wait: Stage,
        change: impl FnOnce(&mut UpdateWorkflowExecutionRequest),
    ) -> Result<(UpdateHandle<U>, Option<Link>), UpdateError> {
        let id = self.id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let name = self.update.name();
        let args = self.input.map_err(|error| error.of(format_args!("update `{name}`")))?;
        let input = Input { header: self.header, name: name.to_string(), args };
        let mut request = UpdateWorkflowExecutionRequest {
            namespace: self.connection.namespace().to_string(),
            workflow_execution: Some(self.execution),
            first_execution_run_id: self.first_execution_run_id,
            wait_policy: Some(wait_policy(wait)),
            request: Some(update_request(&self.connection, &id, input)),
        };
        change(&mut request);
        let sent = self.connection.carry_out(Box::new(request)).await;
        let answer = sent.map_err(|error| UpdateError::from_rpc(&name, error))?;
        let UpdateAnswer { execution, update_id, outcome, link } = answer;
        Ok((UpdateHandle::new(self.connection, self.update.clone(), execution, update_id, outcome), link))
    }

    /// Sets the update id if the author has set none.
    pub(crate) fn default_id(mut self, id: &str) -> Self {
        self.id.get_or_insert_with(|| id.to_string());
        self
    }
}

/// An update that its workflow has accepted or rejected.
pub(crate) struct UpdateAnswer {
    pub(crate) execution: WorkflowExecution,
    pub(crate) update_id: String,
    pub(crate) outcome: Option<Outcome>,
    /// The server's link to the event that tells of the update.
    pub(crate) link: Option<Link>,
}

impl UpdateAnswer {
    /// Takes the answer to a request. Servers need not repeat what it names.
    pub(super) fn new(
        sent_to: WorkflowExecution,
        update_id: String,
        response: UpdateWorkflowExecutionResponse,
    ) -> Self {
        let execution = response.update_ref.and_then(|update| update.workflow_execution).unwrap_or(sent_to);
        Self { execution, update_id, outcome: response.outcome, link: response.link }
    }
}

impl Call for Box<UpdateWorkflowExecutionRequest> {
    type Input = StartUpdateInput;
    type Answer = UpdateAnswer;

    async fn send(self, connection: &Connection) -> Result<UpdateAnswer, RpcError> {
        let execution = self.workflow_execution.clone().unwrap_or_default();
        // A missing stage means that the server's time was up and nothing has happened. Sending the update again is
        // harmless.
        let sent =
            until_answered(connection, &*self, |response| is_accepted(response.stage, response.outcome.as_ref()));
        match sent.await {
            Ok(response) => Ok(UpdateAnswer::new(execution, update_id(&self), response)),
            Err(error) => Err(error.about(execution.workflow_id)),
        }
    }

    fn into_input(self) -> StartUpdateInput {
        StartUpdateInput::from_request(self)
    }

    fn from_input(input: StartUpdateInput) -> Self {
        input.into_request()
    }

    fn into_output(answer: UpdateAnswer) -> StartedUpdate {
        StartedUpdate::from_answer(answer)
    }

    fn from_output(output: StartedUpdate) -> UpdateAnswer {
        output.into_answer()
    }
}

/// Returns the id of the update that a request sends.
pub(super) fn update_id(request: &UpdateWorkflowExecutionRequest) -> String {
    let meta = request.request.as_ref().and_then(|update| update.meta.as_ref());
    meta.map(|meta| meta.update_id.clone()).unwrap_or_default()
}

impl<U: UpdateDefinition> IntoFuture for UpdateWorkflow<U, UntilAccepted> {
    type Output = Result<UpdateHandle<U>, UpdateError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send(Stage::Accepted))
    }
}

impl<U: UpdateDefinition> IntoFuture for UpdateWorkflow<U, UntilCompleted> {
    type Output = Result<U::Output, UpdateError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.send(Stage::Completed).await?.result().await })
    }
}

/// A handle to an update, sent by this client or elsewhere.
///
/// ```no_run
/// # use abide::client::{UpdateError, WorkflowHandle};
/// # use abide::{UpdateDefinition, UpdateOf, WorkflowDefinition};
/// # async fn pay<W: WorkflowDefinition, U>(
/// #     order: WorkflowHandle<W>, pay: U) -> Result<(), UpdateError>
/// # where U: UpdateOf<W::Workflow> + UpdateDefinition<Args = u32, Output = String> {
/// let payment = order.start_update(pay, 100).id("payment-1").await?;
/// println!("{} was accepted", payment.id());
/// // Now, or later from elsewhere with `order.update_handle(pay, "payment-1")`:
/// println!("receipt: {}", payment.result().await?);
/// # Ok(()) }
/// ```
pub struct UpdateHandle<U: UpdateDefinition> {
    connection: Connection,
    update: U,
    execution: WorkflowExecution,
    id: String,
    /// The outcome, if it came with the answer to the request.
    outcome: Option<Outcome>,
}

impl<U: UpdateDefinition> UpdateHandle<U> {
    pub(super) fn new(
        connection: Connection,
        update: U,
        execution: WorkflowExecution,
        id: String,
        outcome: Option<Outcome>,
    ) -> Self {
        Self { connection, update, execution, id, outcome }
    }

    /// Returns true if the outcome is known without another call.
    #[cfg(feature = "worker")]
    pub(crate) fn has_ended(&self) -> bool {
        self.outcome.is_some()
    }

    /// Returns the update id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the id of the workflow that the update was sent to.
    pub fn workflow_id(&self) -> &str {
        &self.execution.workflow_id
    }

    /// Returns the run that has the update; `None` for a handle made from ids only.
    pub fn run_id(&self) -> Option<&str> {
        Some(self.execution.run_id.as_str()).filter(|run_id| !run_id.is_empty())
    }

    /// Waits until the update has completed, without a time limit, and returns its result.
    ///
    /// # Errors
    /// [`UpdateError`]: the update was rejected or failed, its workflow closed before, or it does not exist.
    pub async fn result(&self) -> Result<U::Output, UpdateError> {
        let name = self.update.name();
        let outcome = match &self.outcome {
            Some(outcome) => outcome.clone(),
            None => {
                let polled = self.connection.carry_out(self.poll()).await;
                polled.map_err(|error| UpdateError::from_rpc(&name, error))?
            }
        };
        match outcome.value {
            Some(outcome::Value::Failure(failure)) => {
                Err(UpdateError::from_failure(&name, &self.execution.workflow_id, failure))
            }
            Some(outcome::Value::Success(result)) => self.read(Some(&result)),
            None => self.read(None),
        }
    }

    fn read(&self, result: Option<&Payloads>) -> Result<U::Output, UpdateError> {
        Ok(read_first(result)
            .map_err(|error| error.of(format_args!("the result of update `{}`", self.update.name())))?)
    }

    fn poll(&self) -> PollWorkflowExecutionUpdateRequest {
        PollWorkflowExecutionUpdateRequest {
            namespace: self.connection.namespace().to_string(),
            update_ref: Some(UpdateRef {
                workflow_execution: Some(self.execution.clone()),
                update_id: self.id.clone(),
            }),
            identity: self.connection.identity().to_string(),
            wait_policy: Some(wait_policy(Stage::Completed)),
        }
    }
}

impl Call for PollWorkflowExecutionUpdateRequest {
    type Input = PollUpdateInput;
    type Answer = Outcome;

    async fn send(self, connection: &Connection) -> Result<Outcome, RpcError> {
        match until_answered(connection, &self, |polled| polled.outcome.is_some()).await {
            Ok(polled) => Ok(polled.outcome.unwrap_or_default()),
            Err(error) => {
                let execution = self.update_ref.and_then(|update| update.workflow_execution);
                Err(error.about(workflow_id(execution.as_ref())))
            }
        }
    }

    fn into_input(self) -> PollUpdateInput {
        PollUpdateInput::from_request(self)
    }

    fn from_input(input: PollUpdateInput) -> Self {
        input.into_request()
    }

    fn into_output(answer: Outcome) -> UpdateOutcome {
        UpdateOutcome::from_proto(answer)
    }

    fn from_output(output: UpdateOutcome) -> Outcome {
        output.into_proto()
    }
}

impl<U: UpdateDefinition> Clone for UpdateHandle<U> {
    fn clone(&self) -> Self {
        let (connection, execution) = (self.connection.clone(), self.execution.clone());
        Self { connection, update: self.update.clone(), execution, id: self.id.clone(), outcome: self.outcome.clone() }
    }
}

impl<U: UpdateDefinition> fmt::Debug for UpdateHandle<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateHandle")
            .field("update", &self.update.name())
            .field("id", &self.id)
            .field("workflow_id", &self.workflow_id())
            .field("run_id", &self.run_id())
            .finish_non_exhaustive()
    }
}

pub(super) fn wait_policy(stage: Stage) -> WaitPolicy {
    WaitPolicy { lifecycle_stage: stage.into() }
}

pub(super) fn update_request(connection: &Connection, id: &str, input: Input) -> Request {
    Request {
        meta: Some(Meta { update_id: id.to_string(), identity: connection.identity().to_string() }),
        input: Some(input),
        ..Default::default()
    }
}

/// Returns true if an update has reached a stage where its caller need not send it again.
pub(super) fn is_accepted(stage: i32, outcome: Option<&Outcome>) -> bool {
    stage >= Stage::Accepted as i32 || outcome.is_some()
}

/// Long polls until one returns the answer. The polls survive server outages of up to a minute. If the server accepts
/// no more updates, they are retried as long as other calls.
pub(super) async fn until_answered<R: Rpc + Clone>(
    connection: &Connection,
    request: &R,
    is_answer: impl Fn(&R::Response) -> bool,
) -> Result<R::Response, RpcError> {
    const LONGEST_OUTAGE: RetrySchedule = RetrySchedule::within(Duration::from_secs(60));
    let mut trouble: Option<(Instant, Backoff)> = None;
    let mut request = request.clone();
    connection.encode(&mut request).await?;
    let owner = connection.owner_of(&request);
    let mut empty = EmptyAnswers::new();
    loop {
        let began = Instant::now();
        let error = match connection.long_poll(request.clone()).await {
            Ok(response) if is_answer(&response) => return connection.decoded(R::NAME, &owner, Ok(response)).await,
            Ok(_) => {
                trouble = None;
                sleep(empty.next(began.elapsed())).await;
                continue;
            }
            Err(error) if error.is_deadline_exceeded() => {
                trouble = None;
                continue;
            }
            Err(error) if connection.is_transient(&error) => error,
            Err(error) => return Err(error),
        };
        let schedule = if error.is_resource_exhausted() { RetrySchedule::CALL } else { LONGEST_OUTAGE };
        let (since, backoff) = trouble.get_or_insert_with(|| (Instant::now(), Backoff::new(schedule)));
        let Some(wait) = backoff.next(&error, since.elapsed()) else { return Err(error) };
        tracing::debug!(rpc = R::NAME, %error, ?wait, "a call has failed and is retried");
        sleep(wait).await;
    }
}

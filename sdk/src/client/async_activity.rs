//! Asynchronous activity completion: reports the result of an attempt that ended with `will_complete_async`.

use std::fmt;

use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::workflowservice::v1::{
    RecordActivityTaskHeartbeatByIdRequest, RecordActivityTaskHeartbeatRequest, RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCanceledRequest, RespondActivityTaskCompletedByIdRequest, RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedByIdRequest, RespondActivityTaskFailedRequest,
};
use serde::Serialize;

use super::Client;
use super::call::{Call, answer_is_output};
use super::connection::Connection;
use super::errors::AsyncActivityError;
use super::rpc_error::RpcError;
use crate::converter::{RawArguments, RawPayload, to_payload};
use crate::failure::ApplicationFailure;
use crate::interceptor::client::{
    CancelActivityInput, CompleteActivityInput, FailActivityInput, HeartbeatActivityInput,
};

/// Reports the result of an activity attempt that ended with
/// [`ActivityError::will_complete_async`](crate::ActivityError::will_complete_async) (Temporal's asynchronous activity
/// completion).
///
/// ```no_run
/// use abide::prelude::*;
///
/// // The activity passes its token to somebody who will decide later, ...
/// #[activity]
/// async fn approve(ctx: &ActivityContext, cents: u64) -> Result<bool, ActivityError> {
///     mail_to_the_boss(cents, &ctx.info().task_token);
///     Err(ActivityError::will_complete_async())
/// }
/// # fn mail_to_the_boss(_cents: u64, _token: &[u8]) {}
///
/// // ... and who reports the decision, possibly from another process.
/// # async fn decide(client: Client, task_token: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
/// client.async_activity(task_token).complete(&true).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "nothing is reported until `complete`, `fail` or another report is awaited"]
pub struct AsyncActivityHandle {
    connection: Connection,
    activity: AsyncActivityId,
}

/// Tells which activity attempt a report is about. `Debug` and `Display` do not show the token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsyncActivityId {
    /// The attempt with this [task token](crate::ActivityInfo::task_token).
    TaskToken(Vec<u8>),
    /// The attempt of this activity that is open when the report arrives.
    Id {
        /// Workflow id of the workflow that scheduled the activity.
        workflow_id: String,
        /// Run id of that workflow; empty for the open run.
        run_id: String,
        /// Activity id within the workflow.
        activity_id: String,
    },
    /// The attempt of this standalone activity that is open when the report arrives.
    Standalone {
        /// Activity id.
        activity_id: String,
        /// Run id of the activity; empty for the last run.
        run_id: String,
    },
}

/// The server's answer to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AsyncActivityHeartbeat {
    /// The workflow requested cancellation: end the activity with
    /// [`report_cancelled`](AsyncActivityHandle::report_cancelled), or in any other way.
    pub cancel_requested: bool,
    /// An operator paused the activity.
    pub paused: bool,
    /// An operator reset the activity.
    pub reset: bool,
}

impl Client {
    /// Returns a handle to the activity attempt with that [task token](crate::ActivityInfo::task_token), to report its
    /// result. Makes no call yet.
    pub fn async_activity(&self, task_token: impl Into<Vec<u8>>) -> AsyncActivityHandle {
        AsyncActivityHandle {
            connection: self.connection().clone(),
            activity: AsyncActivityId::TaskToken(task_token.into()),
        }
    }

    /// Returns a handle to the activity with that id in a workflow, to report the result of the attempt that is open at
    /// the time. An empty `run_id` selects the open run. Makes no call yet. For a standalone activity, see
    /// [`StandaloneActivityHandle::async_activity`](super::StandaloneActivityHandle::async_activity).
    pub fn async_activity_by_id(
        &self,
        workflow_id: impl Into<String>,
        run_id: impl Into<String>,
        activity_id: impl Into<String>,
    ) -> AsyncActivityHandle {
        let (workflow_id, run_id, activity_id) = (workflow_id.into(), run_id.into(), activity_id.into());
        let activity = AsyncActivityId::Id { workflow_id, run_id, activity_id };
        AsyncActivityHandle { connection: self.connection().clone(), activity }
    }
}

/// Sends a request that the API has in two forms, by token and by ids, with one field of its own.
macro_rules! send {
    ($activity:expr, $connection:ident, $by_token:ident | $by_id:ident { $field:ident }) => {
        send!($activity, $connection, $by_token | $by_id { $field }, |_answer| ())
    };
    ($activity:expr, $connection:ident, $by_token:ident | $by_id:ident { $field:ident }, |$answer:ident| $read:expr) => {{
        let (identity, namespace) = ($connection.identity().to_string(), $connection.namespace().to_string());
        match $activity.into_ids() {
            Err(task_token) => {
                let request = $by_token { task_token, $field, identity, namespace, ..Default::default() };
                $connection.call_coded(request).await.map(|$answer| $read)
            }
            Ok((workflow_id, run_id, activity_id)) => {
                let request =
                    $by_id { namespace, workflow_id, run_id, activity_id, $field, identity, ..Default::default() };
                $connection.call_coded(request).await.map(|$answer| $read)
            }
        }
    }};
}

impl AsyncActivityHandle {
    pub(super) fn new(connection: Connection, activity: AsyncActivityId) -> Self {
        Self { connection, activity }
    }

    /// Completes the activity. The result must have the activity's output type, which is not checked here.
    ///
    /// # Errors
    /// [`AsyncActivityError`]: the activity is not waiting for a result, serde refuses the result, or the call failed.
    pub async fn complete<T: Serialize + 'static>(&self, result: &T) -> Result<(), AsyncActivityError> {
        let (activity, result) = (self.activity.clone(), to_payload(result)?);
        self.checked(self.connection.carry_out(CompleteActivityCall { activity, result }).await)
    }

    /// Fails the attempt. The activity is retried according to its retry policy and the failure.
    ///
    /// # Errors
    /// See [`complete`](Self::complete).
    pub async fn fail(&self, failure: ApplicationFailure) -> Result<(), AsyncActivityError> {
        let activity = self.activity.clone();
        self.checked(self.connection.carry_out(FailActivityCall { activity, failure }).await)
    }

    /// Reports the activity as cancelled, with a detail for the workflow. The server accepts this only if cancellation
    /// was requested.
    ///
    /// # Errors
    /// See [`complete`](Self::complete).
    pub async fn report_cancelled<T: Serialize + 'static>(&self, detail: &T) -> Result<(), AsyncActivityError> {
        let (activity, details) = (self.activity.clone(), one(to_payload(detail)?));
        self.checked(self.connection.carry_out(CancelActivityCall { activity, details }).await)
    }

    /// Reports that the activity is alive, with its progress, and returns requests to stop. Every heartbeat is sent at
    /// once, without throttling.
    ///
    /// # Errors
    /// See [`complete`](Self::complete).
    pub async fn heartbeat<T: Serialize + 'static>(
        &self,
        progress: &T,
    ) -> Result<AsyncActivityHeartbeat, AsyncActivityError> {
        let (activity, details) = (self.activity.clone(), one(to_payload(progress)?));
        self.checked(self.connection.carry_out(HeartbeatActivityCall { activity, details }).await)
    }

    fn checked<T>(&self, answered: Result<T, RpcError>) -> Result<T, AsyncActivityError> {
        answered.map_err(|error| AsyncActivityError::from_rpc(&self.activity.to_string(), error))
    }
}

/// The completion of an activity.
pub(crate) struct CompleteActivityCall {
    activity: AsyncActivityId,
    result: Payload,
}

impl Call for CompleteActivityCall {
    type Input = CompleteActivityInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        let result = one(self.result);
        send!(
            self.activity,
            connection,
            RespondActivityTaskCompletedRequest | RespondActivityTaskCompletedByIdRequest { result }
        )
    }

    fn into_input(self) -> CompleteActivityInput {
        CompleteActivityInput { activity: self.activity, result: RawPayload::from_proto(self.result) }
    }

    fn from_input(input: CompleteActivityInput) -> Self {
        Self { activity: input.activity, result: input.result.into_proto() }
    }

    answer_is_output!();
}

/// The report that an activity failed.
pub(crate) struct FailActivityCall {
    activity: AsyncActivityId,
    failure: ApplicationFailure,
}

impl Call for FailActivityCall {
    type Input = FailActivityInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        // Not earlier: the converter may hide the message, which interceptors see.
        let failure = Some(connection.data_converter().to_failure(&self.failure, None));
        send!(
            self.activity,
            connection,
            RespondActivityTaskFailedRequest | RespondActivityTaskFailedByIdRequest { failure }
        )
    }

    fn into_input(self) -> FailActivityInput {
        FailActivityInput { activity: self.activity, failure: self.failure }
    }

    fn from_input(input: FailActivityInput) -> Self {
        Self { activity: input.activity, failure: input.failure }
    }

    answer_is_output!();
}

/// The report that an activity was cancelled.
pub(crate) struct CancelActivityCall {
    activity: AsyncActivityId,
    details: Option<Payloads>,
}

impl Call for CancelActivityCall {
    type Input = CancelActivityInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        let details = self.details;
        send!(
            self.activity,
            connection,
            RespondActivityTaskCanceledRequest | RespondActivityTaskCanceledByIdRequest { details }
        )
    }

    fn into_input(self) -> CancelActivityInput {
        CancelActivityInput { activity: self.activity, details: RawArguments::from_proto(self.details) }
    }

    fn from_input(input: CancelActivityInput) -> Self {
        Self { activity: input.activity, details: input.details.into_proto() }
    }

    answer_is_output!();
}

/// A heartbeat of an activity.
pub(crate) struct HeartbeatActivityCall {
    activity: AsyncActivityId,
    details: Option<Payloads>,
}

impl Call for HeartbeatActivityCall {
    type Input = HeartbeatActivityInput;
    type Answer = AsyncActivityHeartbeat;

    async fn send(self, connection: &Connection) -> Result<AsyncActivityHeartbeat, RpcError> {
        let details = self.details;
        send!(
            self.activity,
            connection,
            RecordActivityTaskHeartbeatRequest | RecordActivityTaskHeartbeatByIdRequest { details },
            |answer| AsyncActivityHeartbeat {
                cancel_requested: answer.cancel_requested,
                paused: answer.activity_paused,
                reset: answer.activity_reset,
            }
        )
    }

    fn into_input(self) -> HeartbeatActivityInput {
        HeartbeatActivityInput { activity: self.activity, details: RawArguments::from_proto(self.details) }
    }

    fn from_input(input: HeartbeatActivityInput) -> Self {
        Self { activity: input.activity, details: input.details.into_proto() }
    }

    answer_is_output!();
}

impl AsyncActivityId {
    /// Returns workflow id, run id and activity id as requests have them, or else the token. A standalone activity has no
    /// workflow.
    fn into_ids(self) -> Result<(String, String, String), Vec<u8>> {
        match self {
            Self::Id { workflow_id, run_id, activity_id } => Ok((workflow_id, run_id, activity_id)),
            Self::Standalone { activity_id, run_id } => Ok((String::new(), run_id, activity_id)),
            Self::TaskToken(task_token) => Err(task_token),
        }
    }
}

impl fmt::Display for AsyncActivityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TaskToken(token) => write!(f, "the activity with a token of {} bytes", token.len()),
            Self::Id { workflow_id, run_id, activity_id } if run_id.is_empty() => {
                write!(f, "activity `{activity_id}` of workflow `{workflow_id}`")
            }
            Self::Id { workflow_id, run_id, activity_id } => {
                write!(f, "activity `{activity_id}` of workflow `{workflow_id}` (run {run_id})")
            }
            Self::Standalone { activity_id, run_id } if run_id.is_empty() => {
                write!(f, "standalone activity `{activity_id}`")
            }
            Self::Standalone { activity_id, run_id } => write!(f, "standalone activity `{activity_id}` (run {run_id})"),
        }
    }
}

impl fmt::Debug for AsyncActivityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncActivityId({self})")
    }
}

impl fmt::Debug for AsyncActivityHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncActivityHandle({})", self.activity)
    }
}

fn one(payload: Payload) -> Option<Payloads> {
    Some(Payloads { payloads: vec![payload] })
}

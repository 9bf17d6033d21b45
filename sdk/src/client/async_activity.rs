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
use super::connection::Connection;
use super::errors::AsyncActivityError;
use super::rpc_error::RpcError;
use crate::converter::to_payload;
use crate::failure::ApplicationFailure;

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
    attempt: Attempt,
}

/// The identification of an attempt.
#[derive(Clone)]
enum Attempt {
    Token(Vec<u8>),
    Id { workflow_id: String, run_id: String, activity_id: String },
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
        AsyncActivityHandle { connection: self.connection().clone(), attempt: Attempt::Token(task_token.into()) }
    }

    /// Returns a handle to the activity with that id in a workflow, to report the result of the attempt that is open at
    /// the time. An empty `run_id` selects the open run. Makes no call yet.
    pub fn async_activity_by_id(
        &self,
        workflow_id: impl Into<String>,
        run_id: impl Into<String>,
        activity_id: impl Into<String>,
    ) -> AsyncActivityHandle {
        let attempt =
            Attempt::Id { workflow_id: workflow_id.into(), run_id: run_id.into(), activity_id: activity_id.into() };
        AsyncActivityHandle { connection: self.connection().clone(), attempt }
    }
}

/// Sends a request that the API has in two forms, by token and by ids, with one field of its own.
macro_rules! send {
    ($handle:ident, $by_token:ident | $by_id:ident { $field:ident }) => {
        send!($handle, $by_token | $by_id { $field }, |_answer| ())
    };
    ($handle:ident, $by_token:ident | $by_id:ident { $field:ident }, |$answer:ident| $read:expr) => {{
        let connection = &$handle.connection;
        let (identity, namespace) = (connection.identity().to_string(), connection.namespace().to_string());
        match $handle.attempt.clone() {
            Attempt::Token(task_token) => {
                let request = $by_token { task_token, $field, identity, namespace, ..Default::default() };
                connection.call_coded(request).await.map(|$answer| $read)
            }
            Attempt::Id { workflow_id, run_id, activity_id } => {
                let request =
                    $by_id { namespace, workflow_id, run_id, activity_id, $field, identity, ..Default::default() };
                connection.call_coded(request).await.map(|$answer| $read)
            }
        }
    }};
}

impl AsyncActivityHandle {
    /// Completes the activity. The result must have the activity's output type, which is not checked here.
    ///
    /// # Errors
    /// [`AsyncActivityError`]: the activity is not waiting for a result, serde refuses the result, or the call failed.
    pub async fn complete<T: Serialize + 'static>(&self, result: &T) -> Result<(), AsyncActivityError> {
        let result = one(to_payload(result)?);
        self.checked(send!(
            self,
            RespondActivityTaskCompletedRequest | RespondActivityTaskCompletedByIdRequest { result }
        ))
    }

    /// Fails the attempt. The activity is retried according to its retry policy and the failure.
    ///
    /// # Errors
    /// See [`complete`](Self::complete).
    pub async fn fail(&self, failure: ApplicationFailure) -> Result<(), AsyncActivityError> {
        let failure = Some(self.connection.data_converter().to_failure(&failure, None));
        self.checked(send!(self, RespondActivityTaskFailedRequest | RespondActivityTaskFailedByIdRequest { failure }))
    }

    /// Reports the activity as cancelled, with a detail for the workflow. The server accepts this only if cancellation
    /// was requested.
    ///
    /// # Errors
    /// See [`complete`](Self::complete).
    pub async fn report_cancelled<T: Serialize + 'static>(&self, detail: &T) -> Result<(), AsyncActivityError> {
        let details = one(to_payload(detail)?);
        self.checked(send!(
            self,
            RespondActivityTaskCanceledRequest | RespondActivityTaskCanceledByIdRequest { details }
        ))
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
        let details = one(to_payload(progress)?);
        let flags = send!(
            self,
            RecordActivityTaskHeartbeatRequest | RecordActivityTaskHeartbeatByIdRequest { details },
            |answer| (answer.cancel_requested, answer.activity_paused, answer.activity_reset)
        );
        let (cancel_requested, paused, reset) = self.checked(flags)?;
        Ok(AsyncActivityHeartbeat { cancel_requested, paused, reset })
    }

    fn checked<T>(&self, answered: Result<T, RpcError>) -> Result<T, AsyncActivityError> {
        answered.map_err(|error| AsyncActivityError::from_rpc(&self.attempt.to_string(), error))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(token) => write!(f, "the activity with a token of {} bytes", token.len()),
            Self::Id { workflow_id, run_id, activity_id } if run_id.is_empty() => {
                write!(f, "activity `{activity_id}` of workflow `{workflow_id}`")
            }
            Self::Id { workflow_id, run_id, activity_id } => {
                write!(f, "activity `{activity_id}` of workflow `{workflow_id}` (run {run_id})")
            }
        }
    }
}

impl fmt::Debug for AsyncActivityHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsyncActivityHandle({})", self.attempt)
    }
}

fn one(payload: Payload) -> Option<Payloads> {
    Some(Payloads { payloads: vec![payload] })
}

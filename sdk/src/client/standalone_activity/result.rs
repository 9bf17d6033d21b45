//! Waiting for the result of a standalone activity.

use std::future::IntoFuture;
use std::marker::PhantomData;

use abide_protos::temporal::api::activity::v1::ActivityExecutionOutcome;
use abide_protos::temporal::api::activity::v1::activity_execution_outcome::Value;
use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::workflowservice::v1::{PollActivityExecutionRequest, PollActivityExecutionResponse};

use super::errors::{StartActivityError, hint};
use crate::client::call::Call;
use crate::client::connection::Connection;
use crate::client::long_wait::long_wait;
use crate::client::rpc::Rpc as _;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::converter::{PayloadError, RawPayload, read_first};
use crate::debug_only::debug_only;
use crate::definition::ActivityDefinition;
use crate::failure::{Failure, FailureKind, RetryState, TemporalFailure};
use crate::interceptor::client::{ActivityResultInput, payloads_of, value_of};

/// A standalone activity has no result: it closed without one, or the call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActivityFailedError {
    /// The activity failed.
    #[error("the activity failed: {failure}")]
    Failed {
        /// The failure of the last attempt.
        failure: Failure,
        /// The reason that there was no further attempt.
        retry_state: RetryState,
    },
    /// The activity was cancelled. [`Failure::detail`] reads its details.
    #[error("the activity was cancelled")]
    Cancelled(Failure),
    /// The activity was terminated. [`Failure::message`] is the reason.
    #[error("the activity was terminated: {}", .0.message())]
    Terminated(Failure),
    /// The activity exceeded a timeout, and there was no further attempt. [`Failure::timeout_type`] says which.
    #[error("the activity timed out: {failure}")]
    TimedOut {
        /// The timeout. Its cause is the failure of an earlier attempt, if there is one.
        failure: Failure,
        /// The reason that there was no further attempt.
        retry_state: RetryState,
    },
    /// No such activity or run exists; a closed one is deleted after its retention time.
    #[error("there is no standalone activity `{activity_id}`: {message}; check the id and the namespace")]
    NotFound {
        /// Activity id.
        activity_id: String,
        /// The server's message.
        message: String,
    },
    /// The activity completed with a result that has another type, or that a codec cannot decode.
    #[error("the activity has ended, but its result cannot be read: {0}")]
    Payload(PayloadError),
    /// The activity could not be started (only from `client.execute_activity(..)`).
    #[error("{0}")]
    NotStarted(StartActivityError),
    /// The call failed, which does not affect the activity.
    #[error("the activity's result could not be fetched, which does not affect the activity: {error}{hint}", error = .0, hint = hint(.0))]
    Rpc(RpcError),
}

/// The text contains that of the payload's error, so that error is no source: a chain of sources would repeat it.
impl From<PayloadError> for ActivityFailedError {
    fn from(error: PayloadError) -> Self {
        Self::Payload(error)
    }
}

/// For interceptors that refuse to wait for the result.
impl From<RpcError> for ActivityFailedError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl ActivityFailedError {
    fn from_failure(failure: Failure, retry_state: RetryState) -> Self {
        match failure.kind() {
            FailureKind::Cancelled => Self::Cancelled(failure),
            FailureKind::Terminated => Self::Terminated(failure),
            FailureKind::Timeout => Self::TimedOut { failure, retry_state },
            _ => Self::Failed { failure, retry_state },
        }
    }

    fn from_rpc(activity_id: String, error: RpcError) -> Self {
        if error.is_not_found() && !error.is_namespace_not_found() {
            return Self::NotFound { activity_id, message: error.message().to_string() };
        }
        if error.is_codec_failure() {
            return Self::Payload(PayloadError::new(error.message()));
        }
        Self::Rpc(error)
    }

    /// Returns the failure with which the activity closed.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. }
            | Self::Cancelled(failure)
            | Self::Terminated(failure)
            | Self::TimedOut { failure, .. } => Some(failure),
            Self::NotFound { .. } | Self::Payload(_) | Self::NotStarted(_) | Self::Rpc(_) => None,
        }
    }

    /// Returns true if the activity was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }

    /// Returns true if the activity was terminated.
    pub fn is_terminated(&self) -> bool {
        matches!(self, Self::Terminated(_))
    }

    /// Returns true if the activity exceeded a timeout.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. })
    }
}

impl TemporalFailure for ActivityFailedError {
    fn to_failure(&self) -> Option<Failure> {
        self.failure().cloned()
    }
}

/// A wait for the result of a standalone activity, started when awaited.
#[must_use = "the result is fetched only when this is awaited"]
pub struct GetActivityResult<A: ActivityDefinition> {
    pub(super) connection: Connection,
    pub(super) request: PollActivityExecutionRequest,
    pub(super) activity: PhantomData<fn() -> A>,
}

debug_only!(impl[A: ActivityDefinition] GetActivityResult<A>, |this| {
    activity_id: this.request.activity_id,
    run_id: this.request.run_id,
});

impl<A: ActivityDefinition> IntoFuture for GetActivityResult<A> {
    type Output = Result<A::Output, ActivityFailedError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let activity_id = self.request.activity_id.clone();
            let result = self.connection.carry_out(ActivityResultCall(self.request)).await?;
            let read = read_first(result.as_ref());
            Ok(read.map_err(|error| error.of(format_args!("the result of activity `{activity_id}`")))?)
        })
    }
}

/// A wait for the result of a standalone activity.
pub(crate) struct ActivityResultCall(pub(crate) PollActivityExecutionRequest);

impl Call for ActivityResultCall {
    type Input = ActivityResultInput;
    type Answer = Option<Payloads>;

    async fn send(self, connection: &Connection) -> Result<Option<Payloads>, ActivityFailedError> {
        let activity_id = self.0.activity_id.clone();
        // An answer without an outcome is a long poll that ended before the activity.
        let owner = connection.owner_of(&self.0);
        let closed = long_wait(connection, self.0, |_, response| response.outcome.is_some().then_some(response));
        let closed: Result<PollActivityExecutionResponse, RpcError> =
            connection.decoded(PollActivityExecutionRequest::NAME, &owner, closed.await).await;
        match closed {
            Ok(response) => outcome(response.outcome.unwrap_or_default()),
            Err(error) => Err(ActivityFailedError::from_rpc(activity_id, error)),
        }
    }

    fn into_input(self) -> ActivityResultInput {
        ActivityResultInput::from_request(self.0)
    }

    fn from_input(input: ActivityResultInput) -> Self {
        Self(input.into_request())
    }

    fn into_output(answer: Option<Payloads>) -> RawPayload {
        value_of(answer)
    }

    fn from_output(output: RawPayload) -> Option<Payloads> {
        payloads_of(output)
    }
}

fn outcome(outcome: ActivityExecutionOutcome) -> Result<Option<Payloads>, ActivityFailedError> {
    match outcome.value {
        Some(Value::Result(result)) => Ok(Some(result)),
        Some(Value::Failure(failure)) => {
            let retry_state = RetryState::from_proto(outcome.retry_state);
            Err(ActivityFailedError::from_failure(Failure::from_proto(failure), retry_state))
        }
        None => Ok(None),
    }
}

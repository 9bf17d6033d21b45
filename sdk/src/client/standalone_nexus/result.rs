//! Waiting for the result of a standalone Nexus operation.

use std::future::IntoFuture;
use std::marker::PhantomData;

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::workflowservice::v1::poll_nexus_operation_execution_response::Outcome;
use abide_protos::temporal::api::workflowservice::v1::{
    PollNexusOperationExecutionRequest, PollNexusOperationExecutionResponse,
};

use super::errors::{StartNexusOperationError, hint};
use crate::client::call::Call;
use crate::client::connection::Connection;
use crate::client::long_wait::long_wait;
use crate::client::rpc::Rpc as _;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::converter::{PayloadError, RawPayload, read_one, to_payload};
use crate::debug_only::debug_only;
use crate::definition::PayloadValue;
use crate::failure::{Failure, FailureKind, TemporalFailure};
use crate::interceptor::client::StandaloneNexusOperationResultInput;

/// A standalone Nexus operation has no result: it closed without one, or the call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NexusOperationFailedError {
    /// The operation failed.
    #[error("the operation failed: {0}")]
    Failed(Failure),
    /// The operation was cancelled. [`Failure::detail`] reads its details.
    #[error("the operation was cancelled")]
    Cancelled(Failure),
    /// The operation was terminated. The message of the last cause is the reason.
    #[error("the operation was terminated: {}", how(.0))]
    Terminated(Failure),
    /// The operation exceeded a timeout.
    #[error("the operation timed out: {0}")]
    TimedOut(Failure),
    /// No such operation or run exists; a closed one is deleted after its retention time.
    #[error("there is no standalone Nexus operation `{operation_id}`: {message}; check the id and the namespace")]
    NotFound {
        /// Operation id.
        operation_id: String,
        /// The server's message.
        message: String,
    },
    /// The operation completed with a result that has another type, or that a codec cannot decode.
    #[error("the operation has ended, but its result cannot be read: {0}")]
    Payload(PayloadError),
    /// The operation could not be started (only from `client.execute_nexus_operation(..)`).
    #[error("{0}")]
    NotStarted(StartNexusOperationError),
    /// The call failed, which does not affect the operation.
    #[error("the operation's result could not be fetched, which does not affect the operation: {error}{hint}", error = .0, hint = hint(.0))]
    Rpc(RpcError),
}

/// Returns the message of the failure that says how the operation ended.
fn how(failure: &Failure) -> String {
    failure.root_cause().message().to_string()
}

/// The text contains that of the payload's error, so that error is no source: a chain of sources would repeat it.
impl From<PayloadError> for NexusOperationFailedError {
    fn from(error: PayloadError) -> Self {
        Self::Payload(error)
    }
}

/// For interceptors that refuse to wait for the result.
impl From<RpcError> for NexusOperationFailedError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl NexusOperationFailedError {
    fn from_failure(failure: Failure) -> Self {
        // A failure of the operation only names it; the cause says how it ended.
        let cause = if failure.kind() == FailureKind::NexusOperation { failure.cause() } else { None };
        match cause.as_ref().unwrap_or(&failure).kind() {
            FailureKind::Cancelled => Self::Cancelled(failure),
            FailureKind::Terminated => Self::Terminated(failure),
            FailureKind::Timeout => Self::TimedOut(failure),
            _ => Self::Failed(failure),
        }
    }

    fn from_rpc(operation_id: String, error: RpcError) -> Self {
        if error.is_not_found() && !error.is_namespace_not_found() {
            return Self::NotFound { operation_id, message: error.message().to_string() };
        }
        if error.is_codec_failure() {
            return Self::Payload(PayloadError::new(error.message()));
        }
        Self::Rpc(error)
    }

    /// Returns the failure with which the operation closed.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::Cancelled(failure) | Self::Terminated(failure) | Self::TimedOut(failure) => {
                Some(failure)
            }
            Self::NotFound { .. } | Self::Payload(_) | Self::NotStarted(_) | Self::Rpc(_) => None,
        }
    }

    /// Returns true if the operation was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }

    /// Returns true if the operation was terminated.
    pub fn is_terminated(&self) -> bool {
        matches!(self, Self::Terminated(_))
    }

    /// Returns true if the operation exceeded a timeout.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut(_))
    }
}

impl TemporalFailure for NexusOperationFailedError {
    fn to_failure(&self) -> Option<Failure> {
        self.failure().cloned()
    }
}

/// A wait for the result of a standalone Nexus operation, started when awaited.
#[must_use = "the result is fetched only when this is awaited"]
pub struct GetNexusOperationResult<O> {
    pub(super) connection: Connection,
    pub(super) request: PollNexusOperationExecutionRequest,
    pub(super) output: PhantomData<fn() -> O>,
}

debug_only!(impl[O] GetNexusOperationResult<O>, |this| {
    operation_id: this.request.operation_id,
    run_id: this.request.run_id,
});

impl<O: PayloadValue> IntoFuture for GetNexusOperationResult<O> {
    type Output = Result<O, NexusOperationFailedError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let operation_id = self.request.operation_id.clone();
            let result = self.connection.carry_out(NexusOperationResultCall(self.request)).await?;
            let read = read_one(result.as_ref());
            Ok(read.map_err(|error| error.of(format_args!("the result of operation `{operation_id}`")))?)
        })
    }
}

/// A wait for the result of a standalone Nexus operation.
pub(crate) struct NexusOperationResultCall(pub(crate) PollNexusOperationExecutionRequest);

impl Call for NexusOperationResultCall {
    type Input = StandaloneNexusOperationResultInput;
    type Answer = Option<Payload>;

    async fn send(self, connection: &Connection) -> Result<Option<Payload>, NexusOperationFailedError> {
        let operation_id = self.0.operation_id.clone();
        // An answer without an outcome is a long poll that ended before the operation.
        let owner = connection.owner_of(&self.0);
        let closed = long_wait(connection, self.0, |_, response| response.outcome.is_some().then_some(response));
        let closed: Result<PollNexusOperationExecutionResponse, RpcError> =
            connection.decoded(PollNexusOperationExecutionRequest::NAME, &owner, closed.await).await;
        match closed {
            Ok(response) => outcome(response.outcome),
            Err(error) => Err(NexusOperationFailedError::from_rpc(operation_id, error)),
        }
    }

    fn into_input(self) -> StandaloneNexusOperationResultInput {
        StandaloneNexusOperationResultInput::from_request(self.0)
    }

    fn from_input(input: StandaloneNexusOperationResultInput) -> Self {
        Self(input.into_request())
    }

    fn into_output(answer: Option<Payload>) -> RawPayload {
        RawPayload::from_proto(answer.unwrap_or_else(|| to_payload(&()).expect("nothing is always written")))
    }

    fn from_output(output: RawPayload) -> Option<Payload> {
        Some(output.into_proto())
    }
}

fn outcome(outcome: Option<Outcome>) -> Result<Option<Payload>, NexusOperationFailedError> {
    match outcome {
        Some(Outcome::Result(result)) => Ok(Some(result)),
        Some(Outcome::Failure(failure)) => Err(NexusOperationFailedError::from_failure(Failure::from_proto(failure))),
        None => Ok(None),
    }
}

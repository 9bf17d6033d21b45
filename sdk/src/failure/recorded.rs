//! Recorded failures: a message, a kind, and a chain of causes.

use std::fmt;
use std::time::Duration;

use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::failure::v1::{Failure as FailureProto, failure::FailureInfo};

use super::application::{ApplicationFailure, error_type};
use super::common_attributes::decode_common_attributes;
use super::encode::application_failure;
use super::nexus_operation::NexusHandlerErrorType;
use super::offer::offer;
use super::text::write_chain;
use crate::converter::{PayloadError, read_one};
use crate::definition::PayloadValue;
use crate::duration::from_proto;

/// A recorded failure: a message, a kind, and a chain of causes (Temporal's `Failure`).
///
/// ```
/// # fn look(failure: &abide::Failure) {
/// let root = failure.root_cause();
/// if root.error_type() == Some("CardDeclined") {
///     println!("{}", root.message());
/// }
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Failure {
    proto: Box<FailureProto>,
}

/// Kind of a [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Made by application code; see [`Failure::error_type`] and [`Failure::is_non_retryable`].
    Application,
    /// A timeout; see [`Failure::timeout_type`].
    Timeout,
    /// The operation was cancelled.
    Cancelled,
    /// The workflow was terminated.
    Terminated,
    /// Made by the server.
    Server,
    /// The workflow was reset while the activity ran.
    ResetWorkflow,
    /// An activity did not complete; the cause says why.
    Activity,
    /// A child workflow did not complete; the cause says why.
    ChildWorkflow,
    /// A Nexus operation did not complete; the cause says why.
    NexusOperation,
    /// A Nexus handler failed.
    NexusHandler,
    /// The failure has no kind.
    Unknown,
}

/// Type of a timeout (Temporal's `TimeoutType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutType {
    /// An attempt took too long.
    StartToClose,
    /// The task waited too long for a worker.
    ScheduleToStart,
    /// All attempts together took too long.
    ScheduleToClose,
    /// A heartbeat did not arrive in time.
    Heartbeat,
    /// A type that this version does not know.
    Unknown,
}

/// Reason that there was no further attempt (Temporal's `RetryState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryState {
    /// Another attempt follows.
    InProgress,
    /// The failure is not retryable.
    NonRetryableFailure,
    /// Another attempt would not have ended in time.
    Timeout,
    /// The policy's maximum attempts were made.
    MaximumAttemptsReached,
    /// There is no retry policy.
    RetryPolicyNotSet,
    /// The server could not decide.
    InternalServerError,
    /// Cancellation was requested.
    CancelRequested,
    /// A reason that this version does not know.
    Unknown,
}

impl Failure {
    pub(crate) fn from_proto(mut proto: FailureProto) -> Self {
        decode_common_attributes(&mut proto);
        Self { proto: Box::new(proto) }
    }

    pub(crate) fn as_proto(&self) -> &FailureProto {
        &self.proto
    }

    pub(crate) fn into_proto(self) -> FailureProto {
        *self.proto
    }

    /// Returns the failure with another message, for a [`FailureConverter`](crate::FailureConverter).
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.proto.message = message.into();
        // They would restore the old message.
        self.proto.encoded_attributes = None;
        self
    }

    /// Returns the failure with another stack trace, for a [`FailureConverter`](crate::FailureConverter).
    pub fn with_stack_trace(mut self, stack_trace: impl Into<String>) -> Self {
        self.proto.stack_trace = stack_trace.into();
        self.proto.encoded_attributes = None;
        self
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.proto.message
    }

    /// Returns the SDK or server that made the failure; empty if it does not say.
    pub fn source_name(&self) -> &str {
        &self.proto.source
    }

    /// Returns the stack trace; empty if none was captured.
    pub fn stack_trace(&self) -> &str {
        &self.proto.stack_trace
    }

    /// Returns the kind of failure.
    pub fn kind(&self) -> FailureKind {
        match &self.proto.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(_)) => FailureKind::Application,
            Some(FailureInfo::TimeoutFailureInfo(_)) => FailureKind::Timeout,
            Some(FailureInfo::CanceledFailureInfo(_)) => FailureKind::Cancelled,
            Some(FailureInfo::TerminatedFailureInfo(_)) => FailureKind::Terminated,
            Some(FailureInfo::ServerFailureInfo(_)) => FailureKind::Server,
            Some(FailureInfo::ResetWorkflowFailureInfo(_)) => FailureKind::ResetWorkflow,
            Some(FailureInfo::ActivityFailureInfo(_)) => FailureKind::Activity,
            Some(FailureInfo::ChildWorkflowExecutionFailureInfo(_)) => FailureKind::ChildWorkflow,
            Some(FailureInfo::NexusOperationExecutionFailureInfo(_)) => FailureKind::NexusOperation,
            Some(FailureInfo::NexusHandlerFailureInfo(_)) => FailureKind::NexusHandler,
            None => FailureKind::Unknown,
        }
    }

    /// Returns the failure that caused this one.
    pub fn cause(&self) -> Option<Failure> {
        cause_of(&self.proto).map(|cause| Failure { proto: cause.clone() })
    }

    /// Returns the last failure of the chain of causes; this one if it has no cause.
    pub fn root_cause(&self) -> Failure {
        let mut proto = &self.proto;
        while let Some(cause) = cause_of(proto) {
            proto = cause;
        }
        Failure { proto: proto.clone() }
    }

    /// Returns the error type of an application failure.
    pub fn error_type(&self) -> Option<&str> {
        error_type(&self.proto).filter(|error_type| !error_type.is_empty())
    }

    /// Returns true if this is an application failure that must not be retried.
    pub fn is_non_retryable(&self) -> bool {
        match &self.proto.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(info)) => info.non_retryable,
            Some(FailureInfo::ServerFailureInfo(info)) => info.non_retryable,
            _ => false,
        }
    }

    /// Returns the time until the next attempt that an application failure asked for.
    pub fn next_retry_delay(&self) -> Option<Duration> {
        match &self.proto.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(info)) => info.next_retry_delay.as_ref().map(from_proto),
            _ => None,
        }
    }

    /// Returns the type of the timeout, if this is a timeout.
    pub fn timeout_type(&self) -> Option<TimeoutType> {
        match &self.proto.failure_info {
            Some(FailureInfo::TimeoutFailureInfo(info)) => Some(TimeoutType::from_proto(info.timeout_type)),
            _ => None,
        }
    }

    /// Returns the error type of a Nexus handler, if this is its failure.
    pub fn nexus_handler_error_type(&self) -> Option<NexusHandlerErrorType> {
        match &self.proto.failure_info {
            Some(FailureInfo::NexusHandlerFailureInfo(info)) => Some(NexusHandlerErrorType::from_name(&info.r#type)),
            _ => None,
        }
    }

    /// Returns the reason that there was no further attempt, if this is an activity's or a child workflow's failure.
    pub fn retry_state(&self) -> Option<RetryState> {
        match &self.proto.failure_info {
            Some(FailureInfo::ActivityFailureInfo(info)) => Some(RetryState::from_proto(info.retry_state)),
            Some(FailureInfo::ChildWorkflowExecutionFailureInfo(info)) => {
                Some(RetryState::from_proto(info.retry_state))
            }
            _ => None,
        }
    }

    /// Returns true if this is a cancellation, or an activity or child workflow that ended by one.
    pub fn is_cancelled(&self) -> bool {
        match self.kind() {
            FailureKind::Cancelled => true,
            FailureKind::Activity | FailureKind::ChildWorkflow | FailureKind::NexusOperation => {
                self.cause().is_some_and(|cause| cause.kind() == FailureKind::Cancelled)
            }
            _ => false,
        }
    }

    /// Returns a detail of an application failure or a cancellation by index; `None` if there are fewer.
    ///
    /// # Errors
    /// Returns an error if the detail is present and not a `T`.
    pub fn detail<T: PayloadValue>(&self, index: usize) -> Result<Option<T>, PayloadError> {
        match self.details().and_then(|details| details.payloads.get(index)) {
            Some(payload) => {
                let read = read_one(Some(payload)).map(Some);
                read.map_err(|error| error.of(format_args!("detail {} of the failure", index + 1)))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn details(&self) -> Option<&Payloads> {
        match &self.proto.failure_info {
            Some(FailureInfo::ApplicationFailureInfo(info)) => info.details.as_ref(),
            Some(FailureInfo::CanceledFailureInfo(info)) => info.details.as_ref(),
            Some(FailureInfo::TimeoutFailureInfo(info)) => info.last_heartbeat_details.as_ref(),
            _ => None,
        }
    }
}

/// The conversion that activities and workflows use when they fail with it.
impl From<ApplicationFailure> for Failure {
    fn from(failure: ApplicationFailure) -> Self {
        Self::from_proto(application_failure(&failure, None))
    }
}

/// Returns the cause, unless it is empty.
#[expect(clippy::borrowed_box, reason = "what holds a cause clones its box, and not twice")]
fn cause_of(failure: &FailureProto) -> Option<&Box<FailureProto>> {
    failure.cause.as_ref().filter(|cause| ***cause != FailureProto::default())
}

/// Shows the message and each cause after a colon. A failed activity, child workflow or Nexus operation is named. A cause
/// that only repeats the previous text is omitted.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, &self.proto)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({:?}: {self})", self.kind())
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        offer(|| self.as_proto().clone());
        None
    }
}

impl TimeoutType {
    pub(crate) fn from_proto(value: i32) -> Self {
        match enums::TimeoutType::try_from(value) {
            Ok(enums::TimeoutType::StartToClose) => Self::StartToClose,
            Ok(enums::TimeoutType::ScheduleToStart) => Self::ScheduleToStart,
            Ok(enums::TimeoutType::ScheduleToClose) => Self::ScheduleToClose,
            Ok(enums::TimeoutType::Heartbeat) => Self::Heartbeat,
            _ => Self::Unknown,
        }
    }
}

impl RetryState {
    pub(crate) fn from_proto(value: i32) -> Self {
        match enums::RetryState::try_from(value) {
            Ok(enums::RetryState::InProgress) => Self::InProgress,
            Ok(enums::RetryState::NonRetryableFailure) => Self::NonRetryableFailure,
            Ok(enums::RetryState::Timeout) => Self::Timeout,
            Ok(enums::RetryState::MaximumAttemptsReached) => Self::MaximumAttemptsReached,
            Ok(enums::RetryState::RetryPolicyNotSet) => Self::RetryPolicyNotSet,
            Ok(enums::RetryState::InternalServerError) => Self::InternalServerError,
            Ok(enums::RetryState::CancelRequested) => Self::CancelRequested,
            _ => Self::Unknown,
        }
    }
}

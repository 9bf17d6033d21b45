//! Converts the end of a handler to the answer that is sent: in Temporal's own failures if the server takes them, and
//! in the older form of Nexus if not.

use abide_protos::failure_json;
use abide_protos::payload_fields::{Fields, PayloadFields};
use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::enums::v1::NexusHandlerErrorRetryBehavior as RetryBehavior;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{CanceledFailureInfo, Failure as FailureProto, NexusHandlerFailureInfo};
use abide_protos::temporal::api::nexus::v1::start_operation_response::{Async, Sync, Variant};
use abide_protos::temporal::api::nexus::v1::{
    CancelOperationResponse, Failure as NexusFailure, HandlerError as HandlerErrorProto, Link, Response,
    StartOperationResponse, UnsuccessfulOperationError, response,
};
use abide_protos::temporal::api::workflowservice::v1::{
    PollNexusTaskQueueResponse, RespondNexusTaskCompletedRequest, RespondNexusTaskFailedRequest,
};

use super::Ended;
use crate::converter::DataConverter;
use crate::failure::SOURCE;
use crate::nexus::{HandlerError, NexusError, NexusErrorKind, NexusInfo, NexusLink, NexusStart, Raised, Started};
use crate::worker::activity_tasks::{as_application_failure, failure_of};
use crate::worker::context::WorkerContext;
use crate::worker::limits::{Excess, Limit};

/// The type of a failure of Temporal's within a failure of Nexus.
const TEMPORAL_FAILURE: &str = "temporal.api.failure.v1.Failure";

/// An answer to a request.
#[derive(Clone)]
pub(super) enum Answer {
    Completed {
        result: Payload,
        links: Vec<Link>,
    },
    Later {
        operation_token: String,
        links: Vec<Link>,
    },
    CancelAccepted,
    /// The operation has failed or was cancelled: an application failure or a cancellation.
    OperationEnded(Box<FailureProto>),
    /// An error of the handler.
    Refused(Box<FailureProto>),
    /// The caller does not wait any more.
    Nothing,
}

impl PayloadFields for Answer {
    fn payload_fields<'a>(&'a mut self, to: &mut Fields<'a>) {
        match self {
            Self::Completed { result, .. } => result.payload_fields(to),
            Self::OperationEnded(failure) | Self::Refused(failure) => failure.payload_fields(to),
            Self::Later { .. } | Self::CancelAccepted | Self::Nothing => {}
        }
    }
}

impl Answer {
    pub(super) fn of(ended: Ended, converter: &DataConverter) -> Self {
        match ended {
            Ended::Started(NexusStart { started: Started::Completed(result) }, links) => {
                Self::Completed { result: result.into_proto(), links: to_proto(links) }
            }
            Ended::Started(NexusStart { started: Started::Later { operation_token } }, links) => {
                if operation_token.is_empty() {
                    let error = NexusError::internal("the handler started an operation with an empty token");
                    return Self::of(Ended::Error(error), converter);
                }
                Self::Later { operation_token, links: to_proto(links) }
            }
            Ended::CancelAccepted => Self::CancelAccepted,
            Ended::TimedOut => Self::Nothing,
            Ended::Error(error) => of_error(error, converter),
        }
    }

    /// Returns the reason for which the request counts as failed, in Core's words; `None` if it has succeeded.
    pub(super) fn failure_reason(&self) -> Option<String> {
        match self {
            Self::Completed { .. } | Self::Later { .. } | Self::CancelAccepted => None,
            Self::OperationEnded(failure) if is_cancellation(failure) => Some("operation_canceled".into()),
            Self::OperationEnded(_) => Some("operation_failed".into()),
            Self::Refused(failure) => Some(format!("handler_error_{}", handler_info(failure).r#type)),
            Self::Nothing => Some("timeout".into()),
        }
    }

    /// Describes a part that the server would not accept.
    pub(super) fn too_large(&self, limit: Limit, info: &NexusInfo) -> Option<String> {
        let (size, what) = match self {
            Self::Completed { result, .. } => (result.encoded_len(), "the result of the operation has"),
            Self::OperationEnded(failure) => (failure.encoded_len(), "the failure of the operation has"),
            Self::Refused(failure) => (failure.encoded_len(), "the error of the handler has"),
            Self::Later { .. } | Self::CancelAccepted | Self::Nothing => return None,
        };
        match limit.check(size, || what.to_string())? {
            Excess::Error(text) => Some(text),
            Excess::Warning(text) => {
                tracing::warn!(service = info.service, operation = info.operation, "{text}");
                None
            }
        }
    }
}

fn of_error(error: NexusError, converter: &DataConverter) -> Answer {
    match error.into_kind() {
        NexusErrorKind::Handler(HandlerError { error_type, message, retryable, cause }) => {
            let retry_behavior = match retryable {
                None => RetryBehavior::Unspecified,
                Some(true) => RetryBehavior::Retryable,
                Some(false) => RetryBehavior::NonRetryable,
            } as i32;
            let info = NexusHandlerFailureInfo { r#type: error_type.name().into(), retry_behavior };
            Answer::Refused(Box::new(FailureProto {
                message,
                source: SOURCE.into(),
                cause: cause.map(|raised| of_raised(&raised, converter)),
                failure_info: Some(FailureInfo::NexusHandlerFailureInfo(info)),
                ..Default::default()
            }))
        }
        NexusErrorKind::Failed(raised) => Answer::OperationEnded(as_application_failure(of_raised(&raised, converter))),
        NexusErrorKind::Cancelled { message, details } => {
            let details = (!details.is_empty()).then_some(Payloads { payloads: details });
            let info = CanceledFailureInfo { details, ..Default::default() };
            Answer::OperationEnded(Box::new(FailureProto {
                message,
                source: SOURCE.into(),
                failure_info: Some(FailureInfo::CanceledFailureInfo(info)),
                ..Default::default()
            }))
        }
    }
}

fn of_raised(raised: &Raised, converter: &DataConverter) -> Box<FailureProto> {
    failure_of(&*raised.error, Some(raised.type_name), converter)
}

fn to_proto(links: Vec<NexusLink>) -> Vec<Link> {
    links.into_iter().map(|link| Link { url: link.url, r#type: link.link_type }).collect()
}

fn is_cancellation(failure: &FailureProto) -> bool {
    matches!(failure.failure_info, Some(FailureInfo::CanceledFailureInfo(_)))
}

fn handler_info(failure: &FailureProto) -> NexusHandlerFailureInfo {
    match &failure.failure_info {
        Some(FailureInfo::NexusHandlerFailureInfo(info)) => info.clone(),
        _ => NexusHandlerFailureInfo { r#type: "INTERNAL".into(), ..Default::default() },
    }
}

/// The destination of an answer, and its form.
pub(super) struct Respond {
    task_token: Vec<u8>,
    poller_group_id: String,
    /// True if the server takes Temporal's failures.
    takes_failures: bool,
}

type Completed = RespondNexusTaskCompletedRequest;
type Failed = RespondNexusTaskFailedRequest;

impl Respond {
    pub(super) fn to(task: &PollNexusTaskQueueResponse) -> Self {
        let capabilities = task.request.as_ref().and_then(|request| request.capabilities);
        Self {
            task_token: task.task_token.clone(),
            poller_group_id: task.poller_group_id.clone(),
            takes_failures: capabilities.is_some_and(|capabilities| capabilities.temporal_failure_responses),
        }
    }

    /// Returns the request that sends an answer, which is encoded already; `None` if nothing is sent.
    pub(super) fn with(self, answer: Answer, shared: &WorkerContext) -> Option<Result<Completed, Failed>> {
        let variant = match answer {
            Answer::Completed { result, links } => Variant::SyncSuccess(Sync { payload: Some(result), links }),
            Answer::Later { operation_token, links } => async_success(operation_token, links),
            Answer::OperationEnded(failure) if self.takes_failures => Variant::Failure(*failure),
            Answer::OperationEnded(failure) => operation_error(&failure),
            Answer::CancelAccepted => {
                let accepted = response::Variant::CancelOperation(CancelOperationResponse {});
                return Some(Ok(self.completed(accepted, shared)));
            }
            Answer::Refused(failure) => return Some(Err(self.failed(*failure, shared))),
            Answer::Nothing => return None,
        };
        let started = response::Variant::StartOperation(StartOperationResponse { variant: Some(variant) });
        Some(Ok(self.completed(started, shared)))
    }

    fn completed(self, variant: response::Variant, shared: &WorkerContext) -> Completed {
        RespondNexusTaskCompletedRequest {
            namespace: shared.namespace(),
            identity: shared.identity.clone(),
            task_token: self.task_token,
            response: Some(Response { variant: Some(variant) }),
            poller_group_id: self.poller_group_id,
        }
    }

    #[expect(deprecated, reason = "a server takes the newer field only if it says so")]
    fn failed(self, failure: FailureProto, shared: &WorkerContext) -> Failed {
        let mut request = RespondNexusTaskFailedRequest {
            namespace: shared.namespace(),
            identity: shared.identity.clone(),
            task_token: self.task_token,
            poller_group_id: self.poller_group_id,
            ..Default::default()
        };
        if self.takes_failures {
            request.failure = Some(failure);
        } else {
            request.error = Some(handler_error(&failure));
        }
        request
    }
}

#[expect(deprecated, reason = "servers before 1.27 read only the older field")]
fn async_success(operation_token: String, links: Vec<Link>) -> Variant {
    Variant::AsyncSuccess(Async { operation_id: operation_token.clone(), operation_token, links })
}

#[expect(deprecated, reason = "a server takes the newer variant only if it says so")]
fn operation_error(failure: &FailureProto) -> Variant {
    let operation_state = if is_cancellation(failure) { "canceled" } else { "failed" }.to_string();
    Variant::OperationError(UnsuccessfulOperationError { operation_state, failure: Some(nexus_failure(failure)) })
}

/// Converts to the older form, which has only one failure: the cause, or the error itself.
fn handler_error(failure: &FailureProto) -> HandlerErrorProto {
    let NexusHandlerFailureInfo { r#type, retry_behavior } = handler_info(failure);
    let told = match &failure.cause {
        Some(cause) => nexus_failure(cause),
        None => NexusFailure { message: failure.message.clone(), ..Default::default() },
    };
    HandlerErrorProto { error_type: r#type, failure: Some(told), retry_behavior }
}

/// Converts to a failure of Nexus that carries Temporal's as its details.
fn nexus_failure(failure: &FailureProto) -> NexusFailure {
    let message = failure.message.clone();
    let rest = FailureProto { message: String::new(), ..failure.clone() };
    match failure_json::to_json(&rest) {
        Ok(details) => {
            let metadata = [("type".to_string(), TEMPORAL_FAILURE.to_string())].into();
            NexusFailure { message, metadata, details, ..Default::default() }
        }
        Err(_) => NexusFailure { message, ..Default::default() },
    }
}

#[cfg(test)]
mod tests;

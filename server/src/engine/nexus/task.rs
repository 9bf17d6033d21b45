//! Requests to Nexus handlers as tasks: PollNexusTaskQueue, RespondNexusTaskCompleted, RespondNexusTaskFailed.
//!
//! Extends `Engine`.

use std::collections::HashMap;

use super::completion::{CALLBACK_TOKEN, CALLBACK_URL};
use super::endpoint::milliseconds;
use super::link::{event_url, links_of_handler};
use super::operation::{End, Purpose, RequestStage, cause};
use crate::engine::Engine;
use crate::engine::api::enums::{self, NexusHandlerErrorRetryBehavior as RetryBehavior};
use crate::engine::api::failure::failure::FailureInfo;
use crate::engine::api::{failure, nexus, service, taskqueue};
use crate::engine::errors::Error;
use crate::engine::limits;
use crate::engine::task_queues::{About, Poll, QueueKind, Task};
use crate::engine::token::NexusTaskToken;
use crate::engine::waiters::{Step, WaiterId};
use crate::engine::workflow::ExecutionId;

/// The handler errors that are not retried, unless the handler says otherwise.
const FINAL_ERRORS: [&str; 6] =
    ["BAD_REQUEST", "UNAUTHENTICATED", "UNAUTHORIZED", "NOT_FOUND", "CONFLICT", "NOT_IMPLEMENTED"];

/// The operation and the attempt that a worker's answer is for.
struct Target {
    execution: ExecutionId,
    scheduled_event_id: i64,
    purpose: Purpose,
}

impl Engine {
    pub(crate) fn poll_nexus_task_queue(
        &mut self,
        request: service::PollNexusTaskQueueRequest,
    ) -> Result<Step<service::PollNexusTaskQueueResponse>, Error> {
        let of_commands = |queue: &taskqueue::TaskQueue| queue.kind() == enums::TaskQueueKind::WorkerCommands;
        let commands = request.task_queue.as_ref().is_some_and(of_commands);
        let kind = if commands { QueueKind::WorkerCommands } else { QueueKind::Nexus };
        let key = self.queue_key(&request.namespace, request.task_queue.as_ref(), kind)?;
        limits::check_length("Identity", &request.identity)?;
        #[expect(deprecated, reason = "workers still send it and the real server still tells it")]
        let capabilities = request.worker_version_capabilities;
        let about = About { capabilities, deployment_options: request.deployment_options, rate: None };
        let poll = Poll {
            identity: request.identity,
            worker_instance_key: request.worker_instance_key,
            sticky: false,
            version: None,
            control_task_queue: String::new(),
            about,
        };
        if self.shut_down.include(&poll, self.now.wall) {
            return Ok(Step::Done(Default::default()));
        }
        self.queues.note_poll(&key, &poll, self.now.wall);
        while let Some(task) = self.next_task(&key) {
            if let Some(response) = self.hand_out_nexus_task(&task) {
                return Ok(Step::Done(response));
            }
        }
        Ok(Step::Wait(self.wait_for_task(key, poll)))
    }

    /// Resumes a worker's poll for Nexus tasks.
    pub(crate) fn resume_nexus_poll(&mut self, id: WaiterId) -> Step<service::PollNexusTaskQueueResponse> {
        self.resume_poll(id, |engine, task, _| engine.hand_out_nexus_task(task))
    }

    pub(crate) fn respond_nexus_task_completed(
        &mut self,
        request: service::RespondNexusTaskCompletedRequest,
    ) -> Result<service::RespondNexusTaskCompletedResponse, Error> {
        let token = NexusTaskToken::decode_token(&request.task_token)?;
        if token.command != 0 {
            self.command_answered(token.command)?;
            return Ok(service::RespondNexusTaskCompletedResponse {});
        }
        let target = self.nexus_target(&token)?;
        let variant = request.response.and_then(|response| response.variant);
        match (target.purpose, variant) {
            (Purpose::Start, Some(nexus::response::Variant::StartOperation(response))) => {
                let variant = response.variant;
                let variant = variant.ok_or_else(|| Error::invalid_argument("empty start operation response"))?;
                self.nexus_started(&target, variant)?;
            }
            (Purpose::Cancel, Some(nexus::response::Variant::CancelOperation(_))) => {
                let id = target.scheduled_event_id;
                self.try_transact(target.execution, |transaction| transaction.answer_nexus_cancel(id, None))?;
            }
            _ => return Err(Error::invalid_argument("the response is not one to the request of the task")),
        }
        Ok(service::RespondNexusTaskCompletedResponse {})
    }

    #[expect(deprecated, reason = "older SDKs answer with the fields that newer ones have replaced")]
    pub(crate) fn respond_nexus_task_failed(
        &mut self,
        request: service::RespondNexusTaskFailedRequest,
    ) -> Result<service::RespondNexusTaskFailedResponse, Error> {
        let token = NexusTaskToken::decode_token(&request.task_token)?;
        if token.command != 0 {
            self.command_answered(token.command)?;
            return Ok(service::RespondNexusTaskFailedResponse {});
        }
        let target = self.nexus_target(&token)?;
        let failure = match (request.failure, request.error) {
            // The real server passes a handler's error on as one of Nexus, which has no source.
            (Some(failure), _) => failure::Failure { source: String::new(), ..failure },
            (None, Some(error)) => of_handler_error(error),
            (None, None) => return Err(Error::invalid_argument("neither failure nor error is set on the request")),
        };
        let (id, purpose) = (target.scheduled_event_id, target.purpose);
        self.try_transact(target.execution, |transaction| match purpose {
            _ if is_retryable(&failure) => transaction.back_off_nexus_request(id, purpose),
            Purpose::Start => transaction.end_nexus_operation(id, End::Failed(failure)),
            Purpose::Cancel => transaction.answer_nexus_cancel(id, Some(failure)),
        })?;
        Ok(service::RespondNexusTaskFailedResponse {})
    }

    /// Adds a request to the queue of the endpoint's workers.
    pub(crate) fn dispatch_nexus_request(&mut self, execution: ExecutionId, id: i64, purpose: Purpose) {
        let Some(operation) = self.execution(execution).state.nexus_operations.get(&id) else { return };
        let Some(attempt) = operation.request(purpose).map(|request| request.attempt) else { return };
        if let Some(queue) = self.handler_queue(operation) {
            let task = Task::Nexus { execution, scheduled_event_id: id, purpose, attempt };
            return self.add_task(&queue, 0, task);
        }
        let info = failure::NexusHandlerFailureInfo { r#type: "NOT_FOUND".to_owned(), ..Default::default() };
        let failure = cause("endpoint not registered", FailureInfo::NexusHandlerFailureInfo(info));
        self.transact(execution, |transaction| match purpose {
            Purpose::Start => transaction.end_nexus_operation(id, End::Failed(failure)),
            Purpose::Cancel => transaction.answer_nexus_cancel(id, Some(failure)),
        });
    }

    fn hand_out_nexus_task(&self, task: &Task) -> Option<service::PollNexusTaskQueueResponse> {
        let (id, scheduled_event_id, purpose, attempt) = match *task {
            Task::Nexus { execution, scheduled_event_id, purpose, attempt } => {
                (execution, scheduled_event_id, purpose, attempt)
            }
            Task::Command(command) => return self.hand_out_command(command),
            _ => return None,
        };
        let execution = self.execution(id);
        let operation = execution.state.nexus_operations.get(&scheduled_event_id)?;
        let RequestStage::Requested(until) = operation.request(purpose)?.stage else { return None };
        let attributes = execution.nexus_attributes(scheduled_event_id)?;
        let run_id = execution.run_id.clone();
        let cancels = purpose == Purpose::Cancel;
        let token = NexusTaskToken { run_id, scheduled_event_id, attempt, cancels, command: 0 };
        let limit = milliseconds(self.now.time, until);
        let mut header: HashMap<String, String> = attributes.nexus_header.clone();
        header.insert("request-timeout".to_owned(), limit.clone());
        header.insert("Request-Timeout".to_owned(), limit);
        header.insert("user-agent".to_owned(), "temporalio/server".to_owned());
        let (service, name) = (attributes.service.clone(), attributes.operation.clone());
        let variant = if cancels {
            header.insert("content-length".to_owned(), "0".to_owned());
            #[expect(deprecated, reason = "the real server still sends operation_id")]
            nexus::request::Variant::CancelOperation(nexus::CancelOperationRequest {
                service,
                operation: name,
                operation_id: operation.operation_token.clone(),
                operation_token: operation.operation_token.clone(),
            })
        } else {
            let link = event_url(execution, scheduled_event_id, "NexusOperationScheduled");
            if let Some(expires) = operation.expires() {
                header.insert("operation-timeout".to_owned(), milliseconds(self.now.time, expires));
            }
            header.insert("nexus-request-id".to_owned(), operation.request_id.clone());
            header.insert("nexus-link".to_owned(), format!("<{}>; type=\"{}\"", link.url, link.r#type));
            let callback_token = NexusTaskToken { attempt: 0, ..token.clone() }.to_text(&operation.request_id);
            nexus::request::Variant::StartOperation(nexus::StartOperationRequest {
                service,
                operation: name,
                request_id: operation.request_id.clone(),
                callback: CALLBACK_URL.to_owned(),
                payload: attributes.input.clone(),
                callback_header: [(CALLBACK_TOKEN.to_owned(), callback_token)].into(),
                links: vec![link],
            })
        };
        let request = nexus::Request {
            header,
            scheduled_time: Some(self.now.time.proto()),
            capabilities: Some(nexus::request::Capabilities { temporal_failure_responses: !cancels }),
            endpoint: attributes.endpoint.clone(),
            variant: Some(variant),
        };
        let task_token = token.encode_token();
        Some(service::PollNexusTaskQueueResponse { task_token, request: Some(request), ..Default::default() })
    }

    /// Handles the answer to a request to start.
    fn nexus_started(
        &mut self,
        target: &Target,
        variant: nexus::start_operation_response::Variant,
    ) -> Result<(), Error> {
        use nexus::start_operation_response::Variant as V;
        let id = target.scheduled_event_id;
        #[expect(deprecated, reason = "older SDKs answer with the variant that a newer one has replaced")]
        let end = match variant {
            V::SyncSuccess(success) => {
                // An absent result reads as null.
                let result = success.payload.unwrap_or_else(null);
                End::Completed(Some(result), links_of_handler(success.links))
            }
            V::AsyncSuccess(success) => {
                let legacy = success.operation_id;
                let token = if success.operation_token.is_empty() { legacy } else { success.operation_token };
                let links = links_of_handler(success.links);
                return self.try_transact(target.execution, |transaction| {
                    transaction.start_nexus_operation(id, token, links);
                });
            }
            V::OperationError(error) => {
                let canceled = error.operation_state == "canceled";
                let failure = of_nexus_failure(error.failure.unwrap_or_default(), canceled);
                if canceled { End::Canceled(failure) } else { End::Failed(failure) }
            }
            V::Failure(failure) => match &failure.failure_info {
                Some(FailureInfo::CanceledFailureInfo(_)) => End::Canceled(failure),
                _ => End::Failed(failure),
            },
        };
        self.try_transact(target.execution, |transaction| transaction.end_nexus_operation(id, end))
    }

    /// Returns the request to which a token belongs, if it is still unanswered.
    fn nexus_target(&self, token: &NexusTaskToken) -> Result<Target, Error> {
        let purpose = if token.cancels { Purpose::Cancel } else { Purpose::Start };
        let gone = || Error::not_found("Nexus task not found or already expired");
        let execution = *self.by_run_id.get(&token.run_id).ok_or_else(gone)?;
        let operation = self.execution(execution).state.nexus_operations.get(&token.scheduled_event_id);
        let request = operation.and_then(|operation| operation.request(purpose)).ok_or_else(gone)?;
        if request.attempt != token.attempt || !request.is_outstanding() {
            return Err(gone());
        }
        Ok(Target { execution, scheduled_event_id: token.scheduled_event_id, purpose })
    }
}

fn is_retryable(failure: &failure::Failure) -> bool {
    let Some(FailureInfo::NexusHandlerFailureInfo(info)) = &failure.failure_info else { return true };
    match info.retry_behavior() {
        RetryBehavior::Retryable => true,
        RetryBehavior::NonRetryable => false,
        RetryBehavior::Unspecified => !FINAL_ERRORS.contains(&info.r#type.as_str()),
    }
}

fn null() -> crate::engine::api::common::Payload {
    let metadata = [("encoding".to_owned(), b"binary/null".to_vec())].into();
    crate::engine::api::common::Payload { metadata, ..Default::default() }
}

fn of_handler_error(error: nexus::HandlerError) -> failure::Failure {
    let info = failure::NexusHandlerFailureInfo { r#type: error.error_type, retry_behavior: error.retry_behavior };
    let inner = error.failure.map(|inner| Box::new(failure::Failure { message: inner.message, ..Default::default() }));
    failure::Failure {
        cause: inner,
        failure_info: Some(FailureInfo::NexusHandlerFailureInfo(info)),
        ..Default::default()
    }
}

/// Converts a Nexus failure to Temporal's form.
fn of_nexus_failure(failure: nexus::Failure, canceled: bool) -> failure::Failure {
    if canceled {
        return cause(&failure.message, FailureInfo::CanceledFailureInfo(failure::CanceledFailureInfo::default()));
    }
    let mut metadata: Vec<String> = failure.metadata.iter().map(|(key, value)| format!("{key:?}:{value:?}")).collect();
    metadata.sort();
    let details = (!metadata.is_empty()).then(|| crate::engine::api::common::Payloads {
        payloads: vec![crate::engine::api::common::Payload {
            metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
            data: format!("{{\"metadata\":{{{}}}}}", metadata.join(",")).into_bytes(),
            ..Default::default()
        }],
    });
    let r#type = "NexusFailure".to_owned();
    let info = failure::ApplicationFailureInfo { r#type, details, ..Default::default() };
    cause(&failure.message, FailureInfo::ApplicationFailureInfo(info))
}

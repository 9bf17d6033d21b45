//! Commands from the server to this process. So far there is one: cancel an attempt of an activity.
//!
//! Without commands an activity learns of its cancellation from the answer to a heartbeat, so one that never heartbeats
//! does not learn of it. Commands come as Nexus tasks on a queue shared by all workers of a connection. One worker
//! polls it for all; when that worker ends, the next one takes over. Nothing depends on commands: an error is logged
//! and never ends a worker.

use std::sync::Arc;
use std::time::Duration;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::nexus::v1::{
    Failure, HandlerError, Request, Response, StartOperationRequest, StartOperationResponse, request, response,
    start_operation_response,
};
use abide_protos::temporal::api::nexusservices::workerservice::v1::{ExecuteCommandsRequest, ExecuteCommandsResponse};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::worker::v1::{
    CancelActivityResult, WorkerCommandResult, worker_command, worker_command_result,
};
use abide_protos::temporal::api::workflowservice::v1::{
    PollNexusTaskQueueRequest, PollNexusTaskQueueResponse, RespondNexusTaskCompletedRequest,
    RespondNexusTaskFailedRequest,
};

use tokio::time::Instant;

use super::ActivityWorker;
use crate::client::retry::{Backoff, EmptyAnswers, RetrySchedule};
use crate::client::worker_commands::{CommandedWorker, WorkerCommands};
use crate::client::{Connection, RpcError};
use crate::worker::context::WorkerContext;
use crate::worker::polling::sleep;

const SERVICE: &str = "temporal.api.nexusservices.workerservice.v1.WorkerService";
const OPERATION: &str = "ExecuteCommands";
/// Time that the server waits for the answer to a command.
const TASK_TIME: Duration = Duration::from_secs(10);

/// A request that cannot be carried out, in Nexus terms. Retrying would not help.
#[derive(Debug, PartialEq)]
struct Refusal {
    error_type: &'static str,
    text: String,
}

impl CommandedWorker for ActivityWorker {
    fn cancel_activity(&self, task_token: &[u8]) -> bool {
        self.attempts().cancel(task_token)
    }
}

/// Takes commands when it is this worker's turn, until dropped.
pub(crate) async fn poll(shared: Arc<WorkerContext>) {
    let _turn = shared.commands.turn().await;
    let mut backoff = Backoff::new(RetrySchedule::POLL);
    let mut empty = EmptyAnswers::new();
    let mut reported = false;
    loop {
        let began = Instant::now();
        let route = shared.client.route();
        // Cutting this poll when the client is replaced may lose a command, but the server sends it again.
        let next = tokio::select! {
            biased;
            () = route.replaced() => continue,
            next = next_task(&shared, &route.connection) => next,
        };
        let polled = match next {
            Ok(task) if task.task_token.is_empty() => {
                sleep(empty.next(began.elapsed())).await;
                Ok(())
            }
            Ok(task) => {
                empty.reset();
                answer(&shared, task).await
            }
            Err(error) => Err(error),
        };
        let Err(error) = polled else {
            backoff.reset();
            continue;
        };
        if error.is_unimplemented() {
            tracing::warn!("the server announced commands to workers, but does not offer their task queue: {error}");
            return;
        }
        // While a server is unavailable, the task pollers log it.
        if !error.is_unavailable() && !error.is_deadline_exceeded() && !std::mem::replace(&mut reported, true) {
            tracing::warn!("polling for the server's commands to workers has failed and is retried: {error}");
        }
        tokio::select! {
            biased;
            () = route.replaced() => {}
            () = sleep(backoff.next(&error, Duration::ZERO).unwrap_or_default()) => {}
        }
    }
}

async fn next_task(shared: &WorkerContext, connection: &Connection) -> Result<PollNexusTaskQueueResponse, RpcError> {
    let queue = TaskQueue {
        name: shared.control_task_queue.clone(),
        kind: TaskQueueKind::WorkerCommands as i32,
        normal_name: String::new(),
    };
    // The request names neither this worker's version, because the queue has none, nor its key, with which the server
    // would end the poll as soon as the worker shuts down. Its activities must still be cancellable then.
    let request = PollNexusTaskQueueRequest {
        namespace: shared.namespace(),
        task_queue: Some(queue),
        identity: shared.identity.clone(),
        worker_instance_key: shared.commands.grouping_key().to_string(),
        ..Default::default()
    };
    connection.long_poll(request).await
}

async fn answer(shared: &WorkerContext, task: PollNexusTaskQueueResponse) -> Result<(), RpcError> {
    let (namespace, identity) = (shared.namespace(), shared.identity.clone());
    let (task_token, poller_group_id) = (task.task_token, task.poller_group_id);
    let answered = match execute(task.request.unwrap_or_default(), &shared.commands) {
        Ok(results) => {
            let response = Some(response_of(&results));
            let request =
                RespondNexusTaskCompletedRequest { namespace, identity, task_token, response, poller_group_id };
            shared.call_within(request, TASK_TIME).await.map(drop)
        }
        Err(refusal) => {
            tracing::warn!("the server's command to the worker was refused: {}", refusal.text);
            #[expect(deprecated, reason = "the server understands the newer field only if it says so")]
            let request = RespondNexusTaskFailedRequest {
                namespace,
                identity,
                task_token,
                error: Some(refusal.to_proto()),
                poller_group_id,
                ..Default::default()
            };
            shared.call_within(request, TASK_TIME).await.map(drop)
        }
    };
    match answered {
        // The server has stopped waiting for the answer.
        Err(error) if error.is_not_found() => Ok(()),
        answered => answered,
    }
}

/// Carries out the server's request. An unknown attempt either has ended, or is still on its way here and is cancelled
/// when it starts. Both count as success, because the server does not repeat a command after a refusal.
fn execute(request: Request, workers: &WorkerCommands) -> Result<ExecuteCommandsResponse, Refusal> {
    let asked = asked(request)?;
    let mut results = Vec::with_capacity(asked.commands.len());
    let mut unknown = 0;
    for command in asked.commands {
        let Some(worker_command::Type::CancelActivity(cancel)) = command.r#type else {
            unknown += 1;
            continue;
        };
        if !workers.cancel_activity(&cancel.task_token) {
            tracing::debug!("the server requested the cancellation of an activity that has ended or has not begun yet");
        }
        let result = worker_command_result::Type::CancelActivity(CancelActivityResult {});
        results.push(WorkerCommandResult { r#type: Some(result) });
    }
    if unknown > 0 {
        let text =
            format!("{unknown} of the commands are not known to this version of Abide; the others were executed");
        return Err(Refusal { error_type: "NOT_IMPLEMENTED", text });
    }
    Ok(ExecuteCommandsResponse { results })
}

fn asked(request: Request) -> Result<ExecuteCommandsRequest, Refusal> {
    let start = match request.variant {
        Some(request::Variant::StartOperation(start)) => start,
        Some(request::Variant::CancelOperation(_)) => {
            let text = "commands to workers are executed at once and cannot be cancelled".to_string();
            return Err(Refusal { error_type: "NOT_IMPLEMENTED", text });
        }
        None => {
            let text = "expected a request to start an operation, found none".to_string();
            return Err(Refusal { error_type: "BAD_REQUEST", text });
        }
    };
    let StartOperationRequest { service, operation, payload, .. } = start;
    if (service.as_str(), operation.as_str()) != (SERVICE, OPERATION) {
        let text = format!("expected the operation `{OPERATION}` of `{SERVICE}`, found `{operation}` of `{service}`");
        return Err(Refusal { error_type: "NOT_FOUND", text });
    }
    ExecuteCommandsRequest::decode(&*payload.unwrap_or_default().data).map_err(|error| {
        let text = format!("expected an ExecuteCommandsRequest as binary protobuf, found other bytes: {error}");
        Refusal { error_type: "BAD_REQUEST", text }
    })
}

impl Refusal {
    fn to_proto(&self) -> HandlerError {
        let failure = Failure { message: self.text.clone(), ..Default::default() };
        HandlerError { error_type: self.error_type.to_string(), failure: Some(failure), ..Default::default() }
    }
}

fn response_of(results: &ExecuteCommandsResponse) -> Response {
    let payload = Payload {
        metadata: [("encoding".to_string(), b"binary/protobuf".to_vec())].into(),
        data: results.encode_to_vec(),
        ..Default::default()
    };
    let success = start_operation_response::Sync { payload: Some(payload), links: Vec::new() };
    let variant = Some(start_operation_response::Variant::SyncSuccess(success));
    Response { variant: Some(response::Variant::StartOperation(StartOperationResponse { variant })) }
}

//! The engine as a gRPC service: one method per RPC, which only forwards.

use std::sync::Arc;
use std::time::Duration;

use abide_protos_server::workflow_service_server::WorkflowService;
use tonic::{Request, Response, Status};

use super::engine::api::service as api;
use super::engine::errors::{Code, Error};
use super::engine::{Engine, OfNamespace, Progress, Reporter, Step, UpdateAt, WaiterId};
use super::host::{Host, Patience, Waited};

/// Time after which a worker's poll gets an empty answer.
const POLL_LIMIT: Duration = Duration::from_secs(60);
/// Time after which a reader of a history gets an empty answer.
const HISTORY_LIMIT: Duration = Duration::from_secs(20);
/// Time limit of queries without a deadline of their own.
const QUERY_LIMIT: Duration = Duration::from_secs(30);
/// Time after which a caller that waits for an update gets its current state.
const UPDATE_LIMIT: Duration = Duration::from_secs(20);
/// Time before its caller's deadline at which a long poll ends.
const MARGIN: Duration = Duration::from_secs(1);
/// A worker's poll must have more time than this: a real server refuses a shorter one, which would ask again and again.
const SHORTEST_POLL: Duration = Duration::from_secs(2);

/// Serves `temporal.api.workflowservice.v1.WorkflowService`.
#[derive(Clone, Debug)]
pub(crate) struct GrpcService {
    host: Arc<Host>,
    /// True if the caller is in this process: while it awaits an outcome, time may skip.
    in_process: bool,
}

impl GrpcService {
    pub(crate) fn new(host: Arc<Host>, in_process: bool) -> Self {
        Self { host, in_process }
    }

    /// Returns the message of a request if it passes the checks that come before all others.
    fn enter<R: OfNamespace>(&self, request: Request<R>) -> Result<R, Status> {
        let request = request.into_inner();
        self.host.call(|engine| engine.check_request(&request)).map_err(status)?;
        Ok(request)
    }

    /// Like [`Self::enter`], for a worker's poll. Refuses one without a deadline, or with too little time.
    fn enter_poll<R: OfNamespace>(&self, request: Request<R>) -> Result<(Patience, R), Status> {
        let timeout = caller_timeout(&request);
        let request = self.enter(request)?;
        let refusal = match timeout {
            None => Error::invalid_argument("Context timeout is not set."),
            Some(timeout) if timeout <= SHORTEST_POLL => Error::failed_precondition("Context timeout is too short."),
            Some(timeout) => return Ok((Patience { limit: POLL_LIMIT.min(timeout - MARGIN), awaits: false }, request)),
        };
        Err(status(refusal))
    }

    fn call<T>(&self, request: impl FnOnce(&mut Engine) -> Result<T, Error>) -> Result<Response<T>, Status> {
        self.host.call(request).map(Response::new).map_err(status)
    }

    fn update_patience<T>(&self, request: &Request<T>) -> Patience {
        let limit = caller_timeout(request).map_or(UPDATE_LIMIT, |timeout| timeout.min(UPDATE_LIMIT));
        Patience { limit, awaits: self.in_process }
    }

    /// Waits until an update has reached the requested stage; after the server's time limit, returns its current stage.
    /// If the caller's deadline comes first, there is no answer.
    async fn wait_for_update(
        &self,
        patience: Patience,
        admit: impl FnOnce(&mut Engine) -> Result<(UpdateAt, Step<Progress>), Error>,
    ) -> Result<(UpdateAt, Progress), Error> {
        let mut admitted = None;
        let start = |engine: &mut Engine| {
            let (at, step) = admit(engine)?;
            admitted = Some(at);
            Ok(step)
        };
        let waited = self.host.wait(patience, start, Engine::resume_update).await?;
        let Some(at) = admitted else { return Err(Error::update_aborted()) };
        match waited {
            Waited::Done(progress) => Ok((at, progress)),
            Waited::TimedOut if patience.limit < UPDATE_LIMIT => {
                Err(Error::new(Code::DeadlineExceeded, "context deadline exceeded"))
            }
            Waited::TimedOut => {
                let progress = self.host.call(|engine| engine.update_progress(&at))?;
                Ok((at, progress))
            }
        }
    }
}

#[tonic::async_trait]
impl WorkflowService for GrpcService {
    async fn poll_workflow_task_queue(
        &self,
        request: Request<api::PollWorkflowTaskQueueRequest>,
    ) -> Result<Response<api::PollWorkflowTaskQueueResponse>, Status> {
        let (patience, request) = self.enter_poll(request)?;
        let start = |engine: &mut Engine| engine.poll_workflow_task_queue(request);
        let waited = self.host.wait(patience, start, |engine, id| Ok(engine.resume_workflow_poll(id))).await;
        or_empty(waited)
    }

    async fn poll_activity_task_queue(
        &self,
        request: Request<api::PollActivityTaskQueueRequest>,
    ) -> Result<Response<api::PollActivityTaskQueueResponse>, Status> {
        let (patience, request) = self.enter_poll(request)?;
        let start = |engine: &mut Engine| engine.poll_activity_task_queue(request);
        let waited = self.host.wait(patience, start, |engine, id| Ok(engine.resume_activity_poll(id))).await;
        or_empty(waited)
    }

    async fn poll_nexus_task_queue(
        &self,
        request: Request<api::PollNexusTaskQueueRequest>,
    ) -> Result<Response<api::PollNexusTaskQueueResponse>, Status> {
        let (patience, request) = self.enter_poll(request)?;
        let start = |engine: &mut Engine| engine.poll_nexus_task_queue(request);
        let waited = self.host.wait(patience, start, |engine, id| Ok(engine.resume_nexus_poll(id))).await;
        or_empty(waited)
    }

    async fn respond_nexus_task_completed(
        &self,
        request: Request<api::RespondNexusTaskCompletedRequest>,
    ) -> Result<Response<api::RespondNexusTaskCompletedResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.respond_nexus_task_completed(request))
    }

    async fn respond_nexus_task_failed(
        &self,
        request: Request<api::RespondNexusTaskFailedRequest>,
    ) -> Result<Response<api::RespondNexusTaskFailedResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.respond_nexus_task_failed(request))
    }

    async fn get_workflow_execution_history(
        &self,
        request: Request<api::GetWorkflowExecutionHistoryRequest>,
    ) -> Result<Response<api::GetWorkflowExecutionHistoryResponse>, Status> {
        let sees_virtual_events = !matches!(client_name(&request), "temporal-cli" | "temporal-ui");
        let patience = Patience { limit: long_poll(&request, HISTORY_LIMIT), awaits: self.in_process };
        let request = self.enter(request)?;
        let read = |engine: &mut Engine| engine.get_workflow_execution_history(&request, sees_virtual_events);
        let read_again = |engine: &mut Engine, id: WaiterId| {
            engine.withdraw(id);
            engine.get_workflow_execution_history(&request, sees_virtual_events)
        };
        match self.host.wait(patience, read, read_again).await.map_err(status)? {
            Waited::Done(response) => Ok(Response::new(response)),
            Waited::TimedOut => self.call(|engine| engine.history_wait_timed_out(&request)),
        }
    }

    async fn query_workflow(
        &self,
        request: Request<api::QueryWorkflowRequest>,
    ) -> Result<Response<api::QueryWorkflowResponse>, Status> {
        let limit = caller_timeout(&request).unwrap_or(QUERY_LIMIT);
        // Time passes for it only up to the run's first workflow task: a query that a worker can answer stops the
        // clock.
        let patience = Patience { limit, awaits: self.in_process };
        let request = self.enter(request)?;
        let start = |engine: &mut Engine| engine.query_workflow(request, patience.limit);
        match self.host.wait(patience, start, Engine::resume_query).await.map_err(status)? {
            Waited::Done(response) => Ok(Response::new(response)),
            Waited::TimedOut => {
                let text = "query timed out before a worker could process it";
                Err(status(Error::new(Code::DeadlineExceeded, text)))
            }
        }
    }

    async fn update_workflow_execution(
        &self,
        request: Request<api::UpdateWorkflowExecutionRequest>,
    ) -> Result<Response<api::UpdateWorkflowExecutionResponse>, Status> {
        let patience = self.update_patience(&request);
        let request = self.enter(request)?;
        let admit = |engine: &mut Engine| engine.update_workflow_execution(request);
        let (at, progress) = self.wait_for_update(patience, admit).await.map_err(status)?;
        self.call(|engine| Ok(engine.update_response(&at, progress)))
    }

    async fn poll_workflow_execution_update(
        &self,
        request: Request<api::PollWorkflowExecutionUpdateRequest>,
    ) -> Result<Response<api::PollWorkflowExecutionUpdateResponse>, Status> {
        let patience = self.update_patience(&request);
        let request = self.enter(request)?;
        let find = |engine: &mut Engine| engine.poll_workflow_execution_update(&request);
        let (at, progress) = self.wait_for_update(patience, find).await.map_err(status)?;
        self.call(|engine| Ok(engine.update_poll_response(&at, progress)))
    }

    async fn execute_multi_operation(
        &self,
        request: Request<api::ExecuteMultiOperationRequest>,
    ) -> Result<Response<api::ExecuteMultiOperationResponse>, Status> {
        let patience = self.update_patience(&request);
        let request = self.enter(request)?;
        let mut started = None;
        let start = |engine: &mut Engine| {
            let (begun, step) = engine.execute_multi_operation(request)?;
            let at = begun.at.clone();
            started = Some(begun);
            Ok((at, step))
        };
        let waited = self.wait_for_update(patience, start).await;
        match (started, waited) {
            (Some(started), Ok((_, progress))) => {
                self.call(|engine| Ok(engine.multi_operation_response(started, progress)))
            }
            (Some(_), Err(error)) => Err(status(Engine::multi_operation_failed(error))),
            (None, Err(error)) => Err(status(error)),
            (None, Ok(_)) => unreachable!("an update is waited for once its run is started"),
        }
    }

    async fn reset_workflow_execution(
        &self,
        request: Request<api::ResetWorkflowExecutionRequest>,
    ) -> Result<Response<api::ResetWorkflowExecutionResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.reset_workflow_execution(request))
    }

    async fn start_workflow_execution(
        &self,
        request: Request<api::StartWorkflowExecutionRequest>,
    ) -> Result<Response<api::StartWorkflowExecutionResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.start_workflow_execution(request))
    }

    async fn signal_workflow_execution(
        &self,
        request: Request<api::SignalWorkflowExecutionRequest>,
    ) -> Result<Response<api::SignalWorkflowExecutionResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.signal_workflow_execution(request))
    }

    async fn signal_with_start_workflow_execution(
        &self,
        request: Request<api::SignalWithStartWorkflowExecutionRequest>,
    ) -> Result<Response<api::SignalWithStartWorkflowExecutionResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.signal_with_start_workflow_execution(request))
    }

    async fn request_cancel_workflow_execution(
        &self,
        request: Request<api::RequestCancelWorkflowExecutionRequest>,
    ) -> Result<Response<api::RequestCancelWorkflowExecutionResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.request_cancel_workflow_execution(request))
    }

    async fn terminate_workflow_execution(
        &self,
        request: Request<api::TerminateWorkflowExecutionRequest>,
    ) -> Result<Response<api::TerminateWorkflowExecutionResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.terminate_workflow_execution(request))
    }

    async fn respond_workflow_task_completed(
        &self,
        request: Request<api::RespondWorkflowTaskCompletedRequest>,
    ) -> Result<Response<api::RespondWorkflowTaskCompletedResponse>, Status> {
        let request = self.enter(request)?;
        let token = request.task_token.clone();
        self.call(|engine| {
            engine.respond_workflow_task_completed(request).inspect_err(|error| {
                if let Some(told) = engine.told_of_refusal(&token, error) {
                    self.host.workflow_task_failed(told);
                }
            })
        })
    }

    async fn respond_workflow_task_failed(
        &self,
        request: Request<api::RespondWorkflowTaskFailedRequest>,
    ) -> Result<Response<api::RespondWorkflowTaskFailedResponse>, Status> {
        let request = self.enter(request)?;
        if let Some(failure) = &request.failure {
            let told = self.host.call(|engine| engine.told_of_failed_task(&request.task_token, failure));
            self.host.workflow_task_failed(told);
        }
        self.call(|engine| engine.respond_workflow_task_failed(request))
    }

    async fn respond_query_task_completed(
        &self,
        request: Request<api::RespondQueryTaskCompletedRequest>,
    ) -> Result<Response<api::RespondQueryTaskCompletedResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.respond_query_task_completed(request))
    }

    async fn record_activity_task_heartbeat(
        &self,
        request: Request<api::RecordActivityTaskHeartbeatRequest>,
    ) -> Result<Response<api::RecordActivityTaskHeartbeatResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.record_activity_task_heartbeat(request))
    }

    async fn record_activity_task_heartbeat_by_id(
        &self,
        request: Request<api::RecordActivityTaskHeartbeatByIdRequest>,
    ) -> Result<Response<api::RecordActivityTaskHeartbeatByIdResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.record_activity_task_heartbeat_by_id(request))
    }

    async fn register_namespace(
        &self,
        request: Request<api::RegisterNamespaceRequest>,
    ) -> Result<Response<api::RegisterNamespaceResponse>, Status> {
        let request = request.into_inner();
        self.call(|engine| engine.register_namespace(request))
    }

    async fn describe_namespace(
        &self,
        request: Request<api::DescribeNamespaceRequest>,
    ) -> Result<Response<api::DescribeNamespaceResponse>, Status> {
        let request = request.into_inner();
        self.call(|engine| engine.describe_namespace(&request))
    }

    async fn describe_workflow_execution(
        &self,
        request: Request<api::DescribeWorkflowExecutionRequest>,
    ) -> Result<Response<api::DescribeWorkflowExecutionResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.describe_workflow_execution(&request))
    }

    async fn describe_task_queue(
        &self,
        request: Request<api::DescribeTaskQueueRequest>,
    ) -> Result<Response<api::DescribeTaskQueueResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.describe_task_queue(&request))
    }

    async fn list_workflow_executions(
        &self,
        request: Request<api::ListWorkflowExecutionsRequest>,
    ) -> Result<Response<api::ListWorkflowExecutionsResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.list_workflow_executions(&request))
    }

    async fn count_workflow_executions(
        &self,
        request: Request<api::CountWorkflowExecutionsRequest>,
    ) -> Result<Response<api::CountWorkflowExecutionsResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.count_workflow_executions(&request))
    }

    async fn shutdown_worker(
        &self,
        request: Request<api::ShutdownWorkerRequest>,
    ) -> Result<Response<api::ShutdownWorkerResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.shutdown_worker(&request))
    }

    async fn record_worker_heartbeat(
        &self,
        request: Request<api::RecordWorkerHeartbeatRequest>,
    ) -> Result<Response<api::RecordWorkerHeartbeatResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.record_worker_heartbeat(&request))
    }

    async fn reset_sticky_task_queue(
        &self,
        request: Request<api::ResetStickyTaskQueueRequest>,
    ) -> Result<Response<api::ResetStickyTaskQueueResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| engine.reset_sticky_task_queue(&request))
    }

    async fn list_namespaces(
        &self,
        _request: Request<api::ListNamespacesRequest>,
    ) -> Result<Response<api::ListNamespacesResponse>, Status> {
        self.call(|engine| Ok(engine.list_namespaces()))
    }

    async fn get_system_info(
        &self,
        _request: Request<api::GetSystemInfoRequest>,
    ) -> Result<Response<api::GetSystemInfoResponse>, Status> {
        self.call(|engine| Ok(engine.get_system_info()))
    }

    async fn get_cluster_info(
        &self,
        _request: Request<api::GetClusterInfoRequest>,
    ) -> Result<Response<api::GetClusterInfoResponse>, Status> {
        self.call(|engine| Ok(engine.get_cluster_info()))
    }

    async fn respond_activity_task_completed(
        &self,
        request: Request<api::RespondActivityTaskCompletedRequest>,
    ) -> Result<Response<api::RespondActivityTaskCompletedResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| {
            let target = engine.activity_of_token(&request.task_token)?;
            #[expect(deprecated, reason = "workers still send it and the real server still records it")]
            let by = Reporter { identity: request.identity, worker_version: request.worker_version };
            engine.complete_activity(target, request.result, by)?;
            Ok(api::RespondActivityTaskCompletedResponse::default())
        })
    }

    async fn respond_activity_task_completed_by_id(
        &self,
        request: Request<api::RespondActivityTaskCompletedByIdRequest>,
    ) -> Result<Response<api::RespondActivityTaskCompletedByIdResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| {
            let target = engine.activity_by_id(
                &request.namespace,
                &request.workflow_id,
                &request.run_id,
                &request.activity_id,
            )?;
            let by = Reporter::without_version(request.identity);
            engine.complete_activity(target, request.result, by)?;
            Ok(api::RespondActivityTaskCompletedByIdResponse::default())
        })
    }

    async fn respond_activity_task_failed(
        &self,
        request: Request<api::RespondActivityTaskFailedRequest>,
    ) -> Result<Response<api::RespondActivityTaskFailedResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| {
            let target = engine.activity_of_token(&request.task_token)?;
            #[expect(deprecated, reason = "workers still send it and the real server still records it")]
            let by = Reporter { identity: request.identity, worker_version: request.worker_version };
            engine.fail_activity(target, request.failure, request.last_heartbeat_details, by)?;
            Ok(api::RespondActivityTaskFailedResponse::default())
        })
    }

    async fn respond_activity_task_failed_by_id(
        &self,
        request: Request<api::RespondActivityTaskFailedByIdRequest>,
    ) -> Result<Response<api::RespondActivityTaskFailedByIdResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| {
            let target = engine.activity_by_id(
                &request.namespace,
                &request.workflow_id,
                &request.run_id,
                &request.activity_id,
            )?;
            let by = Reporter::without_version(request.identity);
            engine.fail_activity(target, request.failure, request.last_heartbeat_details, by)?;
            Ok(api::RespondActivityTaskFailedByIdResponse::default())
        })
    }

    async fn respond_activity_task_canceled(
        &self,
        request: Request<api::RespondActivityTaskCanceledRequest>,
    ) -> Result<Response<api::RespondActivityTaskCanceledResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| {
            let target = engine.activity_of_token(&request.task_token)?;
            engine.cancel_activity(target, request.details, request.identity)?;
            Ok(api::RespondActivityTaskCanceledResponse::default())
        })
    }

    async fn respond_activity_task_canceled_by_id(
        &self,
        request: Request<api::RespondActivityTaskCanceledByIdRequest>,
    ) -> Result<Response<api::RespondActivityTaskCanceledByIdResponse>, Status> {
        let request = self.enter(request)?;
        self.call(|engine| {
            let target = engine.activity_by_id(
                &request.namespace,
                &request.workflow_id,
                &request.run_id,
                &request.activity_id,
            )?;
            engine.cancel_activity(target, request.details, request.identity)?;
            Ok(api::RespondActivityTaskCanceledByIdResponse::default())
        })
    }
}

fn or_empty<T: Default>(waited: Result<Waited<T>, Error>) -> Result<Response<T>, Status> {
    match waited.map_err(status)? {
        Waited::Done(response) => Ok(Response::new(response)),
        Waited::TimedOut => Ok(Response::new(T::default())),
    }
}

pub(crate) fn status(error: Error) -> Status {
    let code = tonic::Code::from_i32(error.code as i32);
    let details = error.details();
    Status::with_details(code, error.message, details.into())
}

fn client_name<T>(request: &Request<T>) -> &str {
    request.metadata().get("client-name").and_then(|name| name.to_str().ok()).unwrap_or_default()
}

/// Returns the time that a reader of a history waits: slightly less than its caller does.
fn long_poll<T>(request: &Request<T>, limit: Duration) -> Duration {
    match caller_timeout(request) {
        Some(timeout) => limit.min(timeout.saturating_sub(MARGIN).max(timeout / 2)),
        None => limit,
    }
}

/// Returns the caller's own deadline: `grpc-timeout`, a number and a unit.
fn caller_timeout<T>(request: &Request<T>) -> Option<Duration> {
    let value = request.metadata().get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(number.saturating_mul(60))),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The RPCs that [`GrpcService`] serves; all others are refused by name.
pub(crate) const SERVED: &[&str] = &[
    "CountWorkflowExecutions",
    "DescribeNamespace",
    "DescribeTaskQueue",
    "DescribeWorkflowExecution",
    "ExecuteMultiOperation",
    "GetClusterInfo",
    "GetSystemInfo",
    "GetWorkflowExecutionHistory",
    "ListNamespaces",
    "ListWorkflowExecutions",
    "PollActivityTaskQueue",
    "PollNexusTaskQueue",
    "PollWorkflowExecutionUpdate",
    "PollWorkflowTaskQueue",
    "QueryWorkflow",
    "RecordActivityTaskHeartbeat",
    "RecordActivityTaskHeartbeatById",
    "RecordWorkerHeartbeat",
    "RegisterNamespace",
    "RequestCancelWorkflowExecution",
    "ResetStickyTaskQueue",
    "ResetWorkflowExecution",
    "RespondActivityTaskCanceled",
    "RespondActivityTaskCanceledById",
    "RespondActivityTaskCompleted",
    "RespondActivityTaskCompletedById",
    "RespondActivityTaskFailed",
    "RespondActivityTaskFailedById",
    "RespondNexusTaskCompleted",
    "RespondNexusTaskFailed",
    "RespondQueryTaskCompleted",
    "RespondWorkflowTaskCompleted",
    "RespondWorkflowTaskFailed",
    "ShutdownWorker",
    "SignalWithStartWorkflowExecution",
    "SignalWorkflowExecution",
    "StartWorkflowExecution",
    "TerminateWorkflowExecution",
    "UpdateWorkflowExecution",
];

//! Temporal's workflow service, as far as a worker of the bench workflows calls it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use abide_benches::histories::values::{NAMESPACE, seconds, task_queue};
use abide_benches::histories::writer::retry_policy;
use abide_protos::Timestamp;
use abide_protos::temporal::api::common::v1::{ActivityType, WorkflowExecution, WorkflowType};
use abide_protos::temporal::api::enums::v1::{NamespaceState, TaskQueueKind};
use abide_protos::temporal::api::history::v1::History;
use abide_protos::temporal::api::namespace::v1::NamespaceInfo;
use abide_protos::temporal::api::workflowservice::v1 as api;
use abide_protos_server::workflow_service_server::WorkflowService;
use tonic::{Request, Response, Status};

use crate::run::{Activity, News, Run, StartedTask};
use crate::server::{Server, now};

pub(crate) struct Frontend {
    pub(crate) server: Arc<Server>,
}

/// Size of a task token of a real server.
const TOKEN_BYTES: usize = 160;

/// Returns the task token of an event of a run.
fn token(number: usize, event_id: i64) -> Vec<u8> {
    let mut token = vec![0; TOKEN_BYTES];
    token[..8].copy_from_slice(&(number as u64).to_le_bytes());
    token[8..16].copy_from_slice(&event_id.to_le_bytes());
    token
}

/// Returns the run and the event of a task token.
fn of_token(token: &[u8]) -> Result<(usize, i64), Status> {
    let word = |at: usize| token.get(at..at + 8)?.try_into().ok();
    match (word(0), word(8)) {
        (Some(number), Some(event_id)) => Ok((u64::from_le_bytes(number) as usize, i64::from_le_bytes(event_id))),
        _ => Err(Status::invalid_argument("not a task token of this server")),
    }
}

#[expect(clippy::disallowed_methods, reason = "a server's tasks hold the time")]
fn timestamp() -> Option<Timestamp> {
    Some(SystemTime::now().into())
}

impl Frontend {
    fn workflow_task(&self, number: usize) -> Result<api::PollWorkflowTaskQueueResponse, Status> {
        self.server.with_run(number, |run| {
            let StartedTask { events, started, previous_started } = run.start_task(now());
            self.server.task_started(run);
            api::PollWorkflowTaskQueueResponse {
                task_token: token(number, started),
                workflow_execution: execution(run),
                workflow_type: self.workflow_type(),
                previous_started_event_id: previous_started,
                started_event_id: started,
                attempt: 1,
                history: Some(History { events }),
                workflow_execution_task_queue: task_queue(),
                scheduled_time: timestamp(),
                started_time: timestamp(),
                ..Default::default()
            }
        })
    }

    fn activity_task(&self, number: usize, scheduled: i64) -> Result<api::PollActivityTaskQueueResponse, Status> {
        let found = self.server.with_run(number, |run| {
            let is_it = |activity: &&Activity| activity.scheduled_event_id == scheduled;
            run.activities.iter().find(is_it).cloned().map(|activity| (activity, execution(run)))
        })?;
        let (activity, workflow_execution) = found.ok_or_else(|| Status::not_found("no such activity"))?;
        Ok(api::PollActivityTaskQueueResponse {
            task_token: token(number, scheduled),
            workflow_namespace: NAMESPACE.into(),
            workflow_type: self.workflow_type(),
            workflow_execution,
            activity_type: Some(ActivityType { name: activity.activity_type }),
            activity_id: activity.activity_id,
            input: activity.input,
            scheduled_time: timestamp(),
            current_attempt_scheduled_time: timestamp(),
            started_time: timestamp(),
            attempt: 1,
            schedule_to_close_timeout: seconds(0),
            start_to_close_timeout: seconds(10),
            heartbeat_timeout: seconds(0),
            retry_policy: Some(retry_policy()),
            priority: Some(Default::default()),
            ..Default::default()
        })
    }

    fn workflow_type(&self) -> Option<WorkflowType> {
        Some(WorkflowType { name: self.server.options.workflow_type.clone() })
    }
}

fn execution(run: &Run) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: run.workflow_id.clone(), run_id: run.run_id.clone() })
}

#[tonic::async_trait]
impl WorkflowService for Frontend {
    async fn get_system_info(
        &self,
        _: Request<api::GetSystemInfoRequest>,
    ) -> Result<Response<api::GetSystemInfoResponse>, Status> {
        let capabilities = api::get_system_info_response::Capabilities {
            signal_and_query_header: true,
            internal_error_differentiation: true,
            activity_failure_include_heartbeat: true,
            supports_schedules: true,
            encoded_failure_attributes: true,
            build_id_based_versioning: true,
            upsert_memo: true,
            eager_workflow_start: true,
            sdk_metadata: true,
            count_group_by_execution_status: true,
            nexus: true,
            ..Default::default()
        };
        Ok(Response::new(api::GetSystemInfoResponse {
            server_version: "1.32.0".into(),
            capabilities: Some(capabilities),
        }))
    }

    async fn describe_namespace(
        &self,
        request: Request<api::DescribeNamespaceRequest>,
    ) -> Result<Response<api::DescribeNamespaceResponse>, Status> {
        let namespace_info = NamespaceInfo {
            name: request.into_inner().namespace,
            state: NamespaceState::Registered.into(),
            ..Default::default()
        };
        Ok(Response::new(api::DescribeNamespaceResponse { namespace_info: Some(namespace_info), ..Default::default() }))
    }

    async fn poll_workflow_task_queue(
        &self,
        request: Request<api::PollWorkflowTaskQueueRequest>,
    ) -> Result<Response<api::PollWorkflowTaskQueueResponse>, Status> {
        if self.server.counts.polls.fetch_add(1, Relaxed) == 0 {
            self.server.changed.notify_one();
        }
        let is_sticky =
            request.get_ref().task_queue.as_ref().is_some_and(|queue| queue.kind() == TaskQueueKind::Sticky);
        let queue = if is_sticky { &self.server.sticky_tasks } else { &self.server.first_tasks };
        let task = queue.poll().await.map(|number| self.workflow_task(number)).transpose()?;
        Ok(Response::new(task.unwrap_or_default()))
    }

    async fn respond_workflow_task_completed(
        &self,
        request: Request<api::RespondWorkflowTaskCompletedRequest>,
    ) -> Result<Response<api::RespondWorkflowTaskCompletedResponse>, Status> {
        let request = request.into_inner();
        let (number, _) = of_token(&request.task_token)?;
        if request.sticky_attributes.is_none() {
            let text = "the worker answered a workflow task without a sticky queue, but this server keeps no histories";
            return Err(self.server.report(text.into()));
        }
        self.server.complete_task(number, request.commands)?;
        Ok(Response::new(Default::default()))
    }

    async fn respond_workflow_task_failed(
        &self,
        request: Request<api::RespondWorkflowTaskFailedRequest>,
    ) -> Result<Response<api::RespondWorkflowTaskFailedResponse>, Status> {
        let request = request.into_inner();
        let message = request.failure.as_ref().map_or("", |failure| &failure.message);
        Err(self.server.report(format!("the worker failed a workflow task ({:?}): {message}", request.cause())))
    }

    async fn poll_activity_task_queue(
        &self,
        _: Request<api::PollActivityTaskQueueRequest>,
    ) -> Result<Response<api::PollActivityTaskQueueResponse>, Status> {
        let task = self.server.activity_tasks.poll().await;
        let task = task.map(|(number, scheduled)| self.activity_task(number, scheduled)).transpose()?;
        Ok(Response::new(task.unwrap_or_default()))
    }

    async fn respond_activity_task_completed(
        &self,
        request: Request<api::RespondActivityTaskCompletedRequest>,
    ) -> Result<Response<api::RespondActivityTaskCompletedResponse>, Status> {
        let request = request.into_inner();
        let (number, scheduled_event_id) = of_token(&request.task_token)?;
        self.server.counts.activities.fetch_add(1, Relaxed);
        self.server.add_news(number, News::ActivityCompleted { scheduled_event_id, result: request.result })?;
        Ok(Response::new(Default::default()))
    }

    async fn respond_activity_task_failed(
        &self,
        request: Request<api::RespondActivityTaskFailedRequest>,
    ) -> Result<Response<api::RespondActivityTaskFailedResponse>, Status> {
        let message = request.into_inner().failure.map(|failure| failure.message).unwrap_or_default();
        Err(self.server.report(format!("an activity failed: {message}")))
    }

    async fn get_workflow_execution_history(
        &self,
        _: Request<api::GetWorkflowExecutionHistoryRequest>,
    ) -> Result<Response<api::GetWorkflowExecutionHistoryResponse>, Status> {
        let text =
            "the worker asked for a history: its cache is too small for the open workflows. Enlarge it with --cache";
        Err(self.server.report(text.into()))
    }

    async fn shutdown_worker(
        &self,
        _: Request<api::ShutdownWorkerRequest>,
    ) -> Result<Response<api::ShutdownWorkerResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

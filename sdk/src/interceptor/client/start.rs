//! Starts: alone, with a signal, with an update.

use std::time::Duration;

use abide_protos::temporal::api::common::v1::{Link, WorkflowType};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::{StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest};

use super::inputs::present;
use super::messages::{StartUpdateInput, StartedUpdate};
use crate::client::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use crate::converter::RawArguments;
use crate::duration::{from_proto, to_proto};
use crate::header::Headers;
use crate::interceptor::rest::Rest;
use crate::memo_and_attributes::memo_and_attributes;
use crate::{Priority, RetryPolicy};

/// The start of a workflow, as an [interceptor](super::ClientInterceptor::start_workflow) sees it.
///
/// Options that it does not show (details, a version override, and so on) are sent as the caller has set them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartWorkflowInput {
    /// Name of the workflow type.
    pub workflow_type: String,
    /// Workflow id. If the caller has set none, it is a random UUID.
    pub workflow_id: String,
    /// Task queue that the workflow's workers poll.
    pub task_queue: String,
    /// The workflow's arguments.
    pub arguments: RawArguments,
    /// Headers, which the workflow's [info](crate::workflow::WorkflowInfo::header) shows. A signal that is sent with the
    /// start has them, too.
    pub headers: Headers,
    /// Request id, by which the server recognizes a repeated start.
    pub request_id: String,
    /// Policy for reusing the id of a closed workflow; `None` leaves it to the server.
    pub id_reuse_policy: Option<WorkflowIdReusePolicy>,
    /// Policy for an id that a running workflow uses; `None` leaves it to the server.
    pub id_conflict_policy: Option<WorkflowIdConflictPolicy>,
    /// Limit of the workflow with all its runs; `None` is no limit.
    pub execution_timeout: Option<Duration>,
    /// Limit of one run; `None` is the execution timeout.
    pub run_timeout: Option<Duration>,
    /// Limit of one workflow task; `None` leaves it to the server.
    pub task_timeout: Option<Duration>,
    /// Delay of the first workflow task.
    pub start_delay: Option<Duration>,
    /// Retries of the workflow; `None` is no retries.
    pub retry_policy: Option<RetryPolicy>,
    /// Cron expression by which the workflow repeats.
    pub cron_schedule: Option<String>,
    /// Priority and fairness of the workflow's tasks; `None` leaves them to the server.
    pub priority: Option<Priority>,
    /// True if an [eager start](crate::client::StartWorkflow::request_eager_start) is requested. Ignored with a signal
    /// or an update.
    pub request_eager_start: bool,
    rest: Rest<Box<StartWorkflowExecutionRequest>>,
}

impl StartWorkflowInput {
    pub(crate) fn from_request(mut request: Box<StartWorkflowExecutionRequest>) -> Self {
        let id_reuse_policy = WorkflowIdReusePolicy::from_proto(request.workflow_id_reuse_policy);
        let id_conflict_policy = WorkflowIdConflictPolicy::from_proto(request.workflow_id_conflict_policy);
        Self {
            workflow_type: request.workflow_type.take().unwrap_or_default().name,
            workflow_id: std::mem::take(&mut request.workflow_id),
            task_queue: request.task_queue.as_mut().map(|queue| std::mem::take(&mut queue.name)).unwrap_or_default(),
            arguments: RawArguments::from_proto(request.input.take()),
            headers: Headers::from_proto(request.header.take()),
            request_id: std::mem::take(&mut request.request_id),
            id_reuse_policy,
            id_conflict_policy,
            execution_timeout: request.workflow_execution_timeout.as_ref().map(from_proto),
            run_timeout: request.workflow_run_timeout.as_ref().map(from_proto),
            task_timeout: request.workflow_task_timeout.as_ref().map(from_proto),
            start_delay: request.workflow_start_delay.as_ref().map(from_proto),
            retry_policy: RetryPolicy::from_proto(request.retry_policy.as_ref()),
            cron_schedule: present(std::mem::take(&mut request.cron_schedule)),
            priority: request.priority.as_ref().map(Priority::from_proto),
            request_eager_start: false,
            rest: Rest(request),
        }
    }

    pub(crate) fn into_request(self) -> Box<StartWorkflowExecutionRequest> {
        let mut request = self.rest.0;
        request.workflow_type = Some(WorkflowType { name: self.workflow_type });
        request.workflow_id = self.workflow_id;
        request.task_queue.get_or_insert_with(TaskQueue::default).name = self.task_queue;
        request.input = self.arguments.into_proto();
        request.header = self.headers.to_proto();
        request.request_id = self.request_id;
        request.workflow_id_reuse_policy = self.id_reuse_policy.map_or(0, WorkflowIdReusePolicy::to_proto);
        request.workflow_id_conflict_policy = self.id_conflict_policy.map_or(0, WorkflowIdConflictPolicy::to_proto);
        request.workflow_execution_timeout = self.execution_timeout.map(to_proto);
        request.workflow_run_timeout = self.run_timeout.map(to_proto);
        request.workflow_task_timeout = self.task_timeout.map(to_proto);
        request.workflow_start_delay = self.start_delay.map(to_proto);
        request.retry_policy = self.retry_policy.map(|policy| policy.to_proto());
        request.cron_schedule = self.cron_schedule.unwrap_or_default();
        request.priority = self.priority.map(|priority| priority.to_proto());
        request
    }

    memo_and_attributes!(self => self.rest.0.memo, self.rest.0.search_attributes);
}

/// A workflow that was started, or that the id conflict policy has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartedWorkflow {
    /// Workflow id. The caller's handle refers to it.
    pub workflow_id: String,
    /// Run id. The caller's handle refers to it.
    pub run_id: String,
    /// First run of the chain of runs; empty if not known.
    pub first_execution_run_id: String,
    /// True if the call has started the run; false if the run existed, or if the server does not tell.
    pub is_new: bool,
    /// The server's link to the event that tells of the start.
    pub(crate) link: Option<Link>,
}

impl StartedWorkflow {
    /// Creates the answer of an interceptor that does not pass a start on.
    pub fn new(workflow_id: impl Into<String>, run_id: impl Into<String>) -> Self {
        let (workflow_id, run_id) = (workflow_id.into(), run_id.into());
        Self { workflow_id, run_id, first_execution_run_id: String::new(), is_new: false, link: None }
    }

    pub(crate) fn of(workflow_id: String, run_id: String, first: String, is_new: bool) -> Self {
        // Servers that do not report the first run of the chain still report that this run started the workflow.
        let first_execution_run_id = if first.is_empty() && is_new { run_id.clone() } else { first };
        Self { workflow_id, run_id, first_execution_run_id, is_new, link: None }
    }

    pub(crate) fn with_link(self, link: Option<Link>) -> Self {
        Self { link, ..self }
    }
}

/// The start of a workflow with a signal, as an [interceptor](super::ClientInterceptor::signal_with_start_workflow) sees
/// it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignalWithStartWorkflowInput {
    /// The start. Its headers are the signal's, too.
    pub start: StartWorkflowInput,
    /// Name of the signal.
    pub signal_name: String,
    /// The signal's arguments.
    pub signal_arguments: RawArguments,
}

/// The start of a workflow with an update, as an [interceptor](super::ClientInterceptor::update_with_start_workflow)
/// sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpdateWithStartWorkflowInput {
    /// The start. The update goes to the workflow that it starts or finds.
    pub start: StartWorkflowInput,
    /// Update id. If the caller has set none, it is a random UUID.
    pub update_id: String,
    /// Name of the update.
    pub update_name: String,
    /// The update's arguments.
    pub update_arguments: RawArguments,
    /// The update's headers.
    pub update_headers: Headers,
    rest: Rest<Box<UpdateWorkflowExecutionRequest>>,
}

impl UpdateWithStartWorkflowInput {
    pub(crate) fn from_requests(
        start: Box<StartWorkflowExecutionRequest>,
        update: Box<UpdateWorkflowExecutionRequest>,
    ) -> Self {
        let StartUpdateInput { update_id, name, arguments, headers, rest, .. } = StartUpdateInput::from_request(update);
        Self {
            start: StartWorkflowInput::from_request(start),
            update_id,
            update_name: name,
            update_arguments: arguments,
            update_headers: headers,
            rest,
        }
    }

    pub(crate) fn into_requests(self) -> (Box<StartWorkflowExecutionRequest>, Box<UpdateWorkflowExecutionRequest>) {
        let update = StartUpdateInput {
            // The server wants both operations to name the same workflow.
            workflow_id: self.start.workflow_id.clone(),
            run_id: None,
            first_execution_run_id: None,
            update_id: self.update_id,
            name: self.update_name,
            arguments: self.update_arguments,
            headers: self.update_headers,
            rest: self.rest,
        };
        (self.start.into_request(), update.into_request())
    }
}

/// A workflow that was started or found, and its update.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartedUpdateWithStart {
    /// The workflow.
    pub workflow: StartedWorkflow,
    /// The update.
    pub update: StartedUpdate,
}

impl StartedUpdateWithStart {
    /// Creates the answer of an interceptor that does not pass the call on.
    pub fn new(workflow: StartedWorkflow, update: StartedUpdate) -> Self {
        Self { workflow, update }
    }
}

//! Calls about workflows that send no message: results, descriptions, ends, lists.

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::workflowservice::v1::{
    CountWorkflowExecutionsRequest, DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest,
    ListWorkflowExecutionsRequest, RequestCancelWorkflowExecutionRequest, TerminateWorkflowExecutionRequest,
};

use super::inputs::{execution, ids, present};
use crate::client::WorkflowExecutionInfo;
use crate::converter::RawArguments;
use crate::interceptor::rest::Rest;

/// A wait for a workflow's result, as an [interceptor](super::ClientInterceptor::workflow_result) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkflowResultInput {
    /// Workflow id.
    pub workflow_id: String,
    /// The run with which the wait begins; `None` is the open one, or else the last one.
    pub run_id: Option<String>,
    /// True if the wait continues with the run that follows, after continue-as-new, a retry or by cron.
    pub follow_runs: bool,
}

impl WorkflowResultInput {
    pub(crate) fn new(execution: WorkflowExecution, follow_runs: bool) -> Self {
        let (workflow_id, run_id) = ids(Some(execution));
        Self { workflow_id, run_id, follow_runs }
    }

    pub(crate) fn into_execution(self) -> WorkflowExecution {
        execution(self.workflow_id, self.run_id).unwrap_or_default()
    }
}

/// A description of a workflow, as an [interceptor](super::ClientInterceptor::describe_workflow) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DescribeWorkflowInput {
    /// Workflow id.
    pub workflow_id: String,
    /// The run to describe; `None` is the open one, or else the last one.
    pub run_id: Option<String>,
    rest: Rest<DescribeWorkflowExecutionRequest>,
}

impl DescribeWorkflowInput {
    pub(crate) fn from_request(mut request: DescribeWorkflowExecutionRequest) -> Self {
        let (workflow_id, run_id) = ids(request.execution.take());
        Self { workflow_id, run_id, rest: Rest(request) }
    }

    pub(crate) fn into_request(self) -> DescribeWorkflowExecutionRequest {
        DescribeWorkflowExecutionRequest { execution: execution(self.workflow_id, self.run_id), ..self.rest.0 }
    }
}

/// A request to cancel a workflow, as an [interceptor](super::ClientInterceptor::cancel_workflow) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CancelWorkflowInput {
    /// Workflow id.
    pub workflow_id: String,
    /// The run to cancel; `None` is the open one.
    pub run_id: Option<String>,
    /// First run of the chain of runs to which the run must belong; `None` if any may be cancelled.
    pub first_execution_run_id: Option<String>,
    /// The reason, which the workflow and its history show.
    pub reason: String,
    rest: Rest<RequestCancelWorkflowExecutionRequest>,
}

impl CancelWorkflowInput {
    pub(crate) fn from_request(mut request: RequestCancelWorkflowExecutionRequest) -> Self {
        let (workflow_id, run_id) = ids(request.workflow_execution.take());
        Self {
            workflow_id,
            run_id,
            first_execution_run_id: present(std::mem::take(&mut request.first_execution_run_id)),
            reason: std::mem::take(&mut request.reason),
            rest: Rest(request),
        }
    }

    pub(crate) fn into_request(self) -> RequestCancelWorkflowExecutionRequest {
        RequestCancelWorkflowExecutionRequest {
            workflow_execution: execution(self.workflow_id, self.run_id),
            first_execution_run_id: self.first_execution_run_id.unwrap_or_default(),
            reason: self.reason,
            ..self.rest.0
        }
    }
}

/// A termination of a workflow, as an [interceptor](super::ClientInterceptor::terminate_workflow) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TerminateWorkflowInput {
    /// Workflow id.
    pub workflow_id: String,
    /// The run to terminate; `None` is the open one.
    pub run_id: Option<String>,
    /// First run of the chain of runs to which the run must belong; `None` if any may be terminated.
    pub first_execution_run_id: Option<String>,
    /// The reason, which the workflow's history and the errors of waiting callers show.
    pub reason: String,
    /// Details, which the workflow's history and the errors of waiting callers show.
    pub details: RawArguments,
    rest: Rest<TerminateWorkflowExecutionRequest>,
}

impl TerminateWorkflowInput {
    pub(crate) fn from_request(mut request: TerminateWorkflowExecutionRequest) -> Self {
        let (workflow_id, run_id) = ids(request.workflow_execution.take());
        Self {
            workflow_id,
            run_id,
            first_execution_run_id: present(std::mem::take(&mut request.first_execution_run_id)),
            reason: std::mem::take(&mut request.reason),
            details: RawArguments::from_proto(request.details.take()),
            rest: Rest(request),
        }
    }

    pub(crate) fn into_request(self) -> TerminateWorkflowExecutionRequest {
        TerminateWorkflowExecutionRequest {
            workflow_execution: execution(self.workflow_id, self.run_id),
            first_execution_run_id: self.first_execution_run_id.unwrap_or_default(),
            reason: self.reason,
            details: self.details.into_proto(),
            ..self.rest.0
        }
    }
}

/// A call for one page of a list, as an [interceptor](super::ClientInterceptor::list_workflows) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListWorkflowsInput {
    /// The visibility query. It must be the same for all pages of a list.
    pub query: String,
    /// Maximum number of workflows in the page; `None` leaves it to the server.
    pub page_size: Option<u32>,
    rest: Rest<ListWorkflowExecutionsRequest>,
}

impl ListWorkflowsInput {
    pub(crate) fn from_request(mut request: ListWorkflowExecutionsRequest) -> Self {
        let query = std::mem::take(&mut request.query);
        let page_size = u32::try_from(request.page_size).ok().filter(|size| *size > 0);
        Self { query, page_size, rest: Rest(request) }
    }

    pub(crate) fn into_request(self) -> ListWorkflowExecutionsRequest {
        let page_size = self.page_size.map_or(0, |size| i32::try_from(size).unwrap_or(i32::MAX));
        ListWorkflowExecutionsRequest { query: self.query, page_size, ..self.rest.0 }
    }

    /// Returns true for the first page of a list.
    pub fn is_first_page(&self) -> bool {
        self.rest.0.next_page_token.is_empty()
    }
}

/// One page of a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkflowPage {
    /// The workflows of the page. An interceptor may remove some.
    pub workflows: Vec<WorkflowExecutionInfo>,
    pub(crate) next_page_token: Vec<u8>,
}

impl WorkflowPage {
    /// Creates the only page of an interceptor that does not pass the call on.
    pub fn new(workflows: Vec<WorkflowExecutionInfo>) -> Self {
        Self { workflows, next_page_token: Vec::new() }
    }

    /// Returns true for the last page of a list.
    pub fn is_last_page(&self) -> bool {
        self.next_page_token.is_empty()
    }
}

/// A count of workflows, as an [interceptor](super::ClientInterceptor::count_workflows) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CountWorkflowsInput {
    /// The visibility query.
    pub query: String,
    rest: Rest<CountWorkflowExecutionsRequest>,
}

impl CountWorkflowsInput {
    pub(crate) fn from_request(mut request: CountWorkflowExecutionsRequest) -> Self {
        Self { query: std::mem::take(&mut request.query), rest: Rest(request) }
    }

    pub(crate) fn into_request(self) -> CountWorkflowExecutionsRequest {
        CountWorkflowExecutionsRequest { query: self.query, ..self.rest.0 }
    }
}

/// A fetch of a history, as an [interceptor](super::ClientInterceptor::fetch_history) sees it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchHistoryInput {
    /// Workflow id.
    pub workflow_id: String,
    /// The run whose history is fetched; `None` is the open one, or else the last one.
    pub run_id: Option<String>,
    rest: Rest<GetWorkflowExecutionHistoryRequest>,
}

impl FetchHistoryInput {
    pub(crate) fn from_request(mut request: GetWorkflowExecutionHistoryRequest) -> Self {
        let (workflow_id, run_id) = ids(request.execution.take());
        Self { workflow_id, run_id, rest: Rest(request) }
    }

    pub(crate) fn into_request(self) -> GetWorkflowExecutionHistoryRequest {
        GetWorkflowExecutionHistoryRequest { execution: execution(self.workflow_id, self.run_id), ..self.rest.0 }
    }
}

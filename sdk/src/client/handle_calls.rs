//! The calls of a workflow's handle, without messages and the wait for the result.

use abide_protos::temporal::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest, RequestCancelWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};

use super::call::{Call, answer_is_output};
use super::connection::Connection;
use super::description::WorkflowDescription;
use super::rpc_error::RpcError;
use crate::History;
use crate::interceptor::client::{
    CancelWorkflowInput, DescribeWorkflowInput, FetchHistoryInput, TerminateWorkflowInput,
};

impl Call for DescribeWorkflowExecutionRequest {
    type Input = DescribeWorkflowInput;
    type Answer = WorkflowDescription;

    async fn send(self, connection: &Connection) -> Result<WorkflowDescription, RpcError> {
        connection.call_coded(self).await.map(WorkflowDescription::from_proto)
    }

    fn into_input(self) -> DescribeWorkflowInput {
        DescribeWorkflowInput::from_request(self)
    }

    fn from_input(input: DescribeWorkflowInput) -> Self {
        input.into_request()
    }

    answer_is_output!();
}

/// All pages of a history.
impl Call for GetWorkflowExecutionHistoryRequest {
    type Input = FetchHistoryInput;
    type Answer = History;

    async fn send(mut self, connection: &Connection) -> Result<History, RpcError> {
        let execution = self.execution.clone().unwrap_or_default();
        let mut events = Vec::new();
        loop {
            let page = connection.call(self.clone()).await?;
            events.extend(page.history.into_iter().flat_map(|history| history.events));
            self.next_page_token = page.next_page_token;
            if self.next_page_token.is_empty() {
                break;
            }
        }
        let history = History::from_events(events);
        if execution.run_id.is_empty() {
            return Ok(history);
        }
        Ok(history.with_execution(execution.workflow_id, execution.run_id))
    }

    fn into_input(self) -> FetchHistoryInput {
        FetchHistoryInput::from_request(self)
    }

    fn from_input(input: FetchHistoryInput) -> Self {
        input.into_request()
    }

    answer_is_output!();
}

impl Call for RequestCancelWorkflowExecutionRequest {
    type Input = CancelWorkflowInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call(self).await.map(drop)
    }

    fn into_input(self) -> CancelWorkflowInput {
        CancelWorkflowInput::from_request(self)
    }

    fn from_input(input: CancelWorkflowInput) -> Self {
        input.into_request()
    }

    answer_is_output!();
}

impl Call for TerminateWorkflowExecutionRequest {
    type Input = TerminateWorkflowInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call_coded(self).await.map(drop)
    }

    fn into_input(self) -> TerminateWorkflowInput {
        TerminateWorkflowInput::from_request(self)
    }

    fn from_input(input: TerminateWorkflowInput) -> Self {
        input.into_request()
    }

    answer_is_output!();
}

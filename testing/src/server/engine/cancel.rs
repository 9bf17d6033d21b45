//! RequestCancelWorkflowExecution.

use super::Engine;
use super::api::{history, service};
use super::errors::Error;
use super::history_builder::Extras;

impl Engine {
    pub(crate) fn request_cancel_workflow_execution(
        &mut self,
        request: service::RequestCancelWorkflowExecutionRequest,
    ) -> Result<service::RequestCancelWorkflowExecutionResponse, Error> {
        let id = self.find(&request.namespace, request.workflow_execution.as_ref())?;
        let execution = self.execution(id);
        let first = &request.first_execution_run_id;
        if !first.is_empty() && first != execution.first_run_id() {
            return Err(Error::not_found("workflow execution not found"));
        }
        let done = service::RequestCancelWorkflowExecutionResponse::default();
        if !execution.is_running() || execution.state.cancel_requested {
            return Ok(done);
        }
        self.transact(id, |transaction| {
            transaction.state().cancel_requested = true;
            let attributes = history::WorkflowExecutionCancelRequestedEventAttributes {
                cause: request.reason,
                identity: request.identity,
                ..Default::default()
            };
            transaction.record_with(attributes, Extras::links(request.links));
            transaction.ensure_workflow_task();
        });
        Ok(done)
    }
}

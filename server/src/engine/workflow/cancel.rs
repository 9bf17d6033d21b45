//! RequestCancelWorkflowExecution.
//!
//! Extends `Engine` and `Transaction`.

use super::execution::check_execution;
use crate::engine::Engine;
use crate::engine::api::{common, history, service};
use crate::engine::errors::Error;
use crate::engine::history::Extras;
use crate::engine::limits;
use crate::engine::transaction::Transaction;

impl Engine {
    pub(crate) fn request_cancel_workflow_execution(
        &mut self,
        request: service::RequestCancelWorkflowExecutionRequest,
    ) -> Result<service::RequestCancelWorkflowExecutionResponse, Error> {
        check_execution(request.workflow_execution.as_ref())?;
        limits::check_links(request.links.iter())?;
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
        self.try_transact(id, |transaction| {
            let attributes = history::WorkflowExecutionCancelRequestedEventAttributes {
                cause: request.reason,
                identity: request.identity,
                ..Default::default()
            };
            transaction.request_cancel(attributes, request.links);
        })?;
        Ok(done)
    }
}

impl Transaction<'_> {
    /// Records a cancellation request for the run.
    pub(crate) fn request_cancel(
        &mut self,
        attributes: history::WorkflowExecutionCancelRequestedEventAttributes,
        links: Vec<common::Link>,
    ) {
        self.state().cancel_requested = true;
        self.record_with(attributes, Extras::links(links));
        self.ensure_workflow_task();
    }
}

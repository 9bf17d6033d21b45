//! TerminateWorkflowExecution.
//!
//! Extends `Engine` and `Transaction`.

use super::execution::check_execution;
use crate::engine::Engine;
use crate::engine::api::enums::WorkflowExecutionStatus;
use crate::engine::api::{common, history, service};
use crate::engine::errors::Error;
use crate::engine::history::Extras;
use crate::engine::limits;
use crate::engine::transaction::Transaction;

/// The reason in the event if the caller gives none.
const DEFAULT_REASON: &str = "terminated by user via frontend";
/// Identity in the event if the caller gives none.
const DEFAULT_IDENTITY: &str = "frontend-service";

impl Engine {
    pub(crate) fn terminate_workflow_execution(
        &mut self,
        request: service::TerminateWorkflowExecutionRequest,
    ) -> Result<service::TerminateWorkflowExecutionResponse, Error> {
        check_execution(request.workflow_execution.as_ref())?;
        limits::check_links(request.links.iter())?;
        let id = self.find(&request.namespace, request.workflow_execution.as_ref())?;
        let execution = self.execution(id);
        let first = &request.first_execution_run_id;
        if !first.is_empty() && first != execution.first_run_id() {
            return Err(Error::not_found("workflow execution not found"));
        }
        if !execution.is_running() {
            return Err(Error::completed());
        }
        let identity = if request.identity.is_empty() { DEFAULT_IDENTITY.to_owned() } else { request.identity };
        let reason = if request.reason.is_empty() { DEFAULT_REASON.to_owned() } else { request.reason };
        self.transact(id, |transaction| {
            transaction.terminate(reason, request.details, identity, request.links);
        });
        Ok(service::TerminateWorkflowExecutionResponse::default())
    }
}

impl Transaction<'_> {
    pub(crate) fn terminate(
        &mut self,
        reason: String,
        details: Option<common::Payloads>,
        identity: String,
        links: Vec<common::Link>,
    ) {
        self.force_close_workflow_task();
        let attributes = history::WorkflowExecutionTerminatedEventAttributes { reason, details, identity };
        self.record_with(attributes, Extras::links(links));
        self.close(WorkflowExecutionStatus::Terminated);
    }
}

/// Encodes a text as the server does in details.
pub(crate) fn text_payloads(text: &str) -> common::Payloads {
    let payload = common::Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: format!("{text:?}").into_bytes(),
        ..Default::default()
    };
    common::Payloads { payloads: vec![payload] }
}

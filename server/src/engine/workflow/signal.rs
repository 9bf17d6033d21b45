//! SignalWorkflowExecution and SignalWithStartWorkflowExecution.
//!
//! Extends `Engine` and `Transaction`.

use super::execution::{ExecutionId, check_execution};
use super::start::{Admission, request_link};
use crate::engine::Engine;
use crate::engine::api::enums::{EventType, WorkflowIdConflictPolicy};
use crate::engine::api::{common, history, service};
use crate::engine::errors::Error;
use crate::engine::history::Extras;
use crate::engine::limits;
use crate::engine::transaction::Transaction;

/// Maximum signals of a run.
pub(crate) const SIGNAL_LIMIT: u32 = 10_000;

impl Engine {
    pub(crate) fn signal_workflow_execution(
        &mut self,
        request: service::SignalWorkflowExecutionRequest,
    ) -> Result<service::SignalWorkflowExecutionResponse, Error> {
        check_execution(request.workflow_execution.as_ref())?;
        if request.signal_name.is_empty() {
            return Err(Error::invalid_argument("SignalName is not set on request."));
        }
        limits::check_length("SignalName", &request.signal_name)?;
        limits::check_length("RequestId", &request.request_id)?;
        limits::check_links(request.links.iter())?;
        limits::check_blob(request.input.as_ref())?;
        let id = self.find(&request.namespace, request.workflow_execution.as_ref())?;
        let request_id = request.request_id.clone();
        let signal = history::WorkflowExecutionSignaledEventAttributes {
            signal_name: request.signal_name,
            input: request.input,
            identity: request.identity,
            header: request.header,
            request_id: request.request_id,
            ..Default::default()
        };
        self.signal(id, signal, request.links, false)?;
        let link = request_link(self.execution(id), &request_id, EventType::WorkflowExecutionSignaled);
        Ok(service::SignalWorkflowExecutionResponse { link: Some(link) })
    }

    pub(crate) fn signal_with_start_workflow_execution(
        &mut self,
        request: service::SignalWithStartWorkflowExecutionRequest,
    ) -> Result<service::SignalWithStartWorkflowExecutionResponse, Error> {
        let namespace = self.namespaces.get(&request.namespace)?;
        let request_id = request.request_id.clone();
        let (start, signal, links) = split(request);
        let mut run = self.new_run(&start, Some(&signal.signal_name))?;
        limits::check_blob(signal.input.as_ref())?;
        let run_id = self.ids.v4();
        run.start.original_execution_run_id.clone_from(&run_id);
        run.start.first_execution_run_id.clone_from(&run_id);
        run.run_id = run_id;
        let conflict = match start.workflow_id_conflict_policy() {
            WorkflowIdConflictPolicy::Unspecified
                if !super::start::terminates_running(start.workflow_id_reuse_policy()) =>
            {
                WorkflowIdConflictPolicy::UseExisting
            }
            conflict => conflict,
        };
        let policies = (start.workflow_id_reuse_policy(), conflict);
        let (id, started) = match self.admit(&namespace, &start.workflow_id, &run.request_id, policies)? {
            Admission::Repeated(id) => (id, false),
            Admission::UseExisting(id) => {
                self.signal(id, signal, links, true)?;
                (id, false)
            }
            admission => {
                if let Admission::TerminateAndCreate(existing) = admission {
                    self.terminate_for_new_run(existing, &run.run_id);
                }
                run.signal = Some((signal, links));
                (self.create_run(namespace, start.workflow_id, run), true)
            }
        };
        let execution = self.execution(id);
        Ok(service::SignalWithStartWorkflowExecutionResponse {
            run_id: execution.run_id.clone(),
            first_execution_run_id: execution.first_run_id().to_owned(),
            started,
            signal_link: Some(request_link(execution, &request_id, EventType::WorkflowExecutionSignaled)),
        })
    }

    fn signal(
        &mut self,
        id: ExecutionId,
        signal: history::WorkflowExecutionSignaledEventAttributes,
        links: Vec<common::Link>,
        with_start: bool,
    ) -> Result<(), Error> {
        let execution = self.execution(id);
        if execution.state.request_ids.contains(&signal.request_id) {
            return Ok(());
        }
        if !execution.is_running() {
            return Err(Error::completed());
        }
        if execution.state.signal_count >= SIGNAL_LIMIT {
            return Err(Error::invalid_argument("exceeded workflow execution limit for signal events"));
        }
        if execution.state.is_closing() {
            return Err(Error::workflow_closing());
        }
        self.try_transact(id, |transaction| transaction.signal(signal, links, with_start))
    }
}

impl Transaction<'_> {
    pub(crate) fn signal(
        &mut self,
        signal: history::WorkflowExecutionSignaledEventAttributes,
        links: Vec<common::Link>,
        skip_backoff: bool,
    ) {
        self.state().signal_count += 1;
        if !signal.request_id.is_empty() {
            self.state().request_ids.insert(signal.request_id.clone());
        }
        self.record_with(signal, Extras::links(links));
        if skip_backoff {
            self.ensure_workflow_task();
        } else {
            self.ensure_workflow_task_after_backoff();
        }
    }
}

/// Splits a signal-with-start request into the start, the signal and the links.
fn split(
    request: service::SignalWithStartWorkflowExecutionRequest,
) -> (service::StartWorkflowExecutionRequest, history::WorkflowExecutionSignaledEventAttributes, Vec<common::Link>) {
    let signal = history::WorkflowExecutionSignaledEventAttributes {
        signal_name: request.signal_name,
        input: request.signal_input,
        identity: request.identity.clone(),
        header: request.header.clone(),
        request_id: request.request_id.clone(),
        ..Default::default()
    };
    let start = service::StartWorkflowExecutionRequest {
        namespace: request.namespace,
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type,
        task_queue: request.task_queue,
        input: request.input,
        workflow_execution_timeout: request.workflow_execution_timeout,
        workflow_run_timeout: request.workflow_run_timeout,
        workflow_task_timeout: request.workflow_task_timeout,
        identity: request.identity,
        request_id: request.request_id,
        workflow_id_reuse_policy: request.workflow_id_reuse_policy,
        workflow_id_conflict_policy: request.workflow_id_conflict_policy,
        retry_policy: request.retry_policy,
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        header: request.header,
        workflow_start_delay: request.workflow_start_delay,
        user_metadata: request.user_metadata,
        links: request.links.clone(),
        versioning_override: request.versioning_override,
        priority: request.priority,
        ..Default::default()
    };
    (start, signal, request.links)
}

//! UpdateWorkflowExecution and PollWorkflowExecutionUpdate: admission, and waiting for an update's stage.
//!
//! Extends `Engine`.

use super::update::{Lifecycle, Progress, update_id, update_ref};
use crate::engine::Engine;
use crate::engine::api::enums::EventType;
use crate::engine::api::{service, update};
use crate::engine::errors::Error;
use crate::engine::limits;
use crate::engine::waiters::{Step, Waiter, WaiterId};
use crate::engine::workflow::{Execution, ExecutionId, check_execution, check_update, request_link};

/// Attempt number from which on a workflow task counts as failing, so that updates are refused.
const BROKEN_TASK_ATTEMPT: i32 = 3;

/// An update of a run, as its caller waits for it.
#[derive(Clone, Debug)]
pub(crate) struct UpdateAt {
    pub(crate) execution: ExecutionId,
    pub(crate) update_id: String,
}

/// A caller that waits for an update.
#[derive(Debug)]
pub(crate) struct WaitingUpdate {
    pub(crate) at: UpdateAt,
    wanted: Lifecycle,
    answer: Option<Result<Progress, Error>>,
}

impl Engine {
    /// Admits an update, or finds the one with that id, and waits until it has reached the requested stage.
    pub(crate) fn update_workflow_execution(
        &mut self,
        mut request: service::UpdateWorkflowExecutionRequest,
    ) -> Result<(UpdateAt, Step<Progress>), Error> {
        let wanted = self.validate_update(&mut request)?;
        let id = self.find(&request.namespace, request.workflow_execution.as_ref())?;
        let first = &request.first_execution_run_id;
        if !first.is_empty() && first != self.execution(id).first_run_id() {
            return Err(Error::not_found("workflow execution not found"));
        }
        let at = self.admit_update(id, request.request.unwrap_or_default())?;
        let step = self.wait_for_update(&at, wanted)?;
        Ok((at, step))
    }

    /// Waits for an update that was admitted before; without a stage, returns its current progress.
    pub(crate) fn poll_workflow_execution_update(
        &mut self,
        request: &service::PollWorkflowExecutionUpdateRequest,
    ) -> Result<(UpdateAt, Step<Progress>), Error> {
        let Some(wanted) = &request.update_ref else {
            return Err(Error::invalid_argument("UpdateRef is not set on request."));
        };
        if wanted.workflow_execution.as_ref().is_none_or(|execution| execution.workflow_id.is_empty()) {
            return Err(Error::invalid_argument("Can't load workflow execution.  WorkflowId not set."));
        }
        let id = self.find(&request.namespace, wanted.workflow_execution.as_ref())?;
        let at = UpdateAt { execution: id, update_id: wanted.update_id.clone() };
        let stage = request.wait_policy.map_or(Lifecycle::Unspecified, |policy| policy.lifecycle_stage());
        let step = self.wait_for_update(&at, stage)?;
        Ok((at, step))
    }

    /// Resumes a caller that waits for an update.
    pub(crate) fn resume_update(&mut self, waiter: WaiterId) -> Result<Step<Progress>, Error> {
        let answer = match self.waiters.get_mut(waiter) {
            Some(Waiter::Update(waiting)) => waiting.answer.take(),
            _ => return Err(Error::update_aborted()),
        };
        match answer {
            Some(answer) => {
                self.withdraw(waiter);
                answer.map(Step::Done)
            }
            None => Ok(Step::Wait(waiter)),
        }
    }

    /// Returns the progress of an update, for a caller whose wait has timed out.
    pub(crate) fn update_progress(&self, at: &UpdateAt) -> Result<Progress, Error> {
        let progress = self.execution(at.execution).update_progress(&at.update_id);
        progress.unwrap_or_else(|| Err(Error::update_not_found(&at.update_id)))
    }

    /// Sets the defaults of a request. Returns the stage to wait for.
    pub(crate) fn validate_update(
        &mut self,
        request: &mut service::UpdateWorkflowExecutionRequest,
    ) -> Result<Lifecycle, Error> {
        check_execution(request.workflow_execution.as_ref())?;
        let update = request.request.get_or_insert_with(update::Request::default);
        let Some(meta) = &mut update.meta else {
            return Err(Error::invalid_argument("Update meta is not set on request."));
        };
        limits::check_length("UpdateId", &meta.update_id)?;
        if meta.update_id.is_empty() {
            meta.update_id = self.ids.v4();
        }
        check_update(update)?;
        match &update.input {
            None => return Err(Error::invalid_argument("Update input is not set on request.")),
            Some(input) if input.name.is_empty() => {
                return Err(Error::invalid_argument("Update name is not set on request."));
            }
            Some(input) => limits::check_blob(input.args.as_ref())?,
        }
        match request.wait_policy.map_or(Lifecycle::Unspecified, |policy| policy.lifecycle_stage()) {
            Lifecycle::Unspecified => Ok(Lifecycle::Completed),
            Lifecycle::Admitted => Err(Error::permission_denied(
                "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is not supported.",
            )),
            stage => Ok(stage),
        }
    }

    /// Admits an update and schedules a workflow task for it if necessary. An update with a known id stays unchanged.
    pub(crate) fn admit_update(&mut self, id: ExecutionId, request: update::Request) -> Result<UpdateAt, Error> {
        let at = UpdateAt { execution: id, update_id: update_id(&request).to_owned() };
        let execution = self.execution(id);
        let state = &execution.state;
        if state.updates.is_known(&at.update_id) {
            return Ok(at);
        }
        if !execution.is_running() {
            return Err(Error::completed());
        }
        if state.is_closing() {
            return Err(Error::workflow_closing());
        }
        if state.task.as_ref().is_some_and(|task| task.attempt >= BROKEN_TASK_ATTEMPT) {
            return Err(Error::not_ready(
                "Unable to perform workflow execution update due to Workflow Task in failed state.",
            ));
        }
        state.updates.check_limits()?;
        self.executions[id.0].state.updates.admit(request, None);
        self.schedule_speculative_task(id, false);
        Ok(at)
    }

    pub(crate) fn wait_for_update(&mut self, at: &UpdateAt, wanted: Lifecycle) -> Result<Step<Progress>, Error> {
        let progress = self.update_progress(at)?;
        if has_reached(&progress, wanted) {
            return Ok(Step::Done(progress));
        }
        let waiting = WaitingUpdate { at: at.clone(), wanted, answer: None };
        let waiter = self.waiters.park(Waiter::Update(Box::new(waiting)));
        self.executions[at.execution.0].update_waiters.push(waiter);
        Ok(Step::Wait(waiter))
    }

    /// Wakes callers whose updates have reached their stage.
    pub(crate) fn advance_updates(&mut self, id: ExecutionId) {
        for waiter in self.execution(id).update_waiters.clone() {
            let Some(Waiter::Update(waiting)) = self.waiters.get_mut(waiter) else { continue };
            let progress = self.executions[id.0].update_progress(&waiting.at.update_id);
            let reached = match &progress {
                Some(Ok(progress)) => has_reached(progress, waiting.wanted),
                Some(Err(_)) => true,
                None => false,
            };
            if reached && waiting.answer.is_none() {
                waiting.answer = progress;
                self.waiters.wake(waiter);
            }
        }
        self.executions[id.0].state.updates.forget_over();
    }

    /// Removes a caller that waited for an update.
    pub(crate) fn drop_update_waiter(&mut self, id: WaiterId, execution: ExecutionId) {
        self.executions[execution.0].update_waiters.retain(|waiter| *waiter != id);
    }

    /// Returns the response to an update that has reached its stage.
    pub(crate) fn update_response(
        &self,
        at: &UpdateAt,
        progress: Progress,
    ) -> service::UpdateWorkflowExecutionResponse {
        let execution = self.execution(at.execution);
        let link =
            |request_id: String| request_link(execution, &request_id, EventType::WorkflowExecutionUpdateAccepted);
        service::UpdateWorkflowExecutionResponse {
            update_ref: Some(update_ref(execution, &at.update_id)),
            outcome: progress.outcome,
            stage: progress.stage.into(),
            link: progress.accepted_request_id.map(link),
        }
    }

    /// Returns the response to a poll for an update that has reached its stage.
    pub(crate) fn update_poll_response(
        &self,
        at: &UpdateAt,
        progress: Progress,
    ) -> service::PollWorkflowExecutionUpdateResponse {
        let execution: &Execution = self.execution(at.execution);
        service::PollWorkflowExecutionUpdateResponse {
            update_ref: Some(update_ref(execution, &at.update_id)),
            outcome: progress.outcome,
            stage: progress.stage.into(),
        }
    }
}

fn has_reached(progress: &Progress, wanted: Lifecycle) -> bool {
    progress.outcome.is_some() || progress.stage as i32 >= wanted as i32
}

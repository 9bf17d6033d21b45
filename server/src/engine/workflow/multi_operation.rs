//! ExecuteMultiOperation: update-with-start. A run is started, or the existing one is used, and gets an update; the
//! first workflow task of a new run includes the update.
//!
//! Extends `Engine`.

use super::execution::ExecutionId;
use super::start::Admission;
use crate::engine::Engine;
use crate::engine::api::service::execute_multi_operation_request::operation::Operation;
use crate::engine::api::service::execute_multi_operation_response as response;
use crate::engine::api::{common, service, update};
use crate::engine::errors::Error;
use crate::engine::time;
use crate::engine::updates::UpdateAt;
use crate::engine::updates::{Lifecycle, Progress, update_id};
use crate::engine::waiters::Step;

/// The result of the start, while the update is still awaited.
#[derive(Debug)]
pub(crate) struct StartedForUpdate {
    pub(crate) at: UpdateAt,
    start: service::StartWorkflowExecutionResponse,
}

/// The refused operation.
enum Refused {
    Start(Error),
    /// The run exists, but the update was refused.
    Update(Error),
}

impl Engine {
    pub(crate) fn execute_multi_operation(
        &mut self,
        request: service::ExecuteMultiOperationRequest,
    ) -> Result<(StartedForUpdate, Step<Progress>), Error> {
        self.namespaces.get(&request.namespace)?;
        let namespace = request.namespace.clone();
        let (mut start, mut update) = split(request)?;
        let wanted = self.validate_operations(&namespace, &mut start, &mut update)?;
        let started = self.update_with_start(start, update.request.unwrap_or_default()).map_err(Refused::into_error)?;
        let step = self.wait_for_update(&started.at, wanted).map_err(|error| Refused::Update(error).into_error())?;
        Ok((started, step))
    }

    /// Converts an error of [`Engine::resume_update`] to the form of this RPC.
    pub(crate) fn multi_operation_failed(error: Error) -> Error {
        Refused::Update(error).into_error()
    }

    pub(crate) fn multi_operation_response(
        &self,
        started: StartedForUpdate,
        progress: Progress,
    ) -> service::ExecuteMultiOperationResponse {
        use response::response::Response;
        let update = self.update_response(&started.at, progress);
        let responses = [Response::StartWorkflow(started.start), Response::UpdateWorkflow(update)];
        let responses = responses.map(|response| response::Response { response: Some(response) });
        service::ExecuteMultiOperationResponse { responses: responses.into() }
    }

    /// Validates both operations. The error contains the status of each.
    fn validate_operations(
        &mut self,
        namespace: &str,
        start: &mut service::StartWorkflowExecutionRequest,
        update: &mut service::UpdateWorkflowExecutionRequest,
    ) -> Result<Lifecycle, Error> {
        let started = self.validate_start(namespace, start);
        let updated = self.validate_update_of_start(namespace, update).and_then(|wanted| {
            let of_other = started.is_ok() && update_execution(update).workflow_id != start.workflow_id;
            if of_other { refuse("WorkflowId is not consistent with previous operation(s).") } else { Ok(wanted) }
        });
        match (started, updated) {
            (Ok(()), Ok(wanted)) => Ok(wanted),
            (started, updated) => Err(Error::multi_operation(&[Err(started.err()), Err(updated.err())])),
        }
    }

    fn validate_start(
        &mut self,
        namespace: &str,
        start: &mut service::StartWorkflowExecutionRequest,
    ) -> Result<(), Error> {
        take_over(namespace, &mut start.namespace)?;
        self.new_run(start, None)?;
        if !start.cron_schedule.is_empty() {
            return refuse("CronSchedule is not allowed.");
        }
        if start.request_eager_execution {
            return refuse("RequestEagerExecution is not supported.");
        }
        if time::stored(start.workflow_start_delay.as_ref()).is_some() {
            return refuse("WorkflowStartDelay is not supported.");
        }
        Ok(())
    }

    fn validate_update_of_start(
        &mut self,
        namespace: &str,
        update: &mut service::UpdateWorkflowExecutionRequest,
    ) -> Result<Lifecycle, Error> {
        take_over(namespace, &mut update.namespace)?;
        let wanted = self.validate_update(update)?;
        if !update.first_execution_run_id.is_empty() {
            return refuse("FirstExecutionRunId is not allowed.");
        }
        if !update_execution(update).run_id.is_empty() {
            return refuse("RunId is not allowed.");
        }
        Ok(wanted)
    }

    fn update_with_start(
        &mut self,
        start: service::StartWorkflowExecutionRequest,
        update: update::Request,
    ) -> Result<StartedForUpdate, Refused> {
        let namespace = self.namespaces.get(&start.namespace).map_err(Refused::Start)?;
        let update_id = update_id(&update).to_owned();
        let current = self.current.get(&(namespace.id.clone(), start.workflow_id.clone())).copied();
        if let Some(id) = current.filter(|id| self.execution(*id).state.updates.is_completed(&update_id)) {
            let start = service::StartWorkflowExecutionResponse { link: None, ..self.start_response(id, false) };
            return Ok(StartedForUpdate { at: UpdateAt { execution: id, update_id }, start });
        }
        // An update that is already in progress is joined, whatever the start would do to its run.
        let joined = current.filter(|id| self.execution(*id).is_running());
        if let Some(id) = joined.filter(|id| self.execution(*id).state.updates.is_known(&update_id)) {
            return self.update_existing(id, update);
        }
        let run = self.new_run(&start, None).map_err(Refused::Start)?;
        let policies = (start.workflow_id_reuse_policy(), start.workflow_id_conflict_policy());
        let admission =
            self.admit(&namespace, &start.workflow_id, &run.request_id, policies).map_err(Refused::Start)?;
        match admission {
            Admission::Repeated(id) | Admission::UseExisting(id) => return self.update_existing(id, update),
            Admission::TerminateAndCreate(id) => self.terminate_for_new_run(id, &run.run_id),
            Admission::Create => {}
        }
        let id = self.create_run(namespace, start.workflow_id, run);
        let at = self.admit_update(id, update).map_err(Refused::Update)?;
        Ok(StartedForUpdate { at, start: self.start_response(id, true) })
    }

    fn update_existing(&mut self, id: ExecutionId, update: update::Request) -> Result<StartedForUpdate, Refused> {
        let at = self.admit_update(id, update).map_err(Refused::Update)?;
        Ok(StartedForUpdate { at, start: self.start_response(id, false) })
    }
}

impl Refused {
    fn into_error(self) -> Error {
        match self {
            Self::Start(error) => Error::multi_operation(&[Err(Some(error)), Err(None)]),
            Self::Update(error) => Error::multi_operation(&[Ok(()), Err(Some(error))]),
        }
    }
}

fn refuse<T>(text: &str) -> Result<T, Error> {
    Err(Error::invalid_argument(text))
}

/// Sets the namespace of an operation to that of the request. Refuses another one.
fn take_over(namespace: &str, of_operation: &mut String) -> Result<(), Error> {
    if !of_operation.is_empty() && of_operation != namespace {
        return refuse("Operation namespace did not match request's namespace.");
    }
    namespace.clone_into(of_operation);
    Ok(())
}

fn update_execution(update: &service::UpdateWorkflowExecutionRequest) -> common::WorkflowExecution {
    update.workflow_execution.clone().unwrap_or_default()
}

/// Returns the two operations; any other list is refused.
fn split(
    request: service::ExecuteMultiOperationRequest,
) -> Result<(service::StartWorkflowExecutionRequest, service::UpdateWorkflowExecutionRequest), Error> {
    let operations: Vec<_> = request.operations.into_iter().map(|operation| operation.operation).collect();
    match <[_; 2]>::try_from(operations) {
        Ok([Some(Operation::StartWorkflow(start)), Some(Operation::UpdateWorkflow(update))]) => Ok((start, update)),
        _ => refuse("Operations have to be exactly [Start, Update]."),
    }
}

//! Update-with-start: one call that starts a workflow, unless it exists already, and sends it an update.

use std::future::IntoFuture;

use abide_protos::temporal::api::common::v1::{Header, Payloads, WorkflowExecution};
use abide_protos::temporal::api::enums::v1::{
    UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy as ConflictPolicy,
};
use abide_protos::temporal::api::errordetails::v1::MultiOperationExecutionFailure;
use abide_protos::temporal::api::update::v1::Input;
use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_request::{Operation, operation};
use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_response::response::Response;
use abide_protos::temporal::api::workflowservice::v1::{
    ExecuteMultiOperationRequest, ExecuteMultiOperationResponse, StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse, UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse,
};
use serde::Serialize;
use uuid::Uuid;

use super::call::Call;
use super::connection::Connection;
use super::errors::{StartError, UpdateError, UpdateWithStartError};
use super::handle::WorkflowHandle;
use super::rpc_error::RpcError;
use super::start::{ClientFuture, StartWorkflow, UntilStarted};
use super::update::{UpdateAnswer, UpdateHandle, is_accepted, until_answered, update_id, update_request, wait_policy};
use crate::converter::PayloadError;
use crate::debug_only::debug_only;
use crate::definition::{UpdateDefinition, WorkflowDefinition};
use crate::header::set_header;
use crate::interceptor::client::{
    StartedUpdate, StartedUpdateWithStart, StartedWorkflow, UpdateWithStartWorkflowInput,
};

/// A workflow start with an update. Awaiting it returns handles to both.
///
/// Made by [`StartWorkflow::with_update`], after the options of the start are set.
#[must_use = "nothing is started or sent unless this is awaited"]
pub struct UpdateWithStart<W: WorkflowDefinition, U: UpdateDefinition> {
    start: StartWorkflow<W, UntilStarted>,
    update: U,
    input: Result<Option<Payloads>, PayloadError>,
    update_header: Option<Header>,
    update_id: Option<String>,
}

debug_only!(impl[W: WorkflowDefinition, U: UpdateDefinition] UpdateWithStart<W, U>, |this| {
    start: this.start,
    update: this.update.name(),
    update_id: this.update_id,
});

impl<W: WorkflowDefinition, U: UpdateDefinition> UpdateWithStart<W, U> {
    pub(super) fn new(
        start: StartWorkflow<W, UntilStarted>,
        update: U,
        input: Result<Option<Payloads>, PayloadError>,
    ) -> Self {
        Self { start, update, input, update_header: None, update_id: None }
    }

    /// Sets the update id. If the workflow already has an update with that id, it is that update. Default: a random
    /// UUID.
    pub fn update_id(mut self, id: impl Into<String>) -> Self {
        self.update_id = Some(id.into());
        self
    }

    /// Adds a header, which the update's handler and validator [can read](crate::WorkflowContext::message_header). The
    /// start has [its own](StartWorkflow::header).
    pub fn update_header<T: Serialize + 'static>(mut self, key: impl Into<String>, value: &T) -> Self {
        if let Err(error) = set_header(&mut self.update_header, key, value) {
            self.input = Err(error);
        }
        self
    }

    async fn send(self) -> Result<(WorkflowHandle<W>, UpdateHandle<U>), UpdateWithStartError> {
        let name = self.update.name();
        let args = self.input.map_err(|error| UpdateError::from(error.of(format_args!("update `{name}`"))))?;
        let input = Input { header: self.update_header, name: name.to_string(), args };
        if self.start.has_signal() {
            return Err(StartError::SignalAndUpdate { update: self.update.name().into_owned() }.into());
        }
        let (connection, workflow, mut start) = self.start.checked()?;
        if start.workflow_id_conflict_policy() == ConflictPolicy::Unspecified {
            start.set_workflow_id_conflict_policy(ConflictPolicy::UseExisting);
        }
        let id = self.update_id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let execution = WorkflowExecution { workflow_id: start.workflow_id.clone(), run_id: String::new() };
        let update = UpdateWorkflowExecutionRequest {
            namespace: connection.namespace().to_string(),
            workflow_execution: Some(execution),
            wait_policy: Some(wait_policy(Stage::Accepted)),
            request: Some(update_request(&connection, &id, input)),
            ..Default::default()
        };
        let sent = connection.carry_out(UpdateWithStartCall { start, update: Box::new(update) }).await;
        let (started, answer) = sent.map_err(|error| from_rpc(&self.update.name(), error))?;
        let handle = WorkflowHandle::started(connection.clone(), workflow, started);
        let UpdateAnswer { execution, update_id, outcome, .. } = answer;
        Ok((handle, UpdateHandle::new(connection, self.update, execution, update_id, outcome)))
    }
}

/// A start with an update.
pub(crate) struct UpdateWithStartCall {
    start: Box<StartWorkflowExecutionRequest>,
    update: Box<UpdateWorkflowExecutionRequest>,
}

impl Call for UpdateWithStartCall {
    type Input = UpdateWithStartWorkflowInput;
    type Answer = (StartedWorkflow, UpdateAnswer);

    async fn send(self, connection: &Connection) -> Result<Self::Answer, RpcError> {
        let (workflow_id, update_id) = (self.start.workflow_id.clone(), update_id(&self.update));
        match execute(connection, *self.start, *self.update).await {
            Ok((started, updated)) => {
                let sent_to = WorkflowExecution { workflow_id: workflow_id.clone(), run_id: String::new() };
                let StartWorkflowExecutionResponse { run_id, first_execution_run_id, started, .. } = started;
                let workflow = StartedWorkflow::of(workflow_id, run_id, first_execution_run_id, started);
                Ok((workflow, UpdateAnswer::new(sent_to, update_id, updated)))
            }
            Err(error) => Err(error.about(workflow_id)),
        }
    }

    fn into_input(self) -> UpdateWithStartWorkflowInput {
        UpdateWithStartWorkflowInput::from_requests(self.start, self.update)
    }

    fn from_input(input: UpdateWithStartWorkflowInput) -> Self {
        let (start, update) = input.into_requests();
        Self { start, update }
    }

    fn into_output((workflow, update): Self::Answer) -> StartedUpdateWithStart {
        StartedUpdateWithStart { workflow, update: StartedUpdate::from_answer(update) }
    }

    fn from_output(output: StartedUpdateWithStart) -> Self::Answer {
        (output.workflow, output.update.into_answer())
    }
}

impl<W: WorkflowDefinition, U: UpdateDefinition> IntoFuture for UpdateWithStart<W, U> {
    type Output = Result<(WorkflowHandle<W>, UpdateHandle<U>), UpdateWithStartError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// Sends both until the update is accepted; the ids make repetitions harmless.
async fn execute(
    connection: &Connection,
    start: StartWorkflowExecutionRequest,
    update: UpdateWorkflowExecutionRequest,
) -> Result<(StartWorkflowExecutionResponse, UpdateWorkflowExecutionResponse), RpcError> {
    let operations = [operation::Operation::StartWorkflow(start), operation::Operation::UpdateWorkflow(update)];
    let request = ExecuteMultiOperationRequest {
        namespace: connection.namespace().to_string(),
        operations: operations.map(|operation| Operation { operation: Some(operation) }).into(),
        ..Default::default()
    };
    let response = until_answered(connection, &request, |response| {
        let updated = parts(response.clone()).1;
        is_accepted(updated.stage, updated.outcome.as_ref())
    });
    response.await.map(parts)
}

/// Returns the responses of the start and of the update.
fn parts(response: ExecuteMultiOperationResponse) -> (StartWorkflowExecutionResponse, UpdateWorkflowExecutionResponse) {
    let (mut started, mut updated) = Default::default();
    for response in response.responses {
        match response.response {
            Some(Response::StartWorkflow(response)) => started = response,
            Some(Response::UpdateWorkflow(response)) => updated = response,
            None => {}
        }
    }
    (started, updated)
}

/// Returns the error of the operation that was refused; the other operation was only not carried out.
fn from_rpc(update: &str, error: RpcError) -> UpdateWithStartError {
    let statuses = error.detail::<MultiOperationExecutionFailure>().map(|detail| detail.statuses).unwrap_or_default();
    let mut operations = statuses.into_iter().map(|status| error.of_operation(status));
    let (start, updated) = (operations.next().flatten(), operations.next().flatten());
    match (start, updated) {
        (Some(start), _) => StartError::from_rpc(start).into(),
        (None, Some(updated)) => UpdateError::from_rpc(update, updated).into(),
        (None, None) => StartError::Rpc(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use abide_protos::Any;
    use abide_protos::google::rpc;
    use abide_protos::prost::{Message, Name};
    use abide_protos::temporal::api::errordetails::v1::WorkflowExecutionAlreadyStartedFailure;
    use abide_protos::temporal::api::errordetails::v1::multi_operation_execution_failure::OperationStatus;
    use tonic::{Code, Status};

    use super::*;

    fn any<M: Message + Name>(message: &M) -> Any {
        Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
    }

    fn refused(code: Code, statuses: Vec<OperationStatus>) -> UpdateWithStartError {
        let detail = any(&MultiOperationExecutionFailure { statuses });
        let message = "Update-with-Start could not be executed.".to_string();
        let details = rpc::Status { code: code as i32, message: message.clone(), details: vec![detail] };
        let status = Status::with_details(code, message, details.encode_to_vec().into());
        from_rpc("add", RpcError::from_status("ExecuteMultiOperation", &status))
    }

    fn status(code: Code, message: &str, details: Vec<Any>) -> OperationStatus {
        OperationStatus { code: code as i32, message: message.to_string(), details }
    }

    fn aborted() -> OperationStatus {
        status(Code::Aborted, "Operation was aborted.", Vec::new())
    }

    #[test]
    fn a_refused_start_is_told_as_one() {
        let detail = WorkflowExecutionAlreadyStartedFailure { run_id: "run-1".to_string(), ..Default::default() };
        let start = status(Code::AlreadyExists, "already running", vec![any(&detail)]);
        let error = refused(Code::AlreadyExists, vec![start, aborted()]);
        let UpdateWithStartError::Start(StartError::AlreadyStarted { run_id, .. }) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(run_id, "run-1");
    }

    #[test]
    fn a_refused_update_is_told_as_one() {
        let update = status(Code::NotFound, "workflow update was aborted by closing workflow", Vec::new());
        let error = refused(Code::NotFound, vec![status(Code::Ok, "", Vec::new()), update]);
        assert!(matches!(error, UpdateWithStartError::Update(UpdateError::NotFound { .. })), "{error:?}");
        let update = status(Code::InvalidArgument, "Update name is not set on request.", Vec::new());
        let error = refused(Code::InvalidArgument, vec![aborted(), update]);
        assert!(matches!(error, UpdateWithStartError::Update(UpdateError::Rpc(_))), "{error:?}");
    }

    #[test]
    fn an_error_without_details_is_the_calls_own() {
        let error = refused(Code::PermissionDenied, Vec::new());
        assert!(matches!(&error, UpdateWithStartError::Start(StartError::Rpc(error)) if error.is_permission_denied()));
    }
}

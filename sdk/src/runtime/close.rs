//! End of a run: the result of its main routine becomes a closing command.

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    CancelWorkflowExecutionCommandAttributes, CompleteWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
};
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::enums::v1::CommandType;

use super::failures::TaskError;
use super::workflow_run::{ReplayedOutcome, WorkflowRun};
use crate::Failure;
use crate::failure::{WorkflowError, WorkflowErrorKind};
use crate::replay::command_queue::CommandBody;

impl WorkflowRun {
    /// Ends the run with the result of its main routine, or with the error of a handler. Only the first end counts.
    pub(super) fn close(&mut self, result: Result<Option<Payload>, WorkflowError>) -> Result<(), TaskError> {
        let location = result.as_ref().err().and_then(WorkflowError::location);
        let (command_type, attributes, outcome) = match result {
            Ok(payload) => {
                let result = payload.map(|payload| Payloads { payloads: vec![payload] });
                let attributes = CompleteWorkflowExecutionCommandAttributes { result: result.clone() };
                (
                    CommandType::CompleteWorkflowExecution,
                    Attributes::CompleteWorkflowExecutionCommandAttributes(attributes),
                    ReplayedOutcome::Completed(result),
                )
            }
            Err(error) if error.is_cancelled() && self.shared().root_scope.cancelled().is_some() => (
                CommandType::CancelWorkflowExecution,
                Attributes::CancelWorkflowExecutionCommandAttributes(CancelWorkflowExecutionCommandAttributes {
                    details: error.cancellation_details(),
                }),
                ReplayedOutcome::Cancelled,
            ),
            Err(error) => match error.into_kind() {
                WorkflowErrorKind::Error { error, type_name } => {
                    let failure = self.shared().data_converter.to_failure(&*error, Some(type_name));
                    let outcome = ReplayedOutcome::Failed(Failure::from_proto(failure.clone()));
                    let attributes = FailWorkflowExecutionCommandAttributes { failure: Some(failure) };
                    (
                        CommandType::FailWorkflowExecution,
                        Attributes::FailWorkflowExecutionCommandAttributes(attributes),
                        outcome,
                    )
                }
                WorkflowErrorKind::ContinueAsNew(attributes) => (
                    CommandType::ContinueAsNewWorkflowExecution,
                    Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(*attributes),
                    ReplayedOutcome::ContinuedAsNew,
                ),
                WorkflowErrorKind::TaskFailure(message) => return Err(TaskError::WorkerFailure(message)),
            },
        };
        if self.set_outcome(outcome) {
            self.shared().has_ended.set(true);
            let mut core = self.shared().operation_state.borrow_mut();
            let body = (!core.machines.replaying).then_some(CommandBody { attributes, user_metadata: None });
            core.machines.close_workflow(command_type, location, body);
        }
        Ok(())
    }
}

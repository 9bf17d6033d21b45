//! A request to cancel another workflow, a child or any other.
//!
//! ```text
//! CommandCreated --Initiated--> Initiated
//! Initiated --CancelRequested--> Closed: Resolve
//! Initiated --Failed--> Closed: Resolve
//! ```
//!
//! As in Core, a request cannot be withdrawn. When a child is cancelled, no operation waits for the request.

use std::panic::Location;

use abide_protos::temporal::api::enums::v1::{CancelExternalWorkflowExecutionFailedCause, CommandType};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure as FailureProto};
use abide_protos::temporal::api::history::v1::{
    RequestCancelExternalWorkflowExecutionFailedEventAttributes,
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
};

use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::Outcome;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{Machine, ReplayError, StateMachines};

listed! {
    /// State of a request.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        CommandCreated,
        Initiated,
        Closed,
    }
}

listed! {
    /// Event of the request.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Initiated,
        CancelRequested,
        Failed,
    }
}

/// Effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Resolve,
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<(State, &'static [Effect])> {
    Some(match (state, input) {
        (State::CommandCreated, Input::Initiated) => (State::Initiated, &[]),
        (State::Initiated, Input::CancelRequested | Input::Failed) => (State::Closed, &[Effect::Resolve]),
        _ => return None,
    })
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct CancelExternalMachine {
    state: State,
    workflow_id: String,
    /// Operation that waits for the delivery.
    operation: Option<Key>,
    location: &'static Location<'static>,
}

impl CancelExternalMachine {
    /// Removes the operation that waits for it.
    pub(crate) fn detach(&mut self) {
        self.operation = None;
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn describe(&self) -> String {
        format!("workflow={}", self.workflow_id)
    }
}

impl StateMachines {
    /// Requests cancellation of a workflow. `body` is the content to send; `None` on replay.
    pub(crate) fn cancel_external_workflow(
        &mut self,
        workflow_id: String,
        operation: Option<Key>,
        location: &'static Location<'static>,
        body: Option<CommandBody>,
    ) -> Key {
        let machine = CancelExternalMachine { state: State::CommandCreated, workflow_id, operation, location };
        let key = self.insert(Machine::CancelExternal(machine));
        self.issue(CommandType::RequestCancelExternalWorkflowExecution, key, Some(location), body);
        key
    }

    pub(crate) fn cancel_external_initiated(
        &mut self,
        id: i64,
        event: &RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    ) -> Result<(), ReplayError> {
        let name = "RequestCancelExternalWorkflowExecutionInitiated";
        let workflow_id = event.workflow_execution.as_ref().map_or("", |execution| &execution.workflow_id);
        let recorded = || format!("workflow={workflow_id}");
        let command_type = CommandType::RequestCancelExternalWorkflowExecution;
        let machines = &self.machines;
        self.commands.bring_forward(command_type, |key| match machines.get(key) {
            Some(Machine::CancelExternal(machine)) => machine.workflow_id == workflow_id,
            _ => false,
        });
        let command = self.confirm(id, name, command_type, recorded)?;
        if let Some(Machine::CancelExternal(machine)) = self.machine(command.machine)
            && machine.workflow_id != workflow_id
        {
            let produced = format!("RequestCancelExternalWorkflowExecution {}", machine.describe());
            let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, id, name, recorded());
            return Err(error.produced(produced, command.location).into());
        }
        self.begun_by(id, command.machine);
        self.cancel_external_event(command.machine, id, name, Input::Initiated).map(drop)
    }

    pub(crate) fn external_cancel_requested(&mut self, id: i64, initiated_event_id: i64) -> Result<(), ReplayError> {
        let name = "ExternalWorkflowExecutionCancelRequested";
        self.cancel_external_closed(id, name, initiated_event_id, Input::CancelRequested, Outcome::Delivered)
    }

    pub(crate) fn cancel_external_failed(
        &mut self,
        id: i64,
        event: &RequestCancelExternalWorkflowExecutionFailedEventAttributes,
    ) -> Result<(), ReplayError> {
        use CancelExternalWorkflowExecutionFailedCause as C;
        let cause = event.cause();
        let reason = match cause {
            C::Unspecified => "unknown",
            C::ExternalWorkflowExecutionNotFound | C::NamespaceNotFound => "not found",
        };
        let info = ApplicationFailureInfo { r#type: format!("{cause:?}"), ..Default::default() };
        let failure = FailureProto {
            message: format!("Unable to cancel external workflow because {reason}"),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(info)),
            ..Default::default()
        };
        let (name, outcome) = ("RequestCancelExternalWorkflowExecutionFailed", Outcome::Failed(Box::new(failure)));
        self.cancel_external_closed(id, name, event.initiated_event_id, Input::Failed, outcome)
    }

    fn cancel_external_closed(
        &mut self,
        id: i64,
        event_type: &'static str,
        initiated_event_id: i64,
        input: Input,
        outcome: Outcome,
    ) -> Result<(), ReplayError> {
        let unknown = || Self::unknown_operation(id, event_type, initiated_event_id);
        let key = self.find(initiated_event_id).ok_or_else(unknown)?;
        let operation = self.cancel_external_event(key, id, event_type, input)?;
        self.resolve(operation, outcome);
        self.forget(initiated_event_id);
        self.free(key);
        Ok(())
    }

    /// Makes one step. Returns the operation that waits.
    fn cancel_external_event(
        &mut self,
        key: Key,
        id: i64,
        event_type: &'static str,
        input: Input,
    ) -> Result<Option<Key>, ReplayError> {
        let Some(Machine::CancelExternal(machine)) = self.machine(key) else {
            return Err(Self::unknown_operation(id, event_type, 0));
        };
        let (state, location) = (machine.state, machine.location);
        let (next, _) = step(state, input).ok_or_else(|| Self::impossible(id, event_type, &state, location))?;
        machine.state = next;
        Ok(machine.operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::machines::check_diagram;

    #[test]
    fn the_diagram_is_the_machine() {
        check_diagram(include_str!("cancel_external.rs"), State::ALL, Input::ALL, step);
    }
}

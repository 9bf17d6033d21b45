//! A signal to another workflow, a child or any other.
//!
//! ```text
//! CommandCreated --Initiated--> Initiated
//! CommandCreated --Cancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! Initiated --Cancel--> Initiated
//! Initiated --Signaled--> Closed: Resolve
//! Initiated --Failed--> Closed: Resolve
//! ```
//!
//! A signal that was sent cannot be withdrawn: its cancellation waits for its outcome.

use std::borrow::Cow;
use std::panic::Location;

use abide_protos::temporal::api::enums::v1::{CommandType, SignalExternalWorkflowExecutionFailedCause};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, CanceledFailureInfo, Failure as FailureProto};
use abide_protos::temporal::api::history::v1::{
    SignalExternalWorkflowExecutionFailedEventAttributes, SignalExternalWorkflowExecutionInitiatedEventAttributes,
};

use crate::replay::command_queue::{CommandBody, CommandId};
use crate::replay::jobs::Outcome;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{Machine, ReplayError, StateMachines};

listed! {
    /// State of a signal.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        CommandCreated,
        Initiated,
        Closed,
        CancelledBeforeSent,
    }
}

listed! {
    /// An event, or the author's cancellation.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Initiated,
        Signaled,
        Failed,
        Cancel,
    }
}

/// Effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    RemoveCommand,
    Resolve,
    ResolveCancelled,
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<(State, &'static [Effect])> {
    use Effect as F;
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::CommandCreated, I::Initiated) => (S::Initiated, &[]),
        (S::CommandCreated, I::Cancel) => (S::CancelledBeforeSent, &[F::RemoveCommand, F::ResolveCancelled]),
        (S::Initiated, I::Cancel) => (S::Initiated, &[]),
        (S::Initiated, I::Signaled | I::Failed) => (S::Closed, &[F::Resolve]),
        _ => return None,
    })
}

/// A signal without an outcome.
#[derive(Debug)]
pub(crate) struct SignalExternalMachine {
    state: State,
    signal_name: Cow<'static, str>,
    workflow_id: String,
    /// Operation that waits for the delivery.
    operation: Option<Key>,
    command: Option<CommandId>,
    location: &'static Location<'static>,
}

impl SignalExternalMachine {
    /// Removes the operation that waits for it.
    pub(crate) fn detach(&mut self) {
        self.operation = None;
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn describe(&self) -> String {
        format!("name={} workflow={}", self.signal_name, self.workflow_id)
    }
}

impl StateMachines {
    /// Signals a workflow. `body` is the content to send; `None` on replay.
    pub(crate) fn signal_external_workflow(
        &mut self,
        signal_name: Cow<'static, str>,
        workflow_id: String,
        operation: Key,
        location: &'static Location<'static>,
        body: Option<CommandBody>,
    ) -> Key {
        let (state, operation, command) = (State::CommandCreated, Some(operation), None);
        let machine = SignalExternalMachine { state, signal_name, workflow_id, operation, command, location };
        let key = self.insert(Machine::SignalExternal(machine));
        let command = self.issue(CommandType::SignalExternalWorkflowExecution, key, Some(location), body);
        if let Some(Machine::SignalExternal(machine)) = self.machine(key) {
            machine.command = Some(command);
        }
        key
    }

    /// Withdraws a signal if it was not sent. Returns the outcome if the operation has one at once.
    pub(crate) fn cancel_signal_external(&mut self, key: Key, forget: bool) -> Option<Outcome> {
        let Some(Machine::SignalExternal(machine)) = self.machine(key) else { return None };
        if forget {
            machine.detach();
        }
        let (next, effects) = step(machine.state, Input::Cancel)?;
        machine.state = next;
        let command = machine.command;
        if let (true, Some(command)) = (effects.contains(&Effect::RemoveCommand), command) {
            self.commands.remove(command);
            self.free(key);
        }
        effects.contains(&Effect::ResolveCancelled).then(|| {
            let info = FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default());
            Outcome::Failed(Box::new(failure("Signal was cancelled before being sent", info)))
        })
    }

    pub(crate) fn signal_external_initiated(
        &mut self,
        id: i64,
        event: &SignalExternalWorkflowExecutionInitiatedEventAttributes,
    ) -> Result<(), ReplayError> {
        let name = "SignalExternalWorkflowExecutionInitiated";
        let workflow_id = event.workflow_execution.as_ref().map_or("", |execution| &execution.workflow_id);
        let recorded = || format!("name={} workflow={workflow_id}", event.signal_name);
        let command = self.confirm(id, name, CommandType::SignalExternalWorkflowExecution, recorded)?;
        if let Some(Machine::SignalExternal(machine)) = self.machine(command.machine)
            && !(machine.signal_name == event.signal_name && machine.workflow_id == workflow_id)
        {
            let produced = format!("SignalExternalWorkflowExecution {}", machine.describe());
            let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, id, name, recorded());
            return Err(error.produced(produced, command.location).into());
        }
        self.begun_by(id, command.machine);
        self.signal_external_event(command.machine, id, name, Input::Initiated).map(drop)
    }

    pub(crate) fn external_signaled(&mut self, id: i64, initiated_event_id: i64) -> Result<(), ReplayError> {
        let name = "ExternalWorkflowExecutionSignaled";
        self.signal_external_closed(id, name, initiated_event_id, Input::Signaled, Outcome::Delivered)
    }

    pub(crate) fn signal_external_failed(
        &mut self,
        id: i64,
        event: &SignalExternalWorkflowExecutionFailedEventAttributes,
    ) -> Result<(), ReplayError> {
        use SignalExternalWorkflowExecutionFailedCause as C;
        let cause = event.cause();
        let reason = match cause {
            C::Unspecified => "unknown",
            C::ExternalWorkflowExecutionNotFound | C::NamespaceNotFound => "it was not found",
            C::SignalCountLimitExceeded => "The per-workflow signal limit was exceeded",
        };
        let info = ApplicationFailureInfo { r#type: format!("{cause:?}"), ..Default::default() };
        let message = format!("Unable to signal external workflow because {reason}");
        let outcome = Outcome::Failed(Box::new(failure(message, FailureInfo::ApplicationFailureInfo(info))));
        let name = "SignalExternalWorkflowExecutionFailed";
        self.signal_external_closed(id, name, event.initiated_event_id, Input::Failed, outcome)
    }

    fn signal_external_closed(
        &mut self,
        id: i64,
        event_type: &'static str,
        initiated_event_id: i64,
        input: Input,
        outcome: Outcome,
    ) -> Result<(), ReplayError> {
        let unknown = || Self::unknown_operation(id, event_type, initiated_event_id);
        let key = self.find(initiated_event_id).ok_or_else(unknown)?;
        let operation = self.signal_external_event(key, id, event_type, input)?;
        self.resolve(operation, outcome);
        self.forget(initiated_event_id);
        self.free(key);
        Ok(())
    }

    /// Makes one step. Returns the operation that waits.
    fn signal_external_event(
        &mut self,
        key: Key,
        id: i64,
        event_type: &'static str,
        input: Input,
    ) -> Result<Option<Key>, ReplayError> {
        let Some(Machine::SignalExternal(machine)) = self.machine(key) else {
            return Err(Self::unknown_operation(id, event_type, 0));
        };
        let (state, location) = (machine.state, machine.location);
        let (next, _) = step(state, input).ok_or_else(|| Self::impossible(id, event_type, &state, location))?;
        machine.state = next;
        Ok(machine.operation)
    }
}

fn failure(message: impl Into<String>, info: FailureInfo) -> FailureProto {
    FailureProto { message: message.into(), failure_info: Some(info), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::machines::check_diagram;

    #[test]
    fn the_diagram_is_the_machine() {
        check_diagram(include_str!("signal_external.rs"), State::ALL, Input::ALL, step);
    }
}

//! A Nexus operation that the workflow calls, with its four cancellation types.
//!
//! ```text
//! ScheduleCommandCreated --Scheduled--> Scheduled
//! ScheduleCommandCreated --Abandon--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! ScheduleCommandCreated --TryCancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! ScheduleCommandCreated --WaitRequested--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! ScheduleCommandCreated --WaitCompleted--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! Scheduled --Started--> Started: ResolveStarted
//! Scheduled --Closed--> Closed: Resolve
//! Scheduled --Abandon--> Abandoned: ResolveCancelled
//! Scheduled --TryCancel--> TryCancelCommandCreated: SendCancel ResolveCancelled
//! Scheduled --WaitRequested--> WaitRequestedCommandCreated: SendCancel
//! Scheduled --WaitCompleted--> WaitCompletedCommandCreated: SendCancel
//! Started --Closed--> Closed: Resolve
//! Started --Abandon--> Abandoned: ResolveCancelled
//! Started --TryCancel--> TryCancelCommandCreated: SendCancel ResolveCancelled
//! Started --WaitRequested--> WaitRequestedCommandCreated: SendCancel
//! Started --WaitCompleted--> WaitCompletedCommandCreated: SendCancel
//! TryCancelCommandCreated --CancelRequested--> Abandoned
//! WaitRequestedCommandCreated --CancelRequested--> RequestAwaited
//! WaitCompletedCommandCreated --CancelRequested--> EndAwaited
//! RequestAwaited --Started--> RequestAwaited: ResolveStarted
//! RequestAwaited --CancelRequestCompleted--> Abandoned: ResolveCancelled
//! RequestAwaited --CancelRequestFailed--> Abandoned: ResolveRequestFailed
//! RequestAwaited --Closed--> Closed: Resolve
//! EndAwaited --Started--> EndAwaited: ResolveStarted
//! EndAwaited --CancelRequestCompleted--> EndAwaited
//! EndAwaited --CancelRequestFailed--> EndAwaited
//! EndAwaited --Closed--> Closed: Resolve
//! Abandoned --Started--> Abandoned
//! Abandoned --CancelRequestCompleted--> Abandoned
//! Abandoned --CancelRequestFailed--> Abandoned
//! Abandoned --Closed--> Closed
//! ```
//!
//! `Closed` means completed, failed, timed out or canceled. An operation without a started event ended in the handler's
//! response to the start request. The result of a request to cancel may come after the end; by then there is no machine
//! any more, and the event has no effect.

use std::borrow::Cow;
use std::panic::Location;

use abide_protos::temporal::api::command::v1::RequestCancelNexusOperationCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{
    CanceledFailureInfo, Failure as FailureProto, NexusOperationFailureInfo,
};
use abide_protos::temporal::api::history::v1::history_event::Attributes as Event;
use abide_protos::temporal::api::history::v1::{
    NexusOperationCancelRequestedEventAttributes, NexusOperationScheduledEventAttributes,
    NexusOperationStartedEventAttributes,
};

use crate::replay::command_queue::{CommandBody, CommandId, Note};
use crate::replay::jobs::Outcome;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{Machine, ReplayError, StateMachines};

listed! {
    /// State of an operation.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        ScheduleCommandCreated,
        Scheduled,
        Started,
        TryCancelCommandCreated,
        WaitRequestedCommandCreated,
        WaitCompletedCommandCreated,
        /// Cancellation was requested, and the author waits for the handler to acknowledge it.
        RequestAwaited,
        /// Cancellation was requested, and the author waits for the operation's outcome.
        EndAwaited,
        Abandoned,
        Closed,
        CancelledBeforeSent,
    }
}

listed! {
    /// An event, or the author's cancellation by its type.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Scheduled,
        Started,
        Closed,
        CancelRequested,
        CancelRequestCompleted,
        CancelRequestFailed,
        Abandon,
        TryCancel,
        WaitRequested,
        WaitCompleted,
    }
}

/// Effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    RemoveCommand,
    SendCancel,
    ResolveStarted,
    Resolve,
    ResolveCancelled,
    ResolveRequestFailed,
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<(State, &'static [Effect])> {
    use Effect as F;
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::ScheduleCommandCreated, I::Scheduled) => (S::Scheduled, &[]),
        (S::ScheduleCommandCreated, I::Abandon | I::TryCancel | I::WaitRequested | I::WaitCompleted) => {
            (S::CancelledBeforeSent, &[F::RemoveCommand, F::ResolveCancelled])
        }
        (S::Scheduled, I::Started) => (S::Started, &[F::ResolveStarted]),
        (S::Scheduled | S::Started, I::Abandon) => (S::Abandoned, &[F::ResolveCancelled]),
        (S::Scheduled | S::Started, I::TryCancel) => {
            (S::TryCancelCommandCreated, &[F::SendCancel, F::ResolveCancelled])
        }
        (S::Scheduled | S::Started, I::WaitRequested) => (S::WaitRequestedCommandCreated, &[F::SendCancel]),
        (S::Scheduled | S::Started, I::WaitCompleted) => (S::WaitCompletedCommandCreated, &[F::SendCancel]),
        (S::TryCancelCommandCreated, I::CancelRequested) => (S::Abandoned, &[]),
        (S::WaitRequestedCommandCreated, I::CancelRequested) => (S::RequestAwaited, &[]),
        (S::WaitCompletedCommandCreated, I::CancelRequested) => (S::EndAwaited, &[]),
        (S::RequestAwaited | S::EndAwaited, I::Started) => (state, &[F::ResolveStarted]),
        (S::RequestAwaited, I::CancelRequestCompleted) => (S::Abandoned, &[F::ResolveCancelled]),
        (S::RequestAwaited, I::CancelRequestFailed) => (S::Abandoned, &[F::ResolveRequestFailed]),
        (S::EndAwaited, I::CancelRequestCompleted | I::CancelRequestFailed) => (state, &[]),
        (S::Scheduled | S::Started | S::RequestAwaited | S::EndAwaited, I::Closed) => (S::Closed, &[F::Resolve]),
        (S::Abandoned, I::Started | I::CancelRequestCompleted | I::CancelRequestFailed) => (state, &[]),
        (S::Abandoned, I::Closed) => (S::Closed, &[]),
        _ => return None,
    })
}

/// Data with which an operation is called, as far as a replay needs it.
#[derive(Debug)]
pub(crate) struct ScheduleNexusOperation {
    pub(crate) endpoint: String,
    pub(crate) service: Cow<'static, str>,
    pub(crate) operation: Cow<'static, str>,
    /// One of [`Input::Abandon`], [`Input::TryCancel`], [`Input::WaitRequested`] and [`Input::WaitCompleted`].
    pub(crate) on_cancel: Input,
}

/// Operations of the run that wait for it: for its start, if it is awaited, and for its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) start: Option<Key>,
    pub(crate) end: Option<Key>,
}

/// A Nexus operation of a run.
#[derive(Debug)]
pub(crate) struct NexusOperationMachine {
    state: State,
    request: ScheduleNexusOperation,
    waiting: Waiting,
    command: Option<CommandId>,
    scheduled_event_id: i64,
    operation_token: String,
    location: &'static Location<'static>,
}

impl NexusOperationMachine {
    /// Removes the operations that wait for it.
    pub(crate) fn detach(&mut self) {
        self.waiting = Waiting::default();
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn describe(&self) -> String {
        described(&self.request.service, &self.request.operation)
    }

    fn failure(&self, message: &str, cause: FailureProto) -> Outcome {
        let ScheduleNexusOperation { endpoint, service, operation, .. } = &self.request;
        let failure = operation_failure(message, cause, endpoint, (service, operation));
        let mut failure = Box::new(failure);
        if let Some(FailureInfo::NexusOperationExecutionFailureInfo(info)) = &mut failure.failure_info {
            info.scheduled_event_id = self.scheduled_event_id;
            info.operation_token.clone_from(&self.operation_token);
        }
        Outcome::Failed(failure)
    }
}

/// Returns an operation's failure with its cause, as Core writes it.
fn operation_failure(
    message: &str,
    cause: FailureProto,
    endpoint: &str,
    (service, operation): (&str, &str),
) -> FailureProto {
    let info = NexusOperationFailureInfo {
        endpoint: endpoint.to_string(),
        service: service.to_string(),
        operation: operation.to_string(),
        ..Default::default()
    };
    FailureProto {
        message: message.to_string(),
        cause: Some(Box::new(cause)),
        failure_info: Some(FailureInfo::NexusOperationExecutionFailureInfo(info)),
        ..Default::default()
    }
}

/// Returns the failure of an operation that begins in a cancelled scope, or is cancelled before its command is sent.
pub(crate) fn cancelled_before_sent(endpoint: &str, service: &str, operation: &str) -> FailureProto {
    let message = "Nexus Operation cancelled before scheduled";
    operation_failure(message, cancellation(), endpoint, (service, operation))
}

fn cancellation() -> FailureProto {
    let info = FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default());
    FailureProto { failure_info: Some(info), ..Default::default() }
}

fn described(service: &str, operation: &str) -> String {
    format!("service={service} operation={operation}")
}

impl StateMachines {
    /// Schedules an operation. `body` is the content to send; `None` on replay.
    pub(crate) fn schedule_nexus_operation(
        &mut self,
        request: ScheduleNexusOperation,
        waiting: Waiting,
        location: &'static Location<'static>,
        body: Option<CommandBody>,
    ) -> Key {
        let machine = NexusOperationMachine {
            state: State::ScheduleCommandCreated,
            request,
            waiting,
            command: None,
            scheduled_event_id: 0,
            operation_token: String::new(),
            location,
        };
        let key = self.insert(Machine::NexusOperation(Box::new(machine)));
        let command = self.issue(CommandType::ScheduleNexusOperation, key, Some(location), body);
        self.nexus_operation(key).command = Some(command);
        key
    }

    /// Cancels an operation by its own cancellation type. Returns the outcome if the operation that waits for the end
    /// has one at once; `None` if it comes later or has already come. With `forget` nothing waits any more.
    pub(crate) fn cancel_nexus_operation(&mut self, key: Key, forget: bool) -> Option<Outcome> {
        let machine = self.nexus_operation(key);
        if forget {
            machine.detach();
        }
        let (next, effects) = step(machine.state, machine.request.on_cancel)?;
        machine.state = next;
        let (command, location) = (machine.command, machine.location);
        let scheduled_event_id = machine.scheduled_event_id;
        let mut outcome = None;
        for effect in effects {
            match effect {
                Effect::RemoveCommand => {
                    if let Some(command) = command {
                        self.commands.remove(command);
                    }
                }
                Effect::SendCancel => {
                    let attributes = RequestCancelNexusOperationCommandAttributes { scheduled_event_id };
                    let attributes = Attributes::RequestCancelNexusOperationCommandAttributes(attributes);
                    let body = (!self.replaying).then_some(CommandBody { attributes, user_metadata: None });
                    self.issue(CommandType::RequestCancelNexusOperation, key, Some(location), body);
                    if forget {
                        self.commands.note_latest(Note::HandleDropped);
                    }
                }
                Effect::ResolveCancelled if next == State::CancelledBeforeSent => {
                    let ScheduleNexusOperation { endpoint, service, operation, .. } =
                        &self.nexus_operation(key).request;
                    outcome = Some(Outcome::Failed(Box::new(cancelled_before_sent(endpoint, service, operation))));
                }
                Effect::ResolveCancelled => {
                    let message = "Nexus operation cancelled after starting";
                    outcome = Some(self.nexus_operation(key).failure(message, cancellation()));
                }
                Effect::ResolveStarted | Effect::Resolve | Effect::ResolveRequestFailed => {}
            }
        }
        if next == State::CancelledBeforeSent {
            self.free(key);
        }
        outcome
    }

    /// Applies an event of a Nexus operation; `None` for any other event.
    pub(crate) fn apply_to_nexus_operation(&mut self, id: i64, event: &mut Event) -> Option<Result<(), ReplayError>> {
        Some(match event {
            Event::NexusOperationScheduledEventAttributes(event) => self.nexus_scheduled(id, event),
            Event::NexusOperationStartedEventAttributes(event) => self.nexus_started(id, event),
            Event::NexusOperationCompletedEventAttributes(event) => {
                let outcome = Outcome::Completed(event.result.take());
                self.nexus_closed(id, "NexusOperationCompleted", event.scheduled_event_id, outcome)
            }
            Event::NexusOperationFailedEventAttributes(event) => {
                let outcome = failed(event.failure.take(), "Nexus operation failed");
                self.nexus_closed(id, "NexusOperationFailed", event.scheduled_event_id, outcome)
            }
            Event::NexusOperationTimedOutEventAttributes(event) => {
                let outcome = failed(event.failure.take(), "Nexus operation timed out");
                self.nexus_closed(id, "NexusOperationTimedOut", event.scheduled_event_id, outcome)
            }
            Event::NexusOperationCanceledEventAttributes(event) => {
                let outcome = failed(event.failure.take(), "Nexus operation cancelled");
                self.nexus_closed(id, "NexusOperationCanceled", event.scheduled_event_id, outcome)
            }
            Event::NexusOperationCancelRequestedEventAttributes(event) => self.nexus_cancel_requested(id, event),
            Event::NexusOperationCancelRequestCompletedEventAttributes(event) => {
                let name = "NexusOperationCancelRequestCompleted";
                self.nexus_cancel_answered(id, name, event.scheduled_event_id, None)
            }
            Event::NexusOperationCancelRequestFailedEventAttributes(event) => {
                let (name, failure) = ("NexusOperationCancelRequestFailed", event.failure.take().unwrap_or_default());
                self.nexus_cancel_answered(id, name, event.scheduled_event_id, Some(failure))
            }
            _ => return None,
        })
    }

    fn nexus_scheduled(&mut self, id: i64, event: &NexusOperationScheduledEventAttributes) -> Result<(), ReplayError> {
        let name = "NexusOperationScheduled";
        let recorded = || described(&event.service, &event.operation);
        let command = self.confirm(id, name, CommandType::ScheduleNexusOperation, recorded)?;
        let machine = self.nexus_operation(command.machine);
        let request = &machine.request;
        if !(request.service == event.service && request.operation == event.operation) {
            let produced = format!("ScheduleNexusOperation {}", machine.describe());
            let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, id, name, recorded());
            return Err(error.produced(produced, command.location).into());
        }
        machine.scheduled_event_id = id;
        self.begun_by(id, command.machine);
        self.nexus_event(command.machine, id, name, Input::Scheduled).map(drop)
    }

    fn nexus_started(&mut self, id: i64, event: &mut NexusOperationStartedEventAttributes) -> Result<(), ReplayError> {
        let name = "NexusOperationStarted";
        let key = self.find_nexus_operation(id, name, event.scheduled_event_id)?;
        let effects = self.nexus_event(key, id, name, Input::Started)?;
        let machine = self.nexus_operation(key);
        machine.operation_token = std::mem::take(&mut event.operation_token);
        if effects.contains(&Effect::ResolveStarted) {
            let (start, token) = (machine.waiting.start.take(), machine.operation_token.clone());
            self.resolve(start, Outcome::NexusStarted(token));
        }
        Ok(())
    }

    fn nexus_closed(
        &mut self,
        id: i64,
        event_type: &'static str,
        scheduled_event_id: i64,
        outcome: Outcome,
    ) -> Result<(), ReplayError> {
        let key = self.find_nexus_operation(id, event_type, scheduled_event_id)?;
        let effects = self.nexus_event(key, id, event_type, Input::Closed)?;
        if effects.contains(&Effect::Resolve) {
            let end = self.nexus_operation(key).waiting.end;
            self.resolve(end, outcome);
        }
        self.forget(scheduled_event_id);
        self.free(key);
        Ok(())
    }

    fn nexus_cancel_requested(
        &mut self,
        id: i64,
        event: &NexusOperationCancelRequestedEventAttributes,
    ) -> Result<(), ReplayError> {
        let (name, command_type) = ("NexusOperationCancelRequested", CommandType::RequestCancelNexusOperation);
        let asked = self.find(event.scheduled_event_id);
        self.commands.bring_forward(command_type, |machine| asked == Some(machine));
        let recorded = self.describe_begun_by(event.scheduled_event_id);
        let command = self.confirm(id, name, command_type, || recorded.clone())?;
        if asked != Some(command.machine) {
            let produced = format!("RequestCancelNexusOperation {}", self.nexus_operation(command.machine).describe());
            let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, id, name, recorded);
            return Err(error.produced(produced, command.location).into());
        }
        self.nexus_event(command.machine, id, name, Input::CancelRequested).map(drop)
    }

    /// Handles the result of a request to cancel: the handler has acknowledged it, or `failure` is the reason why not.
    fn nexus_cancel_answered(
        &mut self,
        id: i64,
        event_type: &'static str,
        scheduled_event_id: i64,
        failure: Option<FailureProto>,
    ) -> Result<(), ReplayError> {
        let is_one = |machine: &Machine| matches!(machine, Machine::NexusOperation(_));
        let Some(key) = self.find_kind(scheduled_event_id, is_one) else { return Ok(()) };
        let input = if failure.is_some() { Input::CancelRequestFailed } else { Input::CancelRequestCompleted };
        let effects = self.nexus_event(key, id, event_type, input)?;
        let machine = self.nexus_operation(key);
        let outcome = if effects.contains(&Effect::ResolveCancelled) {
            machine.failure("Nexus operation cancellation request completed", cancellation())
        } else if effects.contains(&Effect::ResolveRequestFailed) {
            machine.failure("Nexus operation cancellation request failed", failure.unwrap_or_default())
        } else {
            return Ok(());
        };
        let end = machine.waiting.end;
        self.resolve(end, outcome);
        Ok(())
    }

    fn find_nexus_operation(&self, id: i64, event_type: &'static str, scheduled: i64) -> Result<Key, ReplayError> {
        let found = self.find_kind(scheduled, |machine| matches!(machine, Machine::NexusOperation(_)));
        found.ok_or_else(|| Self::unknown_operation(id, event_type, scheduled))
    }

    fn nexus_event(
        &mut self,
        key: Key,
        id: i64,
        event_type: &'static str,
        input: Input,
    ) -> Result<&'static [Effect], ReplayError> {
        let machine = self.nexus_operation(key);
        let (state, location) = (machine.state, machine.location);
        let (next, effects) = step(state, input).ok_or_else(|| Self::impossible(id, event_type, &state, location))?;
        machine.state = next;
        Ok(effects)
    }

    fn nexus_operation(&mut self, key: Key) -> &mut NexusOperationMachine {
        match self.machine(key) {
            Some(Machine::NexusOperation(operation)) => operation,
            _ => unreachable!("only Nexus operations are filed under the keys of Nexus operations"),
        }
    }
}

/// Returns the server's failure. The server always gives one.
fn failed(failure: Option<FailureProto>, otherwise: &str) -> Outcome {
    let failure = failure.unwrap_or_else(|| FailureProto { message: otherwise.to_string(), ..Default::default() });
    Outcome::Failed(Box::new(failure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::machines::check_diagram;

    #[test]
    fn the_diagram_is_the_machine() {
        check_diagram(include_str!("nexus_operation.rs"), State::ALL, Input::ALL, step);
    }
}

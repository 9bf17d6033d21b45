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
//! RequestAwaited --CancelRequestCompleted--> Abandoned: Resolve
//! RequestAwaited --CancelRequestFailed--> Abandoned: Resolve
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

use abide_protos::temporal::api::command::v1::RequestCancelNexusOperationCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{Failure as FailureProto, NexusOperationFailureInfo};
use abide_protos::temporal::api::history::v1::history_event::Attributes as Event;
use abide_protos::temporal::api::history::v1::{
    NexusOperationCancelRequestedEventAttributes, NexusOperationScheduledEventAttributes,
    NexusOperationStartedEventAttributes,
};

use super::operation::{Effect as F, OperationKind, OperationMachine, Step, failure};
use crate::failure::cancelled_failure;
use crate::replay::jobs::Outcome;
use crate::replay::slab::Key;
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

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

/// Data with which an operation is called, as far as a replay needs it.
#[derive(Debug)]
pub(crate) struct ScheduleNexusOperation {
    pub(crate) endpoint: String,
    pub(crate) service: Cow<'static, str>,
    pub(crate) operation: Cow<'static, str>,
    /// One of [`Input::Abandon`], [`Input::TryCancel`], [`Input::WaitRequested`] and [`Input::WaitCompleted`].
    pub(crate) on_cancel: Input,
}

/// Facts about an operation that its events have brought.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    operation_token: String,
}

impl OperationKind for ScheduleNexusOperation {
    type State = State;
    type Input = Input;
    type Progress = Progress;

    const CREATED: State = State::ScheduleCommandCreated;
    const RECORDED: Input = Input::Scheduled;

    fn step(state: State, input: Input) -> Option<Step<State>> {
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
            (S::RequestAwaited, I::CancelRequestCompleted | I::CancelRequestFailed) => (S::Abandoned, &[F::Resolve]),
            (S::EndAwaited, I::CancelRequestCompleted | I::CancelRequestFailed) => (state, &[]),
            (S::Scheduled | S::Started | S::RequestAwaited | S::EndAwaited, I::Closed) => (S::Closed, &[F::Resolve]),
            (S::Abandoned, I::Started | I::CancelRequestCompleted | I::CancelRequestFailed) => (state, &[]),
            (S::Abandoned, I::Closed) => (S::Closed, &[]),
            _ => return None,
        })
    }

    fn is_final(state: State) -> bool {
        matches!(state, State::Closed | State::CancelledBeforeSent)
    }

    fn wrap(machine: OperationMachine<Self>) -> Machine {
        Machine::NexusOperation(Box::new(machine))
    }

    fn unwrap(machine: &mut Machine) -> Option<&mut OperationMachine<Self>> {
        if let Machine::NexusOperation(operation) = machine { Some(operation) } else { None }
    }

    fn command_type(&self) -> CommandType {
        CommandType::ScheduleNexusOperation
    }

    fn describe(&self) -> String {
        described(&self.service, &self.operation)
    }

    fn on_cancel(&self) -> Option<Input> {
        Some(self.on_cancel)
    }

    fn cancelled(machine: &OperationMachine<Self>, _: &str) -> Outcome {
        let Self { endpoint, service, operation, .. } = &machine.request;
        if machine.state == State::CancelledBeforeSent {
            Outcome::Failed(Box::new(cancelled_before_sent(endpoint, service, operation)))
        } else {
            machine.failure("Nexus operation cancelled after starting", cancelled_failure("", None))
        }
    }

    fn request_cancel(machines: &mut StateMachines, key: Key, _: &str) {
        machines.issue_cancel::<Self>(key, CommandType::RequestCancelNexusOperation, |operation| {
            let scheduled_event_id = operation.event_id;
            let attributes = RequestCancelNexusOperationCommandAttributes { scheduled_event_id };
            Attributes::RequestCancelNexusOperationCommandAttributes(attributes)
        });
    }
}

impl OperationMachine<ScheduleNexusOperation> {
    fn failure(&self, message: &str, cause: FailureProto) -> Outcome {
        let ScheduleNexusOperation { endpoint, service, operation, .. } = &self.request;
        let failure = operation_failure(message, cause, endpoint, (service, operation));
        let mut failure = Box::new(failure);
        if let Some(FailureInfo::NexusOperationExecutionFailureInfo(info)) = &mut failure.failure_info {
            info.scheduled_event_id = self.event_id;
            info.operation_token.clone_from(&self.progress.operation_token);
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
    let info = FailureInfo::NexusOperationExecutionFailureInfo(info);
    FailureProto { cause: Some(Box::new(cause)), ..failure(message, info) }
}

/// Returns the failure of an operation that begins in a cancelled scope, or is cancelled before its command is sent.
pub(crate) fn cancelled_before_sent(endpoint: &str, service: &str, operation: &str) -> FailureProto {
    let message = "Nexus Operation cancelled before scheduled";
    operation_failure(message, cancelled_failure("", None), endpoint, (service, operation))
}

fn described(service: &str, operation: &str) -> String {
    format!("service={service} operation={operation}")
}

impl StateMachines {
    /// Applies an event of a Nexus operation; `None` for any other event.
    pub(crate) fn apply_to_nexus_operation(&mut self, id: i64, event: &mut Event) -> Option<Result<(), FollowError>> {
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

    fn nexus_scheduled(&mut self, id: i64, event: &NexusOperationScheduledEventAttributes) -> Result<(), FollowError> {
        let name = "NexusOperationScheduled";
        let recorded = || described(&event.service, &event.operation);
        let is_same = |request: &ScheduleNexusOperation, _| {
            request.service == event.service && request.operation == event.operation
        };
        self.operation_recorded(id, name, CommandType::ScheduleNexusOperation, recorded, is_same).map(drop)
    }

    fn nexus_started(&mut self, id: i64, event: &mut NexusOperationStartedEventAttributes) -> Result<(), FollowError> {
        let name = "NexusOperationStarted";
        let key = self.expect_operation::<ScheduleNexusOperation>(id, name, event.scheduled_event_id)?;
        let progress = &mut self.operation::<ScheduleNexusOperation>(key).progress;
        progress.operation_token = std::mem::take(&mut event.operation_token);
        let outcome = Outcome::NexusStarted(progress.operation_token.clone());
        self.operation_event::<ScheduleNexusOperation>(id, name, key, Input::Started, Some(outcome))
    }

    fn nexus_closed(
        &mut self,
        id: i64,
        event_type: &'static str,
        scheduled_event_id: i64,
        outcome: Outcome,
    ) -> Result<(), FollowError> {
        let (begun_by, input) = (scheduled_event_id, Input::Closed);
        self.operation_ended::<ScheduleNexusOperation>(id, event_type, begun_by, input, |_| outcome)
    }

    fn nexus_cancel_requested(
        &mut self,
        id: i64,
        event: &NexusOperationCancelRequestedEventAttributes,
    ) -> Result<(), FollowError> {
        let (name, command_type) = ("NexusOperationCancelRequested", CommandType::RequestCancelNexusOperation);
        let (begun_by, input) = (event.scheduled_event_id, Input::CancelRequested);
        self.cancel_request_recorded::<ScheduleNexusOperation>(id, name, command_type, begun_by, input)
    }

    /// Handles the result of a request to cancel: the handler has acknowledged it, or `failure` is the reason why not.
    fn nexus_cancel_answered(
        &mut self,
        id: i64,
        event_type: &'static str,
        scheduled_event_id: i64,
        failure: Option<FailureProto>,
    ) -> Result<(), FollowError> {
        let Some(key) = self.find_operation::<ScheduleNexusOperation>(scheduled_event_id) else { return Ok(()) };
        let machine = self.operation::<ScheduleNexusOperation>(key);
        let (input, outcome) = match failure {
            Some(failure) => {
                let message = "Nexus operation cancellation request failed";
                (Input::CancelRequestFailed, machine.failure(message, failure))
            }
            None => {
                let message = "Nexus operation cancellation request completed";
                (Input::CancelRequestCompleted, machine.failure(message, cancelled_failure("", None)))
            }
        };
        self.operation_event::<ScheduleNexusOperation>(id, event_type, key, input, Some(outcome))
    }
}

/// Returns the server's failure. The server always gives one.
fn failed(failure: Option<FailureProto>, otherwise: &str) -> Outcome {
    let failure = failure.unwrap_or_else(|| FailureProto { message: otherwise.to_string(), ..Default::default() });
    Outcome::Failed(Box::new(failure))
}

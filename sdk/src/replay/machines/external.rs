//! A message to another workflow, a child or any other: a signal, or a request to cancel it.
//!
//! ```text
//! CommandCreated --Initiated--> Initiated
//! CommandCreated --Cancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! Initiated --Cancel--> Initiated
//! Initiated --Closed--> Closed: Resolve
//! ```
//!
//! `Closed` means delivered or failed. A signal that was sent cannot be withdrawn: its cancellation waits for its
//! outcome. As in Core, a request to cancel cannot be withdrawn at all. When a child is cancelled, no operation waits
//! for the request.

use std::borrow::Cow;

use abide_protos::temporal::api::enums::v1::{
    CancelExternalWorkflowExecutionFailedCause, CommandType, SignalExternalWorkflowExecutionFailedCause,
};
use abide_protos::temporal::api::failure::v1::ApplicationFailureInfo;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::history::v1::{
    RequestCancelExternalWorkflowExecutionFailedEventAttributes,
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    SignalExternalWorkflowExecutionFailedEventAttributes, SignalExternalWorkflowExecutionInitiatedEventAttributes,
};

use super::operation::{Effect as F, OperationKind, OperationMachine, Step, failure};
use crate::failure::cancelled_failure;
use crate::replay::jobs::Outcome;
use crate::replay::slab::Key;
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

const SIGNAL: CommandType = CommandType::SignalExternalWorkflowExecution;
const CANCEL: CommandType = CommandType::RequestCancelExternalWorkflowExecution;

listed! {
    /// State of a message.
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
        Closed,
        Cancel,
    }
}

/// Kind of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// A signal with this name.
    Signal(Cow<'a, str>),
    CancelRequest,
}

impl Message<'_> {
    fn command_type(&self) -> CommandType {
        match self {
            Self::Signal(_) => SIGNAL,
            Self::CancelRequest => CANCEL,
        }
    }

    fn describe(&self, workflow_id: &str) -> String {
        match self {
            Self::Signal(name) => format!("name={name} workflow={workflow_id}"),
            Self::CancelRequest => format!("workflow={workflow_id}"),
        }
    }
}

/// A message to send, as far as a replay needs it.
#[derive(Debug)]
pub(crate) struct SendMessage {
    pub(crate) message: Message<'static>,
    pub(crate) workflow_id: String,
}

impl OperationKind for SendMessage {
    type State = State;
    type Input = Input;
    type Progress = ();

    const CREATED: State = State::CommandCreated;
    const RECORDED: Input = Input::Initiated;

    fn step(state: State, input: Input) -> Option<Step<State>> {
        use Input as I;
        use State as S;
        Some(match (state, input) {
            (S::CommandCreated, I::Initiated) => (S::Initiated, &[]),
            (S::CommandCreated, I::Cancel) => (S::CancelledBeforeSent, &[F::RemoveCommand, F::ResolveCancelled]),
            (S::Initiated, I::Cancel) => (S::Initiated, &[]),
            (S::Initiated, I::Closed) => (S::Closed, &[F::Resolve]),
            _ => return None,
        })
    }

    fn is_final(state: State) -> bool {
        matches!(state, State::Closed | State::CancelledBeforeSent)
    }

    fn wrap(machine: OperationMachine<Self>) -> Machine {
        Machine::External(machine)
    }

    fn unwrap(machine: &mut Machine) -> Option<&mut OperationMachine<Self>> {
        if let Machine::External(message) = machine { Some(message) } else { None }
    }

    fn command_type(&self) -> CommandType {
        self.message.command_type()
    }

    fn describe(&self) -> String {
        self.message.describe(&self.workflow_id)
    }

    fn on_cancel(&self) -> Option<Input> {
        match self.message {
            Message::Signal(_) => Some(Input::Cancel),
            Message::CancelRequest => None,
        }
    }

    fn cancelled(_: &OperationMachine<Self>, _: &str) -> Outcome {
        Outcome::Failed(Box::new(cancelled_failure("Signal was cancelled before being sent", None)))
    }

    fn request_cancel(_: &mut StateMachines, _: Key, _: &str) {
        unreachable!("no step of a message requests its cancellation")
    }
}

impl OperationMachine<SendMessage> {
    /// Returns what error messages call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self.request.message {
            Message::Signal(_) => "signal",
            Message::CancelRequest => "request to cancel",
        }
    }
}

impl StateMachines {
    pub(crate) fn signal_external_initiated(
        &mut self,
        id: i64,
        event: &SignalExternalWorkflowExecutionInitiatedEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "SignalExternalWorkflowExecutionInitiated";
        let workflow_id = event.workflow_execution.as_ref().map_or("", |execution| &execution.workflow_id);
        self.external_initiated(id, name, &Message::Signal(Cow::Borrowed(&event.signal_name)), workflow_id)
    }

    pub(crate) fn cancel_external_initiated(
        &mut self,
        id: i64,
        event: &RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "RequestCancelExternalWorkflowExecutionInitiated";
        let workflow_id = event.workflow_execution.as_ref().map_or("", |execution| &execution.workflow_id);
        let (message, machines) = (Message::CancelRequest, &self.machines);
        self.commands.bring_forward(
            message.command_type(),
            |key| matches!(machines.get(key), Some(Machine::External(sent)) if sent.request.workflow_id == workflow_id),
        );
        self.external_initiated(id, name, &message, workflow_id)
    }

    fn external_initiated(
        &mut self,
        id: i64,
        event_type: &'static str,
        message: &Message<'_>,
        workflow_id: &str,
    ) -> Result<(), FollowError> {
        let recorded = || message.describe(workflow_id);
        let is_same = |sent: &SendMessage, _| sent.message == *message && sent.workflow_id == workflow_id;
        self.operation_recorded(id, event_type, message.command_type(), recorded, is_same).map(drop)
    }

    pub(crate) fn external_signaled(&mut self, id: i64, initiated_event_id: i64) -> Result<(), FollowError> {
        let name = "ExternalWorkflowExecutionSignaled";
        self.external_closed(id, name, SIGNAL, initiated_event_id, Outcome::Delivered)
    }

    pub(crate) fn external_cancel_requested(&mut self, id: i64, initiated_event_id: i64) -> Result<(), FollowError> {
        let name = "ExternalWorkflowExecutionCancelRequested";
        self.external_closed(id, name, CANCEL, initiated_event_id, Outcome::Delivered)
    }

    pub(crate) fn signal_external_failed(
        &mut self,
        id: i64,
        event: &SignalExternalWorkflowExecutionFailedEventAttributes,
    ) -> Result<(), FollowError> {
        use SignalExternalWorkflowExecutionFailedCause as C;
        let cause = event.cause();
        let reason = match cause {
            C::Unspecified => "unknown",
            C::ExternalWorkflowExecutionNotFound | C::NamespaceNotFound => "it was not found",
            C::SignalCountLimitExceeded => "The per-workflow signal limit was exceeded",
        };
        let outcome = not_delivered("signal", reason, format!("{cause:?}"));
        let name = "SignalExternalWorkflowExecutionFailed";
        self.external_closed(id, name, SIGNAL, event.initiated_event_id, outcome)
    }

    pub(crate) fn cancel_external_failed(
        &mut self,
        id: i64,
        event: &RequestCancelExternalWorkflowExecutionFailedEventAttributes,
    ) -> Result<(), FollowError> {
        use CancelExternalWorkflowExecutionFailedCause as C;
        let cause = event.cause();
        let reason = match cause {
            C::Unspecified => "unknown",
            C::ExternalWorkflowExecutionNotFound | C::NamespaceNotFound => "not found",
        };
        let outcome = not_delivered("cancel", reason, format!("{cause:?}"));
        let name = "RequestCancelExternalWorkflowExecutionFailed";
        self.external_closed(id, name, CANCEL, event.initiated_event_id, outcome)
    }

    /// Applies an outcome, unless it belongs to a message of another kind.
    fn external_closed(
        &mut self,
        id: i64,
        event_type: &'static str,
        command_type: CommandType,
        initiated_event_id: i64,
        outcome: Outcome,
    ) -> Result<(), FollowError> {
        let key = self.expect_operation::<SendMessage>(id, event_type, initiated_event_id)?;
        if self.operation::<SendMessage>(key).request.command_type() != command_type {
            return Err(Self::unknown_operation(id, event_type, initiated_event_id));
        }
        self.operation_event::<SendMessage>(id, event_type, key, Input::Closed, Some(outcome))
    }
}

/// Returns the outcome of a message that did not arrive. Its type is the server's name for the cause.
fn not_delivered(verb: &str, reason: &str, cause: String) -> Outcome {
    let info = ApplicationFailureInfo { r#type: cause, ..Default::default() };
    let message = format!("Unable to {verb} external workflow because {reason}");
    Outcome::Failed(Box::new(failure(message, FailureInfo::ApplicationFailureInfo(info))))
}

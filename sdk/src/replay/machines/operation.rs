//! The common part of most machines: a command begins the operation, an event records the command,
//! and code waits for the outcome.
//!
//! A step of a machine says what it does as a list of [`Effect`]s. They are carried out here, whether an event or a
//! cancellation made the step.

use std::fmt::Debug;
use std::panic::Location;

use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;

use crate::replay::command_queue::{CommandBody, CommandId, Note};
use crate::replay::jobs::Outcome;
use crate::replay::slab::Key;
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

/// Effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Withdraws the command, which was not sent.
    RemoveCommand,
    /// Requests cancellation with another command.
    SendCancel,
    /// Gives the event's outcome to the code that waits for the start.
    ResolveStarted,
    /// Gives the event's outcome to the code that waits for the end.
    Resolve,
    /// Gives a cancellation to the code that waits for the end.
    ResolveCancelled,
}

/// Next state, and what the step does.
pub(crate) type Step<S> = (S, &'static [Effect]);

/// Kind of an operation: what the code asks for, with the states and steps of its machine.
pub(crate) trait OperationKind: Sized {
    type State: Copy + Debug;
    type Input: Copy;
    /// Facts about the operation that its events have brought, beside its state.
    type Progress: Default + Debug;

    /// State until the command has its event.
    const CREATED: Self::State;
    /// Input of the event that records the command.
    const RECORDED: Self::Input;

    /// Makes one step; `None` if the input cannot come in this state.
    fn step(state: Self::State, input: Self::Input) -> Option<Step<Self::State>>;

    /// Returns true if nothing can happen in this state any more.
    fn is_final(state: Self::State) -> bool;

    fn wrap(machine: OperationMachine<Self>) -> Machine;

    /// Returns a machine of this kind; `None` for any other.
    fn unwrap(machine: &mut Machine) -> Option<&mut OperationMachine<Self>>;

    /// Type of the command that begins it.
    fn command_type(&self) -> CommandType;

    /// Describes it after the type of its command, for error messages.
    fn describe(&self) -> String;

    /// Input for the author's cancellation; `None` if it cannot be cancelled.
    fn on_cancel(&self) -> Option<Self::Input>;

    /// Returns the outcome of an operation that was cancelled and has no other outcome.
    fn cancelled(machine: &OperationMachine<Self>, reason: &str) -> Outcome;

    /// Issues the command that requests cancellation.
    fn request_cancel(machines: &mut StateMachines, key: Key, reason: &str);
}

/// Operations of the code that wait for a machine: for its start, if that is awaited, and for its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) start: Option<Key>,
    pub(crate) end: Option<Key>,
}

impl From<Key> for Waiting {
    fn from(end: Key) -> Self {
        Self { start: None, end: Some(end) }
    }
}

/// Machine of an operation.
#[derive(Debug)]
pub(crate) struct OperationMachine<K: OperationKind> {
    pub(super) request: K,
    pub(super) state: K::State,
    pub(super) progress: K::Progress,
    waiting: Waiting,
    /// Id of the event that recorded the command; 0 before it.
    pub(super) event_id: i64,
    command: CommandId,
    pub(super) location: &'static Location<'static>,
}

impl<K: OperationKind> OperationMachine<K> {
    /// Removes the operations that wait for it.
    pub(crate) fn detach(&mut self) {
        self.waiting = Waiting::default();
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn describe(&self) -> String {
        self.request.describe()
    }
}

/// The author's cancellation, as far as effects depend on it. An event has the default.
#[derive(Clone, Copy, Default)]
struct Cancellation<'a> {
    /// True if the handle was dropped.
    forget: bool,
    reason: &'a str,
}

impl StateMachines {
    /// Begins an operation. `body` is the content to send; `None` on replay.
    pub(crate) fn begin<K: OperationKind>(
        &mut self,
        request: K,
        waiting: Waiting,
        location: &'static Location<'static>,
        body: Option<CommandBody>,
    ) -> Key {
        let (command_type, command) = (request.command_type(), self.commands.next());
        let (state, progress, event_id) = (K::CREATED, K::Progress::default(), 0);
        let key =
            self.insert(K::wrap(OperationMachine { request, state, progress, waiting, event_id, command, location }));
        self.issue(command_type, key, Some(location), body);
        key
    }

    /// Cancels an operation by its own cancellation type. Returns the outcome if the operation that waits for the end
    /// has one at once; `None` if it comes later or has already come. With `forget` nothing waits any more.
    pub(crate) fn cancel_operation<K: OperationKind>(
        &mut self,
        key: Key,
        forget: bool,
        reason: &str,
    ) -> Option<Outcome> {
        let machine = self.operation::<K>(key);
        if forget {
            machine.detach();
        }
        let step = K::step(machine.state, machine.request.on_cancel()?)?;
        self.carry_out::<K>(key, step, None, Cancellation { forget, reason })
    }

    /// Applies the event that records a command. `is_same` compares the code's request with it, and is told whether
    /// Abide recorded the history.
    pub(super) fn operation_recorded<K: OperationKind>(
        &mut self,
        id: i64,
        event_type: &'static str,
        command_type: CommandType,
        recorded: impl Fn() -> String,
        is_same: impl FnOnce(&K, bool) -> bool,
    ) -> Result<&mut OperationMachine<K>, FollowError> {
        let command = self.confirm(id, event_type, command_type, &recorded)?;
        let (key, ours) = (command.machine, self.flags.is_ours());
        if !is_same(&self.operation::<K>(key).request, ours) {
            return Err(self.differs(id, event_type, &command, recorded()));
        }
        self.operation::<K>(key).event_id = id;
        self.begun_by(id, key);
        self.operation_event::<K>(id, event_type, key, K::RECORDED, None)?;
        Ok(self.operation(key))
    }

    /// Applies the event that records the request to cancel the operation that event `begun_by` began.
    pub(super) fn cancel_request_recorded<K: OperationKind>(
        &mut self,
        id: i64,
        event_type: &'static str,
        command_type: CommandType,
        begun_by: i64,
        input: K::Input,
    ) -> Result<(), FollowError> {
        let asked = self.find(begun_by);
        self.commands.bring_forward(command_type, |machine| asked == Some(machine));
        let recorded = self.describe_begun_by(begun_by);
        let command = self.confirm(id, event_type, command_type, || recorded.clone())?;
        if asked != Some(command.machine) {
            return Err(self.differs(id, event_type, &command, recorded));
        }
        self.operation_event::<K>(id, event_type, command.machine, input, None)
    }

    /// Applies the event that brings the outcome of the operation that event `begun_by` began.
    pub(super) fn operation_ended<K: OperationKind>(
        &mut self,
        id: i64,
        event_type: &'static str,
        begun_by: i64,
        input: K::Input,
        outcome: impl FnOnce(&OperationMachine<K>) -> Outcome,
    ) -> Result<(), FollowError> {
        let key = self.expect_operation::<K>(id, event_type, begun_by)?;
        let outcome = outcome(self.operation(key));
        self.operation_event::<K>(id, event_type, key, input, Some(outcome))
    }

    /// Applies an event. `outcome` is what it brings for the code that waits.
    pub(super) fn operation_event<K: OperationKind>(
        &mut self,
        id: i64,
        event_type: &'static str,
        key: Key,
        input: K::Input,
        outcome: Option<Outcome>,
    ) -> Result<(), FollowError> {
        let machine = self.operation::<K>(key);
        let (state, location, end) = (machine.state, machine.location, machine.waiting.end);
        let step = K::step(state, input).ok_or_else(|| Self::impossible(id, event_type, &state, location))?;
        if let Some(outcome) = self.carry_out::<K>(key, step, outcome, Cancellation::default()) {
            self.resolve(end, outcome);
        }
        Ok(())
    }

    /// Carries out a step. Returns what the operation that waits for the end gets.
    fn carry_out<K: OperationKind>(
        &mut self,
        key: Key,
        (next, effects): Step<K::State>,
        mut outcome: Option<Outcome>,
        cancellation: Cancellation<'_>,
    ) -> Option<Outcome> {
        self.operation::<K>(key).state = next;
        let mut end = None;
        for effect in effects {
            let machine = self.operation::<K>(key);
            match effect {
                Effect::RemoveCommand => {
                    let command = machine.command;
                    self.commands.remove(command);
                }
                Effect::SendCancel => {
                    K::request_cancel(self, key, cancellation.reason);
                    if cancellation.forget {
                        self.commands.note_latest(Note::HandleDropped);
                    }
                }
                Effect::ResolveStarted => {
                    let (start, waits) = (machine.waiting.start.take(), machine.waiting.end);
                    self.jobs.started.extend(waits);
                    if let Some(outcome) = outcome.take() {
                        self.resolve(start, outcome);
                    }
                }
                Effect::Resolve => end = outcome.take(),
                Effect::ResolveCancelled => end = Some(K::cancelled(machine, cancellation.reason)),
            }
        }
        if K::is_final(next) {
            let event_id = self.operation::<K>(key).event_id;
            self.forget(event_id);
            self.free(key);
        }
        end
    }

    /// Issues the command that requests cancellation of an operation.
    pub(super) fn issue_cancel<K: OperationKind>(
        &mut self,
        key: Key,
        command_type: CommandType,
        attributes: impl FnOnce(&OperationMachine<K>) -> Attributes,
    ) {
        let replaying = self.replaying;
        let machine = self.operation(key);
        let location = machine.location;
        let body = (!replaying).then(|| CommandBody { attributes: attributes(machine), user_metadata: None });
        self.issue(command_type, key, Some(location), body);
    }

    /// Finds the operation of this kind that event `begun_by` began. A broken history may refer to another kind.
    pub(super) fn find_operation<K: OperationKind>(&mut self, begun_by: i64) -> Option<Key> {
        let key = self.find(begun_by)?;
        self.machine(key).and_then(K::unwrap).map(|_| key)
    }

    /// Like [`Self::find_operation`], for an event that must have one.
    pub(super) fn expect_operation<K: OperationKind>(
        &mut self,
        id: i64,
        event_type: &'static str,
        begun_by: i64,
    ) -> Result<Key, FollowError> {
        self.find_operation::<K>(begun_by).ok_or_else(|| Self::unknown_operation(id, event_type, begun_by))
    }

    pub(super) fn operation<K: OperationKind>(&mut self, key: Key) -> &mut OperationMachine<K> {
        match self.machine(key).and_then(K::unwrap) {
            Some(machine) => machine,
            None => unreachable!("only machines of one kind are filed under the keys of this kind"),
        }
    }
}

/// Returns a failure with the information of its kind.
pub(super) fn failure(message: impl Into<String>, info: FailureInfo) -> FailureProto {
    FailureProto { message: message.into(), failure_info: Some(info), ..Default::default() }
}

/// Returns true if `text` is `number` in decimal. Compares without writing the number.
pub(super) fn is_decimal(text: &str, number: u32) -> bool {
    !text.starts_with('0') && !text.starts_with('+') && text.parse() == Ok(number)
}

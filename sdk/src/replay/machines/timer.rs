//! A timer.
//!
//! ```text
//! StartCommandCreated --TimerStarted--> Started
//! StartCommandCreated --Cancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! Started --TimerFired--> Fired: ResolveFired
//! Started --Cancel--> CancelCommandCreated: SendCancel ResolveCancelled
//! CancelCommandCreated --TimerCanceled--> Canceled
//! ```
//!
//! A replay matches a timer that fires or is cancelled by the event that started it. It compares ids only in Abide's
//! own histories.

use std::panic::Location;

use abide_protos::temporal::api::command::v1::CancelTimerCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::history::v1::{
    TimerCanceledEventAttributes, TimerFiredEventAttributes, TimerStartedEventAttributes,
};

use super::activity::is_decimal;
use crate::replay::command_queue::{CommandBody, CommandId, Note};
use crate::replay::jobs::Outcome;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{Machine, ReplayError, StateMachines};

listed! {
    /// State of a timer.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        StartCommandCreated,
        Started,
        CancelCommandCreated,
        Fired,
        Canceled,
        CancelledBeforeSent,
    }
}

listed! {
    /// An event, or the author's cancellation.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        TimerStarted,
        TimerFired,
        TimerCanceled,
        Cancel,
    }
}

/// Effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    RemoveCommand,
    SendCancel,
    ResolveFired,
    ResolveCancelled,
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<(State, &'static [Effect])> {
    use Effect as F;
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::StartCommandCreated, I::TimerStarted) => (S::Started, &[]),
        (S::StartCommandCreated, I::Cancel) => (S::CancelledBeforeSent, &[F::RemoveCommand, F::ResolveCancelled]),
        (S::Started, I::TimerFired) => (S::Fired, &[F::ResolveFired]),
        (S::Started, I::Cancel) => (S::CancelCommandCreated, &[F::SendCancel, F::ResolveCancelled]),
        (S::CancelCommandCreated, I::TimerCanceled) => (S::Canceled, &[]),
        _ => return None,
    })
}

impl State {
    /// Returns true if nothing can happen to the timer any more.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Fired | Self::Canceled | Self::CancelledBeforeSent)
    }
}

/// A timer of a run.
#[derive(Debug)]
pub(crate) struct TimerMachine {
    state: State,
    number: u32,
    /// Operation that waits for it.
    operation: Option<Key>,
    command: Option<CommandId>,
    started_event_id: i64,
    location: &'static Location<'static>,
}

impl TimerMachine {
    /// Removes the operation that waits for it.
    pub(crate) fn detach(&mut self) {
        self.operation = None;
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn describe(&self) -> String {
        format!("id={}", self.number)
    }
}

impl StateMachines {
    /// Starts a timer under the number that was taken for it. `body` is the content to send; `None` on replay.
    pub(crate) fn start_timer(
        &mut self,
        number: u32,
        operation: Key,
        location: &'static Location<'static>,
        body: Option<CommandBody>,
    ) -> Key {
        let state = State::StartCommandCreated;
        let machine =
            TimerMachine { state, number, operation: Some(operation), command: None, started_event_id: 0, location };
        let key = self.insert(Machine::Timer(machine));
        let command = self.issue(CommandType::StartTimer, key, Some(location), body);
        self.timer(key).command = Some(command);
        key
    }

    /// Cancels a timer. Returns the outcome if the operation has one at once; `None` if the timer already has one.
    pub(crate) fn cancel_timer(&mut self, key: Key, forget: bool) -> Option<Outcome> {
        let number = self.timer(key).number;
        let machine = self.timer(key);
        if forget {
            machine.operation = None;
        }
        let (next, effects) = step(machine.state, Input::Cancel)?;
        machine.state = next;
        let (command, location) = (machine.command, machine.location);
        for effect in effects {
            match effect {
                Effect::RemoveCommand => {
                    if let Some(command) = command {
                        self.commands.remove(command);
                    }
                }
                Effect::SendCancel => {
                    let body = (!self.replaying).then(|| CommandBody {
                        attributes: Attributes::CancelTimerCommandAttributes(CancelTimerCommandAttributes {
                            timer_id: number.to_string(),
                        }),
                        user_metadata: None,
                    });
                    self.issue(CommandType::CancelTimer, key, Some(location), body);
                    if forget {
                        self.commands.note_latest(Note::HandleDropped);
                    }
                }
                Effect::ResolveFired | Effect::ResolveCancelled => {}
            }
        }
        if next.is_final() {
            self.free(key);
        }
        Some(Outcome::Cancelled)
    }

    pub(crate) fn timer_started(&mut self, id: i64, event: &TimerStartedEventAttributes) -> Result<(), ReplayError> {
        let recorded = || format!("id={}", event.timer_id);
        let command = self.confirm(id, "TimerStarted", CommandType::StartTimer, recorded)?;
        let ours = self.flags.is_ours();
        let timer = self.timer(command.machine);
        // Other SDKs number timers in their own ways.
        if ours && !is_decimal(&event.timer_id, timer.number) {
            let produced = format!("StartTimer {}", timer.describe());
            let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, id, "TimerStarted", recorded());
            return Err(error.produced(produced, command.location).into());
        }
        timer.started_event_id = id;
        self.begun_by(id, command.machine);
        self.timer_event(command.machine, id, "TimerStarted", Input::TimerStarted)
    }

    pub(crate) fn timer_fired(&mut self, id: i64, event: &TimerFiredEventAttributes) -> Result<(), ReplayError> {
        let key = self
            .find_kind(event.started_event_id, |machine| matches!(machine, Machine::Timer(_)))
            .ok_or_else(|| Self::unknown_operation(id, "TimerFired", event.started_event_id))?;
        self.timer_event(key, id, "TimerFired", Input::TimerFired)
    }

    pub(crate) fn timer_canceled(&mut self, id: i64, event: &TimerCanceledEventAttributes) -> Result<(), ReplayError> {
        let asked = self.find(event.started_event_id);
        self.commands.bring_forward(CommandType::CancelTimer, |machine| asked == Some(machine));
        let recorded = || format!("the timer of event {}", event.started_event_id);
        let command = self.confirm(id, "TimerCanceled", CommandType::CancelTimer, recorded)?;
        if asked != Some(command.machine) {
            let produced =
                format!("CancelTimer of the timer of event {}", self.timer(command.machine).started_event_id);
            let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, id, "TimerCanceled", recorded());
            return Err(error.produced(produced, command.location).into());
        }
        self.timer_event(command.machine, id, "TimerCanceled", Input::TimerCanceled)
    }

    fn timer_event(&mut self, key: Key, id: i64, event_type: &'static str, input: Input) -> Result<(), ReplayError> {
        let machine = self.timer(key);
        let (state, location) = (machine.state, machine.location);
        let (next, effects) = step(state, input).ok_or_else(|| Self::impossible(id, event_type, &state, location))?;
        machine.state = next;
        let (operation, started_event_id) = (machine.operation, machine.started_event_id);
        if effects.contains(&Effect::ResolveFired) {
            self.resolve(operation, Outcome::Fired);
        }
        if next.is_final() {
            self.forget(started_event_id);
            self.free(key);
        }
        Ok(())
    }

    fn timer(&mut self, key: Key) -> &mut TimerMachine {
        match self.machine(key) {
            Some(Machine::Timer(timer)) => timer,
            _ => unreachable!("only timers are filed under the keys of timers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::machines::check_diagram;

    #[test]
    fn the_diagram_is_the_machine() {
        check_diagram(include_str!("timer.rs"), State::ALL, Input::ALL, step);
    }
}

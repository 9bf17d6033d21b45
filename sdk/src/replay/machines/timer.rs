//! A timer.
//!
//! ```text
//! StartCommandCreated --TimerStarted--> Started
//! StartCommandCreated --Cancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! Started --TimerFired--> Fired: Resolve
//! Started --Cancel--> CancelCommandCreated: SendCancel ResolveCancelled
//! CancelCommandCreated --TimerCanceled--> Canceled
//! ```
//!
//! A replay matches a timer that fires or is cancelled by the event that started it. It compares ids only in Abide's
//! own histories.

use abide_protos::temporal::api::command::v1::CancelTimerCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::history::v1::{
    TimerCanceledEventAttributes, TimerFiredEventAttributes, TimerStartedEventAttributes,
};

use super::operation::{Effect as F, OperationKind, OperationMachine, Step, is_decimal};
use crate::replay::jobs::Outcome;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

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

/// A timer to start, under the number that was taken for it.
#[derive(Debug)]
pub(crate) struct StartTimer {
    pub(crate) number: u32,
}

impl OperationKind for StartTimer {
    type State = State;
    type Input = Input;
    type Progress = ();

    const CREATED: State = State::StartCommandCreated;
    const RECORDED: Input = Input::TimerStarted;

    fn step(state: State, input: Input) -> Option<Step<State>> {
        use Input as I;
        use State as S;
        Some(match (state, input) {
            (S::StartCommandCreated, I::TimerStarted) => (S::Started, &[]),
            (S::StartCommandCreated, I::Cancel) => (S::CancelledBeforeSent, &[F::RemoveCommand, F::ResolveCancelled]),
            (S::Started, I::TimerFired) => (S::Fired, &[F::Resolve]),
            (S::Started, I::Cancel) => (S::CancelCommandCreated, &[F::SendCancel, F::ResolveCancelled]),
            (S::CancelCommandCreated, I::TimerCanceled) => (S::Canceled, &[]),
            _ => return None,
        })
    }

    fn is_final(state: State) -> bool {
        matches!(state, State::Fired | State::Canceled | State::CancelledBeforeSent)
    }

    fn wrap(machine: OperationMachine<Self>) -> Machine {
        Machine::Timer(machine)
    }

    fn unwrap(machine: &mut Machine) -> Option<&mut OperationMachine<Self>> {
        if let Machine::Timer(timer) = machine { Some(timer) } else { None }
    }

    fn command_type(&self) -> CommandType {
        CommandType::StartTimer
    }

    fn describe(&self) -> String {
        format!("id={}", self.number)
    }

    fn on_cancel(&self) -> Option<Input> {
        Some(Input::Cancel)
    }

    fn cancelled(_: &OperationMachine<Self>, _: &str) -> Outcome {
        Outcome::Cancelled
    }

    fn request_cancel(machines: &mut StateMachines, key: Key, _: &str) {
        machines.issue_cancel::<Self>(key, CommandType::CancelTimer, |timer| {
            let timer_id = timer.request.number.to_string();
            Attributes::CancelTimerCommandAttributes(CancelTimerCommandAttributes { timer_id })
        });
    }
}

impl StateMachines {
    pub(crate) fn timer_started(&mut self, id: i64, event: &TimerStartedEventAttributes) -> Result<(), FollowError> {
        let recorded = || format!("id={}", event.timer_id);
        // Other SDKs number timers in their own ways.
        let is_same = |timer: &StartTimer, ours: bool| !ours || is_decimal(&event.timer_id, timer.number);
        self.operation_recorded(id, "TimerStarted", CommandType::StartTimer, recorded, is_same).map(drop)
    }

    pub(crate) fn timer_fired(&mut self, id: i64, event: &TimerFiredEventAttributes) -> Result<(), FollowError> {
        let begun_by = event.started_event_id;
        self.operation_ended::<StartTimer>(id, "TimerFired", begun_by, Input::TimerFired, |_| Outcome::Fired)
    }

    pub(crate) fn timer_canceled(&mut self, id: i64, event: &TimerCanceledEventAttributes) -> Result<(), FollowError> {
        let asked = self.find(event.started_event_id);
        self.commands.bring_forward(CommandType::CancelTimer, |machine| asked == Some(machine));
        let recorded = || format!("the timer of event {}", event.started_event_id);
        let command = self.confirm(id, "TimerCanceled", CommandType::CancelTimer, recorded)?;
        if asked != Some(command.machine) {
            let event_id = self.operation::<StartTimer>(command.machine).event_id;
            let produced = format!("CancelTimer of the timer of event {event_id}");
            let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, id, "TimerCanceled", recorded());
            return Err(error.produced(produced, command.location).into());
        }
        self.operation_event::<StartTimer>(id, "TimerCanceled", command.machine, Input::TimerCanceled, None)
    }
}

//! An activity, with its three cancellation types.
//!
//! ```text
//! ScheduleCommandCreated --Scheduled--> Scheduled
//! ScheduleCommandCreated --TryCancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! ScheduleCommandCreated --WaitCancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! ScheduleCommandCreated --Abandon--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! Scheduled --Started--> Scheduled
//! Scheduled --Closed--> Closed: Resolve
//! Scheduled --TryCancel--> TryCancelCommandCreated: SendCancel ResolveCancelled
//! Scheduled --WaitCancel--> WaitCancelCommandCreated: SendCancel
//! Scheduled --Abandon--> Abandoned: ResolveCancelled
//! TryCancelCommandCreated --CancelRequested--> Abandoned
//! WaitCancelCommandCreated --CancelRequested--> WaitCancelRequested
//! WaitCancelRequested --Started--> WaitCancelRequested
//! WaitCancelRequested --Closed--> Closed: Resolve
//! Abandoned --Started--> Abandoned
//! Abandoned --Closed--> Closed
//! ```
//!
//! `Closed` means completed, failed, timed out or canceled: the machine treats them alike, and the author's result is
//! in the event. After an activity is abandoned, or after its cancellation was tried and the author has the outcome,
//! later events have no effect.

use std::borrow::Cow;
use std::panic::Location;

use abide_protos::temporal::api::command::v1::RequestCancelActivityTaskCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{ActivityType, Payloads};
use abide_protos::temporal::api::enums::v1::{CommandType, RetryState};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ActivityFailureInfo, Failure as FailureProto};
use abide_protos::temporal::api::history::v1::{
    ActivityTaskCancelRequestedEventAttributes, ActivityTaskCanceledEventAttributes,
    ActivityTaskCompletedEventAttributes, ActivityTaskFailedEventAttributes, ActivityTaskScheduledEventAttributes,
    ActivityTaskStartedEventAttributes, ActivityTaskTimedOutEventAttributes,
};

use crate::failure::{ACTIVITY_CANCELLED, cancelled_failure};
use crate::replay::command_queue::{CommandBody, CommandId, Note};
use crate::replay::jobs::Outcome;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{Machine, ReplayError, StateMachines};

listed! {
    /// State of an activity.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        ScheduleCommandCreated,
        Scheduled,
        TryCancelCommandCreated,
        WaitCancelCommandCreated,
        WaitCancelRequested,
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
        TryCancel,
        WaitCancel,
        Abandon,
    }
}

/// Effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    RemoveCommand,
    SendCancel,
    Resolve,
    ResolveCancelled,
}

/// Makes one step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<(State, &'static [Effect])> {
    use Effect as F;
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::ScheduleCommandCreated, I::Scheduled) => (S::Scheduled, &[]),
        (S::ScheduleCommandCreated, I::TryCancel | I::WaitCancel | I::Abandon) => {
            (S::CancelledBeforeSent, &[F::RemoveCommand, F::ResolveCancelled])
        }
        (S::Scheduled, I::Started) => (S::Scheduled, &[]),
        (S::Scheduled | S::WaitCancelRequested, I::Closed) => (S::Closed, &[F::Resolve]),
        (S::Scheduled, I::TryCancel) => (S::TryCancelCommandCreated, &[F::SendCancel, F::ResolveCancelled]),
        (S::Scheduled, I::WaitCancel) => (S::WaitCancelCommandCreated, &[F::SendCancel]),
        (S::Scheduled, I::Abandon) => (S::Abandoned, &[F::ResolveCancelled]),
        (S::TryCancelCommandCreated, I::CancelRequested) => (S::Abandoned, &[]),
        (S::WaitCancelCommandCreated, I::CancelRequested) => (S::WaitCancelRequested, &[]),
        (S::WaitCancelRequested, I::Started) => (S::WaitCancelRequested, &[]),
        (S::Abandoned, I::Started) => (S::Abandoned, &[]),
        (S::Abandoned, I::Closed) => (S::Closed, &[]),
        _ => return None,
    })
}

impl State {
    /// Returns true if nothing can happen to the activity any more.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Closed | Self::CancelledBeforeSent)
    }
}

/// The author's cancellation of an activity, as an input of its machine.
pub(crate) type Cancel = Input;

/// Data with which an activity is scheduled, as far as a replay needs it.
#[derive(Debug)]
pub(crate) struct ScheduleActivity {
    pub(crate) number: u32,
    /// Id that the author chose; `None` for the number.
    pub(crate) activity_id: Option<String>,
    pub(crate) activity_type: Cow<'static, str>,
    /// One of [`Input::TryCancel`], [`Input::WaitCancel`] and [`Input::Abandon`].
    pub(crate) on_cancel: Cancel,
}

/// An activity of a run.
#[derive(Debug)]
pub(crate) struct ActivityMachine {
    state: State,
    request: ScheduleActivity,
    /// Operation that waits for it.
    operation: Option<Key>,
    command: Option<CommandId>,
    scheduled_event_id: i64,
    location: &'static Location<'static>,
}

impl ActivityMachine {
    /// Removes the operation that waits for it.
    pub(crate) fn detach(&mut self) {
        self.operation = None;
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn describe(&self) -> String {
        format!("type={} id={}", self.request.activity_type, self.activity_id())
    }

    fn activity_id(&self) -> Cow<'_, str> {
        match &self.request.activity_id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.request.number.to_string()),
        }
    }

    /// Returns true if an event names this activity. The number is an id only in Abide's histories: other SDKs count
    /// differently.
    fn is(&self, activity_type: &str, activity_id: &str, ours: bool) -> bool {
        let same_id = match &self.request.activity_id {
            Some(id) => id == activity_id,
            None => !ours || is_decimal(activity_id, self.request.number),
        };
        same_id && self.request.activity_type == activity_type
    }

    fn failure(&self, message: &str, started_event_id: i64, retry_state: i32) -> FailureProto {
        FailureProto {
            message: message.to_string(),
            failure_info: Some(FailureInfo::ActivityFailureInfo(ActivityFailureInfo {
                scheduled_event_id: self.scheduled_event_id,
                started_event_id,
                identity: String::new(),
                activity_type: Some(ActivityType { name: self.request.activity_type.to_string() }),
                activity_id: self.activity_id().into_owned(),
                retry_state,
            })),
            ..Default::default()
        }
    }
}

impl StateMachines {
    /// Schedules an activity. `body` is the content to send; `None` on replay.
    pub(crate) fn schedule_activity(
        &mut self,
        request: ScheduleActivity,
        operation: Key,
        location: &'static Location<'static>,
        body: Option<CommandBody>,
    ) -> Key {
        if request.number == 1 && request.activity_id.is_none() {
            self.local_activities_follow_the_first_activity();
        }
        let machine = ActivityMachine {
            state: State::ScheduleCommandCreated,
            request,
            operation: Some(operation),
            command: None,
            scheduled_event_id: 0,
            location,
        };
        let key = self.insert(Machine::Activity(machine));
        let command = self.issue(CommandType::ScheduleActivityTask, key, Some(location), body);
        self.activity(key).command = Some(command);
        key
    }

    /// Cancels an activity by its own cancellation type. Returns the outcome if the operation has one at once; `None`
    /// if it comes later or has already come. With `forget` no operation waits any more.
    pub(crate) fn cancel_activity(&mut self, key: Key, forget: bool) -> Option<Outcome> {
        let machine = self.activity(key);
        if forget {
            machine.operation = None;
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
                    let attributes = RequestCancelActivityTaskCommandAttributes { scheduled_event_id };
                    let attributes = Attributes::RequestCancelActivityTaskCommandAttributes(attributes);
                    let body = (!self.replaying).then_some(CommandBody { attributes, user_metadata: None });
                    self.issue(CommandType::RequestCancelActivityTask, key, Some(location), body);
                    if forget {
                        self.commands.note_latest(Note::HandleDropped);
                    }
                }
                Effect::ResolveCancelled => outcome = Some(self.cancelled_outcome(key, None, 0)),
                Effect::Resolve => {}
            }
        }
        if next.is_final() {
            self.free(key);
        }
        outcome
    }

    pub(crate) fn activity_scheduled(
        &mut self,
        id: i64,
        event: &ActivityTaskScheduledEventAttributes,
    ) -> Result<(), ReplayError> {
        let activity_type = event.activity_type.as_ref().map_or("", |activity_type| &activity_type.name);
        let recorded = || format!("type={activity_type} id={}", event.activity_id);
        let command = self.confirm(id, "ActivityTaskScheduled", CommandType::ScheduleActivityTask, recorded)?;
        let ours = self.flags.is_ours();
        let machine = self.activity(command.machine);
        if !machine.is(activity_type, &event.activity_id, ours) {
            let produced = format!("ScheduleActivityTask {}", machine.describe());
            let kind = NondeterminismKind::DifferentIdOrType;
            let error = Nondeterminism::new(kind, id, "ActivityTaskScheduled", recorded());
            return Err(error.produced(produced, command.location).into());
        }
        machine.scheduled_event_id = id;
        self.begun_by(id, command.machine);
        self.activity_event(command.machine, id, "ActivityTaskScheduled", Input::Scheduled).map(drop)
    }

    pub(crate) fn activity_started(
        &mut self,
        id: i64,
        event: &ActivityTaskStartedEventAttributes,
    ) -> Result<(), ReplayError> {
        let key = self.find_activity(id, "ActivityTaskStarted", event.scheduled_event_id)?;
        self.activity_event(key, id, "ActivityTaskStarted", Input::Started).map(drop)
    }

    pub(crate) fn activity_completed(
        &mut self,
        id: i64,
        event: &mut ActivityTaskCompletedEventAttributes,
    ) -> Result<(), ReplayError> {
        let key = self.find_activity(id, "ActivityTaskCompleted", event.scheduled_event_id)?;
        let result = event.result.take().and_then(|payloads| payloads.payloads.into_iter().next());
        self.activity_closed(key, id, "ActivityTaskCompleted", |_| Outcome::Completed(result))
    }

    pub(crate) fn activity_failed(
        &mut self,
        id: i64,
        event: &mut ActivityTaskFailedEventAttributes,
    ) -> Result<(), ReplayError> {
        let key = self.find_activity(id, "ActivityTaskFailed", event.scheduled_event_id)?;
        self.activity_closed(key, id, "ActivityTaskFailed", |machine| {
            let mut failure = machine.failure("Activity task failed", event.started_event_id, event.retry_state);
            failure.cause = event.failure.take().map(Box::new);
            Outcome::Failed(Box::new(failure))
        })
    }

    pub(crate) fn activity_timed_out(
        &mut self,
        id: i64,
        event: &mut ActivityTaskTimedOutEventAttributes,
    ) -> Result<(), ReplayError> {
        let key = self.find_activity(id, "ActivityTaskTimedOut", event.scheduled_event_id)?;
        self.activity_closed(key, id, "ActivityTaskTimedOut", |machine| {
            let mut failure = machine.failure("Activity task timed out", event.started_event_id, event.retry_state);
            failure.cause = event.failure.take().map(Box::new);
            Outcome::Failed(Box::new(failure))
        })
    }

    pub(crate) fn activity_canceled(
        &mut self,
        id: i64,
        event: &mut ActivityTaskCanceledEventAttributes,
    ) -> Result<(), ReplayError> {
        let key = self.find_activity(id, "ActivityTaskCanceled", event.scheduled_event_id)?;
        let (details, started_event_id) = (event.details.take(), event.started_event_id);
        let outcome = self.cancelled_outcome(key, details, started_event_id);
        self.activity_closed(key, id, "ActivityTaskCanceled", |_| outcome)
    }

    pub(crate) fn activity_cancel_requested(
        &mut self,
        id: i64,
        event: &ActivityTaskCancelRequestedEventAttributes,
    ) -> Result<(), ReplayError> {
        let (name, command_type) = ("ActivityTaskCancelRequested", CommandType::RequestCancelActivityTask);
        let asked = self.find(event.scheduled_event_id);
        self.commands.bring_forward(command_type, |machine| asked == Some(machine));
        let recorded = self.describe_begun_by(event.scheduled_event_id);
        let command = self.confirm(id, name, command_type, || recorded.clone())?;
        if asked != Some(command.machine) {
            let produced = format!("RequestCancelActivityTask {}", self.activity(command.machine).describe());
            let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, id, name, recorded);
            return Err(error.produced(produced, command.location).into());
        }
        self.activity_event(command.machine, id, name, Input::CancelRequested).map(drop)
    }

    fn find_activity(&self, id: i64, event_type: &'static str, scheduled_event_id: i64) -> Result<Key, ReplayError> {
        let found = self.find_kind(scheduled_event_id, |machine| matches!(machine, Machine::Activity(_)));
        found.ok_or_else(|| Self::unknown_operation(id, event_type, scheduled_event_id))
    }

    fn activity_closed(
        &mut self,
        key: Key,
        id: i64,
        event_type: &'static str,
        outcome: impl FnOnce(&ActivityMachine) -> Outcome,
    ) -> Result<(), ReplayError> {
        let effects = self.activity_event(key, id, event_type, Input::Closed)?;
        if effects.contains(&Effect::Resolve) {
            let machine = self.activity(key);
            let (operation, outcome) = (machine.operation, outcome(machine));
            self.resolve(operation, outcome);
        }
        let scheduled_event_id = self.activity(key).scheduled_event_id;
        self.forget(scheduled_event_id);
        self.free(key);
        Ok(())
    }

    fn activity_event(
        &mut self,
        key: Key,
        id: i64,
        event_type: &'static str,
        input: Input,
    ) -> Result<&'static [Effect], ReplayError> {
        let machine = self.activity(key);
        let (state, location) = (machine.state, machine.location);
        let (next, effects) = step(state, input).ok_or_else(|| Self::impossible(id, event_type, &state, location))?;
        machine.state = next;
        Ok(effects)
    }

    fn cancelled_outcome(&mut self, key: Key, details: Option<Payloads>, started_event_id: i64) -> Outcome {
        let machine = self.activity(key);
        let retry_state = RetryState::CancelRequested as i32;
        let mut failure = machine.failure(ACTIVITY_CANCELLED, started_event_id, retry_state);
        failure.cause = Some(Box::new(cancelled_failure(ACTIVITY_CANCELLED, details)));
        Outcome::Failed(Box::new(failure))
    }

    fn activity(&mut self, key: Key) -> &mut ActivityMachine {
        match self.machine(key) {
            Some(Machine::Activity(activity)) => activity,
            _ => unreachable!("only activities are filed under the keys of activities"),
        }
    }
}

/// Returns true if `text` is `number` in decimal. Compares without writing the number.
pub(super) fn is_decimal(text: &str, number: u32) -> bool {
    !text.starts_with('0') && !text.starts_with('+') && text.parse() == Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::machines::check_diagram;

    #[test]
    fn the_diagram_is_the_machine() {
        check_diagram(include_str!("activity.rs"), State::ALL, Input::ALL, step);
    }
}

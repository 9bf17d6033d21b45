//! A side effect: a value that code computed once, kept in a marker.
//!
//! Live code computes the value and records it. Replayed code gets the value from the marker, which the look-ahead
//! found. A mutable side effect has an id: each of its calls computes a value, and only a changed value is recorded. So
//! its marker says which of the calls recorded it.

use std::collections::{BTreeMap, VecDeque};
use std::panic::Location;

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::history::v1::MarkerRecordedEventAttributes;

use super::marker::{Input, State, step};
use super::side_effect_marker::{CallNumber, SideEffectMarker, marker, mutable_marker};
use crate::replay::command_queue::CommandBody;
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

const EVENT: &str = "MarkerRecorded";

/// A side effect whose marker has no event yet.
#[derive(Debug)]
pub(crate) struct SideEffectMachine {
    state: State,
    /// Id of a mutable side effect.
    id: Option<Box<str>>,
}

impl SideEffectMachine {
    pub(crate) fn describe(&self) -> String {
        described(self.id.as_deref())
    }
}

/// The side effects of a run. Most runs have none.
#[derive(Debug, Default)]
pub(crate) struct SideEffects {
    /// Number of side effects without an id so far.
    calls: i64,
    /// Values of the markers without an id that the look-ahead found, until their calls.
    found: VecDeque<Option<Payload>>,
    mutable: BTreeMap<Box<str>, MutableSideEffect>,
}

/// State of one id.
#[derive(Debug, Default)]
struct MutableSideEffect {
    /// Number of calls so far.
    calls: u32,
    /// Call of the last marker that the look-ahead found.
    last_found: u32,
    value: Option<Payload>,
    found: VecDeque<(RecordedBy, Payload)>,
}

/// The call that recorded a value.
#[derive(Clone, Copy, Debug)]
enum RecordedBy {
    /// The call with this number, from 1.
    Call(u32),
    /// The call whose command became this event.
    Event(i64),
}

impl StateMachines {
    /// Returns the recorded value of a side effect; `None` if it has to be computed and recorded.
    pub(crate) fn replayed_side_effect(
        &mut self,
        location: &'static Location<'static>,
    ) -> Result<Option<Option<Payload>>, Box<Nondeterminism>> {
        let effects = self.side_effects.get_or_insert_default();
        effects.calls += 1;
        if !self.replaying {
            return Ok(None);
        }
        let value = effects.found.pop_front().ok_or_else(|| without_marker(None, location))?;
        self.issue_side_effect(None, location, |_| None);
        Ok(Some(value))
    }

    /// Records the value of a live side effect.
    pub(crate) fn record_side_effect(&mut self, value: Payload, location: &'static Location<'static>) {
        let number = self.side_effects.as_ref().map_or(0, |effects| effects.calls);
        self.issue_side_effect(None, location, |_| Some(marker(number, value)));
    }

    /// Returns the value of a mutable side effect: the recorded one of this call, or else the last one. A live call has
    /// to compute another value and to compare it with this one.
    pub(crate) fn last_mutable_side_effect(
        &mut self,
        id: &str,
        location: &'static Location<'static>,
    ) -> Result<Option<Payload>, Box<Nondeterminism>> {
        let effect = self.mutable_side_effect(id);
        effect.calls += 1;
        let (calls, by) = (effect.calls, effect.found.front().map(|(by, _)| *by));
        let is_recorded = match by {
            Some(RecordedBy::Call(number)) => number == calls,
            Some(RecordedBy::Event(event_id)) => event_id == self.next_command_event_id(),
            None => false,
        };
        if is_recorded {
            let effect = self.mutable_side_effect(id);
            effect.value = effect.found.pop_front().map(|(_, value)| value);
            self.issue_side_effect(Some(id), location, |_| None);
        }
        let value = self.mutable_side_effect(id).value.clone();
        if self.replaying && value.is_none() { Err(without_marker(Some(id), location)) } else { Ok(value) }
    }

    /// Records a changed value of a live mutable side effect.
    pub(crate) fn record_mutable_side_effect(
        &mut self,
        id: &str,
        value: Payload,
        location: &'static Location<'static>,
    ) {
        let event_id = self.next_command_event_id();
        let effect = self.mutable_side_effect(id);
        effect.value = Some(value.clone());
        let call = effect.calls;
        self.issue_side_effect(Some(id), location, |id| {
            Some(mutable_marker(id.unwrap_or_default(), event_id, call, value))
        });
    }

    /// Notes the value of a marker before the code that asks for it runs.
    pub(crate) fn side_effect_ahead(
        &mut self,
        id: i64,
        event: &MarkerRecordedEventAttributes,
    ) -> Result<(), FollowError> {
        let marker = SideEffectMarker::read(event).map_err(|error| unreadable(id, event, &error))?;
        let effects = self.side_effects.get_or_insert_default();
        match marker {
            SideEffectMarker::Once(value) => effects.found.push_back(value),
            SideEffectMarker::Mutable { id: name, call, value } => {
                let effect = effects.mutable.entry(name).or_default();
                let by = match call {
                    CallNumber::Go(number) => RecordedBy::Call(number),
                    CallNumber::Java { skipped } => RecordedBy::Call(effect.last_found.saturating_add(skipped + 1)),
                    CallNumber::Unknown => RecordedBy::Event(id),
                };
                if let RecordedBy::Call(number) = by {
                    effect.last_found = number;
                }
                effect.found.push_back((by, value));
            }
        }
        Ok(())
    }

    pub(crate) fn side_effect_recorded(
        &mut self,
        id: i64,
        event: &MarkerRecordedEventAttributes,
    ) -> Result<(), FollowError> {
        let marker = SideEffectMarker::read(event).map_err(|error| unreadable(id, event, &error))?;
        let recorded_id = match &marker {
            SideEffectMarker::Once(_) => None,
            SideEffectMarker::Mutable { id, .. } => Some(id.as_ref()),
        };
        let recorded = || format!("the marker of a {}", described(recorded_id));
        let command = self.confirm(id, EVENT, CommandType::RecordMarker, recorded)?;
        if let Some(Machine::SideEffect(machine)) = self.machine(command.machine)
            && machine.id.as_deref() == recorded_id
            && let Some(next) = step(machine.state, Input::MarkerRecorded)
        {
            machine.state = next;
            self.free(command.machine);
            return Ok(());
        }
        Err(self.differs(id, EVENT, &command, recorded()))
    }

    fn mutable_side_effect(&mut self, id: &str) -> &mut MutableSideEffect {
        self.side_effects.get_or_insert_default().mutable.entry(id.into()).or_default()
    }

    fn issue_side_effect(
        &mut self,
        id: Option<&str>,
        location: &'static Location<'static>,
        body: impl FnOnce(Option<&str>) -> Option<CommandBody>,
    ) {
        let machine = SideEffectMachine { state: State::MarkerCommandCreated, id: id.map(Into::into) };
        let key = self.insert(Machine::SideEffect(machine));
        let body = body(id);
        self.issue(CommandType::RecordMarker, key, Some(location), body);
    }
}

fn described(id: Option<&str>) -> String {
    match id {
        Some(id) => format!("mutable side effect `{id}`"),
        None => "side effect".to_string(),
    }
}

/// Returns the error of a call that the recorded code did not make.
fn without_marker(id: Option<&str>, location: &'static Location<'static>) -> Box<Nondeterminism> {
    let what = described(id);
    let recorded = format!("no marker of a {what} in this workflow task");
    let error = Nondeterminism::new(NondeterminismKind::MissingEvent, 0, "(this workflow task)", recorded);
    Box::new(error.produced(format!("asked for a {what}"), Some(location)))
}

fn unreadable(id: i64, event: &MarkerRecordedEventAttributes, error: &str) -> FollowError {
    FollowError::Malformed(format!("event {id} (MarkerRecorded {}): {error}", event.marker_name))
}

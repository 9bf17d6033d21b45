//! A local activity: run by the worker that has the workflow task in hand, recorded in a marker when it resolves.
//!
//! ```text
//! Scheduled --Resolved--> MarkerCommandCreated: RecordMarker
//! Scheduled --CancelledBeforeStart--> MarkerCommandCreated: RecordMarker
//! Scheduled --TryCancel--> MarkerCommandCreated: TellWorker RecordMarker
//! Scheduled --WaitCancel--> CancelRequested: TellWorker
//! Scheduled --Abandon--> MarkerCommandCreated: RecordMarker
//! CancelRequested --Resolved--> MarkerCommandCreated: RecordMarker
//! MarkerCommandCreated --MarkerRecorded--> Closed
//! ```
//!
//! No event tells that a local activity began; all that history has of it is the marker. Each resolution is an
//! *activation* of its own: the code runs on it before it gets the next one. A marker says after how many activations
//! of its task it was written, so that a replay groups them the same way. Markers of Cores before 0.10 do not: their
//! outcomes are delivered as soon as they are found, and they are matched by number, wherever they stand in the task.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroI64;
use std::panic::Location;
use std::time::Duration;

use abide_protos::Timestamp;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{CanceledFailureInfo, Failure as FailureProto};
use abide_protos::temporal::api::history::v1::MarkerRecordedEventAttributes;
use abide_protos::temporal::api::sdk::v1::UserMetadata;

use super::local_activity_marker::{MarkerData, MarkerIdentity, RecordedMarker};
use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::{BackOff, LocalJob, Outcome};
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{Machine, ReplayError, StateMachines};
use crate::replay::workflow_task::{LocalActivityResolution, LocalActivityResult, LocalActivityTask};

const MARKER_RECORDED: &str = "MarkerRecorded";

/// Where a local activity stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Scheduled,
    CancelRequested,
    MarkerCommandCreated,
    Closed,
}

/// What happens to it: an outcome, its marker's event, or the author's cancellation by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Resolved,
    CancelledBeforeStart,
    TryCancel,
    WaitCancel,
    Abandon,
    MarkerRecorded,
}

/// What follows from a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The worker is to cancel it, if it runs.
    TellWorker,
    /// The outcome goes into a marker, and to whoever waits for it.
    RecordMarker,
}

/// One step; `None` if the input cannot come in this state.
pub(crate) fn step(state: State, input: Input) -> Option<(State, &'static [Effect])> {
    use Effect as F;
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::Scheduled | S::CancelRequested, I::Resolved) => (S::MarkerCommandCreated, &[F::RecordMarker]),
        (S::Scheduled, I::CancelledBeforeStart | I::Abandon) => (S::MarkerCommandCreated, &[F::RecordMarker]),
        (S::Scheduled, I::TryCancel) => (S::MarkerCommandCreated, &[F::TellWorker, F::RecordMarker]),
        (S::Scheduled, I::WaitCancel) => (S::CancelRequested, &[F::TellWorker]),
        (S::MarkerCommandCreated, I::MarkerRecorded) => (S::Closed, &[]),
        _ => return None,
    })
}

/// What the local activities of a run share.
#[derive(Debug, Default)]
pub(crate) struct LocalActivities {
    /// Those whose marker is not in the history yet, by their number.
    by_seq: BTreeMap<u32, Key>,
    /// Markers of the current task that were found ahead, in history order, and are not delivered yet.
    markers: VecDeque<RecordedMarker>,
    /// The numbers of those.
    recorded: BTreeSet<u32>,
    /// Markers whose outcome went to one of another id or type, by their event.
    misnamed: Vec<(i64, MarkerIdentity<'static>)>,
    /// How often the current task has run code: what new markers say, and what recorded ones are compared with.
    activations: u64,
    /// Whether the activation at hand counts only if it accepts an update: it brings nothing but requests.
    undecided: bool,
    /// Counts how often the code of the run has run.
    epoch: u64,
    /// Not resolved yet.
    pending: usize,
    /// Scheduled, and not handed to the worker.
    unsent: Vec<Key>,
    /// Those the worker is to cancel.
    cancels: Vec<u32>,
    /// Whether the history's SDK numbers activities from 0: its markers say one less than is counted here.
    counts_from_0: bool,
    /// True if the history has scheduled an activity with id 0 by the end of the current task.
    activity_0_ahead: bool,
    /// Whether the history has markers of old Cores: see [`LocalActivityMachine::is_without_place`].
    any_without_place: bool,
}

impl LocalActivities {
    /// The number here of what a marker calls by that number.
    fn number(&self, recorded: u32) -> u32 {
        recorded.saturating_add(u32::from(self.counts_from_0))
    }
}

/// What a local activity is scheduled with.
#[derive(Debug)]
pub(crate) struct ScheduleLocalActivity {
    pub(crate) seq: u32,
    /// The id the author chose; the number otherwise.
    pub(crate) activity_id: Option<String>,
    pub(crate) activity_type: Cow<'static, str>,
    /// One of [`Input::TryCancel`], [`Input::WaitCancel`] and [`Input::Abandon`].
    pub(crate) on_cancel: Input,
    /// When the first attempt was scheduled, if this one follows a timer.
    pub(crate) original_schedule_time: Option<Timestamp>,
    /// What the worker needs to run it; `None` if its outcome is already known.
    pub(crate) task: Option<Box<LocalActivityTask>>,
    pub(crate) user_metadata: Option<UserMetadata>,
    /// The arguments, if they go into the marker.
    pub(crate) marker_input: Option<Payloads>,
}

/// A local activity of a run.
#[derive(Debug)]
pub(crate) struct LocalActivityMachine {
    state: State,
    request: ScheduleLocalActivity,
    /// Who waits for it.
    operation: Option<Key>,
    location: &'static Location<'static>,
    /// Workflow time when it was scheduled.
    scheduled_time: Timestamp,
    /// The activation in which it was scheduled: until that is over, it has not begun.
    scheduled_in: u64,
    /// Its recorded marker does not say after which activation it was written, so it has no place among the commands.
    is_without_place: bool,
    /// The event of the marker that its outcome was read from, if that marker is this one's by number, id and type: it is
    /// not read again.
    marker_event_id: Option<NonZeroI64>,
}

/// How a local activity ended: what goes into its marker, and what its author gets.
struct Ended {
    attempt: u32,
    complete_time: Option<Timestamp>,
    backoff: Option<Duration>,
    /// As the marker says, where there is one.
    original_schedule_time: Option<Timestamp>,
    outcome: Result<Option<Payload>, Box<FailureProto>>,
    /// As [`LocalActivityMachine::is_without_place`].
    is_without_place: bool,
}

impl Ended {
    /// It was cancelled, and nobody asks how it ends.
    fn cancelled() -> Self {
        let failure = FailureProto {
            message: "Activity cancelled".to_string(),
            failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
            ..Default::default()
        };
        let outcome = Err(Box::new(failure));
        Self {
            attempt: 0,
            complete_time: None,
            backoff: None,
            original_schedule_time: None,
            outcome,
            is_without_place: false,
        }
    }
}

impl LocalActivityMachine {
    /// Nobody waits for it any more.
    pub(crate) fn detach(&mut self) {
        self.operation = None;
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(crate) fn describe(&self) -> String {
        format!("local_activity={} type={} id={}", self.request.seq, self.request.activity_type, self.activity_id())
    }

    fn identity(&self) -> MarkerIdentity<'_> {
        let activity_type = Cow::Borrowed(&*self.request.activity_type);
        MarkerIdentity { seq: self.request.seq, activity_id: self.activity_id(), activity_type }
    }

    /// Whether its outcome was read from the marker of this event.
    fn is_read_from(&self, event_id: i64) -> bool {
        self.marker_event_id.map(NonZeroI64::get) == Some(event_id)
    }

    fn activity_id(&self) -> Cow<'_, str> {
        match &self.request.activity_id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.request.seq.to_string()),
        }
    }

    /// Whether this is its type, and its id if the author chose that or Abide made it up.
    fn is_named(&self, activity_id: &str, activity_type: &str, ours: bool) -> bool {
        let any_id = !ours && self.request.activity_id.is_none();
        self.request.activity_type == activity_type && (any_id || self.activity_id() == activity_id)
    }

    fn marker(&self, ended: &Ended, activation_index: u64) -> CommandBody {
        let data = MarkerData {
            seq: self.request.seq,
            attempt: ended.attempt,
            activity_id: self.activity_id().into_owned(),
            activity_type: self.request.activity_type.to_string(),
            complete_time: ended.complete_time,
            backoff: ended.backoff,
            original_schedule_time: self.request.original_schedule_time,
            activation_index: Some(activation_index),
        };
        let outcome = match &ended.outcome {
            Ok(result) => Ok(result.clone().unwrap_or_default()),
            Err(failure) => Err(failure.clone()),
        };
        let attributes = data.write(&outcome, self.request.marker_input.clone());
        CommandBody {
            attributes: Attributes::RecordMarkerCommandAttributes(attributes),
            user_metadata: self.request.user_metadata.clone(),
        }
    }

    /// What the author gets.
    fn outcome(&self, ended: Ended) -> Outcome {
        match (ended.outcome, ended.backoff) {
            (Ok(result), _) => Outcome::Completed(result),
            (Err(_), Some(delay)) => Outcome::BackOff(Box::new(BackOff {
                delay,
                next_attempt: ended.attempt.saturating_add(1),
                original_schedule_time: ended.original_schedule_time.or(self.request.original_schedule_time),
            })),
            (Err(failure), None) => Outcome::Failed(failure),
        }
    }
}

impl StateMachines {
    /// Whether a marker of the current task holds its outcome already: then nobody has to run it.
    pub(crate) fn local_activity_is_recorded(&self, seq: u32) -> bool {
        self.replaying && self.local_activities.recorded.contains(&seq)
    }

    /// Schedules a local activity: the worker gets it when the code has come to rest.
    pub(crate) fn schedule_local_activity(
        &mut self,
        mut request: ScheduleLocalActivity,
        operation: Key,
        location: &'static Location<'static>,
    ) -> Key {
        self.last_statement = Some(location);
        let (seq, is_to_run) = (request.seq, request.task.is_some());
        request.original_schedule_time = request.original_schedule_time.or(self.wall_time);
        let machine = LocalActivityMachine {
            state: State::Scheduled,
            request,
            operation: Some(operation),
            location,
            scheduled_time: self.time,
            scheduled_in: self.local_activities.epoch,
            is_without_place: false,
            marker_event_id: None,
        };
        let key = self.insert(Machine::LocalActivity(Box::new(machine)));
        let local = &mut self.local_activities;
        local.by_seq.insert(seq, key);
        if is_to_run {
            local.unsent.push(key);
        }
        local.pending += 1;
        key
    }

    /// Cancels a local activity by its own cancellation type. The outcome comes with the next activation at the
    /// earliest, as every outcome of a local activity does.
    ///
    /// Where it was cancelled on the spot, the marker says so and stands where the cancellation was asked for. One
    /// that ended later is delivered in its turn.
    pub(crate) fn cancel_local_activity(&mut self, key: Key, forget: bool) {
        let (epoch, activations) = (self.local_activities.epoch, self.local_activities.activations);
        let machine = self.local_activity(key);
        if forget {
            machine.operation = None;
        }
        let seq = machine.request.seq;
        let before_start = machine.scheduled_in == epoch;
        let input = if before_start { Input::CancelledBeforeStart } else { machine.request.on_cancel };
        let markers = &mut self.local_activities.markers;
        let is_recorded = self.replaying && self.local_activities.recorded.contains(&seq);
        let find = |markers: &VecDeque<RecordedMarker>| markers.iter().position(|marker| marker.data.seq == seq);
        let recorded = if is_recorded { find(markers) } else { None };
        let marker = match recorded {
            Some(_) if input == Input::WaitCancel => return,
            Some(at) if markers[at].data.activation_index.is_some_and(|index| index > activations) => return,
            Some(at) => markers.remove(at),
            None => None,
        };
        match marker {
            Some(marker) => self.local_activity_take_up(key, input, marker),
            None => self.local_activity_step(key, input, Some(Ended::cancelled())),
        }
    }

    /// The worker says how a local activity ended. Nothing follows if nobody waits for it any more.
    pub(crate) fn local_activity_resolved(&mut self, resolution: LocalActivityResolution) {
        let Some(key) = self.local_activities.by_seq.get(&resolution.seq).copied() else { return };
        let (outcome, backoff) = match resolution.result {
            LocalActivityResult::Completed(result) => (Ok(Some(result)), None),
            LocalActivityResult::Failed(failure) => (Err(failure), None),
            LocalActivityResult::BackOff { failure, delay } => (Err(failure), Some(delay)),
        };
        let complete_time = Some(later(self.local_activity(key).scheduled_time, resolution.run_time));
        let attempt = resolution.attempt;
        let original_schedule_time = None;
        let ended = Ended { attempt, complete_time, backoff, original_schedule_time, outcome, is_without_place: false };
        self.local_activity_step(key, Input::Resolved, Some(ended));
    }

    /// Takes note of a marker that is still to be applied: on replay it is the outcome. Says whether nothing is left in
    /// the event that is of any use then.
    pub(crate) fn local_activity_marker_ahead(
        &mut self,
        id: i64,
        event: &mut MarkerRecordedEventAttributes,
    ) -> Result<bool, ReplayError> {
        let mut marker = RecordedMarker::take(id, event).map_err(|error| unreadable(id, &error))?;
        let has_place = marker.data.activation_index.is_some();
        if marker.data.seq == 0 {
            self.local_activities_count_from_0();
        }
        marker.data.seq = self.local_activities.number(marker.data.seq);
        self.local_activities.recorded.insert(marker.data.seq);
        self.local_activities.markers.push_back(marker);
        Ok(has_place)
    }

    /// Takes note of an activity that the history schedules in answer to the task at hand.
    pub(crate) fn activity_ahead(&mut self, activity_id: &str) {
        self.local_activities.activity_0_ahead |= activity_id == "0";
    }

    /// The code schedules its first activity, and has not chosen its id. If the history calls it 0, the numbers of local
    /// activities begin there too: those that begin beside it look for their markers before its event is applied.
    pub(crate) fn local_activities_follow_the_first_activity(&mut self) {
        if self.replaying && self.local_activities.activity_0_ahead && !self.flags.is_ours() {
            self.local_activities_count_from_0();
        }
    }

    /// The history's SDK numbers activities from 0. Markers that were read before anything said so are numbered anew.
    fn local_activities_count_from_0(&mut self) {
        let local = &mut self.local_activities;
        if !std::mem::replace(&mut local.counts_from_0, true) {
            local.markers.iter_mut().for_each(|marker| marker.data.seq += 1);
            local.recorded = local.recorded.iter().map(|seq| seq + 1).collect();
        }
    }

    /// A marker's turn has come; without an event if nothing was left in it when the replay looked ahead.
    pub(crate) fn local_activity_marker_recorded(
        &mut self,
        id: i64,
        event: Option<&MarkerRecordedEventAttributes>,
    ) -> Result<(), ReplayError> {
        let key = match self.local_activity_read_from(id) {
            Some(key) => {
                self.commands.pop();
                key
            }
            None => self.local_activity_of_marker(id, event)?,
        };
        let machine = self.local_activity(key);
        let (state, location) = (machine.state, machine.location);
        let (next, _) = step(state, Input::MarkerRecorded)
            .ok_or_else(|| Self::impossible(id, MARKER_RECORDED, &state, location))?;
        machine.state = next;
        let seq = machine.request.seq;
        self.local_activities.by_seq.remove(&seq);
        self.free(key);
        Ok(())
    }

    /// The local activity whose marker is the next command, if it was read from this very event: then all is well.
    fn local_activity_read_from(&mut self, id: i64) -> Option<Key> {
        let command = self.commands.front().filter(|command| command.command_type == CommandType::RecordMarker)?;
        let key = command.machine;
        match self.machine(key) {
            Some(Machine::LocalActivity(machine)) if machine.is_read_from(id) => Some(key),
            _ => None,
        }
    }

    /// The local activity of a marker that a live task has recorded, or whose outcome is not what the code got.
    fn local_activity_of_marker(
        &mut self,
        id: i64,
        event: Option<&MarkerRecordedEventAttributes>,
    ) -> Result<Key, ReplayError> {
        let identity = self.marker_identity(id, event);
        let found = match (self.local_activities.any_without_place, &identity) {
            (true, Ok(identity)) => self.local_activity_without_place(identity.seq),
            (true, Err(error)) => return Err(unreadable(id, error)),
            (false, _) => None,
        };
        let recorded = || identity.as_ref().map_or_else(Clone::clone, MarkerIdentity::describe);
        let (key, issued_at) = match found {
            Some(found) => found,
            None => {
                let command = self.confirm(id, MARKER_RECORDED, CommandType::RecordMarker, recorded)?;
                (command.machine, command.location)
            }
        };
        let identity = identity.map_err(|error| unreadable(id, &error))?;
        let ours = self.flags.is_ours();
        let (produced, at) = match self.machine(key) {
            Some(Machine::LocalActivity(machine)) => {
                let is_named = machine.is_named(&identity.activity_id, &identity.activity_type, ours);
                if machine.request.seq == identity.seq && is_named {
                    return Ok(key);
                }
                (machine.describe(), issued_at)
            }
            _ => ("another marker".to_string(), issued_at),
        };
        let kind = NondeterminismKind::LocalActivityMarker;
        Err(Nondeterminism::new(kind, id, MARKER_RECORDED, identity.describe()).produced(produced, at).into())
    }

    /// Whose marker an event is: what the look-ahead read of it, or what it says itself.
    fn marker_identity<'a>(
        &self,
        id: i64,
        event: Option<&'a MarkerRecordedEventAttributes>,
    ) -> Result<MarkerIdentity<'a>, String> {
        let said = event.ok_or_else(|| "it was read before".to_string()).and_then(MarkerIdentity::read);
        let numbered = said.map(|said| MarkerIdentity { seq: self.local_activities.number(said.seq), ..said });
        numbered.or_else(|error| {
            let local = &self.local_activities;
            let ahead =
                || local.markers.iter().find(|marker| marker.event_id == id).map(|marker| marker.data.identity());
            let misnamed =
                || local.misnamed.iter().find(|(event, _)| *event == id).map(|(_, identity)| identity.clone());
            let taken_up = local.by_seq.values().find_map(|key| match self.get(*key) {
                Some(Machine::LocalActivity(machine)) if machine.is_read_from(id) => Some(machine.identity()),
                _ => None,
            });
            taken_up.or_else(ahead).or_else(misnamed).map(MarkerIdentity::into_owned).ok_or(error)
        })
    }

    /// The local activity of a marker that is not among the commands. Cores before 0.10 did not write when in its task
    /// a marker came to be, so what the code did beside it may stand before it or after it.
    fn local_activity_without_place(&mut self, seq: u32) -> Option<(Key, Option<&'static Location<'static>>)> {
        let key = *self.local_activities.by_seq.get(&seq)?;
        let machine = self.local_activity(key);
        machine.is_without_place.then_some((key, Some(machine.location)))
    }

    /// A new workflow task: its activations are counted from 0.
    pub(crate) fn local_activities_begin_task(&mut self) {
        self.local_activities.activations = 0;
        // What is left over was written for code that no longer asks for it: its events will say so.
        self.local_activities.markers.clear();
        self.local_activities.markers.shrink_to(16);
        self.local_activities.recorded.clear();
        self.local_activities.misnamed.clear();
    }

    /// Code is about to run on jobs.
    ///
    /// A replay knows nothing of updates that were rejected. So what brings only requests is an activation from the
    /// moment when one of them is accepted, which is before its handler does anything.
    pub(crate) fn local_activities_begin_activation(&mut self) {
        let local = &mut self.local_activities;
        local.undecided = self.jobs.are_only_requests();
        local.activations += u64::from(!local.undecided);
        local.epoch += 1;
    }

    /// An update is accepted.
    pub(crate) fn local_activities_accepting_update(&mut self) {
        self.local_activities.activations += u64::from(std::mem::take(&mut self.local_activities.undecided));
    }

    /// Whether the activation at hand has brought nothing but updates, and has accepted none of them: a replay will
    /// know nothing of it.
    pub(crate) fn has_only_rejected_updates(&self) -> bool {
        self.local_activities.undecided
    }

    /// Delivers the outcomes that the history holds and that the code got before its next activation: from the front,
    /// as long as each was scheduled already and had come by then. One that had not is delivered all the same if
    /// nothing else is left to be done.
    ///
    /// Outcomes with different indexes came one after the other, and so they do again: tasks that a heartbeat joined
    /// count from 0 each, and the later index can be below what the whole has come to.
    pub(crate) fn deliver_recorded_local_activities(&mut self) {
        if !self.replaying {
            return;
        }
        let mut delivered = None;
        while let Some(marker) = self.local_activities.markers.front() {
            let index = marker.data.activation_index;
            let is_due = index.is_none_or(|index| index <= self.local_activities.activations);
            let is_later = delivered.is_some_and(|delivered| index.is_some() && index != delivered);
            if (!is_due || is_later) && !self.jobs.is_empty() {
                return;
            }
            delivered = Some(index);
            let Some(key) = self.local_activities.by_seq.get(&marker.data.seq).copied() else { return };
            if let Some(marker) = self.local_activities.markers.pop_front() {
                self.local_activity_take_up(key, Input::Resolved, marker);
            }
        }
    }

    /// Gives a local activity the outcome that its marker holds.
    fn local_activity_take_up(&mut self, key: Key, input: Input, marker: RecordedMarker) {
        self.local_activities.recorded.remove(&marker.data.seq);
        let ours = self.flags.is_ours();
        let machine = self.local_activity(key);
        if machine.is_named(&marker.data.activity_id, &marker.data.activity_type, ours) {
            machine.marker_event_id = NonZeroI64::new(marker.event_id);
        } else {
            let identity = marker.data.identity().into_owned();
            // The outcome is another one's, and of another type maybe: nobody gets it. The marker's turn tells why.
            machine.operation = None;
            self.local_activities.misnamed.push((marker.event_id, identity));
        }
        self.local_activity_step(key, input, Some(Ended::recorded(marker)));
    }

    /// Whether the task has to wait for a local activity.
    pub(crate) fn has_pending_local_activities(&self) -> bool {
        self.local_activities.pending > 0
    }

    /// What the worker is to begin, and what it is to cancel, since it was asked the last time.
    pub(crate) fn take_local_activity_requests(&mut self) -> (Vec<LocalActivityTask>, Vec<u32>) {
        let unsent = std::mem::take(&mut self.local_activities.unsent);
        let tasks = unsent.into_iter().filter_map(|key| match self.machine(key) {
            Some(Machine::LocalActivity(machine)) if machine.state != State::MarkerCommandCreated => {
                let mut task = machine.request.task.take()?;
                task.original_schedule_time = machine.request.original_schedule_time;
                Some(*task)
            }
            _ => None,
        });
        (tasks.collect(), self.take_local_activity_cancels())
    }

    /// What the worker is to cancel, since it was asked the last time.
    pub(crate) fn take_local_activity_cancels(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.local_activities.cancels)
    }

    /// One step of a machine with its effects; nothing, if the input means nothing to it any more.
    fn local_activity_step(&mut self, key: Key, input: Input, ended: Option<Ended>) {
        let (replaying, activations) = (self.replaying, self.local_activities.activations);
        let machine = self.local_activity(key);
        let Some((next, effects)) = step(machine.state, input) else { return };
        machine.state = next;
        let (seq, location) = (machine.request.seq, machine.location);
        // On replay one that was cancelled on the spot does not run.
        if effects.contains(&Effect::TellWorker) && !(replaying && next == State::MarkerCommandCreated) {
            self.local_activities.cancels.push(seq);
        }
        if !effects.contains(&Effect::RecordMarker) {
            return;
        }
        let Some(ended) = ended else { return };
        self.pass_time(ended.complete_time);
        let machine = self.local_activity(key);
        let body = (!replaying).then(|| machine.marker(&ended, activations));
        machine.is_without_place = ended.is_without_place;
        let without_place = machine.is_without_place;
        let operation = machine.operation.take();
        let outcome = machine.outcome(ended);
        machine.request.task = None;
        if without_place {
            self.local_activities.any_without_place = true;
        } else {
            self.issue(CommandType::RecordMarker, key, Some(location), body);
        }
        self.local_activities.pending -= 1;
        self.jobs.local_activities.push(LocalJob { operation, outcome });
    }

    fn local_activity(&mut self, key: Key) -> &mut LocalActivityMachine {
        match self.machine(key) {
            Some(Machine::LocalActivity(machine)) => machine,
            _ => unreachable!("only local activities are filed under the keys of local activities"),
        }
    }
}

impl Ended {
    fn recorded(marker: RecordedMarker) -> Self {
        let MarkerData { attempt, complete_time, backoff, original_schedule_time, activation_index, .. } = marker.data;
        let (outcome, is_without_place) = (marker.outcome, activation_index.is_none());
        Self { attempt, complete_time, backoff, original_schedule_time, outcome, is_without_place }
    }
}

fn unreadable(id: i64, error: &str) -> ReplayError {
    ReplayError::Malformed(format!("event {id} (MarkerRecorded) is not a local activity's marker: {error}"))
}

/// A time, so much later.
fn later(time: Timestamp, duration: Duration) -> Timestamp {
    let nanos = i64::from(time.nanos) + i64::from(duration.subsec_nanos());
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timestamp {
        seconds: time.seconds.saturating_add(seconds).saturating_add(nanos / 1_000_000_000),
        nanos: i32::try_from(nanos % 1_000_000_000).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagram_is_the_machine() {
        use Input as I;
        let states = [State::Scheduled, State::CancelRequested, State::MarkerCommandCreated, State::Closed];
        let inputs = [I::Resolved, I::CancelledBeforeStart, I::TryCancel, I::WaitCancel, I::Abandon, I::MarkerRecorded];
        crate::replay::machines::check_diagram(include_str!("local_activity.rs"), &states, &inputs, step);
    }
}

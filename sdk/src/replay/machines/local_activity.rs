//! A local activity: run by the worker that has the workflow task, and recorded in a marker when it ends.
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
//! No event records the beginning of a local activity; the history holds only the marker. Each outcome is an
//! *activation* of its own: the code runs on it before it gets the next one. A marker records the number of activations
//! of its task before it, so that a replay groups the outcomes in the same way. Markers of Core before 0.10 do not:
//! their outcomes are delivered as soon as they are found, and they are matched by number, wherever they are in the
//! task.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::num::NonZeroI64;
use std::panic::Location;
use std::time::Duration;

use abide_protos::Timestamp;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::MarkerRecordedEventAttributes;
use abide_protos::temporal::api::sdk::v1::UserMetadata;

use super::local_activity_marker::{MarkerData, MarkerIdentity, RecordedMarker};
use crate::failure::{ACTIVITY_CANCELLED, cancelled_failure};
use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::{BackOff, LocalJob, Outcome};
use crate::replay::nondeterminism::{Nondeterminism, NondeterminismKind};
use crate::replay::slab::Key;
use crate::replay::state_machines::{FollowError, Machine, StateMachines};
use crate::replay::workflow_task::{LocalActivityResolution, LocalActivityResult, LocalActivityTask};

const MARKER_RECORDED: &str = "MarkerRecorded";

listed! {
    /// State of a local activity.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        Scheduled,
        CancelRequested,
        MarkerCommandCreated,
        Closed,
    }
}

listed! {
    /// An outcome, the event of its marker, or the author's cancellation by its type.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Resolved,
        CancelledBeforeStart,
        TryCancel,
        WaitCancel,
        Abandon,
        MarkerRecorded,
    }
}

/// Effect of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Tells the worker to cancel it, if it is running.
    TellWorker,
    /// Writes the outcome to a marker, and gives it to the operation that waits for it.
    RecordMarker,
}

/// Makes one step; `None` if the input cannot come in this state.
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

/// State shared by the local activities of a run.
#[derive(Debug, Default)]
pub(crate) struct LocalActivities {
    /// Local activities whose marker is not in the history yet, by number.
    by_seq: BTreeMap<u32, Key>,
    /// Markers of the current task that the look-ahead found, in history order, and that are not delivered yet.
    markers: VecDeque<RecordedMarker>,
    /// Numbers of these markers.
    recorded: BTreeSet<u32>,
    /// Markers whose outcome went to a local activity with another id or type, by event.
    misnamed: Vec<(i64, MarkerIdentity<'static>)>,
    /// Number of times that the current task has run code. New markers record it, and recorded ones are compared with
    /// it.
    activations: u64,
    /// True if the current activation has brought only requests for updates. It counts only if it accepts one.
    undecided: bool,
    /// Number of times that the run's code has run.
    epoch: u64,
    /// Number of local activities without an outcome.
    pending: usize,
    /// Local activities that are scheduled and were not given to the worker.
    unsent: Vec<Key>,
    /// Numbers of the local activities that the worker is to cancel.
    cancels: Vec<u32>,
    /// True if the history's SDK numbers activities from 0, so that its markers have numbers one below those used here.
    counts_from_0: bool,
    /// True if the history has scheduled an activity with id 0 by the end of the current task.
    activity_0_ahead: bool,
    /// True if the history has markers of old versions of Core: see [`LocalActivityMachine::is_without_place`].
    any_without_place: bool,
}

impl LocalActivities {
    /// Converts the number in a marker to the number used here.
    fn number(&self, recorded: u32) -> u32 {
        recorded.saturating_add(u32::from(self.counts_from_0))
    }
}

/// Data with which a local activity is scheduled.
#[derive(Debug)]
pub(crate) struct ScheduleLocalActivity {
    pub(crate) seq: u32,
    /// Id that the author chose; `None` for the number.
    pub(crate) activity_id: Option<String>,
    pub(crate) activity_type: Cow<'static, str>,
    /// One of [`Input::TryCancel`], [`Input::WaitCancel`] and [`Input::Abandon`].
    pub(crate) on_cancel: Input,
    /// Time at which the first attempt was scheduled, if this one follows a timer.
    pub(crate) original_schedule_time: Option<Timestamp>,
    /// Data that the worker needs to run it; `None` if its outcome is already known.
    pub(crate) task: Option<Box<LocalActivityTask>>,
    pub(crate) user_metadata: Option<UserMetadata>,
    /// Arguments, if the marker is to hold them.
    pub(crate) marker_input: Option<Payloads>,
}

/// A local activity of a run.
#[derive(Debug)]
pub(crate) struct LocalActivityMachine {
    state: State,
    request: ScheduleLocalActivity,
    /// Operation that waits for it.
    operation: Option<Key>,
    location: &'static Location<'static>,
    /// Workflow time at which it was scheduled.
    scheduled_time: Timestamp,
    /// Activation in which it was scheduled. Until that is over, it has not begun.
    scheduled_in: u64,
    /// True if its marker does not record the activation after which it was written, so that it has no place among the
    /// commands.
    is_without_place: bool,
    /// Event of the marker from which its outcome was read, if number, id and type of that marker are its own. The
    /// marker is then not read again.
    marker_event_id: Option<NonZeroI64>,
}

/// End of a local activity: the content of its marker, and the source of its outcome.
struct Ended {
    attempt: u32,
    complete_time: Option<Timestamp>,
    backoff: Option<Duration>,
    /// From the marker, if there is one.
    original_schedule_time: Option<Timestamp>,
    outcome: Result<Option<Payload>, Box<FailureProto>>,
    /// Like [`LocalActivityMachine::is_without_place`].
    is_without_place: bool,
}

impl Ended {
    /// Returns the end of a local activity that was cancelled without waiting for its outcome.
    fn cancelled() -> Self {
        let outcome = Err(Box::new(cancelled_failure(ACTIVITY_CANCELLED, None)));
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
    /// Removes the operation that waits for it.
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

    /// Returns true if its outcome was read from the marker of this event.
    fn is_read_from(&self, event_id: i64) -> bool {
        self.marker_event_id.map(NonZeroI64::get) == Some(event_id)
    }

    fn activity_id(&self) -> Cow<'_, str> {
        match &self.request.activity_id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.request.seq.to_string()),
        }
    }

    /// Returns true if this is its type, and its id if the author chose the id or Abide generated it.
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

    /// Converts its end to the outcome that the author gets.
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
    /// Returns true if a marker of the current task already holds its outcome, so that it need not be run.
    pub(crate) fn local_activity_is_recorded(&self, seq: u32) -> bool {
        self.replaying && self.local_activities.recorded.contains(&seq)
    }

    /// Schedules a local activity. The worker gets it when the code has come to rest.
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

    /// Cancels a local activity by its own cancellation type. As for every local activity, the outcome comes with the
    /// next activation at the earliest.
    ///
    /// On replay the marker tells where the outcome belongs. If the local activity was cancelled at once, the marker
    /// was written at this point, and the outcome is taken from it now. If it ended later, the outcome is delivered in
    /// its turn.
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
            None => {
                self.local_activity_step(key, input, Some(Ended::cancelled()));
            }
        }
    }

    /// Handles the outcome that the worker reports. It has no effect if the local activity already has one.
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

    /// Reads a marker before it is applied: on replay it holds the outcome. Returns true if nothing in the event is
    /// needed any more.
    pub(crate) fn local_activity_marker_ahead(
        &mut self,
        id: i64,
        event: &mut MarkerRecordedEventAttributes,
    ) -> Result<bool, FollowError> {
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

    /// Notes an activity that the history schedules in the completion of the current task.
    pub(crate) fn activity_ahead(&mut self, activity_id: &str) {
        self.local_activities.activity_0_ahead |= activity_id == "0";
    }

    /// Called when the code schedules its first activity without choosing an id. If the history gives it the id 0,
    /// local activities are numbered from 0 too. This must be known here, because local activities that begin beside
    /// the activity look for their markers before the activity's event is applied.
    pub(crate) fn local_activities_follow_the_first_activity(&mut self) {
        if self.replaying && self.local_activities.activity_0_ahead && !self.flags.is_ours() {
            self.local_activities_count_from_0();
        }
    }

    /// Notes that the history's SDK numbers activities from 0, and renumbers the markers that were read before.
    fn local_activities_count_from_0(&mut self) {
        let local = &mut self.local_activities;
        if !std::mem::replace(&mut local.counts_from_0, true) {
            local.markers.iter_mut().for_each(|marker| marker.data.seq += 1);
            local.recorded = local.recorded.iter().map(|seq| seq + 1).collect();
        }
    }

    /// Applies a marker, without its event if the look-ahead took everything from it.
    pub(crate) fn local_activity_marker_recorded(
        &mut self,
        id: i64,
        event: Option<&MarkerRecordedEventAttributes>,
    ) -> Result<(), FollowError> {
        let key = match self.local_activity_read_from(id) {
            Some(key) => {
                self.commands.pop();
                key
            }
            None => self.local_activity_of_marker(id, event)?,
        };
        let machine = self.local_activity(key);
        let (seq, state, location) = (machine.request.seq, machine.state, machine.location);
        if !self.local_activity_step(key, Input::MarkerRecorded, None) {
            return Err(Self::impossible(id, MARKER_RECORDED, &state, location));
        }
        self.local_activities.by_seq.remove(&seq);
        self.free(key);
        Ok(())
    }

    /// Returns the local activity whose marker is the next command, if its outcome was read from this event. It then
    /// matches.
    fn local_activity_read_from(&mut self, id: i64) -> Option<Key> {
        let command = self.commands.front().filter(|command| command.command_type == CommandType::RecordMarker)?;
        let key = command.machine;
        match self.machine(key) {
            Some(Machine::LocalActivity(machine)) if machine.is_read_from(id) => Some(key),
            _ => None,
        }
    }

    /// Returns the local activity of a marker that a live task recorded, or whose outcome the code did not get.
    fn local_activity_of_marker(
        &mut self,
        id: i64,
        event: Option<&MarkerRecordedEventAttributes>,
    ) -> Result<Key, FollowError> {
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

    /// Returns the identity in a marker: from the event, or from what the look-ahead kept of it.
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

    /// Returns the local activity of a marker that is not among the commands. Core before 0.10 did not record when in
    /// its task a marker was written, so the task's other commands may be before it or after it.
    fn local_activity_without_place(&mut self, seq: u32) -> Option<(Key, Option<&'static Location<'static>>)> {
        let key = *self.local_activities.by_seq.get(&seq)?;
        let machine = self.local_activity(key);
        machine.is_without_place.then_some((key, Some(machine.location)))
    }

    /// Begins a workflow task: its activations are counted from 0.
    pub(crate) fn local_activities_begin_task(&mut self) {
        self.local_activities.activations = 0;
        // Remaining markers belong to local activities that the code no longer runs. Their events will give an error.
        self.local_activities.markers.clear();
        self.local_activities.markers.shrink_to(16);
        self.local_activities.recorded.clear();
        self.local_activities.misnamed.clear();
    }

    /// Called before code runs on jobs.
    ///
    /// A replay does not know of updates that were rejected. So an activation that brings only requests counts from the
    /// moment at which one of them is accepted, which is before its handler runs.
    pub(crate) fn local_activities_begin_activation(&mut self) {
        let local = &mut self.local_activities;
        local.undecided = self.jobs.are_only_requests();
        local.activations += u64::from(!local.undecided);
        local.epoch += 1;
    }

    /// Called when an update is accepted.
    pub(crate) fn local_activities_accepting_update(&mut self) {
        self.local_activities.activations += u64::from(std::mem::take(&mut self.local_activities.undecided));
    }

    /// Returns true if the current activation has brought only updates and accepted none of them. A replay will not
    /// know of this activation.
    pub(crate) fn has_only_rejected_updates(&self) -> bool {
        self.local_activities.undecided
    }

    /// Delivers the recorded outcomes that the code got before its next activation. Goes through the markers from the
    /// front, as long as their local activities were scheduled and the outcomes had come by then. A later outcome is
    /// delivered only if there is nothing else to do.
    ///
    /// Outcomes with different indexes came one after the other, so they are delivered one after the other. A smaller
    /// index alone does not prove that an outcome is due: each of the tasks that a heartbeat joined counts from 0, so
    /// the index of a later task can be below the count for all of them.
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

    /// Gives a local activity the outcome in its marker.
    fn local_activity_take_up(&mut self, key: Key, input: Input, marker: RecordedMarker) {
        self.local_activities.recorded.remove(&marker.data.seq);
        let ours = self.flags.is_ours();
        let machine = self.local_activity(key);
        if machine.is_named(&marker.data.activity_id, &marker.data.activity_type, ours) {
            machine.marker_event_id = NonZeroI64::new(marker.event_id);
        } else {
            let identity = marker.data.identity().into_owned();
            // The outcome belongs to another local activity, perhaps of another type, so it is not delivered. The
            // marker's event will report the error.
            machine.operation = None;
            self.local_activities.misnamed.push((marker.event_id, identity));
        }
        self.local_activity_step(key, input, Some(Ended::recorded(marker)));
    }

    /// Returns true if the task has to wait for a local activity.
    pub(crate) fn has_pending_local_activities(&self) -> bool {
        self.local_activities.pending > 0
    }

    /// Takes the local activities that the worker is to begin, and the numbers of those that it is to cancel.
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

    /// Takes the numbers of the local activities that the worker is to cancel.
    pub(crate) fn take_local_activity_cancels(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.local_activities.cancels)
    }

    /// Makes one step of a machine and carries out its effects. Returns false, and does nothing, if the input has no
    /// meaning any more.
    fn local_activity_step(&mut self, key: Key, input: Input, mut ended: Option<Ended>) -> bool {
        let machine = self.local_activity(key);
        let Some((next, effects)) = step(machine.state, input) else { return false };
        machine.state = next;
        let seq = machine.request.seq;
        for effect in effects {
            match effect {
                // On replay, a local activity that was cancelled at once is not running.
                Effect::TellWorker if self.replaying && next == State::MarkerCommandCreated => {}
                Effect::TellWorker => self.local_activities.cancels.push(seq),
                Effect::RecordMarker => {
                    if let Some(ended) = ended.take() {
                        self.local_activity_ended(key, ended);
                    }
                }
            }
        }
        true
    }

    fn local_activity_ended(&mut self, key: Key, ended: Ended) {
        let (replaying, activations) = (self.replaying, self.local_activities.activations);
        self.pass_time(ended.complete_time);
        let machine = self.local_activity(key);
        let body = (!replaying).then(|| machine.marker(&ended, activations));
        machine.is_without_place = ended.is_without_place;
        let (without_place, location) = (machine.is_without_place, machine.location);
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

fn unreadable(id: i64, error: &str) -> FollowError {
    FollowError::Malformed(format!("event {id} (MarkerRecorded) is not a local activity's marker: {error}"))
}

/// Returns `time` plus `duration`.
fn later(time: Timestamp, duration: Duration) -> Timestamp {
    let nanos = i64::from(time.nanos) + i64::from(duration.subsec_nanos());
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Timestamp {
        seconds: time.seconds.saturating_add(seconds).saturating_add(nanos / 1_000_000_000),
        nanos: i32::try_from(nanos % 1_000_000_000).unwrap_or_default(),
    }
}

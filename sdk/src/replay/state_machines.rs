//! Follows a history: routes each event to its machine, matches commands with their events, and collects jobs.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use abide_protos::Timestamp;
use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::enums::v1::{CommandType, EventType, WorkflowTaskFailedCause};
use abide_protos::temporal::api::history::v1::history_event::Attributes as A;
use abide_protos::temporal::api::history::v1::{
    HistoryEvent, MarkerRecordedEventAttributes, WorkflowTaskCompletedEventAttributes,
    WorkflowTaskFailedEventAttributes, WorkflowTaskStartedEventAttributes,
};
use abide_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata;

use super::command_queue::{CommandBody, CommandId, CommandQueue, PendingCommand};
use super::event_groups::{CurrentGroups, EventGroups};
use super::event_type::closes_workflow;
use super::flags::Flags;
use super::jobs::{HandlerMessage, Job, Jobs, Outcome, Signal};
use super::machines::activity::ScheduleActivity;
use super::machines::change_marker::{PATCH_MARKER, VERSION_MARKER};
use super::machines::child_workflow::StartChildWorkflow;
use super::machines::external::SendMessage;
use super::machines::nexus_operation::ScheduleNexusOperation;
use super::machines::operation::OperationMachine;
use super::machines::side_effect_marker::{MUTABLE_SIDE_EFFECT_MARKER, SIDE_EFFECT_MARKER};
use super::machines::timer::StartTimer;
use super::machines::upsert_search_attributes::is_change_version;
use super::machines::{
    close_workflow, local_activity, local_activity_marker, modify_workflow_properties, patch, side_effect, update,
    upsert_search_attributes, workflow_task,
};
use super::nondeterminism::{Nondeterminism, NondeterminismKind};
use super::random_seed::random_seed;
use super::slab::{Key, Slab};
use super::workflow_task::Statement;
use crate::history::{command_type_name, event_type_name};
use crate::versioning::DeploymentVersion;

/// All machines of one run, and their shared state.
#[derive(Debug)]
pub(crate) struct StateMachines {
    pub(super) machines: Slab<Machine>,
    /// Machine of an operation, by the id of the event that began it.
    by_event: HashMap<i64, Key, BuildHasherDefault<EventIdHasher>>,
    pub(crate) commands: CommandQueue,
    /// Event groups of the commands that the code issues now.
    pub(crate) groups: CurrentGroups,
    /// Event groups of the machines, by slot. Empty as long as no machine has groups.
    groups_of: Vec<Option<Rc<EventGroups>>>,
    pub(crate) jobs: Jobs,
    pub(crate) flags: Flags,
    pub(super) updates: update::Updates,
    workflow_task: workflow_task::State,
    /// Id of the last WorkflowTaskCompleted event.
    answered_at: i64,
    /// Statement that issued the latest command.
    pub(super) last_statement: Option<&'static Location<'static>>,
    /// True if an event has closed the workflow. No event may follow it.
    closed: bool,
    next_timer: u32,
    next_activity: u32,
    next_child: u32,
    pub(crate) local_activities: local_activity::LocalActivities,
    pub(super) patches: Option<Box<patch::Patches>>,
    pub(super) side_effects: Option<Box<side_effect::SideEffects>>,
    /// True if the code that runs now has run before, so that nothing it issues is sent.
    pub(crate) replaying: bool,
    /// True if the code has run before although what it issues is new: it ran in a task that ended with a heartbeat.
    pub(crate) repeats: bool,
    /// Number of jobs at the latest WorkflowTaskCompleted. There are some only if that task was a heartbeat, whose jobs
    /// the current task gets again.
    answered_jobs: usize,
    /// Workflow time: the start of the latest workflow task, or the end of a local activity after it.
    pub(crate) time: Timestamp,
    /// Wall time of the last input. Only for local activities.
    pub(crate) wall_time: Option<Timestamp>,
    pub(crate) last_event_id: i64,
    pub(crate) last_started_event_id: i64,
    pub(crate) history_size_bytes: i64,
    pub(crate) continue_as_new_suggested: bool,
    /// Reasons for the suggestion, one bit for each number in the message's list.
    pub(crate) continue_as_new_reasons: u32,
    /// True if the deployment version for new tasks differs from this run's.
    pub(crate) target_version_changed: bool,
    /// Version of the program that runs, or ran, the current workflow task.
    pub(crate) deployment_version: Option<Arc<DeploymentVersion>>,
}

/// A machine with its data.
#[derive(Debug)]
pub(crate) enum Machine {
    Timer(OperationMachine<StartTimer>),
    Activity(OperationMachine<ScheduleActivity>),
    LocalActivity(Box<local_activity::LocalActivityMachine>),
    NexusOperation(Box<OperationMachine<ScheduleNexusOperation>>),
    Update(Box<update::UpdateMachine>),
    ChildWorkflow(Box<OperationMachine<StartChildWorkflow>>),
    External(OperationMachine<SendMessage>),
    CloseWorkflow(close_workflow::State),
    Patch(patch::PatchMachine),
    SideEffect(side_effect::SideEffectMachine),
    UpsertSearchAttributes(upsert_search_attributes::UpsertMachine),
    ModifyProperties(modify_workflow_properties::State),
}

/// Reason for which a history cannot be followed.
#[derive(Debug)]
pub(crate) enum FollowError {
    /// The code no longer matches it.
    Nondeterminism(Box<Nondeterminism>),
    /// It is inconsistent, or contains something that this version does not know.
    Malformed(String),
}

impl StateMachines {
    pub(crate) fn new(flags: Flags) -> Self {
        Self {
            machines: Slab::default(),
            by_event: HashMap::default(),
            commands: CommandQueue::default(),
            groups: CurrentGroups::None,
            groups_of: Vec::new(),
            jobs: Jobs::default(),
            flags,
            updates: update::Updates::default(),
            workflow_task: workflow_task::State::None,
            answered_at: 0,
            last_statement: None,
            closed: false,
            next_timer: 0,
            next_activity: 0,
            next_child: 0,
            local_activities: local_activity::LocalActivities::default(),
            patches: None,
            side_effects: None,
            replaying: true,
            repeats: false,
            answered_jobs: 0,
            time: Timestamp::default(),
            wall_time: None,
            last_event_id: 0,
            last_started_event_id: 0,
            history_size_bytes: 0,
            continue_as_new_suggested: false,
            continue_as_new_reasons: 0,
            target_version_changed: false,
            deployment_version: None,
        }
    }

    /// Applies one event. Payloads that are needed are moved out of it.
    pub(crate) fn apply(&mut self, event: &mut HistoryEvent) -> Result<(), FollowError> {
        let id = event.event_id;
        self.last_event_id = id;
        let event_type = event.event_type();
        if event_type == EventType::Unspecified {
            // An event of a type that this version does not know, whatever attributes it has.
            return if event.worker_may_ignore { Ok(()) } else { Err(unknown_event(event)) };
        }
        if self.closed && !event.worker_may_ignore {
            return Err(follows_the_end(id, event.event_type));
        }
        self.closed |= closes_workflow(event_type);
        let Some(attributes) = &mut event.attributes else { return without_attributes(event) };
        if attributes.event_type() != event_type {
            return Err(of_another_type(id, event.event_type, attributes.event_type()));
        }
        match attributes {
            A::WorkflowExecutionStartedEventAttributes(started) => {
                self.jobs.random_seed = Some(random_seed(&started.original_execution_run_id));
                self.jobs.start = Some(Box::new(std::mem::take(started)));
                Ok(())
            }
            A::WorkflowTaskScheduledEventAttributes(_) => self.workflow_task(workflow_task::Input::Scheduled, id),
            A::WorkflowTaskStartedEventAttributes(started) => self.task_started(id, started, event.event_time),
            A::WorkflowTaskCompletedEventAttributes(completed) => {
                self.record_flags(id, completed)?;
                self.commands.answered();
                self.answered_at = id;
                self.answered_jobs = self.jobs.len();
                self.workflow_task(workflow_task::Input::Completed, id)
            }
            A::WorkflowTaskTimedOutEventAttributes(_) => self.workflow_task(workflow_task::Input::TimedOut, id),
            A::WorkflowTaskFailedEventAttributes(failed) => self.task_failed(id, failed),
            A::WorkflowExecutionSignaledEventAttributes(event) => {
                let (name, input) = (std::mem::take(&mut event.signal_name), event.input.take());
                let header = event.header.take().filter(|header| !header.fields.is_empty()).map(Box::new);
                self.jobs.messages.push(HandlerMessage::Signal(Signal { event_id: id, name, input, header }));
                Ok(())
            }
            A::WorkflowExecutionUpdateAdmittedEventAttributes(event) => {
                self.update_admitted(id, event);
                Ok(())
            }
            A::WorkflowExecutionUpdateAcceptedEventAttributes(event) => self.update_accepted(id, event),
            A::WorkflowExecutionUpdateCompletedEventAttributes(event) => self.update_completed(id, event),
            A::WorkflowExecutionCancelRequestedEventAttributes(event) => {
                self.jobs.others.push(Job::CancelWorkflow { reason: std::mem::take(&mut event.cause) });
                Ok(())
            }
            A::WorkflowExecutionCompletedEventAttributes(_)
            | A::WorkflowExecutionFailedEventAttributes(_)
            | A::WorkflowExecutionCanceledEventAttributes(_)
            | A::WorkflowExecutionContinuedAsNewEventAttributes(_) => self.workflow_closed(event),
            A::WorkflowExecutionTimedOutEventAttributes(_) | A::WorkflowExecutionTerminatedEventAttributes(_) => Ok(()),
            other => match self.apply_to_operation(id, other) {
                Some(applied) => applied,
                None if event.worker_may_ignore => Ok(()),
                None => Err(unknown_event(event)),
            },
        }
    }

    /// Applies a marker from which the look-ahead took everything.
    pub(crate) fn apply_read_marker(&mut self, id: i64) -> Result<(), FollowError> {
        self.last_event_id = id;
        if self.closed {
            return Err(follows_the_end(id, EventType::MarkerRecorded.into()));
        }
        self.local_activity_marker_recorded(id, None)
    }

    /// Applies an event of an operation; `None` for any other event.
    fn apply_to_operation(&mut self, id: i64, attributes: &mut A) -> Option<Result<(), FollowError>> {
        Some(match attributes {
            A::ActivityTaskScheduledEventAttributes(event) => self.activity_scheduled(id, event),
            A::ActivityTaskStartedEventAttributes(event) => self.activity_started(id, event),
            A::ActivityTaskCompletedEventAttributes(event) => self.activity_completed(id, event),
            A::ActivityTaskFailedEventAttributes(event) => self.activity_failed(id, event),
            A::ActivityTaskTimedOutEventAttributes(event) => self.activity_timed_out(id, event),
            A::ActivityTaskCanceledEventAttributes(event) => self.activity_canceled(id, event),
            A::ActivityTaskCancelRequestedEventAttributes(event) => self.activity_cancel_requested(id, event),
            A::TimerStartedEventAttributes(event) => self.timer_started(id, event),
            A::TimerFiredEventAttributes(event) => self.timer_fired(id, event),
            A::TimerCanceledEventAttributes(event) => self.timer_canceled(id, event),
            A::MarkerRecordedEventAttributes(event) if event.marker_name == local_activity_marker::MARKER_NAME => {
                self.local_activity_marker_recorded(id, Some(event))
            }
            A::MarkerRecordedEventAttributes(event) => self.marker_recorded(id, event),
            A::UpsertWorkflowSearchAttributesEventAttributes(event) => self.search_attributes_upserted(id, event),
            A::WorkflowPropertiesModifiedEventAttributes(_) => self.properties_modified(id),
            A::StartChildWorkflowExecutionInitiatedEventAttributes(event) => self.child_initiated(id, event),
            A::StartChildWorkflowExecutionFailedEventAttributes(event) => self.child_start_failed(id, event),
            A::ChildWorkflowExecutionStartedEventAttributes(event) => self.child_started(id, event),
            A::ChildWorkflowExecutionCompletedEventAttributes(event) => self.child_completed(id, event),
            A::ChildWorkflowExecutionFailedEventAttributes(event) => self.child_failed(id, event),
            A::ChildWorkflowExecutionCanceledEventAttributes(event) => self.child_canceled(id, event),
            A::ChildWorkflowExecutionTimedOutEventAttributes(event) => self.child_timed_out(id, event),
            A::ChildWorkflowExecutionTerminatedEventAttributes(event) => self.child_terminated(id, event),
            A::SignalExternalWorkflowExecutionInitiatedEventAttributes(event) => {
                self.signal_external_initiated(id, event)
            }
            A::SignalExternalWorkflowExecutionFailedEventAttributes(event) => self.signal_external_failed(id, event),
            A::ExternalWorkflowExecutionSignaledEventAttributes(event) => {
                self.external_signaled(id, event.initiated_event_id)
            }
            A::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(event) => {
                self.cancel_external_initiated(id, event)
            }
            A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(event) => {
                self.cancel_external_failed(id, event)
            }
            A::ExternalWorkflowExecutionCancelRequestedEventAttributes(event) => {
                self.external_cancel_requested(id, event.initiated_event_id)
            }
            other => return self.apply_to_nexus_operation(id, other),
        })
    }

    /// Reads an event before it is applied: it tells what the code of the current task did when it first ran. Returns
    /// true if nothing is left in it, so that [`Self::apply_read_marker`] will apply it instead of [`Self::apply`].
    pub(crate) fn look_ahead(&mut self, event: &mut HistoryEvent) -> Result<bool, FollowError> {
        let id = event.event_id;
        if event.event_type() == EventType::Unspecified {
            return Ok(false);
        }
        match &mut event.attributes {
            Some(A::MarkerRecordedEventAttributes(event))
                if event.marker_name == local_activity_marker::MARKER_NAME =>
            {
                return self.local_activity_marker_ahead(id, event);
            }
            Some(A::WorkflowTaskCompletedEventAttributes(completed)) => {
                // A task's flags are in the event that completes it, and apply to the code that runs now.
                self.record_flags(id, completed)?;
                self.deployment_version_of(completed);
            }
            Some(A::WorkflowExecutionUpdateAcceptedEventAttributes(accepted)) => {
                self.update_accepted_ahead(event.event_id, accepted);
            }
            Some(A::MarkerRecordedEventAttributes(marker)) if is_side_effect(marker) => {
                self.side_effect_ahead(id, marker)?;
            }
            Some(A::MarkerRecordedEventAttributes(marker)) => self.patch_ahead(event.event_id, marker),
            Some(A::ActivityTaskScheduledEventAttributes(scheduled)) => self.activity_ahead(&scheduled.activity_id),
            Some(A::UpsertWorkflowSearchAttributesEventAttributes(upsert)) if is_change_version(upsert) => {
                self.change_version_ahead(event.event_id);
            }
            _ => {}
        }
        Ok(false)
    }

    /// Undoes the last workflow task: the server has forgotten it, because it brought only updates that were rejected.
    /// The task before it, at `last_started_event_id`, is the last one again.
    ///
    /// Its two events are no longer part of the history; the events before them stay applied.
    pub(crate) fn take_back_task(&mut self, last_started_event_id: i64) {
        self.last_event_id -= 2;
        self.last_started_event_id = last_started_event_id;
        self.workflow_task = workflow_task::State::None;
    }

    /// Cancels an operation as its kind and its options say. Returns the outcome if the operation has one at once;
    /// `None` if it comes later, or has already come. With `forget` nothing waits any more.
    pub(crate) fn cancel(&mut self, machine: Key, forget: bool, reason: &str) -> Option<Outcome> {
        match self.machines.get(machine)? {
            Machine::Timer(_) => self.cancel_operation::<StartTimer>(machine, forget, reason),
            Machine::Activity(_) => self.cancel_operation::<ScheduleActivity>(machine, forget, reason),
            Machine::NexusOperation(_) => self.cancel_operation::<ScheduleNexusOperation>(machine, forget, reason),
            Machine::External(_) => self.cancel_operation::<SendMessage>(machine, forget, reason),
            Machine::ChildWorkflow(_) => self.cancel_child_workflow(machine, forget, reason),
            Machine::LocalActivity(_) => {
                self.cancel_local_activity(machine, forget);
                None
            }
            Machine::Update(_)
            | Machine::CloseWorkflow(_)
            | Machine::Patch(_)
            | Machine::SideEffect(_)
            | Machine::UpsertSearchAttributes(_)
            | Machine::ModifyProperties(_) => None,
        }
    }

    /// Lets an operation go on without a future.
    pub(crate) fn detach(&mut self, machine: Key) {
        match self.machines.get_mut(machine) {
            Some(Machine::Timer(timer)) => timer.detach(),
            Some(Machine::Activity(activity)) => activity.detach(),
            Some(Machine::ChildWorkflow(child)) => child.detach(),
            Some(Machine::External(message)) => message.detach(),
            Some(Machine::LocalActivity(activity)) => activity.detach(),
            Some(Machine::NexusOperation(operation)) => operation.detach(),
            // No future stands for these.
            Some(
                Machine::Update(_)
                | Machine::CloseWorkflow(_)
                | Machine::Patch(_)
                | Machine::SideEffect(_)
                | Machine::UpsertSearchAttributes(_)
                | Machine::ModifyProperties(_),
            )
            | None => {}
        }
    }

    /// Ends a task. See [`CommandQueue::finish_task`].
    pub(crate) fn finish_task(&mut self) -> (Vec<Command>, Vec<Statement>) {
        let move_closing = self.flags.uses(super::flags::CoreFlag::MoveTerminalCommands, self.replaying);
        self.commands.finish_task(move_closing)
    }

    /// Fails if a command of an earlier task has no event, although the history has gone on.
    pub(crate) fn check_nothing_missing(&mut self, event_id: i64, event_type: &str) -> Result<(), FollowError> {
        let Some((produced, location)) = self.front_command() else { return Ok(()) };
        let recorded = "the workflow task of this command was completed, but recorded no event for it";
        let error = Nondeterminism::new(NondeterminismKind::MissingEvent, event_id, event_type, recorded);
        Err(error.produced(produced, location).into())
    }

    /// Like [`Self::check_nothing_missing`], at the end of a replayed history. Commands of a task that was not answered
    /// yet have no events yet; all others must have them, whether or not the run is over.
    ///
    /// If a history ends with a completion and has none of its commands, it may have been cut off before the command
    /// that closes the run. As in Core, the code may close the run there.
    pub(crate) fn check_nothing_missing_at_the_end(&mut self, last_id: i64) -> Result<(), FollowError> {
        let is_cut_off = self.answered_at == last_id && self.commands.is_closing();
        if is_cut_off || !self.commands.is_any_missing() {
            return Ok(());
        }
        self.check_nothing_missing(last_id, "the end of the history")
    }

    /// Describes an operation under way, with the statement that began it.
    pub(crate) fn waits_for(&self, machine: Key) -> Option<(String, &'static Location<'static>)> {
        let (kind, what, location) = match self.machines.get(machine)? {
            Machine::Timer(timer) => ("timer", timer.describe(), timer.location()),
            Machine::Activity(activity) => ("activity", activity.describe(), activity.location()),
            Machine::LocalActivity(activity) => ("local activity", activity.describe(), activity.location()),
            Machine::ChildWorkflow(child) => ("child workflow", child.describe(), child.location()),
            Machine::NexusOperation(operation) => ("Nexus operation", operation.describe(), operation.location()),
            Machine::External(sent) => (sent.kind(), sent.describe(), sent.location()),
            // No routine waits for these.
            Machine::Update(_)
            | Machine::CloseWorkflow(_)
            | Machine::Patch(_)
            | Machine::SideEffect(_)
            | Machine::UpsertSearchAttributes(_)
            | Machine::ModifyProperties(_) => return None,
        };
        Some((format!("{kind} {what}"), location))
    }

    /// Called before the code runs: finds out if it has run on the same jobs before.
    ///
    /// If new jobs have come since the heartbeat, what the code does cannot be told apart, so it counts as new: a line
    /// of its log that appears twice is better than one that is lost.
    pub(crate) fn begin_activations(&mut self) {
        let answered = std::mem::take(&mut self.answered_jobs);
        self.repeats = answered > 0 && answered == self.jobs.len();
    }

    /// Returns true if the code that runs now has run before, so that it logs, counts and traces nothing.
    pub(crate) fn has_run_before(&self) -> bool {
        self.replaying || self.repeats
    }

    /// Number of operations under way.
    #[cfg(test)]
    pub(crate) fn machines_alive(&self) -> usize {
        self.machines.len()
    }

    // ---- for the machines' own files -------------------------------------------------------------------------------

    pub(crate) fn insert(&mut self, machine: Machine) -> Key {
        let key = self.machines.insert(machine);
        if let Some(groups) = self.groups.shared() {
            self.groups_of.resize(self.groups_of.len().max(key.index() + 1), None);
            self.groups_of[key.index()] = Some(groups);
        }
        key
    }

    pub(crate) fn machine(&mut self, key: Key) -> Option<&mut Machine> {
        self.machines.get_mut(key)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Machine> {
        self.machines.get(key)
    }

    pub(crate) fn free(&mut self, key: Key) {
        if self.machines.remove(key).is_some()
            && let Some(groups) = self.groups_of.get_mut(key.index())
        {
            *groups = None;
        }
    }

    /// Returns the next timer's number, from 1.
    pub(crate) fn take_timer_number(&mut self) -> u32 {
        self.next_timer += 1;
        self.next_timer
    }

    /// Returns the next activity's number, from 1. Local activities share the counter.
    pub(crate) fn take_activity_number(&mut self) -> u32 {
        self.next_activity += 1;
        self.next_activity
    }

    /// Returns the next child workflow's number, from 1. Its default id is derived from it.
    pub(crate) fn take_child_number(&mut self) -> u32 {
        self.next_child += 1;
        self.next_child
    }

    pub(crate) fn begun_by(&mut self, event_id: i64, machine: Key) {
        self.by_event.insert(event_id, machine);
    }

    pub(crate) fn find(&self, initiating_event_id: i64) -> Option<Key> {
        self.by_event.get(&initiating_event_id).copied()
    }

    pub(crate) fn forget(&mut self, initiating_event_id: i64) {
        self.by_event.remove(&initiating_event_id);
    }

    pub(crate) fn resolve(&mut self, operation: Option<Key>, outcome: Outcome) {
        if let Some(operation) = operation {
            self.jobs.others.push(Job::Resolve { operation, outcome });
        }
    }

    pub(crate) fn issue(
        &mut self,
        command_type: CommandType,
        machine: Key,
        location: Option<&'static Location<'static>>,
        body: Option<CommandBody>,
    ) -> CommandId {
        if !cancels(command_type) {
            self.last_statement = location.or(self.last_statement);
        }
        let command = self.commands.push(command_type, machine, location, body.map(Box::new));
        if let Some(groups) = self.groups_of.get(machine.index()).filter(|groups| groups.is_some())
            // These commands give an update's own messages their place. They are not issued by its handler.
            && command_type != CommandType::ProtocolMessage
        {
            self.commands.group_latest(groups.clone());
        }
        command
    }

    /// Returns the id that the event of the next command will have: those of a task's commands follow its completion.
    pub(crate) fn next_command_event_id(&self) -> i64 {
        self.last_started_event_id + 2 + self.commands.count_issued()
    }

    /// Takes the command that an event confirms. Fails if the code issued another command, or none.
    pub(crate) fn confirm(
        &mut self,
        event_id: i64,
        event_type: &'static str,
        command_type: CommandType,
        recorded: impl FnOnce() -> String,
    ) -> Result<PendingCommand, FollowError> {
        match self.commands.front() {
            // A command without a machine was withdrawn after the task that issued it, and never has an event.
            Some(command) if command.command_type == command_type && self.machines.get(command.machine).is_some() => {
                Ok(self.commands.pop().expect("the command was just seen at the front"))
            }
            _ => Err(match self.front_command() {
                Some((produced, location)) => {
                    let kind = NondeterminismKind::DifferentCommand;
                    Nondeterminism::new(kind, event_id, event_type, recorded()).produced(produced, location)
                }
                None => Nondeterminism::new(NondeterminismKind::UnexpectedEvent, event_id, event_type, recorded()),
            }
            .into()),
        }
    }

    /// Describes the operation that an event began, for error messages.
    pub(crate) fn describe_begun_by(&self, event_id: i64) -> String {
        match self.find(event_id).and_then(|machine| self.waits_for(machine)) {
            Some((what, _)) => what,
            None => format!("the operation that event {event_id} began"),
        }
    }

    /// Statement that issued the latest command.
    pub(crate) fn last_statement(&self) -> Option<&'static Location<'static>> {
        self.last_statement
    }

    /// Describes the command whose event should come next, for error messages.
    pub(crate) fn front_command(&mut self) -> Option<(String, Option<&'static Location<'static>>)> {
        let command = self.commands.front()?;
        let (machine, command_type, location) = (command.machine, command.command_type, command.location);
        let note = command.note;
        let described = self.describe(machine, command_type);
        Some((described + note.text(), location))
    }

    /// Returns the error for an event that records another command of the same type.
    pub(super) fn differs(
        &self,
        event_id: i64,
        event_type: &'static str,
        command: &PendingCommand,
        recorded: String,
    ) -> FollowError {
        let produced = self.describe(command.machine, command.command_type);
        let error = Nondeterminism::new(NondeterminismKind::DifferentIdOrType, event_id, event_type, recorded);
        error.produced(produced, command.location).into()
    }

    /// Returns the error for an event of an operation that the code never began.
    pub(crate) fn unknown_operation(event_id: i64, event_type: &'static str, initiating_event_id: i64) -> FollowError {
        let recorded = format!("the operation of event {initiating_event_id}");
        Nondeterminism::new(NondeterminismKind::UnknownOperation, event_id, event_type, recorded).into()
    }

    /// Returns the error for an event that is impossible in the state of its operation.
    pub(crate) fn impossible(
        event_id: i64,
        event_type: &'static str,
        state: &dyn std::fmt::Debug,
        location: &'static Location<'static>,
    ) -> FollowError {
        let error = Nondeterminism::new(NondeterminismKind::ImpossibleState, event_id, event_type, "");
        error
            .produced(format!("an operation that cannot have this event (its state is {state:?})"), Some(location))
            .into()
    }

    fn describe(&self, machine: Key, command_type: CommandType) -> String {
        let name = command_type_name(command_type as i32);
        match self.machines.get(machine) {
            Some(Machine::Activity(activity)) => format!("{name} {}", activity.describe()),
            Some(Machine::Timer(timer)) => format!("{name} {}", timer.describe()),
            Some(Machine::LocalActivity(activity)) => format!("{name} {}", activity.describe()),
            Some(Machine::NexusOperation(operation)) => format!("{name} {}", operation.describe()),
            Some(Machine::ChildWorkflow(child)) => format!("{name} {}", child.describe()),
            Some(Machine::External(message)) => format!("{name} {}", message.describe()),
            Some(Machine::Patch(patch)) => format!("{name} {}", patch.describe()),
            Some(Machine::SideEffect(effect)) => format!("{name} {}", effect.describe()),
            Some(Machine::UpsertSearchAttributes(upsert)) => format!("{name} {}", upsert.describe()),
            Some(Machine::Update(update)) => update.said(),
            Some(Machine::CloseWorkflow(_) | Machine::ModifyProperties(_)) | None => name,
        }
    }

    fn marker_recorded(&mut self, id: i64, event: &MarkerRecordedEventAttributes) -> Result<(), FollowError> {
        match event.marker_name.as_str() {
            PATCH_MARKER | VERSION_MARKER => self.patch_recorded(id, event),
            SIDE_EFFECT_MARKER | MUTABLE_SIDE_EFFECT_MARKER => self.side_effect_recorded(id, event),
            local_activity_marker::MARKER_NAME => self.local_activity_marker_recorded(id, Some(event)),
            other => Err(FollowError::Malformed(format!(
                "event {id} (MarkerRecorded {other}): Abide replays patches, versions, side effects, and the local \
                 activities of SDKs based on Core; it cannot replay the local activities of the Go and Java SDKs: let \
                 workers of that SDK finish the run"
            ))),
        }
    }

    fn task_started(
        &mut self,
        id: i64,
        started: &WorkflowTaskStartedEventAttributes,
        time: Option<Timestamp>,
    ) -> Result<(), FollowError> {
        self.last_started_event_id = id;
        self.history_size_bytes = started.history_size_bytes;
        self.continue_as_new_suggested = started.suggest_continue_as_new;
        self.continue_as_new_reasons = bits(&started.suggest_continue_as_new_reasons);
        self.target_version_changed = started.target_worker_deployment_version_changed;
        self.pass_time(time);
        self.workflow_task(workflow_task::Input::Started, id)
    }

    fn task_failed(&mut self, id: i64, failed: &WorkflowTaskFailedEventAttributes) -> Result<(), FollowError> {
        if failed.cause == WorkflowTaskFailedCause::ResetWorkflow as i32 {
            self.jobs.random_seed = Some(random_seed(&failed.new_run_id));
        }
        self.workflow_task(workflow_task::Input::Failed, id)
    }

    fn workflow_task(&mut self, input: workflow_task::Input, event_id: i64) -> Result<(), FollowError> {
        let next = workflow_task::step(self.workflow_task, input).ok_or_else(|| {
            let state = self.workflow_task;
            FollowError::Malformed(format!("event {event_id}: a workflow task cannot be {input:?} in state {state:?}"))
        })?;
        self.workflow_task = next;
        Ok(())
    }

    fn record_flags(&mut self, id: i64, completed: &WorkflowTaskCompletedEventAttributes) -> Result<(), FollowError> {
        // A task without metadata counts too: it may be the first one.
        let none = WorkflowTaskCompletedMetadata::default();
        self.flags.recorded(completed.sdk_metadata.as_ref().unwrap_or(&none)).map_err(|flag| {
            FollowError::Malformed(format!(
                "event {id} (WorkflowTaskCompleted): the history was recorded with core flag {flag}, which this \
                 version of Abide does not know; without it, the replay could differ from the recorded run unnoticed; \
                 use a newer version"
            ))
        })
    }

    /// Reads the version that answered a task. Workers without a deployment have only a build id.
    #[expect(deprecated, reason = "older histories name the build id in older fields")]
    fn deployment_version_of(&mut self, completed: &WorkflowTaskCompletedEventAttributes) {
        let (name, build_id) = match (&completed.deployment_version, &completed.worker_version) {
            (Some(version), _) if !version.build_id.is_empty() => {
                (version.deployment_name.as_str(), version.build_id.as_str())
            }
            _ if !completed.worker_deployment_version.is_empty() => {
                // Deployment names contain no dot; build ids may.
                let text = completed.worker_deployment_version.as_str();
                text.split_once('.').unwrap_or(("", text))
            }
            (_, Some(stamp)) => ("", stamp.build_id.as_str()),
            (_, None) => ("", ""),
        };
        if build_id.is_empty() {
            self.deployment_version = None;
        } else if !self.deployment_version.as_ref().is_some_and(|version| version.is(name, build_id)) {
            self.deployment_version = Some(Arc::new(DeploymentVersion::new(name, build_id)));
        }
    }

    pub(crate) fn pass_time(&mut self, time: Option<Timestamp>) {
        if let Some(time) = time
            && (time.seconds, time.nanos) > (self.time.seconds, self.time.nanos)
        {
            self.time = time;
        }
    }
}

impl From<Nondeterminism> for FollowError {
    fn from(error: Nondeterminism) -> Self {
        Self::Nondeterminism(Box::new(error))
    }
}

/// Returns true if the command cancels an operation. Its place is that of the operation's statement.
fn cancels(command_type: CommandType) -> bool {
    use CommandType as C;
    matches!(command_type, C::CancelTimer | C::RequestCancelActivityTask | C::RequestCancelNexusOperation)
}

fn is_side_effect(marker: &MarkerRecordedEventAttributes) -> bool {
    matches!(marker.marker_name.as_str(), SIDE_EFFECT_MARKER | MUTABLE_SIDE_EFFECT_MARKER)
}

/// Returns small numbers as a set of bits. The protocol has no number above 31.
fn bits(numbers: &[i32]) -> u32 {
    numbers.iter().filter_map(|number| 1_u32.checked_shl(u32::try_from(*number).ok()?)).fold(0, |all, bit| all | bit)
}

fn follows_the_end(id: i64, event_type: i32) -> FollowError {
    let name = event_type_name(event_type);
    FollowError::Malformed(format!("event {id} ({name}) follows the event that closed the workflow"))
}

fn of_another_type(id: i64, event_type: i32, of_attributes: EventType) -> FollowError {
    let (name, other) = (event_type_name(event_type), event_type_name(of_attributes as i32));
    FollowError::Malformed(format!("event {id} ({name}) has the attributes of a {other}; the history is damaged"))
}

fn without_attributes(event: &HistoryEvent) -> Result<(), FollowError> {
    if event.worker_may_ignore { Ok(()) } else { Err(unknown_event(event)) }
}

fn unknown_event(event: &HistoryEvent) -> FollowError {
    FollowError::Malformed(format!(
        "event {} ({}) is not known to this version of Abide and must not be ignored; use a newer version",
        event.event_id,
        event_type_name(event.event_type)
    ))
}

/// A hasher for event ids: small consecutive numbers, for which one multiplication is enough.
#[derive(Debug, Default)]
pub(crate) struct EventIdHasher(u64);

impl Hasher for EventIdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn write_i64(&mut self, id: i64) {
        self.0 = id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

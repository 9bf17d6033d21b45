//! A tiny server: turns commands into events, and lets random things happen between workflow tasks.

use std::sync::Arc;

use abide_protos::temporal::api::command::v1::command::Attributes as C;
use abide_protos::temporal::api::command::v1::{Command, RecordMarkerCommandAttributes};
use abide_protos::temporal::api::common::v1::{Payloads, WorkflowType};
use abide_protos::temporal::api::enums::v1::{EventType, TimeoutType, WorkflowTaskFailedCause};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{Failure, TimeoutFailureInfo};
use abide_protos::temporal::api::history::v1::history_event::Attributes as A;
use abide_protos::temporal::api::history::v1::{
    ActivityTaskCancelRequestedEventAttributes, ActivityTaskCanceledEventAttributes,
    ActivityTaskCompletedEventAttributes, ActivityTaskFailedEventAttributes, ActivityTaskScheduledEventAttributes,
    ActivityTaskStartedEventAttributes, ActivityTaskTimedOutEventAttributes, HistoryEvent,
    MarkerRecordedEventAttributes, TimerCanceledEventAttributes, TimerFiredEventAttributes,
    TimerStartedEventAttributes, UpsertWorkflowSearchAttributesEventAttributes,
    WorkflowExecutionCancelRequestedEventAttributes, WorkflowExecutionSignaledEventAttributes,
    WorkflowExecutionStartedEventAttributes, WorkflowPropertiesModifiedEventAttributes,
    WorkflowTaskCompletedEventAttributes, WorkflowTaskFailedEventAttributes,
};
use abide_protos::temporal::api::protocol::v1::Message;
use abide_protos::temporal::api::query::v1::WorkflowQuery;

use super::super::harness::{new_run, registry, text};
use super::children::Child;
use super::interceptors::Interceptors;
use super::local_activities::{LocalActivity, Told};
use super::nexus::{NexusCancelRequest, NexusOperation};
use super::program::{Interpreter, Step};
use super::updates::Updates;
use crate::converter::to_payload;
use crate::history::event_type_name;
use crate::replay::text::event_line;
use crate::replay::{HistoryPage, Input, Output, Until, WorkflowTask, WorkflowTaskCompletion};
use crate::runtime::{WorkflowRegistry, WorkflowRun};

/// An activity that is under way on the server.
#[derive(Clone, Copy, Debug)]
struct Activity {
    scheduled: i64,
    cancel_requested: bool,
}

/// A workflow's history, its pending operations, and the run in a worker's cache.
pub(super) struct Server {
    registry: Arc<WorkflowRegistry>,
    /// For replays from scratch.
    replaying: Arc<WorkflowRegistry>,
    pub(super) cached: WorkflowRun,
    /// Number of events that the cached run was given.
    told: usize,
    events: Vec<HistoryEvent>,
    timers: Vec<(String, i64)>,
    activities: Vec<Activity>,
    pub(super) children: Vec<Child>,
    /// Requests to cancel children, by initiated event id.
    pub(super) requests: Vec<i64>,
    pub(super) nexus_operations: Vec<NexusOperation>,
    pub(super) nexus_cancel_requests: Vec<NexusCancelRequest>,
    /// Local activities that the worker runs for the cached run.
    pub(super) local_activities: Vec<LocalActivity>,
    pub(super) updates: Updates,
    /// True if the current task exists only for updates: nothing else has happened since the last one.
    pub(super) is_speculative: bool,
    /// True if the worker has requested another task at once.
    heartbeats: bool,
    /// True if something new has happened to the workflow.
    news: bool,
    /// Situations that have occurred beside the events.
    pub(super) seen: Vec<&'static str>,
    /// Events that happen while a worker has a task are written after its commands.
    buffered: Option<Vec<(EventType, A)>>,
    signals: Vec<Vec<Step>>,
    cancel_requested: bool,
    closed: bool,
    choices: std::vec::IntoIter<u8>,
}

impl Server {
    pub(super) fn new(
        interceptors: Interceptors,
        program: &[Step],
        signals: Vec<Vec<Step>>,
        updates: Vec<Vec<Step>>,
        choices: Vec<u8>,
    ) -> Self {
        let (registry, replaying) = interceptors.registries(&registry(Interpreter::run));
        let mut server = Self {
            cached: new_run(&registry, None),
            registry,
            replaying,
            told: 0,
            events: Vec::new(),
            timers: Vec::new(),
            activities: Vec::new(),
            children: Vec::new(),
            requests: Vec::new(),
            nexus_operations: Vec::new(),
            nexus_cancel_requests: Vec::new(),
            local_activities: Vec::new(),
            updates: Updates::of(updates),
            is_speculative: false,
            heartbeats: false,
            news: true,
            seen: Vec::new(),
            buffered: None,
            signals,
            cancel_requested: false,
            closed: false,
            choices: choices.into_iter(),
        };
        let started = WorkflowExecutionStartedEventAttributes {
            workflow_type: Some(WorkflowType { name: "wf".into() }),
            input: Some(payloads(&program.to_vec())),
            original_execution_run_id: "run".into(),
            attempt: 1,
            ..Default::default()
        };
        let started = A::WorkflowExecutionStartedEventAttributes(started);
        server.write(EventType::WorkflowExecutionStarted, started);
        for _ in 0..server.choose(6).saturating_sub(3) {
            server.message();
        }
        server
    }

    /// Returns true if there is another task: the worker requested it, or something happens.
    pub(super) fn goes_on(&mut self) -> bool {
        !self.closed && (self.heartbeats || self.something_happens())
    }

    /// Types of its events, and the situations that have occurred beside them.
    pub(super) fn event_types(&self) -> impl Iterator<Item = String> {
        let seen = self.seen.iter().map(|seen| (*seen).to_string());
        self.events.iter().map(|event| event_type_name(event.event_type)).chain(seen)
    }

    /// Runs one workflow task, with the attempts that fail before the one that is answered.
    pub(super) fn workflow_task(&mut self) {
        while self.choose(8) == 7 {
            self.failing_attempt();
        }
        self.is_speculative = !std::mem::take(&mut self.news) && !self.heartbeats;
        self.begin_attempt();
        let completion = self.answer();
        if self.forget_if_traceless(&completion) {
            return;
        }
        self.buffered = Some(Vec::new());
        for _ in 0..self.choose(8).saturating_sub(4) {
            self.something_happens();
        }
        let buffered = self.buffered.take().unwrap_or_default();
        if completion.closes_workflow && !buffered.is_empty() {
            // The worker has to process the new events first.
            self.write_task_failed(WorkflowTaskFailedCause::UnhandledCommand);
            buffered.into_iter().for_each(|(event_type, attributes)| self.write(event_type, attributes));
            self.evict();
            return self.workflow_task();
        }
        self.updates_answered();
        self.heartbeats = completion.force_create_new_workflow_task;
        if self.heartbeats {
            self.seen.push("a heartbeat");
        } else {
            self.local_activities.clear();
        }
        let completed =
            WorkflowTaskCompletedEventAttributes { sdk_metadata: Some(completion.sdk_metadata), ..Default::default() };
        let completed = A::WorkflowTaskCompletedEventAttributes(completed);
        self.write(EventType::WorkflowTaskCompleted, completed);
        let mut buffered = buffered;
        for command in completion.commands {
            self.command(command, &completion.messages, &mut buffered);
        }
        buffered.into_iter().for_each(|(event_type, attributes)| self.write(event_type, attributes));
        match self.choose(10) {
            9 => self.evict(),
            7 | 8 => self.query(),
            _ => {}
        }
    }

    /// Lets something happen that wakes the workflow. Returns false if nothing can.
    pub(super) fn something_happens(&mut self) -> bool {
        for _ in 0..self.choose(3) {
            self.one_thing_happens();
        }
        self.one_thing_happens()
    }

    /// Checks that the history replays to its end.
    pub(super) fn check_whole_history(&mut self) {
        let mut run = new_run(&self.replaying, None);
        let told = replay(&mut run, &self.events, Until::End, self.events.len(), Vec::new(), &[]);
        assert_eq!(told, "Idle", "{}", self.history());
        assert_eq!(run.replayed_outcome().is_some(), self.closed, "{}", self.history());
    }

    fn begin_attempt(&mut self) {
        self.write(EventType::WorkflowTaskScheduled, A::WorkflowTaskScheduledEventAttributes(Default::default()));
        self.write(EventType::WorkflowTaskStarted, A::WorkflowTaskStartedEventAttributes(Default::default()));
    }

    /// Makes an attempt without a result: the worker dies with it, or never receives it.
    fn failing_attempt(&mut self) {
        self.begin_attempt();
        match self.choose(3) {
            0 => {
                self.answer();
                self.evict();
                self.write(EventType::WorkflowTaskTimedOut, A::WorkflowTaskTimedOutEventAttributes(Default::default()));
            }
            1 => {
                self.write(EventType::WorkflowTaskTimedOut, A::WorkflowTaskTimedOutEventAttributes(Default::default()));
            }
            _ => {
                self.write_task_failed(WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure);
                self.evict();
            }
        }
        if self.choose(2) == 1 {
            self.one_thing_happens();
        }
    }

    /// Returns the worker's completion. Two replays from scratch must give the same.
    fn answer(&mut self) -> WorkflowTaskCompletion {
        let (started, messages) = (self.last_id(), self.update_requests());
        let task = WorkflowTask {
            until: Until::Started(started),
            attempt: 1,
            history: HistoryPage { events: self.events[self.told..].to_vec(), next_page_token: Vec::new() },
            messages: messages.clone(),
            ..WorkflowTask::default()
        };
        let mut output = self.cached.handle(Input::WorkflowTask(Box::new(task)));
        if matches!(output, Output::NeedHistory { .. }) {
            let history = HistoryPage { events: self.events.clone(), next_page_token: Vec::new() };
            output = self.cached.handle(Input::HistoryPage(history));
        }
        self.told = self.events.len();
        let (output, told) = self.run_local_activities(output);
        let cached = without_indexes(&text(&output));
        for page in [self.events.len(), 1, 1 + self.choose(5)] {
            let run = &mut new_run(&self.replaying, None);
            let scratch =
                without_indexes(&replay(run, &self.events, Until::Started(started), page, messages.clone(), &told));
            let history = self.history();
            assert_eq!(cached, scratch, "left: the cached run; right: a replay in pages of {page}, of\n{history}");
        }
        match output {
            Output::Complete(completion) => *completion,
            other => panic!("{}\n{}", text(&other), self.history()),
        }
    }

    /// Queries the cached run. Its answer is not compared, only the commands that follow.
    fn query(&mut self) {
        let query = WorkflowQuery { query_type: "trace".into(), ..Default::default() };
        let history = HistoryPage { events: self.events[self.told..].to_vec(), next_page_token: Vec::new() };
        let task = WorkflowTask { query: Some(query), history, ..WorkflowTask::default() };
        let mut output = self.cached.handle(Input::WorkflowTask(Box::new(task)));
        if matches!(output, Output::NeedHistory { .. }) {
            let history = HistoryPage { events: self.events.clone(), next_page_token: Vec::new() };
            output = self.cached.handle(Input::HistoryPage(history));
        }
        let told = text(&output);
        assert!(told.starts_with("answer"), "{told}\n{}", self.history());
        if self.choose(2) == 0 {
            // Otherwise the next task brings the same events again.
            self.told = self.events.len();
        }
    }

    fn command(&mut self, command: Command, messages: &[Message], buffered: &mut Vec<(EventType, A)>) {
        match command.attributes.expect("a command has attributes") {
            C::StartTimerCommandAttributes(start) => {
                self.timers.push((start.timer_id.clone(), self.last_id() + 1));
                let started = TimerStartedEventAttributes { timer_id: start.timer_id, ..Default::default() };
                self.write(EventType::TimerStarted, A::TimerStartedEventAttributes(started));
            }
            C::CancelTimerCommandAttributes(cancel) => self.cancel_timer(cancel.timer_id, buffered),
            C::ScheduleActivityTaskCommandAttributes(schedule) => {
                self.activities.push(Activity { scheduled: self.last_id() + 1, cancel_requested: false });
                let scheduled = ActivityTaskScheduledEventAttributes {
                    activity_id: schedule.activity_id,
                    activity_type: schedule.activity_type,
                    ..Default::default()
                };
                self.write(EventType::ActivityTaskScheduled, A::ActivityTaskScheduledEventAttributes(scheduled));
            }
            C::RequestCancelActivityTaskCommandAttributes(cancel) => {
                let scheduled_event_id = cancel.scheduled_event_id;
                let attributes =
                    ActivityTaskCancelRequestedEventAttributes { scheduled_event_id, ..Default::default() };
                let attributes = A::ActivityTaskCancelRequestedEventAttributes(attributes);
                self.write(EventType::ActivityTaskCancelRequested, attributes);
                self.cancel_activity(scheduled_event_id);
            }
            C::StartChildWorkflowExecutionCommandAttributes(start) => self.start_child(start),
            C::ProtocolMessageCommandAttributes(named) => self.protocol_message(&named.message_id, messages),
            C::ScheduleNexusOperationCommandAttributes(schedule) => self.schedule_nexus_operation(schedule),
            C::RequestCancelNexusOperationCommandAttributes(cancel) => {
                self.request_cancel_of_nexus_operation(cancel.scheduled_event_id);
            }
            C::RecordMarkerCommandAttributes(marker) => self.record_marker(marker),
            C::UpsertWorkflowSearchAttributesCommandAttributes(upsert) => {
                let search_attributes = upsert.search_attributes;
                let upserted =
                    UpsertWorkflowSearchAttributesEventAttributes { search_attributes, ..Default::default() };
                let upserted = A::UpsertWorkflowSearchAttributesEventAttributes(upserted);
                self.write(EventType::UpsertWorkflowSearchAttributes, upserted);
            }
            C::ModifyWorkflowPropertiesCommandAttributes(modify) => {
                let upserted_memo = modify.upserted_memo;
                let modified = WorkflowPropertiesModifiedEventAttributes { upserted_memo, ..Default::default() };
                let modified = A::WorkflowPropertiesModifiedEventAttributes(modified);
                self.write(EventType::WorkflowPropertiesModified, modified);
            }
            C::RequestCancelExternalWorkflowExecutionCommandAttributes(request) => self.request_cancel(request),
            C::CompleteWorkflowExecutionCommandAttributes(_) => {
                let attributes = A::WorkflowExecutionCompletedEventAttributes(Default::default());
                self.close(EventType::WorkflowExecutionCompleted, attributes);
            }
            C::FailWorkflowExecutionCommandAttributes(_) => {
                let attributes = A::WorkflowExecutionFailedEventAttributes(Default::default());
                self.close(EventType::WorkflowExecutionFailed, attributes);
            }
            C::CancelWorkflowExecutionCommandAttributes(_) => {
                let attributes = A::WorkflowExecutionCanceledEventAttributes(Default::default());
                self.close(EventType::WorkflowExecutionCanceled, attributes);
            }
            C::ContinueAsNewWorkflowExecutionCommandAttributes(_) => {
                let attributes = A::WorkflowExecutionContinuedAsNewEventAttributes(Default::default());
                self.close(EventType::WorkflowExecutionContinuedAsNew, attributes);
            }
            other => panic!("no program issues {other:?}"),
        }
    }

    fn record_marker(&mut self, marker: RecordMarkerCommandAttributes) {
        let recorded = MarkerRecordedEventAttributes {
            marker_name: marker.marker_name,
            details: marker.details,
            failure: marker.failure,
            ..Default::default()
        };
        self.write(EventType::MarkerRecorded, A::MarkerRecordedEventAttributes(recorded));
    }

    /// Requests cancellation of an activity. One that no worker has yet is cancelled at once, among the commands.
    fn cancel_activity(&mut self, scheduled_event_id: i64) {
        let Some(index) = self.activities.iter().position(|one| one.scheduled == scheduled_event_id) else { return };
        if self.choose(2) == 0 {
            self.activities[index].cancel_requested = true;
            return;
        }
        self.activities.remove(index);
        let canceled = ActivityTaskCanceledEventAttributes { scheduled_event_id, ..Default::default() };
        self.write(EventType::ActivityTaskCanceled, A::ActivityTaskCanceledEventAttributes(canceled));
    }

    fn cancel_timer(&mut self, timer_id: String, buffered: &mut Vec<(EventType, A)>) {
        let fired = |event: &A| matches!(event, A::TimerFiredEventAttributes(fired) if fired.timer_id == timer_id);
        let started_event_id = match buffered.iter().position(|(_, event)| fired(event)) {
            // The timer fired while the worker had its task, so the server undoes that.
            Some(index) => match buffered.remove(index).1 {
                A::TimerFiredEventAttributes(fired) => fired.started_event_id,
                _ => unreachable!("it was just seen"),
            },
            None => {
                let index = self.timers.iter().position(|(id, _)| *id == timer_id);
                self.timers.remove(index.unwrap_or_else(|| panic!("no timer {timer_id}:\n{}", self.history()))).1
            }
        };
        let canceled = TimerCanceledEventAttributes { timer_id, started_event_id, ..Default::default() };
        self.write(EventType::TimerCanceled, A::TimerCanceledEventAttributes(canceled));
    }

    fn one_thing_happens(&mut self) -> bool {
        let (timers, activities) = (self.timers.len(), self.activities.len());
        let (children, requests) = (self.children.len(), self.requests.len());
        let (nexus, nexus_cancels) = (self.nexus_operations.len(), self.nexus_cancel_requests.len());
        let of_nexus = timers + activities + children + requests;
        let pick = self.choose(of_nexus + nexus + nexus_cancels + 1);
        if pick < timers {
            let (timer_id, started_event_id) = self.timers.remove(pick);
            let fired = TimerFiredEventAttributes { timer_id, started_event_id };
            self.happen(EventType::TimerFired, A::TimerFiredEventAttributes(fired));
            true
        } else if pick < timers + activities {
            self.end_activity(pick - timers);
            true
        } else if pick < timers + activities + children {
            self.child_goes_on(pick - timers - activities);
            true
        } else if pick < timers + activities + children + requests {
            self.request_goes_on(pick - timers - activities - children);
            true
        } else if pick < of_nexus + nexus {
            self.nexus_operation_goes_on(pick - of_nexus);
            true
        } else if pick < of_nexus + nexus + nexus_cancels {
            self.nexus_cancel_request_goes_on(pick - of_nexus - nexus);
            true
        } else {
            self.message()
        }
    }

    /// Sends a signal, an update, or a request to cancel.
    fn message(&mut self) -> bool {
        if self.choose(2) == 1 && self.ask_for_update() {
            return true;
        }
        if self.choose(4) == 3 && !self.cancel_requested {
            self.cancel_requested = true;
            let requested = WorkflowExecutionCancelRequestedEventAttributes::default();
            let requested = A::WorkflowExecutionCancelRequestedEventAttributes(requested);
            self.happen(EventType::WorkflowExecutionCancelRequested, requested);
            return true;
        }
        let Some(program) = self.signals.pop() else { return self.ask_for_update() };
        let signaled = WorkflowExecutionSignaledEventAttributes {
            signal_name: "poke".into(),
            input: Some(payloads(&program)),
            ..Default::default()
        };
        self.happen(EventType::WorkflowExecutionSignaled, A::WorkflowExecutionSignaledEventAttributes(signaled));
        true
    }

    fn end_activity(&mut self, index: usize) {
        let Activity { scheduled: scheduled_event_id, cancel_requested } = self.activities.remove(index);
        let started_event_id = self.last_id() + 1;
        let started = ActivityTaskStartedEventAttributes { scheduled_event_id, ..Default::default() };
        self.happen(EventType::ActivityTaskStarted, A::ActivityTaskStartedEventAttributes(started));
        match self.choose(if cancel_requested { 4 } else { 3 }) {
            0 => {
                let completed = ActivityTaskCompletedEventAttributes {
                    result: Some(payloads(&1_u32)),
                    scheduled_event_id,
                    started_event_id,
                    ..Default::default()
                };
                self.happen(EventType::ActivityTaskCompleted, A::ActivityTaskCompletedEventAttributes(completed));
            }
            1 => {
                let failure = Some(Failure { message: "broken".into(), ..Default::default() });
                let failed = ActivityTaskFailedEventAttributes {
                    failure,
                    scheduled_event_id,
                    started_event_id,
                    ..Default::default()
                };
                self.happen(EventType::ActivityTaskFailed, A::ActivityTaskFailedEventAttributes(failed));
            }
            2 => {
                let info = TimeoutFailureInfo { timeout_type: TimeoutType::StartToClose as i32, ..Default::default() };
                let failure_info = Some(FailureInfo::TimeoutFailureInfo(info));
                let timed_out = ActivityTaskTimedOutEventAttributes {
                    failure: Some(Failure { failure_info, ..Default::default() }),
                    scheduled_event_id,
                    started_event_id,
                    ..Default::default()
                };
                self.happen(EventType::ActivityTaskTimedOut, A::ActivityTaskTimedOutEventAttributes(timed_out));
            }
            _ => {
                let canceled =
                    ActivityTaskCanceledEventAttributes { scheduled_event_id, started_event_id, ..Default::default() };
                self.happen(EventType::ActivityTaskCanceled, A::ActivityTaskCanceledEventAttributes(canceled));
            }
        }
    }

    fn write_task_failed(&mut self, cause: WorkflowTaskFailedCause) {
        let failed = WorkflowTaskFailedEventAttributes { cause: cause as i32, ..Default::default() };
        self.write(EventType::WorkflowTaskFailed, A::WorkflowTaskFailedEventAttributes(failed));
    }

    fn close(&mut self, event_type: EventType, attributes: A) {
        self.closed = true;
        self.write(event_type, attributes);
    }

    /// Writes an event, or keeps it until the current task is answered.
    pub(super) fn happen(&mut self, event_type: EventType, attributes: A) {
        self.news = true;
        match &mut self.buffered {
            Some(buffered) => buffered.push((event_type, attributes)),
            None => self.write(event_type, attributes),
        }
    }

    pub(super) fn write(&mut self, event_type: EventType, attributes: A) {
        let event_id = self.last_id() + 1;
        let attributes = Some(attributes);
        self.events.push(HistoryEvent { event_id, event_type: event_type as i32, attributes, ..Default::default() });
    }

    pub(super) fn last_started_event_id(&self) -> i64 {
        let is_start = |event: &&HistoryEvent| event.event_type() == EventType::WorkflowTaskStarted;
        self.events.iter().rev().find(is_start).map_or(0, |event| event.event_id)
    }

    /// Forgets the current task, with its two events.
    pub(super) fn drop_last_task(&mut self) {
        self.events.truncate(self.events.len() - 2);
        self.told = self.events.len();
    }

    pub(super) fn last_id(&self) -> i64 {
        self.events.len() as i64
    }

    /// Drops the worker's run. The worker still gets only new events, and has to request the rest.
    fn evict(&mut self) {
        self.local_activities.clear();
        self.cached = new_run(&self.registry, None);
    }

    /// Returns a number below `count`; 0 once the choices are used up.
    pub(super) fn choose(&mut self, count: usize) -> usize {
        usize::from(self.choices.next().unwrap_or(0)) % count
    }

    pub(super) fn history(&self) -> String {
        self.events.iter().map(event_line).collect::<Vec<_>>().join("\n")
    }
}

/// Returns a run's output for its last task, when it reads the history in pages.
fn replay(
    run: &mut WorkflowRun,
    events: &[HistoryEvent],
    until: Until,
    page: usize,
    messages: Vec<Message>,
    told: &[Told],
) -> String {
    let mut pages = events.chunks(page).peekable();
    let mut next = || {
        let events = pages.next().expect("the run asks for no page after the last").to_vec();
        let next_page_token = if pages.peek().is_some() { b"more".to_vec() } else { Vec::new() };
        HistoryPage { events, next_page_token }
    };
    let task = WorkflowTask { until, attempt: 1, history: next(), messages, ..WorkflowTask::default() };
    let mut output = run.handle(Input::WorkflowTask(Box::new(task)));
    while matches!(output, Output::NeedHistory { .. }) {
        output = run.handle(Input::HistoryPage(next()));
    }
    for told in told {
        output = run.handle(told.input());
    }
    text(&output)
}

/// Removes activation indexes. Tasks that a heartbeat joins are one on replay, so only a run that got each task by
/// itself counts them in this way.
fn without_indexes(text: &str) -> String {
    let mut parts = text.split("\"activation_index\":");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |shown, part| shown + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

pub(super) fn payloads<T: serde::Serialize + 'static>(value: &T) -> Payloads {
    Payloads { payloads: vec![to_payload(value).expect("a program is JSON")] }
}

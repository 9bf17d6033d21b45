//! Writes a history event by event: the workflow's start and end, its tasks, activities, timers and signals.

#![expect(deprecated, reason = "servers still write the fields that came before worker deployments")]

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::{
    ActivityType, MeteringMetadata, Payloads, Priority, RetryPolicy, WorkflowType,
};
use abide_protos::temporal::api::enums::v1::EventType;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::history::v1::{
    ActivityTaskCompletedEventAttributes, ActivityTaskScheduledEventAttributes, ActivityTaskStartedEventAttributes,
    History, HistoryEvent, TimerFiredEventAttributes, TimerStartedEventAttributes,
    WorkflowExecutionCompletedEventAttributes, WorkflowExecutionSignaledEventAttributes,
    WorkflowExecutionStartedEventAttributes, WorkflowTaskCompletedEventAttributes,
    WorkflowTaskScheduledEventAttributes, WorkflowTaskStartedEventAttributes,
};
use abide_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata;
use abide_protos::{Duration, Timestamp};

use super::values::{IDENTITY, json, seconds, sticky_queue, task_queue, worker_version};

/// Time of the first event, in microseconds since the epoch.
const BEGIN: i64 = 1_770_000_000_000_000;

/// A history in the making.
#[derive(Debug)]
pub struct Writer {
    events: Vec<HistoryEvent>,
    /// Number of events written, including those taken.
    written: i64,
    size_bytes: i64,
    /// Distinguishes the ids of one history from those of another.
    seed: u64,
    /// Ids of the last task's WorkflowTaskScheduled, WorkflowTaskStarted and WorkflowTaskCompleted events.
    pub(super) scheduled: i64,
    started: i64,
    pub(super) completed: i64,
}

impl Writer {
    /// Writes the start of a workflow with this input, as JSON text.
    ///
    /// The seed distinguishes the ids of this history from those of another.
    pub fn begin(seed: u64, workflow_type: &str, workflow_id: &str, input: &str) -> Self {
        let mut writer =
            Self { events: Vec::new(), written: 0, size_bytes: 0, seed, scheduled: 0, started: 0, completed: 0 };
        let run_id = writer.run_id();
        let started = WorkflowExecutionStartedEventAttributes {
            workflow_type: Some(WorkflowType { name: workflow_type.into() }),
            task_queue: task_queue(),
            input: json(input),
            workflow_task_timeout: seconds(10),
            original_execution_run_id: run_id.clone(),
            identity: IDENTITY.into(),
            first_execution_run_id: run_id,
            attempt: 1,
            first_workflow_task_backoff: seconds(0),
            workflow_id: workflow_id.into(),
            priority: Some(Priority::default()),
            ..Default::default()
        };
        let attributes = Attributes::WorkflowExecutionStartedEventAttributes(started);
        writer.push(EventType::WorkflowExecutionStarted, attributes);
        writer
    }

    /// Returns the id of the run.
    pub fn run_id(&self) -> String {
        self.uuid_of(1)
    }

    /// Writes the workflow's completion with this result, as JSON text. Returns the history.
    pub fn end(mut self, result: &str) -> History {
        let completed = WorkflowExecutionCompletedEventAttributes {
            result: json(result),
            workflow_task_completed_event_id: self.completed,
            ..Default::default()
        };
        let attributes = Attributes::WorkflowExecutionCompletedEventAttributes(completed);
        self.push(EventType::WorkflowExecutionCompleted, attributes);
        History { events: self.events }
    }

    /// Takes the events written since the last call.
    pub fn take_events(&mut self) -> Vec<HistoryEvent> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn push(&mut self, event_type: EventType, attributes: Attributes) -> i64 {
        let event_id = self.next_id();
        let event = HistoryEvent {
            event_id,
            event_time: Some(self.now()),
            event_type: event_type.into(),
            task_id: 1_048_576 + event_id,
            attributes: Some(attributes),
            ..Default::default()
        };
        self.size_bytes += event.encoded_len() as i64;
        self.events.push(event);
        self.written = event_id;
        event_id
    }

    fn next_id(&self) -> i64 {
        self.written + 1
    }

    /// Returns the time of the next event.
    pub(super) fn now(&self) -> Timestamp {
        let micros = BEGIN + 1_377 * self.next_id();
        Timestamp { seconds: micros / 1_000_000, nanos: (micros % 1_000_000 * 1_000) as i32 + 731 }
    }

    /// Returns an id for the next event; no other event has it.
    pub(super) fn uuid(&self) -> String {
        self.uuid_of(self.next_id())
    }

    fn uuid_of(&self, event_id: i64) -> String {
        let mut word = self.seed ^ (event_id as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut next = || {
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^ (word >> 31)
        };
        let (a, b) = (next(), next());
        let (low, high) = (a >> 32, b >> 48);
        format!(
            "{low:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            a >> 16 & 0xffff,
            a & 0xfff,
            high & 0xfff,
            b & 0xffff_ffff_ffff
        )
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Writes a task: scheduled, started and completed.
    pub fn task(&mut self) {
        self.task_scheduled();
        self.task_started_and_completed();
    }

    /// Writes the start and the completion of the scheduled task.
    pub fn task_started_and_completed(&mut self) {
        self.task_started();
        self.task_completed();
    }

    /// Writes a task's scheduling: after the first task on the worker's sticky queue.
    pub fn task_scheduled(&mut self) {
        let task_queue = if self.completed == 0 { task_queue() } else { sticky_queue() };
        let scheduled =
            WorkflowTaskScheduledEventAttributes { task_queue, start_to_close_timeout: seconds(10), attempt: 1 };
        let attributes = Attributes::WorkflowTaskScheduledEventAttributes(scheduled);
        self.scheduled = self.push(EventType::WorkflowTaskScheduled, attributes);
    }

    /// Writes the start of the scheduled task. Returns the event's id.
    pub fn task_started(&mut self) -> i64 {
        let started = WorkflowTaskStartedEventAttributes {
            scheduled_event_id: self.scheduled,
            identity: IDENTITY.into(),
            request_id: self.uuid(),
            history_size_bytes: self.size_bytes,
            worker_version: worker_version(),
            ..Default::default()
        };
        let attributes = Attributes::WorkflowTaskStartedEventAttributes(started);
        self.started = self.push(EventType::WorkflowTaskStarted, attributes);
        self.started
    }

    /// Writes the completion of the started task. The first one names the SDK and its flags.
    pub fn task_completed(&mut self) {
        let metadata = match self.completed {
            0 => WorkflowTaskCompletedMetadata {
                core_used_flags: vec![1, 2, 3, 4],
                lang_used_flags: vec![2],
                sdk_name: "abide".into(),
                sdk_version: "0.2.0".into(),
            },
            _ => WorkflowTaskCompletedMetadata::default(),
        };
        let completed = WorkflowTaskCompletedEventAttributes {
            scheduled_event_id: self.scheduled,
            started_event_id: self.started,
            identity: IDENTITY.into(),
            worker_version: worker_version(),
            sdk_metadata: Some(metadata),
            metering_metadata: Some(MeteringMetadata::default()),
            ..Default::default()
        };
        let attributes = Attributes::WorkflowTaskCompletedEventAttributes(completed);
        self.completed = self.push(EventType::WorkflowTaskCompleted, attributes);
    }

    /// Writes the scheduling of an activity. Returns the event's id.
    pub fn activity_scheduled(&mut self, activity_id: &str, activity_type: &str, input: Option<Payloads>) -> i64 {
        let scheduled = ActivityTaskScheduledEventAttributes {
            activity_id: activity_id.into(),
            activity_type: Some(ActivityType { name: activity_type.into() }),
            task_queue: task_queue(),
            input,
            schedule_to_close_timeout: seconds(0),
            schedule_to_start_timeout: seconds(0),
            start_to_close_timeout: seconds(10),
            heartbeat_timeout: seconds(0),
            workflow_task_completed_event_id: self.completed,
            retry_policy: Some(retry_policy()),
            use_workflow_build_id: true,
            ..Default::default()
        };
        let attributes = Attributes::ActivityTaskScheduledEventAttributes(scheduled);
        self.push(EventType::ActivityTaskScheduled, attributes)
    }

    /// Writes the start and the completion of a scheduled activity: the server records both when the activity ends.
    pub fn activity_completed(&mut self, scheduled_event_id: i64, result: Option<Payloads>) {
        let started = ActivityTaskStartedEventAttributes {
            scheduled_event_id,
            identity: IDENTITY.into(),
            request_id: self.uuid(),
            attempt: 1,
            worker_version: worker_version(),
            ..Default::default()
        };
        let attributes = Attributes::ActivityTaskStartedEventAttributes(started);
        let started_event_id = self.push(EventType::ActivityTaskStarted, attributes);
        let completed = ActivityTaskCompletedEventAttributes {
            result,
            scheduled_event_id,
            started_event_id,
            identity: IDENTITY.into(),
            ..Default::default()
        };
        let attributes = Attributes::ActivityTaskCompletedEventAttributes(completed);
        self.push(EventType::ActivityTaskCompleted, attributes);
    }

    /// Writes a timer, started and fired.
    pub fn timer(&mut self, timer_id: &str, start_to_fire_timeout: Option<Duration>) {
        let started = TimerStartedEventAttributes {
            timer_id: timer_id.into(),
            start_to_fire_timeout,
            workflow_task_completed_event_id: self.completed,
        };
        let started_event_id = self.push(EventType::TimerStarted, Attributes::TimerStartedEventAttributes(started));
        let fired = TimerFiredEventAttributes { timer_id: timer_id.into(), started_event_id };
        self.push(EventType::TimerFired, Attributes::TimerFiredEventAttributes(fired));
    }

    /// Writes a signal `add`.
    pub fn signal(&mut self, number: u32) {
        let signal = WorkflowExecutionSignaledEventAttributes {
            signal_name: "add".into(),
            input: json(&number.to_string()),
            identity: IDENTITY.into(),
            request_id: self.uuid(),
            ..Default::default()
        };
        let attributes = Attributes::WorkflowExecutionSignaledEventAttributes(signal);
        self.push(EventType::WorkflowExecutionSignaled, attributes);
    }
}

/// Returns the retry policy that the server gives an activity without one.
pub fn retry_policy() -> RetryPolicy {
    RetryPolicy {
        initial_interval: seconds(1),
        backoff_coefficient: 2.0,
        maximum_interval: seconds(100),
        ..Default::default()
    }
}

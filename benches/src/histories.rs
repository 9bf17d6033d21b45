//! Histories of the bench workflows with local activities, updates, children, patches and many signals, in the form
//! that a server writes: with every field that Temporal 1.32 sets in recorded histories of such workflows.
//!
//! Histories with activities, timers and signals are in the comparison's own folder; these shapes are our own. The same
//! arguments give the same bytes.

#![expect(deprecated, reason = "servers still write the fields that came before worker deployments")]

use std::collections::HashMap;

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::{
    Header, MeteringMetadata, Payload, Payloads, Priority, SearchAttributes, WorkerVersionStamp, WorkflowExecution,
    WorkflowType,
};
use abide_protos::temporal::api::enums::v1::{EventType, ParentClosePolicy, TaskQueueKind, WorkflowIdReusePolicy};
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::history::v1::{
    ChildWorkflowExecutionCompletedEventAttributes, ChildWorkflowExecutionStartedEventAttributes, History,
    HistoryEvent, MarkerRecordedEventAttributes, StartChildWorkflowExecutionInitiatedEventAttributes,
    TimerFiredEventAttributes, TimerStartedEventAttributes, UpsertWorkflowSearchAttributesEventAttributes,
    WorkflowExecutionCompletedEventAttributes, WorkflowExecutionSignaledEventAttributes,
    WorkflowExecutionStartedEventAttributes, WorkflowExecutionUpdateAcceptedEventAttributes,
    WorkflowExecutionUpdateCompletedEventAttributes, WorkflowTaskCompletedEventAttributes,
    WorkflowTaskScheduledEventAttributes, WorkflowTaskStartedEventAttributes,
};
use abide_protos::temporal::api::sdk::v1::WorkflowTaskCompletedMetadata;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::update::v1::{Input, Meta, Outcome, Request, outcome};
use abide_protos::{Duration, Timestamp};

const TASK_QUEUE: &str = "bench-tq";
const IDENTITY: &str = "12345@bench-host";
const NAMESPACE: &str = "default";
const BUILD_ID: &str = "0123456789abcdef0123456789abcdef";
/// Time of the first event, in microseconds since the epoch.
const BEGIN: i64 = 1_770_000_000_000_000;

/// `LocalActivities(n)`: each task records one local activity and starts the timer that triggers the next.
pub fn local_activities(n: u32) -> History {
    let mut history = Writer::begin("LocalActivities", n);
    for number in 1..=n {
        history.local_activity(number, 1);
        history.timer(number);
        history.workflow_task();
    }
    history.end(n)
}

/// `LocalActivitiesInOneTask(n)`: all of them, one after another, before the first task is completed.
pub fn local_activities_in_one_task(n: u32) -> History {
    let mut history = Writer::begin("LocalActivitiesInOneTask", n);
    for number in 1..=n {
        history.local_activity(number, u64::from(number));
    }
    history.end(n)
}

/// `SignalCount(n)`: all signals arrive before one task.
pub fn signals_in_one_task(n: u32) -> History {
    let mut history = Writer::begin("SignalCount", n);
    for number in 1..=n {
        history.signal(number);
    }
    history.workflow_task();
    history.end(n)
}

/// `UpdateCount(n)`: each task accepts and completes one update.
pub fn updates(n: u32) -> History {
    let mut history = Writer::begin("UpdateCount", n);
    for number in 1..=n {
        history.workflow_task();
        history.update(number);
    }
    history.end(n)
}

/// `Children(n)`: one child after another; its start and its end are a task each.
pub fn children(n: u32) -> History {
    let mut history = Writer::begin("Children", n);
    for number in 1..=n {
        let child = history.child_started(number);
        history.workflow_task();
        history.child_completed(number, child);
        history.workflow_task();
    }
    history.end(n)
}

/// `Patches(n)`: each task asks for one more patch and starts the timer that triggers the next.
///
/// The list of a run's patches is limited to 2,048 bytes, which is 157 of these.
pub fn patches(n: u32) -> History {
    let mut history = Writer::begin("Patches", n);
    for number in 1..=n {
        history.patch(number);
        history.timer(number);
        history.workflow_task();
    }
    history.end(n)
}

/// Returns the id of the patch with this number.
pub fn patch_id(number: u32) -> String {
    format!("change-{number:03}")
}

/// Returns the workflow id of the child with this number.
pub fn child_id(number: u32) -> String {
    format!("child-{number:06}")
}

/// Returns the activity's argument, which is also its result.
pub fn local_activity_input(number: u32) -> String {
    format!("input-{number:06}")
}

/// Writes one history, event by event.
struct Writer {
    events: Vec<HistoryEvent>,
    size_bytes: i64,
    /// Distinguishes the ids of one history from those of another.
    seed: u64,
    /// Ids of the last task's WorkflowTaskScheduled and WorkflowTaskCompleted events.
    scheduled: i64,
    completed: i64,
}

impl Writer {
    /// Writes the workflow's start and its first task.
    fn begin(workflow_type: &str, n: u32) -> Self {
        let seed = workflow_type.bytes().fold(u64::from(n), |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
        let mut writer = Self { events: Vec::new(), size_bytes: 0, seed, scheduled: 0, completed: 0 };
        let run_id = writer.uuid();
        let started = WorkflowExecutionStartedEventAttributes {
            workflow_type: Some(WorkflowType { name: workflow_type.into() }),
            task_queue: task_queue(),
            input: json(&n.to_string()),
            workflow_execution_timeout: seconds(0),
            workflow_run_timeout: seconds(0),
            workflow_task_timeout: seconds(10),
            original_execution_run_id: run_id.clone(),
            identity: IDENTITY.into(),
            first_execution_run_id: run_id,
            attempt: 1,
            first_workflow_task_backoff: seconds(0),
            header: Some(Header::default()),
            workflow_id: format!("{workflow_type}-{n}"),
            priority: Some(Priority::default()),
            ..Default::default()
        };
        let attributes = Attributes::WorkflowExecutionStartedEventAttributes(started);
        writer.push(EventType::WorkflowExecutionStarted, attributes);
        writer.workflow_task();
        writer
    }

    fn end(mut self, n: u32) -> History {
        let completed = WorkflowExecutionCompletedEventAttributes {
            result: json(&n.to_string()),
            workflow_task_completed_event_id: self.completed,
            ..Default::default()
        };
        let attributes = Attributes::WorkflowExecutionCompletedEventAttributes(completed);
        self.push(EventType::WorkflowExecutionCompleted, attributes);
        History { events: self.events }
    }

    fn push(&mut self, event_type: EventType, attributes: Attributes) -> i64 {
        let event_id = self.events.len() as i64 + 1;
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
        event_id
    }

    /// Returns the time of the next event.
    fn now(&self) -> Timestamp {
        let micros = BEGIN + 1_377 * (self.events.len() as i64 + 1);
        Timestamp { seconds: micros / 1_000_000, nanos: (micros % 1_000_000 * 1_000) as i32 + 731 }
    }

    /// Returns an id that no other event has.
    fn uuid(&self) -> String {
        let mut word = self.seed ^ (self.events.len() as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
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

    /// Writes a task: scheduled, started and completed; after the first task on the worker's sticky queue.
    fn workflow_task(&mut self) {
        let is_first = self.completed == 0;
        let task_queue = if is_first { task_queue() } else { sticky_queue() };
        let scheduled =
            WorkflowTaskScheduledEventAttributes { task_queue, start_to_close_timeout: seconds(10), attempt: 1 };
        let attributes = Attributes::WorkflowTaskScheduledEventAttributes(scheduled);
        self.scheduled = self.push(EventType::WorkflowTaskScheduled, attributes);

        let started = WorkflowTaskStartedEventAttributes {
            scheduled_event_id: self.scheduled,
            identity: IDENTITY.into(),
            request_id: self.uuid(),
            history_size_bytes: self.size_bytes,
            worker_version: worker_version(),
            ..Default::default()
        };
        let started =
            self.push(EventType::WorkflowTaskStarted, Attributes::WorkflowTaskStartedEventAttributes(started));

        let first_task = || WorkflowTaskCompletedMetadata {
            core_used_flags: vec![1, 2, 3, 4],
            lang_used_flags: Vec::new(),
            sdk_name: "abide".into(),
            sdk_version: "0.1.0".into(),
        };
        let completed = WorkflowTaskCompletedEventAttributes {
            scheduled_event_id: self.scheduled,
            started_event_id: started,
            identity: IDENTITY.into(),
            worker_version: worker_version(),
            sdk_metadata: Some(if is_first { first_task() } else { WorkflowTaskCompletedMetadata::default() }),
            metering_metadata: Some(MeteringMetadata::default()),
            ..Default::default()
        };
        let attributes = Attributes::WorkflowTaskCompletedEventAttributes(completed);
        self.completed = self.push(EventType::WorkflowTaskCompleted, attributes);
    }

    /// Writes the marker of a successful local activity, which ended after this many activations of its task.
    fn local_activity(&mut self, number: u32, activation_index: u64) {
        let time = |Timestamp { seconds, nanos }: Timestamp| format!(r#"{{"seconds":{seconds},"nanos":{nanos}}}"#);
        let scheduled = time(self.now());
        // Workflow code takes no workflow time, so the local activity ends at its task's start time, or later.
        let ended = time(self.now());
        let data = format!(
            r#"{{"seq":{number},"attempt":1,"activity_id":"{number}","activity_type":"echo","complete_time":{ended},"backoff":null,"original_schedule_time":{scheduled},"activation_index":{activation_index}}}"#
        );
        let result = format!("\"{}\"", local_activity_input(number));
        self.marker("core_local_activity", [("data", json(&data)), ("result", json(&result))]);
    }

    fn marker<const N: usize>(&mut self, name: &str, details: [(&str, Option<Payloads>); N]) {
        let details = details.into_iter().map(|(key, value)| (key.to_string(), value.unwrap_or_default())).collect();
        let marker = MarkerRecordedEventAttributes {
            marker_name: name.into(),
            details,
            workflow_task_completed_event_id: self.completed,
            ..Default::default()
        };
        self.push(EventType::MarkerRecorded, Attributes::MarkerRecordedEventAttributes(marker));
    }

    /// Writes a timer of one second, started and fired.
    fn timer(&mut self, number: u32) {
        let started = TimerStartedEventAttributes {
            timer_id: number.to_string(),
            start_to_fire_timeout: seconds(1),
            workflow_task_completed_event_id: self.completed,
        };
        let started_event_id = self.push(EventType::TimerStarted, Attributes::TimerStartedEventAttributes(started));
        let fired = TimerFiredEventAttributes { timer_id: number.to_string(), started_event_id };
        self.push(EventType::TimerFired, Attributes::TimerFiredEventAttributes(fired));
    }

    /// Writes a signal `add`.
    fn signal(&mut self, number: u32) {
        let signal = WorkflowExecutionSignaledEventAttributes {
            signal_name: "add".into(),
            input: json(&number.to_string()),
            identity: IDENTITY.into(),
            header: Some(Header::default()),
            ..Default::default()
        };
        let attributes = Attributes::WorkflowExecutionSignaledEventAttributes(signal);
        self.push(EventType::WorkflowExecutionSignaled, attributes);
    }

    /// Writes an update `add`, accepted and completed by the last task.
    fn update(&mut self, number: u32) {
        let update_id = self.uuid();
        let meta = || Some(Meta { update_id: update_id.clone(), identity: IDENTITY.into() });
        let input = Input { header: Some(Header::default()), name: "add".into(), args: json(&number.to_string()) };
        let accepted = WorkflowExecutionUpdateAcceptedEventAttributes {
            protocol_instance_id: update_id.clone(),
            accepted_request_message_id: format!("{update_id}/request"),
            accepted_request_sequencing_event_id: self.scheduled,
            accepted_request: Some(Request { meta: meta(), input: Some(input), ..Default::default() }),
        };
        let attributes = Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted);
        let accepted_event_id = self.push(EventType::WorkflowExecutionUpdateAccepted, attributes);
        let success = json(&number.to_string()).map(outcome::Value::Success);
        let completed = WorkflowExecutionUpdateCompletedEventAttributes {
            meta: meta(),
            accepted_event_id,
            outcome: Some(Outcome { value: success }),
        };
        let attributes = Attributes::WorkflowExecutionUpdateCompletedEventAttributes(completed);
        self.push(EventType::WorkflowExecutionUpdateCompleted, attributes);
    }

    /// Writes a child `Small`, initiated and started. Returns the ids of both events.
    fn child_started(&mut self, number: u32) -> (i64, i64) {
        let initiated = StartChildWorkflowExecutionInitiatedEventAttributes {
            namespace: NAMESPACE.into(),
            namespace_id: self.namespace_id(),
            workflow_id: child_id(number),
            workflow_type: child_type(),
            task_queue: task_queue(),
            input: json("\"Temporal\""),
            workflow_execution_timeout: seconds(0),
            workflow_run_timeout: seconds(0),
            workflow_task_timeout: seconds(10),
            parent_close_policy: ParentClosePolicy::Terminate.into(),
            workflow_task_completed_event_id: self.completed,
            workflow_id_reuse_policy: WorkflowIdReusePolicy::AllowDuplicate.into(),
            header: Some(Header::default()),
            inherit_build_id: true,
            priority: Some(Priority::default()),
            ..Default::default()
        };
        let attributes = Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(initiated);
        let initiated_event_id = self.push(EventType::StartChildWorkflowExecutionInitiated, attributes);
        let started = ChildWorkflowExecutionStartedEventAttributes {
            namespace: NAMESPACE.into(),
            namespace_id: self.namespace_id(),
            initiated_event_id,
            workflow_execution: self.child_execution(number),
            workflow_type: child_type(),
            header: Some(Header::default()),
        };
        let attributes = Attributes::ChildWorkflowExecutionStartedEventAttributes(started);
        (initiated_event_id, self.push(EventType::ChildWorkflowExecutionStarted, attributes))
    }

    fn child_completed(&mut self, number: u32, (initiated_event_id, started_event_id): (i64, i64)) {
        let completed = ChildWorkflowExecutionCompletedEventAttributes {
            result: json("\"Temporal\""),
            namespace: NAMESPACE.into(),
            namespace_id: self.namespace_id(),
            workflow_execution: self.child_execution(number),
            workflow_type: child_type(),
            initiated_event_id,
            started_event_id,
        };
        let attributes = Attributes::ChildWorkflowExecutionCompletedEventAttributes(completed);
        self.push(EventType::ChildWorkflowExecutionCompleted, attributes);
    }

    fn namespace_id(&self) -> String {
        format!("{:08x}-de49-448b-8abc-637208eb2b90", self.seed & 0xffff_ffff)
    }

    fn child_execution(&self, number: u32) -> Option<WorkflowExecution> {
        let run_id = format!("{:08x}-{:04x}-7199-b621-e153c3134dfb", self.seed & 0xffff_ffff, number & 0xffff);
        Some(WorkflowExecution { workflow_id: child_id(number), run_id })
    }

    /// Writes the marker of a patch, and the list of all patches so far.
    fn patch(&mut self, number: u32) {
        let data = format!(r#"{{"id":"{}","deprecated":false}}"#, patch_id(number));
        self.marker("core_patch", [("patch-data", json(&data))]);
        let ids: Vec<_> = (1..=number).map(|number| format!("\"{}\"", patch_id(number))).collect();
        let mut list = payload(&format!("[{}]", ids.join(",")));
        list.metadata.insert("type".into(), b"KeywordList".to_vec());
        let upserted = UpsertWorkflowSearchAttributesEventAttributes {
            workflow_task_completed_event_id: self.completed,
            search_attributes: Some(SearchAttributes {
                indexed_fields: HashMap::from([("TemporalChangeVersion".to_string(), list)]),
            }),
        };
        let attributes = Attributes::UpsertWorkflowSearchAttributesEventAttributes(upserted);
        self.push(EventType::UpsertWorkflowSearchAttributes, attributes);
    }
}

fn child_type() -> Option<WorkflowType> {
    Some(WorkflowType { name: "Small".into() })
}

fn task_queue() -> Option<TaskQueue> {
    Some(TaskQueue { name: TASK_QUEUE.into(), kind: TaskQueueKind::Normal.into(), normal_name: String::new() })
}

fn sticky_queue() -> Option<TaskQueue> {
    let name = "12345@bench-host-3a6b8ed3d8a944b3b9004e7a0c7e248c".into();
    Some(TaskQueue { name, kind: TaskQueueKind::Sticky.into(), normal_name: TASK_QUEUE.into() })
}

fn worker_version() -> Option<WorkerVersionStamp> {
    Some(WorkerVersionStamp { build_id: BUILD_ID.into(), use_versioning: false })
}

fn seconds(seconds: i64) -> Option<Duration> {
    Some(Duration { seconds, nanos: 0 })
}

fn json(text: &str) -> Option<Payloads> {
    Some(Payloads { payloads: vec![payload(text)] })
}

fn payload(text: &str) -> Payload {
    let metadata = HashMap::from([("encoding".to_string(), b"json/plain".to_vec())]);
    Payload { metadata, data: text.into(), ..Default::default() }
}

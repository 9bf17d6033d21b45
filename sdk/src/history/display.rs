//! Prints a history for people: event by event, with the attributes that matter and the commands of each workflow task.

use std::collections::BTreeMap;
use std::fmt;

use abide_protos::Timestamp;
use abide_protos::fields::timestamp_text;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;

use super::History;
use super::attributes::{Attribute, event_attributes, event_type_name, failure_of};
use crate::failure::Failure;

/// Payloads and texts are cut after this number of characters.
const VALUE_LIMIT: usize = 100;
/// Attributes that fit into this number of characters share a line.
const LINE_LIMIT: usize = 100;
/// Defaults that the server writes to a retry policy.
const DEFAULT_RETRY: &[&str] = &["initial_interval 1s", "backoff_coefficient 2", "maximum_interval 100s"];

/// Attributes that are of little use to a reader of a history. [`History::to_json`] has all of them.
const LEFT_OUT: &[&str] = &[
    "accepted_request",
    "accepted_request_message_id",
    "accepted_request_sequencing_event_id",
    "binary_checksum",
    "build_id_redirect_counter",
    "completion_callbacks",
    "control",
    "deployment",
    "endpoint_id",
    "external_initiated_event_id",
    "first_execution_run_id",
    "first_workflow_task_backoff",
    "header",
    "history_size_bytes",
    "identity",
    "inherit_build_id",
    "latest_cancel_requested_event_id",
    "meta",
    "metering_metadata",
    "namespace",
    "namespace_id",
    "nexus_header",
    "original_execution_run_id",
    "parent_workflow_namespace_id",
    "prev_auto_reset_points",
    "priority",
    "protocol_instance_id",
    "request",
    "request_id",
    "root_workflow_execution",
    "sdk_metadata",
    "skip_generate_workflow_task",
    "source_version_stamp",
    "started_event_id",
    "target_worker_deployment_version_changed",
    "use_workflow_build_id",
    "worker_deployment_name",
    "worker_deployment_version",
    "deployment_version",
    "worker_version",
    "workflow_execution_expiration_time",
    "workflow_task_completed_event_id",
    "workflow_task_timeout",
    "versioning_behavior",
];

/// Prints event by event: id, time since the start, type, and below it the attributes that matter.
///
/// ```text
/// process_order, workflow id order-1, started 2026-01-01T00:00:00Z, 9 events
///   1  +0.000s  WorkflowExecutionStarted(process_order)
///                 - input: {"items":["book"]}
///   2  +0.000s  WorkflowTaskScheduled
///   3  +0.001s  WorkflowTaskStarted
///   4  +0.004s  WorkflowTaskCompleted
///                 - Commands: [ActivityTaskScheduled(check_inventory)]
///   5  +0.004s  ActivityTaskScheduled(check_inventory)
///                 - id: 1, input: ["book"], start_to_close: 5m
/// ```
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = Printer::new(&self.events);
        writeln!(f, "{}", self.title())?;
        let id_width = self.events.last().map_or(1, |event| event.event_id.to_string().len());
        let time_width = self.events.iter().map(|event| printer.time(event).len()).max().unwrap_or(0);
        for (event, attributes) in self.events.iter().zip(&printer.attributes) {
            let (time, name) = (printer.time(event), printer.name(event, attributes));
            writeln!(f, "  {:>id_width$}  {time:>time_width$}  {name}", event.event_id)?;
            for line in printer.details(event, attributes) {
                writeln!(f, "  {:id_width$}  {:time_width$}    - {line}", "", "")?;
            }
        }
        Ok(())
    }
}

/// Prints a summary: the run, and the number of events.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({})", self.title())
    }
}

impl History {
    fn title(&self) -> String {
        let mut parts = vec![self.workflow_type().unwrap_or("a workflow of unknown type").to_string()];
        parts.extend(self.workflow_id().map(|id| format!("workflow id {id}")));
        parts.extend(self.run_id().map(|id| format!("run id {id}")));
        let started = self.events.first().and_then(|event| event.event_time.as_ref());
        parts.extend(started.map(|time| format!("started {}", timestamp_text(time.seconds, time.nanos.into()))));
        let plural = if self.len() == 1 { "" } else { "s" };
        parts.push(format!("{} event{plural}", self.len()));
        parts.join(", ")
    }
}

/// Data of other events that printing one event needs.
struct Printer<'a> {
    start: Option<&'a Timestamp>,
    /// Task queue of the workflow.
    queue: String,
    /// Attributes of each event.
    attributes: Vec<Vec<Attribute>>,
    /// Names of operations, by the id of the event that began them.
    subjects: BTreeMap<i64, String>,
    /// Names of the command events, by the id of the WorkflowTaskCompleted event with which they came.
    commands: BTreeMap<i64, Vec<String>>,
}

impl<'a> Printer<'a> {
    fn new(events: &'a [HistoryEvent]) -> Self {
        let mut printer = Printer {
            start: events.first().and_then(|event| event.event_time.as_ref()),
            queue: String::new(),
            attributes: events.iter().map(event_attributes).collect(),
            subjects: BTreeMap::new(),
            commands: BTreeMap::new(),
        };
        let first = printer.attributes.first().into_iter().flatten();
        printer.queue = first.filter(|one| one.path == "task_queue").map(|one| one.text(VALUE_LIMIT)).collect();
        for event in events {
            if let Some(subject) = own_subject(event) {
                printer.subjects.insert(event.event_id, subject);
            }
        }
        for (event, attributes) in events.iter().zip(&printer.attributes) {
            if let Some(task) = number(attributes, "workflow_task_completed_event_id") {
                let name = printer.name(event, attributes);
                printer.commands.entry(task).or_default().push(name);
            }
        }
        printer
    }

    /// Writes the time since the first event.
    fn time(&self, event: &HistoryEvent) -> String {
        let nanos = |time: &Timestamp| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        let (Some(start), Some(time)) = (self.start, event.event_time.as_ref()) else { return String::new() };
        let millis = (nanos(time) - nanos(start)) / 1_000_000;
        let sign = if millis < 0 { '-' } else { '+' };
        let millis = millis.unsigned_abs();
        let (seconds, rest) = (millis / 1000, millis % 1000);
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, seconds) => format!("{sign}{seconds}.{rest:03}s"),
            (0, minutes, seconds) => format!("{sign}{minutes}m{seconds:02}.{rest:03}s"),
            (hours, minutes, seconds) => format!("{sign}{hours}h{minutes:02}m{seconds:02}.{rest:03}s"),
        }
    }

    /// Writes `ActivityTaskScheduled(check_inventory)`.
    fn name(&self, event: &HistoryEvent, attributes: &[Attribute]) -> String {
        let name = event_type_name(event.event_type);
        let of_earlier = || {
            let fields = ["scheduled_event_id", "initiated_event_id", "started_event_id", "accepted_event_id"];
            fields.into_iter().find_map(|field| self.subjects.get(&number(attributes, field)?).cloned())
        };
        match self.subjects.get(&event.event_id).cloned().or_else(of_earlier) {
            Some(subject) => format!("{name}({subject})"),
            None => name,
        }
    }

    /// Returns the lines below an event.
    fn details(&self, event: &HistoryEvent, attributes: &[Attribute]) -> Vec<String> {
        let mut shown: Vec<String> = Vec::new();
        let mut retry: Vec<String> = Vec::new();
        for attribute in attributes.iter().filter(|attribute| is_shown(event, attribute)) {
            let text = attribute.text(VALUE_LIMIT);
            let value = text.strip_prefix(&format!("{}=", attribute.name)).unwrap_or(&text);
            if let Some(field) = attribute.name.strip_prefix("retry.") {
                retry.push(format!("{field} {value}"));
            } else if text != self.queue || event.event_id == 1 {
                shown.push(format!("{}: {value}", attribute.name));
            }
        }
        retry.retain(|field| !DEFAULT_RETRY.contains(&field.as_str()));
        if !retry.is_empty() {
            shown.push(format!("retry: {}", retry.join(", ")));
        }
        shown.extend(failure_of(event).map(|failure| format!("failure: {}", Failure::from_proto(failure.clone()))));
        let last_failure = match &event.attributes {
            Some(Attributes::ActivityTaskStartedEventAttributes(started)) => started.last_failure.as_ref(),
            _ => None,
        };
        shown.extend(last_failure.map(|failure| format!("last failure: {}", Failure::from_proto(failure.clone()))));
        let length: usize = shown.iter().map(|text| text.len() + 2).sum();
        let mut lines = if length <= LINE_LIMIT && !shown.is_empty() { vec![shown.join(", ")] } else { shown };
        if matches!(event.attributes, Some(Attributes::WorkflowTaskCompletedEventAttributes(_))) {
            let commands = self.commands.get(&event.event_id).map(|names| names.join(", ")).unwrap_or_default();
            lines.push(format!("Commands: [{commands}]"));
        }
        if event.worker_may_ignore && event.attributes.is_none() {
            lines.push("not known to this version; workers may ignore it".into());
        }
        lines
    }
}

/// Returns the subject of an event that begins something: the activity's type, the signal's name, and so on.
fn own_subject(event: &HistoryEvent) -> Option<String> {
    let name = |name: &str| (!name.is_empty()).then(|| name.to_string());
    match event.attributes.as_ref()? {
        Attributes::WorkflowExecutionStartedEventAttributes(a) => name(&a.workflow_type.as_ref()?.name),
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(a) => name(&a.workflow_type.as_ref()?.name),
        Attributes::ActivityTaskScheduledEventAttributes(a) => name(&a.activity_type.as_ref()?.name),
        Attributes::TimerStartedEventAttributes(a) => name(&a.timer_id),
        Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(a) => name(&a.workflow_type.as_ref()?.name),
        Attributes::WorkflowExecutionSignaledEventAttributes(a) => name(&a.signal_name),
        Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(a) => name(&a.signal_name),
        Attributes::MarkerRecordedEventAttributes(a) => name(&a.marker_name),
        Attributes::NexusOperationScheduledEventAttributes(a) => name(&format!("{}.{}", a.service, a.operation)),
        Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(a) => {
            let request = a.accepted_request.as_ref().and_then(|request| request.input.as_ref());
            request.map(|input| input.name.clone()).or_else(|| name(&a.protocol_instance_id))
        }
        Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(a) => {
            name(&a.request.as_ref()?.input.as_ref()?.name)
        }
        _ => None,
    }
}

fn is_shown(event: &HistoryEvent, attribute: &Attribute) -> bool {
    let first = attribute.path.split('.').next().unwrap_or_default();
    let is_args = attribute.name == "args";
    // The failure has its own line; the type or name is shown with the event's type.
    let is_told = matches!(first, "failure" | "last_failure" | "activity_type" | "workflow_type" | "marker_name")
        || attribute.path == "signal_name"
        || attribute.path.starts_with("outcome.failure");
    let is_usual = match attribute.path.as_str() {
        "attempt" => attribute.text(VALUE_LIMIT) == "attempt=1",
        "workflow_id" => matches!(event.attributes, Some(Attributes::WorkflowExecutionStartedEventAttributes(_))),
        "timer_id" => true,
        _ => attribute.text(VALUE_LIMIT) == format!("{}=0s", attribute.name),
    };
    let of_workflow_task =
        matches!(
            event.attributes,
            Some(
                Attributes::WorkflowTaskScheduledEventAttributes(_)
                    | Attributes::WorkflowTaskStartedEventAttributes(_)
                    | Attributes::WorkflowTaskCompletedEventAttributes(_)
                    | Attributes::WorkflowTaskFailedEventAttributes(_)
                    | Attributes::WorkflowTaskTimedOutEventAttributes(_)
            )
        ) && !matches!(first, "attempt" | "cause" | "timeout_type" | "suggest_continue_as_new" | "new_run_id");
    is_args || !(is_told || is_usual || of_workflow_task || LEFT_OUT.contains(&first))
}

fn number(attributes: &[Attribute], path: &str) -> Option<i64> {
    let attribute = attributes.iter().find(|attribute| attribute.path == path)?;
    attribute.text(VALUE_LIMIT).rsplit('=').next()?.parse().ok()
}

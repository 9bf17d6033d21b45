//! Fields that a line of a history leaves out: its references to earlier events, and its time.

use abide_protos::Timestamp;
use abide_protos::fields::parse_duration;
use abide_protos::temporal::api::history::v1::HistoryEvent;

use crate::history::failure_of;

use super::{EventBuilder, FIRST_SECOND, RUN_ID, TASK_QUEUE, WORKFLOW_ID};

/// Kind of the operation to which an event belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Activity,
    Timer,
    Child,
    ExternalSignal,
    ExternalCancel,
    Nexus,
}

/// Effect of an event on its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Opens,
    Starts,
    AsksToCancel,
    AnswersCancel,
    Closes,
}

/// An activity, a timer, a child or another operation of the history so far.
#[derive(Debug)]
struct Operation {
    kind: Kind,
    id: String,
    type_name: String,
    /// Only for a Nexus operation.
    endpoint: String,
    opened: i64,
    started: i64,
    cancel_requested: i64,
    open: bool,
}

/// The part of the history so far to which later lines refer.
#[derive(Debug, Default)]
pub(super) struct Wiring {
    millis: i64,
    nanos: i32,
    began: bool,
    workflow_type: String,
    task_scheduled: i64,
    task_started: i64,
    task_completed: i64,
    operations: Vec<Operation>,
    /// Updates by id, with the ids of their admitted and accepted events.
    updates: Vec<(String, i64, i64)>,
}

impl Wiring {
    /// Advances the clock, by 1 ms from event to event.
    pub(super) fn next_event(&mut self) {
        self.millis += i64::from(self.began);
        self.nanos = 0;
        self.began = true;
    }

    /// Handles `at=5s`: time since the history's beginning.
    pub(super) fn set_time(&mut self, text: &str) -> Result<(), String> {
        let (seconds, nanos) = parse_duration(text)?;
        self.millis = seconds * 1000 + i64::from(nanos / 1_000_000);
        self.nanos = nanos % 1_000_000;
        Ok(())
    }

    pub(super) fn time(&self) -> Timestamp {
        let nanos = (self.millis % 1000) as i32 * 1_000_000 + self.nanos;
        Timestamp { seconds: FIRST_SECOND + self.millis / 1000, nanos }
    }

    /// Fills in the fields that the line left out, and remembers the event for later lines.
    pub(super) fn complete(&mut self, event: &mut EventBuilder) -> Result<(), String> {
        // Failed starts, signals and requests do not answer a command, and neither does the result of a request to
        // cancel a Nexus operation. The server leaves this field out of them.
        let failed = ["StartChild", "SignalExternal", "RequestCancelExternal"]
            .iter()
            .any(|what| event.event_type == format!("{what}WorkflowExecutionFailed"));
        let answers = !failed && !event.knows("requested_event_id");
        if event.knows("workflow_task_completed_event_id") && answers {
            event.default("workflow_task_completed_event_id", &self.task_completed.to_string())?;
        }
        match event.event_type.clone().as_str() {
            "WorkflowExecutionStarted" => self.execution_started(event),
            "WorkflowExecutionContinuedAsNew" => {
                event.default("new_execution_run_id", "next-run")?;
                event.default("workflow_type", &self.workflow_type)?;
                event.default("task_queue", TASK_QUEUE)
            }
            "WorkflowExecutionFailed" => default_failure(event, "message", "the workflow failed"),
            "WorkflowExecutionSignaled" => event.default("signal_name", "signal"),
            "MarkerRecorded" if event.local_activity.contains_key("local_activity") => local_activity(event),
            "MarkerRecorded" => event.default("marker_name", "marker"),
            name if name.starts_with("WorkflowTask") => self.workflow_task(event),
            name if name.starts_with("WorkflowExecutionUpdate") => self.update(event),
            "WorkflowExecutionPaused" | "WorkflowExecutionUnpaused" | "WorkflowExecutionOptionsUpdated" => {
                event.event.set("worker_may_ignore", "true")
            }
            "NexusOperationCancelRequestCompleted" | "NexusOperationCancelRequestFailed" => {
                event.event.set("worker_may_ignore", "true")?;
                self.operation(event, Kind::Nexus, Role::AnswersCancel)
            }
            name => match role_of(name) {
                Some((kind, role)) => self.operation(event, kind, role),
                None => Ok(()),
            },
        }
    }

    fn execution_started(&mut self, event: &mut EventBuilder) -> Result<(), String> {
        event.default("workflow_type", "wf")?;
        event.default("workflow_id", WORKFLOW_ID)?;
        event.default("task_queue", TASK_QUEUE)?;
        event.default("original_execution_run_id", RUN_ID)?;
        event.default("first_execution_run_id", RUN_ID)?;
        event.default("workflow_task_timeout", "10s")?;
        event.default("attempt", "1")?;
        self.workflow_type = event.text("workflow_type").unwrap_or_default();
        Ok(())
    }

    fn workflow_task(&mut self, event: &mut EventBuilder) -> Result<(), String> {
        if event.event_type == "WorkflowTaskScheduled" {
            event.default("task_queue", TASK_QUEUE)?;
            event.default("start_to_close_timeout", "10s")?;
            event.default("attempt", "1")?;
            self.task_scheduled = event.event_id;
            return Ok(());
        }
        event.default("scheduled_event_id", &self.task_scheduled.to_string())?;
        if event.event_type == "WorkflowTaskStarted" {
            self.task_started = event.event_id;
            return Ok(());
        }
        event.default("started_event_id", &self.task_started.to_string())?;
        match event.event_type.as_str() {
            "WorkflowTaskCompleted" => {
                if self.task_completed == 0 {
                    event.default("sdk_metadata.core_used_flags", "1,2,3,4")?;
                }
                self.task_completed = event.event_id;
                Ok(())
            }
            "WorkflowTaskTimedOut" => event.default("timeout_type", "StartToClose"),
            _ => {
                event.default("cause", "WorkflowWorkerUnhandledFailure")?;
                default_failure(event, "message", "the workflow task failed")
            }
        }
    }

    fn update(&mut self, event: &mut EventBuilder) -> Result<(), String> {
        let (admitted, accepted) = ("WorkflowExecutionUpdateAdmitted", "WorkflowExecutionUpdateAccepted");
        let path = match event.event_type.as_str() {
            name if name == admitted => "request.meta.update_id",
            "WorkflowExecutionUpdateCompleted" => "meta.update_id",
            _ => "protocol_instance_id",
        };
        let open = self.updates.iter().rev().find(|update| update.2 != 0).map(|update| update.0.clone());
        let fallback = if event.event_type.ends_with("Completed") { open } else { None };
        event.default(path, &fallback.unwrap_or_else(|| "update-1".into()))?;
        let id = event.text(path).unwrap_or_default();
        let known = self.updates.iter().position(|update| update.0 == id);
        if event.event_type == admitted {
            event.default("request.input.name", "update")?;
            self.updates.push((id, event.event_id, 0));
        } else if event.event_type == accepted {
            event.default("accepted_request_message_id", &format!("{id}/request"))?;
            let sequencing = match known {
                Some(known) => self.updates[known].1,
                None => {
                    event.default("accepted_request.meta.update_id", &id)?;
                    event.default("accepted_request.input.name", "update")?;
                    self.task_scheduled
                }
            };
            event.default("accepted_request_sequencing_event_id", &sequencing.to_string())?;
            match known {
                Some(known) => self.updates[known].2 = event.event_id,
                None => self.updates.push((id, 0, event.event_id)),
            }
        } else if event.event_type.ends_with("Completed") {
            let accepted = known.map_or(0, |known| self.updates[known].2);
            event.default("accepted_event_id", &accepted.to_string())?;
        }
        Ok(())
    }

    fn operation(&mut self, event: &mut EventBuilder, kind: Kind, role: Role) -> Result<(), String> {
        if role == Role::Opens {
            return self.open(event, kind);
        }
        let field = match kind {
            Kind::Activity | Kind::Nexus => "scheduled_event_id",
            Kind::Timer => "started_event_id",
            _ => "initiated_event_id",
        };
        let found = if event.given.contains(field) {
            let opened = event.number(field);
            self.operations.iter().position(|one| one.kind == kind && one.opened == opened)
        } else {
            Some(self.pick(event, kind, role, field)?)
        };
        let Some(found) = found else { return default_outcome(event) };
        let operation = &mut self.operations[found];
        event.default(field, &operation.opened.to_string())?;
        if kind != Kind::Timer && event.knows("started_event_id") {
            event.default("started_event_id", &operation.started.to_string())?;
        }
        if event.knows("latest_cancel_requested_event_id") {
            event.default("latest_cancel_requested_event_id", &operation.cancel_requested.to_string())?;
        }
        if event.knows("requested_event_id") {
            event.default("requested_event_id", &operation.cancel_requested.to_string())?;
        }
        describe(event, operation)?;
        match role {
            Role::AnswersCancel => {}
            Role::Starts => operation.started = event.event_id,
            Role::AsksToCancel => operation.cancel_requested = event.event_id,
            _ => operation.open = false,
        }
        default_outcome(event)
    }

    fn open(&mut self, event: &mut EventBuilder, kind: Kind) -> Result<(), String> {
        let count = self.operations.iter().filter(|one| one.kind == kind).count();
        let (id_path, type_path) = match kind {
            Kind::Activity => ("activity_id", "activity_type"),
            Kind::Timer => ("timer_id", ""),
            Kind::Child => ("workflow_id", "workflow_type"),
            Kind::ExternalSignal | Kind::ExternalCancel => ("workflow_execution", ""),
            Kind::Nexus => ("operation", "service"),
        };
        let id = match kind {
            Kind::Activity | Kind::Timer => (count + 1).to_string(),
            Kind::Child => format!("child-{}", count + 1),
            Kind::ExternalSignal | Kind::ExternalCancel => "other".into(),
            Kind::Nexus => "operation".into(),
        };
        event.default(id_path, &id)?;
        match kind {
            Kind::Activity => event.default("activity_type", "act")?,
            Kind::Timer => event.default("start_to_fire_timeout", "1s")?,
            Kind::Child => event.default("workflow_type", "child")?,
            Kind::ExternalSignal => event.default("signal_name", "signal")?,
            Kind::Nexus => {
                event.default("endpoint", "endpoint")?;
                event.default("service", "service")?;
            }
            Kind::ExternalCancel => {}
        }
        if event.knows("task_queue") {
            event.default("task_queue", TASK_QUEUE)?;
        }
        self.operations.push(Operation {
            kind,
            id: event.text(id_path).unwrap_or_default(),
            type_name: event.text(type_path).unwrap_or_default(),
            endpoint: event.text("endpoint").unwrap_or_default(),
            opened: event.event_id,
            started: 0,
            cancel_requested: 0,
            open: true,
        });
        Ok(())
    }

    /// Returns the operation to which a line without a reference belongs.
    fn pick(&self, event: &EventBuilder, kind: Kind, role: Role, field: &str) -> Result<usize, String> {
        let id = ["timer_id", "workflow_execution", "workflow_id"].into_iter().find(|path| event.given.contains(*path));
        let id = id.and_then(|path| event.text(path)).or_else(|| event.picked.clone());
        let open = || self.operations.iter().enumerate().filter(|(_, one)| one.kind == kind && one.open);
        let found = match (&id, role) {
            (Some(id), _) => open().find(|(_, one)| one.id == *id || id.starts_with(&format!("{}/", one.id))),
            (None, Role::Starts) => open().find(|(_, one)| one.started == 0),
            (None, Role::AnswersCancel) => open().find(|(_, one)| one.cancel_requested != 0),
            (None, Role::AsksToCancel) => open().find(|(_, one)| one.cancel_requested == 0),
            (None, _) => open().find(|(_, one)| one.started != 0).or_else(|| open().next()),
        };
        found.map(|(index, _)| index).ok_or_else(|| {
            let name = field.trim_end_matches("_event_id");
            format!("no earlier event that this one could belong to; name it with {name}=EVENT_ID")
        })
    }
}

/// Copies the fields that the server repeats in later events of an operation.
fn describe(event: &mut EventBuilder, operation: &Operation) -> Result<(), String> {
    match operation.kind {
        Kind::Timer => event.default("timer_id", &operation.id),
        Kind::Child if event.knows("workflow_execution") => {
            event.default("workflow_execution", &format!("{}/run-of-{}", operation.id, operation.id))?;
            event.default("workflow_type", &operation.type_name)
        }
        Kind::Child => {
            event.default("workflow_id", &operation.id)?;
            event.default("workflow_type", &operation.type_name)
        }
        Kind::ExternalSignal | Kind::ExternalCancel => event.default("workflow_execution", &operation.id),
        Kind::Nexus if event.knows("operation_token") => event.default("operation_token", "token"),
        Kind::Nexus if event.knows("failure") && event.knows("scheduled_event_id") => nexus_failure(event, operation),
        Kind::Activity | Kind::Nexus => Ok(()),
    }
}

/// Sets the server's failure of an operation that did not complete. The line gives the cause.
fn nexus_failure(event: &mut EventBuilder, operation: &Operation) -> Result<(), String> {
    let (message, kind) = match event.event_type.as_str() {
        "NexusOperationCancelRequestFailed" => return default_failure(event, "message", "the request failed"),
        "NexusOperationTimedOut" => ("operation timed out", "timeout_failure_info.timeout_type"),
        "NexusOperationCanceled" => ("operation canceled", "canceled_failure_info"),
        _ => ("the operation failed", "application_failure_info"),
    };
    event.default("failure.message", "\"nexus operation completed unsuccessfully\"")?;
    let info = "failure.nexus_operation_execution_failure_info";
    event.default(&format!("{info}.scheduled_event_id"), &operation.opened.to_string())?;
    event.default(&format!("{info}.endpoint"), &operation.endpoint)?;
    event.default(&format!("{info}.service"), &operation.type_name)?;
    event.default(&format!("{info}.operation"), &operation.id)?;
    if !event.gives("failure.cause") {
        event.set("failure.cause.message", &format!("{message:?}"))?;
        let value = if kind.ends_with("type") { "ScheduleToClose" } else { "{}" };
        return event.set(&format!("failure.cause.{kind}"), value);
    }
    default_failure(event, "message", message)
}

/// Sets a failure and a cause if the event needs them.
fn default_outcome(event: &mut EventBuilder) -> Result<(), String> {
    match event.event_type.as_str() {
        "ActivityTaskFailed" => {
            event.default("retry_state", "NonRetryableFailure")?;
            default_failure(event, "message", "the activity failed")
        }
        "ActivityTaskTimedOut" => {
            event.default("retry_state", "Timeout")?;
            default_failure(event, "timeout_failure_info.timeout_type", "StartToClose")?;
            event.default("failure.message", "\"activity StartToClose timeout\"")
        }
        "ChildWorkflowExecutionFailed" => default_failure(event, "message", "the child failed"),
        "StartChildWorkflowExecutionFailed" => event.default("cause", "WorkflowAlreadyExists"),
        "SignalExternalWorkflowExecutionFailed" | "RequestCancelExternalWorkflowExecutionFailed" => {
            event.default("cause", "ExternalWorkflowExecutionNotFound")
        }
        _ => Ok(()),
    }
}

/// Writes a local activity's data to a marker. Times are counted from the history's beginning.
fn local_activity(event: &mut EventBuilder) -> Result<(), String> {
    event.default("marker_name", crate::replay::machines::local_activity_marker::MARKER_NAME)?;
    let given = std::mem::take(&mut event.local_activity);
    let word = |key: &str| given.get(key).map(String::as_str);
    let seq = word("local_activity").unwrap_or_default();
    let time = |key: &str, from: i64| match word(key) {
        Some(text) => {
            let (seconds, nanos) = parse_duration(text)?;
            Ok::<_, String>(format!(r#"{{"seconds":{},"nanos":{nanos}}}"#, from + seconds))
        }
        None => Ok("null".to_string()),
    };
    let (complete, original, backoff) =
        (time("complete", FIRST_SECOND)?, time("original", FIRST_SECOND)?, time("backoff", 0)?);
    let index = word("index").map(|index| format!(r#","activation_index":{index}"#)).unwrap_or_default();
    let (id, name) = (event.picked.as_deref().unwrap_or(seq), word("activity").unwrap_or("activity"));
    let attempt = word("attempt").unwrap_or("1");
    let data = format!(
        r#"{{"seq":{seq},"attempt":{attempt},"activity_id":"{id}","activity_type":"{name}","complete_time":{complete},"backoff":{backoff},"original_schedule_time":{original}{index}}}"#
    );
    event.set("details.data", &data)
}

/// Sets one field of a failure that the line does not describe. A failure without a kind is an application failure.
fn default_failure(event: &mut EventBuilder, field: &str, text: &str) -> Result<(), String> {
    let is_timeout = field.starts_with("timeout_failure_info");
    if !event.gives("failure") || (is_timeout && !event.gives("failure.timeout_failure_info")) {
        let text = if is_timeout { text.to_string() } else { format!("{text:?}") };
        event.set(&format!("failure.{field}"), &text)?;
    }
    let finished: HistoryEvent = event.event.finish()?;
    let mut at = "failure".to_string();
    let mut failure = failure_of(&finished);
    while let Some(one) = failure {
        if one.failure_info.is_none() {
            event.set(&format!("{at}.application_failure_info"), "{}")?;
        }
        at.push_str(".cause");
        failure = one.cause.as_deref();
    }
    Ok(())
}

fn role_of(event_type: &str) -> Option<(Kind, Role)> {
    Some(match event_type {
        "ActivityTaskScheduled" => (Kind::Activity, Role::Opens),
        "ActivityTaskStarted" => (Kind::Activity, Role::Starts),
        "ActivityTaskCancelRequested" => (Kind::Activity, Role::AsksToCancel),
        "ActivityTaskCompleted" | "ActivityTaskFailed" | "ActivityTaskTimedOut" | "ActivityTaskCanceled" => {
            (Kind::Activity, Role::Closes)
        }
        "TimerStarted" => (Kind::Timer, Role::Opens),
        "TimerFired" | "TimerCanceled" => (Kind::Timer, Role::Closes),
        "StartChildWorkflowExecutionInitiated" => (Kind::Child, Role::Opens),
        "ChildWorkflowExecutionStarted" => (Kind::Child, Role::Starts),
        "StartChildWorkflowExecutionFailed" => (Kind::Child, Role::Closes),
        name if name.starts_with("ChildWorkflowExecution") => (Kind::Child, Role::Closes),
        "SignalExternalWorkflowExecutionInitiated" => (Kind::ExternalSignal, Role::Opens),
        "SignalExternalWorkflowExecutionFailed" | "ExternalWorkflowExecutionSignaled" => {
            (Kind::ExternalSignal, Role::Closes)
        }
        "RequestCancelExternalWorkflowExecutionInitiated" => (Kind::ExternalCancel, Role::Opens),
        "RequestCancelExternalWorkflowExecutionFailed" | "ExternalWorkflowExecutionCancelRequested" => {
            (Kind::ExternalCancel, Role::Closes)
        }
        "NexusOperationScheduled" => (Kind::Nexus, Role::Opens),
        "NexusOperationStarted" => (Kind::Nexus, Role::Starts),
        "NexusOperationCancelRequested" => (Kind::Nexus, Role::AsksToCancel),
        "NexusOperationCompleted" | "NexusOperationFailed" | "NexusOperationTimedOut" | "NexusOperationCanceled" => {
            (Kind::Nexus, Role::Closes)
        }
        _ => return None,
    })
}

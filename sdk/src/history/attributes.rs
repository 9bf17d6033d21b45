//! The attributes of events and commands under short names: `scheduled=5` for `scheduled_event_id`.
//!
//! One table serves the printer, the error texts and the parser of histories written as text, so that printed lines can
//! be parsed again. A short name is used only if it leads back to the same field of that message.

use abide_protos::fields::{FieldValue, MessageBuilder, fields_of};
use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::enums::v1::{CommandType, EventType};
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::update::v1::outcome;

/// Short names of fields. If a short name is listed twice, it means the first of the fields that the message has.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("type", "activity_type"),
    ("type", "workflow_type"),
    ("id", "activity_id"),
    ("id", "timer_id"),
    ("id", "workflow_id"),
    ("name", "signal_name"),
    ("name", "marker_name"),
    ("name", "accepted_request.input.name"),
    ("name", "request.input.name"),
    ("args", "accepted_request.input.args"),
    ("args", "request.input.args"),
    ("update", "protocol_instance_id"),
    ("update", "meta.update_id"),
    ("update", "request.meta.update_id"),
    ("sequencing", "accepted_request_sequencing_event_id"),
    ("request", "accepted_request_message_id"),
    ("result", "outcome.success"),
    ("after", "start_to_fire_timeout"),
    ("timeout", "timeout_type"),
    ("task", "workflow_task_completed_event_id"),
    ("workflow", "workflow_execution"),
    ("workflow", "execution"),
    ("queue", "task_queue"),
    ("retry", "retry_policy"),
    ("flags", "sdk_metadata.core_used_flags"),
    ("lang", "sdk_metadata.lang_used_flags"),
    ("sdk", "sdk_metadata.sdk_name"),
    ("sdk_version", "sdk_metadata.sdk_version"),
    ("suggest", "suggest_continue_as_new"),
    ("history_size", "history_size_bytes"),
    ("cron", "cron_schedule"),
];

/// Short names of a failure's fields, relative to the failure.
const FAILURE_NAMES: &[(&str, &str)] = &[
    ("type", "application_failure_info.type"),
    ("non_retryable", "application_failure_info.non_retryable"),
    ("details", "application_failure_info.details"),
    ("category", "application_failure_info.category"),
    ("next_retry_delay", "application_failure_info.next_retry_delay"),
    ("timeout", "timeout_failure_info.timeout_type"),
    ("heartbeat_details", "timeout_failure_info.last_heartbeat_details"),
    ("cancelled", "canceled_failure_info"),
    ("terminated", "terminated_failure_info"),
    ("server", "server_failure_info"),
    ("reset", "reset_workflow_failure_info"),
    ("activity", "activity_failure_info.activity_type"),
    ("activity", "activity_failure_info"),
    ("child", "child_workflow_execution_failure_info.workflow_type"),
    ("child", "child_workflow_execution_failure_info"),
    ("nexus", "nexus_operation_execution_failure_info"),
    ("handler", "nexus_handler_failure_info.type"),
    ("handler", "nexus_handler_failure_info"),
];

/// Paths of failures. The first two are written without their path.
const FAILURES: &[(&str, &str)] = &[
    ("", "failure"),
    ("", "outcome.failure"),
    ("last_failure", "last_failure"),
    ("continued_failure", "continued_failure"),
];

/// Marks a path to be read literally, if its first name is also a short name.
const LITERAL: &str = "event.";

/// One attribute as it is printed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attribute {
    /// Path of the field from the attributes message, with the names of the messages.
    pub(crate) path: String,
    /// Short name; the path if there is none.
    pub(crate) name: String,
    pub(crate) value: FieldValue,
}

impl Attribute {
    /// Writes `name=value`. Payloads are cut after `limit` characters.
    pub(crate) fn text(&self, limit: usize) -> String {
        let value = match &self.value {
            FieldValue::Word(word) if word == "{}" => "true".to_string(),
            FieldValue::Word(word) => word.clone(),
            FieldValue::Text(text) => quoted(text),
            FieldValue::Payloads(payloads) => {
                payloads.iter().map(|payload| payload_text(payload, limit)).collect::<Vec<_>>().join(",")
            }
        };
        format!("{}={value}", self.name)
    }

    /// Returns true for an empty message, unless it is the kind of a failure.
    pub(crate) fn is_empty(&self) -> bool {
        let is_kind = self.path.ends_with("_failure_info") && !self.path.ends_with("application_failure_info");
        self.value == FieldValue::Word("{}".into()) && !is_kind
    }
}

/// Returns the attributes of an event, in the order of their fields.
pub(crate) fn event_attributes(event: &HistoryEvent) -> Vec<Attribute> {
    attributes::<HistoryEvent>(fields_of(event), "_event_attributes")
}

/// Returns the attributes of a command, in the order of their fields.
pub(crate) fn command_attributes(command: &Command) -> Vec<Attribute> {
    attributes::<Command>(fields_of(command), "_command_attributes")
}

/// Returns the fields of any other message, in their order.
pub(crate) fn message_attributes<M: abide_protos::prost::Name>(message: &M) -> Vec<Attribute> {
    let builder = MessageBuilder::new::<M>();
    let named = fields_of(message).into_iter().map(|(path, value)| {
        let name = short_name(&path, &|path| builder.knows(path));
        Attribute { path, name, value }
    });
    named.filter(|attribute| !attribute.is_empty()).collect()
}

/// Returns the name of an event's type. A type that this version does not know is shown by its number.
pub(crate) fn event_type_name(number: i32) -> String {
    match EventType::try_from(number) {
        Ok(known) if known != EventType::Unspecified => camel(known.as_str_name().trim_start_matches("EVENT_TYPE_")),
        _ => format!("UnknownEvent({number})"),
    }
}

/// Returns the number of the event type with this name.
pub(crate) fn event_type_number(name: &str) -> Option<i32> {
    if let Some(number) = name.strip_prefix("UnknownEvent(").and_then(|rest| rest.strip_suffix(')')) {
        return number.parse().ok();
    }
    EventType::from_str_name(&format!("EVENT_TYPE_{}", snake(name).to_uppercase())).map(|known| known as i32)
}

/// Returns the name of a command's type.
pub(crate) fn command_type_name(number: i32) -> String {
    match CommandType::try_from(number) {
        Ok(known) => camel(known.as_str_name().trim_start_matches("COMMAND_TYPE_")),
        Err(_) => format!("UnknownCommand({number})"),
    }
}

/// Returns the field with an event's attributes: `activity_task_scheduled_event_attributes`.
pub(crate) fn attributes_field(event_type: &str) -> String {
    format!("{}_event_attributes", snake(event_type))
}

/// Returns the path for a short name (or a path) in a message; `knows` tells whether the message has a path.
pub(crate) fn long_name(name: &str, knows: &dyn Fn(&str) -> bool) -> Option<String> {
    let of_failure = FAILURES.iter().filter_map(|(prefix, root)| {
        let name = if prefix.is_empty() { name } else { name.strip_prefix(prefix)?.strip_prefix('.')? };
        // Continue-as-new carries the failure of a retried run, but its `type` is that of the next workflow.
        if prefix.is_empty() && knows("initiator") { None } else { long_name_in_failure(name, root, knows) }
    });
    let listed = SHORT_NAMES.iter().filter_map(|(short, long)| replaced(name, short, long));
    let suffixed = ["_timeout", "_event_id"].into_iter().map(|suffix| format!("{name}{suffix}"));
    if let Some(path) = name.strip_prefix(LITERAL) {
        return knows(path).then(|| path.to_string());
    }
    // `cause` is a failure's cause, except on events whose only cause is their own.
    let literal = [name.to_string()].into_iter().filter(|_| !(name == "cause" && knows("retry_state")));
    let mut candidates = literal.chain(of_failure).chain(listed).chain(suffixed);
    candidates.find(|path| knows(path))
}

/// Returns the short name of a path, or the path itself.
pub(crate) fn short_name(path: &str, knows: &dyn Fn(&str) -> bool) -> String {
    let of_failure = FAILURES.iter().flat_map(|(prefix, root)| {
        let rest = path.strip_prefix(root).and_then(|rest| rest.strip_prefix('.'));
        rest.map(|rest| short_names_in_failure(prefix, rest)).unwrap_or_default()
    });
    let listed = SHORT_NAMES.iter().filter_map(|(short, long)| replaced(path, long, short));
    let suffixed =
        ["_timeout", "_event_id"].into_iter().filter_map(|suffix| path.strip_suffix(suffix)).map(String::from);
    let mut candidates = of_failure.chain(listed).chain(suffixed);
    let found = candidates.find(|name| long_name(name, knows).as_deref() == Some(path));
    let is_literal = || long_name(path, knows).as_deref() == Some(path);
    found.unwrap_or_else(|| if is_literal() { path.to_string() } else { format!("{LITERAL}{path}") })
}

/// Returns the failure in an event.
pub(crate) fn failure_of(event: &HistoryEvent) -> Option<&FailureProto> {
    match event.attributes.as_ref()? {
        Attributes::WorkflowExecutionFailedEventAttributes(a) => a.failure.as_ref(),
        Attributes::WorkflowTaskFailedEventAttributes(a) => a.failure.as_ref(),
        Attributes::ActivityTaskFailedEventAttributes(a) => a.failure.as_ref(),
        Attributes::ActivityTaskTimedOutEventAttributes(a) => a.failure.as_ref(),
        Attributes::ChildWorkflowExecutionFailedEventAttributes(a) => a.failure.as_ref(),
        Attributes::MarkerRecordedEventAttributes(a) => a.failure.as_ref(),
        Attributes::NexusOperationFailedEventAttributes(a) => a.failure.as_ref(),
        Attributes::NexusOperationTimedOutEventAttributes(a) => a.failure.as_ref(),
        Attributes::NexusOperationCanceledEventAttributes(a) => a.failure.as_ref(),
        Attributes::WorkflowExecutionUpdateCompletedEventAttributes(a) => match a.outcome.as_ref()?.value.as_ref()? {
            outcome::Value::Failure(failure) => Some(failure),
            outcome::Value::Success(_) => None,
        },
        _ => None,
    }
}

/// Writes a payload: its JSON, cut after `limit` characters. Other encodings are shown by their size.
pub(crate) fn payload_text(payload: &Payload, limit: usize) -> String {
    let encoding = payload.metadata.get("encoding").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    match (encoding.as_deref(), std::str::from_utf8(&payload.data)) {
        (Some("binary/null"), _) => "null".into(),
        (Some("json/plain" | "json/protobuf"), Ok(text)) => cut(text, limit),
        (Some("binary/plain"), _) => format!("<{} bytes>", payload.data.len()),
        (other, _) => format!("<{} bytes {}>", payload.data.len(), other.unwrap_or("of no stated encoding")),
    }
}

/// Writes text without line breaks, in quotes if it could not be read as one word.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@#+%$*".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_string();
    }
    serde_json::Value::from(text).to_string()
}

fn attributes<M: abide_protos::prost::Name>(fields: Vec<(String, FieldValue)>, ending: &str) -> Vec<Attribute> {
    let builder = MessageBuilder::new::<M>();
    let of_attributes = fields.into_iter().filter_map(|(path, value)| {
        let (message, path) = path.split_once('.')?;
        message.ends_with(ending).then(|| {
            let name = short_name(path, &|path| builder.knows(&format!("{message}.{path}")));
            Attribute { path: path.to_string(), name, value }
        })
    });
    let mut all: Vec<Attribute> = of_attributes.filter(|attribute| !attribute.is_empty()).collect();
    // A failure's own fields come before those of its cause, which the message places in between.
    if let Some(begin) = all.iter().position(|one| one.path.starts_with("failure.")) {
        let count = all[begin..].iter().take_while(|one| one.path.starts_with("failure.")).count();
        all[begin..begin + count].sort_by_key(|one| one.path.matches("cause.").count());
    }
    all
}

fn long_name_in_failure(name: &str, root: &str, knows: &dyn Fn(&str) -> bool) -> Option<String> {
    let mut at = root.to_string();
    let mut rest = name;
    while let Some(more) = rest.strip_prefix("cause") {
        if !more.is_empty() && !more.starts_with('.') {
            break;
        }
        at.push_str(".cause");
        rest = more.strip_prefix('.').unwrap_or("message");
    }
    let listed = FAILURE_NAMES.iter().filter_map(|(short, long)| replaced(rest, short, long));
    let mut candidates = listed.chain([rest.to_string()]).map(|rest| format!("{at}.{rest}"));
    candidates.find(|path| knows(path))
}

fn short_names_in_failure(prefix: &str, path: &str) -> Vec<String> {
    let mut causes = Vec::from_iter((!prefix.is_empty()).then_some(prefix));
    let mut rest = path;
    while let Some(more) = rest.strip_prefix("cause.") {
        causes.push("cause");
        rest = more;
    }
    let below = |name: &str| causes.iter().copied().chain([name]).collect::<Vec<_>>().join(".");
    let mut names: Vec<String> = FAILURE_NAMES.iter().filter_map(|(short, long)| replaced(rest, long, short)).collect();
    names.push(rest.to_string());
    let mut names: Vec<String> = names.iter().map(|name| below(name)).collect();
    if rest == "message" && causes.last() == Some(&"cause") {
        names.insert(0, causes.join("."));
    }
    names
}

/// Replaces the first path elements `from` of `text` by `to`, if it begins with them.
fn replaced(text: &str, from: &str, to: &str) -> Option<String> {
    let rest = text.strip_prefix(from)?;
    (rest.is_empty() || rest.starts_with('.')).then(|| format!("{to}{rest}"))
}

fn cut(text: &str, limit: usize) -> String {
    let one_line =
        if text.contains('\n') { text.split_whitespace().collect::<Vec<_>>().join(" ") } else { text.into() };
    match one_line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}.. ({} bytes)", &one_line[..end], text.len()),
        None => one_line,
    }
}

fn camel(upper: &str) -> String {
    let words = upper.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next();
        first.into_iter().chain(letters.map(|c| c.to_ascii_lowercase())).collect::<String>()
    });
    words.collect()
}

fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

//! Histories as text, and commands and messages as lines: the language of the core's specs.
//!
//! ```text
//! 1 WorkflowExecutionStarted type=order input=7
//! 2 WorkflowTaskScheduled
//! 3 WorkflowTaskStarted at=5s
//! 4 WorkflowTaskCompleted flags=1,3 sdk=temporal-python
//! 5 ActivityTaskScheduled id=1 type=charge input={"amount": 3},"EUR" start_to_close=5s retry.maximum_attempts=3
//! 6 ActivityTaskStarted
//! 7 ActivityTaskFailed message="card refused" type=Refused cause="no money"
//! ```
//!
//! One event a line: id, type, attributes. Every field of an event can be given by its path; most have a short name
//! (`history/attributes.rs`). Payloads are JSON values, joined by commas. `#` begins a comment line. Fields that a line
//! leaves out get an obvious value: ids that refer to earlier events (the oldest operation that fits; `id=2` selects
//! one), 1 ms between events, a local activity's marker (`local_activity=1 activity=charge index=1 result=7`,
//! `attempt=2 backoff=90s message="busy"`), core flags 1 to 4 on the first completed task (`flags=none` for none).
//!
//! Lines after the last event can be updates that come with the last task, which is live:
//! `update id=u1 name=add input=1`.

mod messages;
mod wiring;

use std::collections::{BTreeMap, BTreeSet};

use abide_protos::fields::MessageBuilder;
use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::protocol::v1::Message;

pub use self::messages::{message_line, update_request};
use self::wiring::Wiring;
use crate::history::{
    attributes_field, command_attributes, command_type_name, event_attributes, event_type_name, event_type_number,
    long_name,
};

/// Start of a history written as text: 2026-01-01T00:00:00Z, in seconds since 1970.
pub const FIRST_SECOND: i64 = 1_767_225_600;
/// Task queue of a history written as text. Commands are printed without it.
pub const TASK_QUEUE: &str = "queue";
/// Run id of a history written as text.
pub const RUN_ID: &str = "01234567-89ab-4def-8123-456789abcdef";
/// Workflow id of a history written as text.
pub const WORKFLOW_ID: &str = "wf-id";

/// Reads a history.
///
/// # Errors
/// Returns an error if a line cannot be read. It names the line.
pub fn parse_history(text: &str) -> Result<Vec<HistoryEvent>, String> {
    let (events, messages) = parse_task(text)?;
    if messages.is_empty() { Ok(events) } else { Err("updates of a live task are no part of a history".into()) }
}

/// Reads a history, and the updates that come with its last workflow task.
///
/// # Errors
/// Returns an error if a line cannot be read. It names the line.
pub fn parse_task(text: &str) -> Result<(Vec<HistoryEvent>, Vec<Message>), String> {
    let mut wiring = Wiring::default();
    let (mut events, mut messages): (Vec<HistoryEvent>, Vec<Message>) = Default::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at_line = |error| format!("line {}: {error}\n  {line}", index + 1);
        if let Some(update) = line.strip_prefix("update ") {
            let before_start = events.last().map_or(0, |event| event.event_id - 1);
            let message = words(update).and_then(|words| messages::parse_update(&words, before_start));
            messages.push(message.map_err(at_line)?);
        } else {
            events.push(parse_event(line, &mut wiring).map_err(at_line)?);
        }
    }
    Ok((events, messages))
}

/// Writes a command as a line: its type and the fields that are set.
pub fn command_line(command: &Command) -> String {
    let mut line = command_type_name(command.command_type);
    for attribute in command_attributes(command) {
        let shown = attribute.text(usize::MAX);
        // Fields that every command of its kind has are left out, so that a spec shows only what its code set.
        let usual = match attribute.path.as_str() {
            "request_eager_execution" | "use_workflow_build_id" | "inherit_build_id" => true,
            "task_queue" => shown == format!("queue={TASK_QUEUE}"),
            "namespace" => shown == "namespace=default",
            "workflow_id_reuse_policy" => shown.ends_with("=AllowDuplicate"),
            _ => false,
        };
        if !usual {
            line.push(' ');
            line.push_str(&shown);
        }
    }
    line
}

/// Writes an event as a line that [`parse_history`] reads, without its time.
pub fn event_line(event: &HistoryEvent) -> String {
    let mut line = format!("{} {}", event.event_id, event_type_name(event.event_type));
    if event.worker_may_ignore {
        line.push_str(" worker_may_ignore=true");
    }
    for attribute in event_attributes(event) {
        line.push(' ');
        line.push_str(&attribute.text(usize::MAX));
    }
    if let Some(Attributes::WorkflowTaskCompletedEventAttributes(completed)) = &event.attributes
        && completed.sdk_metadata.as_ref().is_some_and(|metadata| metadata.core_used_flags.is_empty())
    {
        line.push_str(" flags=none");
    }
    line
}

/// One event while its line is read.
struct EventBuilder {
    event: MessageBuilder,
    event_id: i64,
    event_type: String,
    attributes: String,
    given: BTreeSet<String>,
    /// `id=` on an event without an id of its own: selects the operation.
    picked: Option<String>,
    /// Data of a local activity in a marker.
    local_activity: BTreeMap<String, String>,
}

impl EventBuilder {
    fn knows(&self, path: &str) -> bool {
        self.event.knows(&format!("{}.{path}", self.attributes))
    }

    fn set(&mut self, path: &str, text: &str) -> Result<(), String> {
        self.event.set(&format!("{}.{path}", self.attributes), text)
    }

    /// Sets a field that the line did not give.
    fn default(&mut self, path: &str, text: &str) -> Result<(), String> {
        if self.given.contains(path) { Ok(()) } else { self.set(path, text) }
    }

    fn text(&self, path: &str) -> Option<String> {
        self.event.get_text(&format!("{}.{path}", self.attributes))
    }

    fn number(&self, path: &str) -> i64 {
        self.text(path).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn gives(&self, path: &str) -> bool {
        self.given.iter().any(|given| given == path || given.starts_with(&format!("{path}.")))
    }

    /// Handles one `key=value` of the line.
    fn give(&mut self, key: &str, value: &str, wiring: &mut Wiring) -> Result<(), String> {
        match key {
            "at" => return wiring.set_time(value),
            "worker_may_ignore" | "version" | "task_id" => return self.event.set(key, value),
            "summary" => return self.event.set("user_metadata.summary", value),
            "local_activity" | "activity" | "attempt" | "index" | "complete" | "backoff" | "original"
                if self.event_type == "MarkerRecorded" =>
            {
                self.local_activity.insert(key.to_string(), value.to_string());
                return Ok(());
            }
            "result" if self.event_type == "MarkerRecorded" => return self.set("details.result", value),
            _ => {}
        }
        let path = long_name(key, &|path| self.knows(path));
        match path {
            Some(path) => {
                self.set(&path, value).map_err(|error| format!("{key}: {error}"))?;
                self.given.insert(path);
            }
            None if key == "id" => self.picked = Some(value.to_string()),
            // `set` reports which fields there are.
            None => self.set(key, value)?,
        }
        Ok(())
    }
}

fn parse_event(line: &str, wiring: &mut Wiring) -> Result<HistoryEvent, String> {
    let mut words = words(line)?.into_iter();
    let id = words.next().unwrap_or_default();
    let event_id = id.parse::<i64>().map_err(|_| format!("expected an event id first, found `{id}`"))?;
    let event_type = words.next().ok_or("expected an event type after the id")?;
    let number = event_type_number(event_type).ok_or_else(|| {
        format!(
            "`{event_type}` is not an event type; expected a name such as ActivityTaskScheduled, or UnknownEvent(99)"
        )
    })?;
    let mut event = EventBuilder {
        event: MessageBuilder::new::<HistoryEvent>(),
        event_id,
        event_type: event_type.to_string(),
        attributes: attributes_field(event_type),
        given: BTreeSet::new(),
        picked: None,
        local_activity: BTreeMap::new(),
    };
    event.event.set("event_id", id)?;
    event.event.set("event_type", &number.to_string())?;
    wiring.next_event();
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("expected key=value, found `{word}`"))?;
        event.give(key, value, wiring)?;
    }
    if event.event.knows(&event.attributes) {
        // Every known event has its attributes, even if all of them are defaults.
        event.event.set(&event.attributes.clone(), "{}")?;
        wiring.complete(&mut event)?;
    }
    let mut finished: HistoryEvent = event.event.finish()?;
    finished.event_time = Some(wiring.time());
    Ok(finished)
}

/// Splits at spaces outside of quotes and brackets.
fn words(line: &str) -> Result<Vec<&str>, String> {
    let mut words = Vec::new();
    let (mut start, mut depth, mut quoted, mut escaped) = (None, 0_i32, false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' | '<' if !quoted => depth += 1,
            '}' | ']' | '>' if !quoted => depth -= 1,
            c if c.is_whitespace() && !quoted && depth == 0 => {
                words.extend(start.take().map(|start| &line[start..at]));
                continue;
            }
            _ => {}
        }
        start.get_or_insert(at);
    }
    if quoted || depth != 0 {
        return Err("a quote or a bracket is not closed on this line".into());
    }
    words.extend(start.map(|start| &line[start..]));
    Ok(words)
}

#[cfg(test)]
mod tests;

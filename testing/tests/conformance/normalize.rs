//! Removes values from histories that differ between any two runs: ids, times, worker names, and data of the server
//! itself.

use abide::History;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use serde_json::{Map, Value};

/// Keys to remove everywhere: made by the server, or different for every run.
const LEFT_OUT: [&str; 11] = [
    "eventTime",
    "taskId",
    "version",
    "historySizeBytes",
    "requestId",
    "identity",
    "workflowExecutionExpirationTime",
    "stackTrace",
    "sourceVersionStamp",
    "sourceDeploymentRevisionNumber",
    "temporal-callback-token",
];

/// Tokens of Nexus operations, which contain the workflow's id.
const TOKENS: [&str; 3] = ["operationToken", "operationId", "nexus-operation-token"];

/// Times of which only the presence is compared.
const TIMES: [&str; 2] = ["createTime", "expireTime"];

/// Time that a run waits for its first workflow task.
const BACKOFFS: [&str; 2] = ["firstWorkflowTaskBackoff", "backoffStartInterval"];

/// Returns one line for each event: its content, with sorted keys.
pub(crate) fn normalize(history: &History) -> Vec<String> {
    let events = history.events().iter().cloned().map(without_marker_times).map(without_next_run).collect();
    let history = History::from_events(events);
    let json: Value = serde_json::from_str(&history.to_json().expect("a history writes JSON")).expect("it is JSON");
    let events = json.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names = Names::default();
    events.into_iter().map(|event| names.clean(with_activity_version(event)).to_string()).collect()
}

/// The worker's version is compared in activity starts; in a real server's history the other events have it, too.
fn with_activity_version(mut event: Value) -> Value {
    let started = event.get_mut("activityTaskStartedEventAttributes").and_then(Value::as_object_mut);
    if let Some(started) = started
        && let Some(version) = started.remove("workerVersion")
    {
        started.insert("activityWorkerVersion".into(), version);
    }
    event
}

/// If a run closes within less than a second, a real server delays the next one for the rest of that second, which
/// depends on its clock. Delays requested in whole seconds are compared.
fn is_by_the_clock(key: &str, value: &Value) -> bool {
    let seconds = || value.as_str()?.strip_suffix('s')?.parse::<f64>().ok();
    BACKOFFS.contains(&key) && seconds().is_some_and(|seconds| seconds < 1.0)
}

/// Removes the times of a local activity, which are inside a payload of its marker.
fn without_marker_times(mut event: HistoryEvent) -> HistoryEvent {
    let Some(Attributes::MarkerRecordedEventAttributes(marker)) = &mut event.attributes else { return event };
    for payload in marker.details.get_mut("data").into_iter().flat_map(|data| &mut data.payloads) {
        let Ok(Value::Object(mut data)) = serde_json::from_slice(&payload.data) else { continue };
        for key in ["complete_time", "original_schedule_time"] {
            if let Some(time) = data.get_mut(key).filter(|time| !time.is_null()) {
                *time = "some time".into();
            }
        }
        payload.data = Value::Object(data).to_string().into_bytes();
    }
    event
}

/// Removes the id of the next run, which is inside a payload when a run was terminated for another one.
fn without_next_run(mut event: HistoryEvent) -> HistoryEvent {
    let Some(Attributes::WorkflowExecutionTerminatedEventAttributes(end)) = &mut event.attributes else { return event };
    for payload in end.details.iter_mut().flat_map(|details| &mut details.payloads) {
        let text = String::from_utf8_lossy(&payload.data);
        if let Some((words, _)) = text.split_once("new runID: ") {
            payload.data = format!("{words}new runID: some run").into_bytes();
        }
    }
    event
}

/// Replaces names that differ from run to run by numbered placeholders, in the order of their appearance.
#[derive(Default)]
struct Names {
    seen: Vec<String>,
}

impl Names {
    fn clean(&mut self, value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut kept = Map::new();
                let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
                fields.sort_by(|a, b| a.0.cmp(&b.0));
                for (key, value) in fields {
                    // An object `version` is a worker's; the removed one is an event's.
                    let is_left_out = LEFT_OUT.contains(&key.as_str()) && !(key == "version" && value.is_object());
                    if is_left_out || is_by_the_clock(&key, &value) {
                        continue;
                    }
                    let value = match value {
                        _ if TIMES.contains(&key.as_str()) => "some time".into(),
                        Value::String(token) if TOKENS.contains(&key.as_str()) => self.name(token).into(),
                        other => self.clean(other),
                    };
                    let empty = value.as_object().is_some_and(Map::is_empty);
                    let zero = value == "0s" || value == Value::Bool(false) || value == "";
                    if !empty && !zero && !value.is_null() {
                        kept.insert(key, value);
                    }
                }
                Value::Object(kept)
            }
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.clean(item)).collect()),
            Value::String(text) => Value::String(self.stand_in(text)),
            other => other,
        }
    }

    /// Returns the placeholder of run ids and names made from this process's id, including words of a longer text.
    fn stand_in(&mut self, text: String) -> String {
        if text.contains(' ') {
            return text.split(' ').map(|word| self.stand_in(word.to_string())).collect::<Vec<_>>().join(" ");
        }
        let own = format!("-{}-", std::process::id());
        let is_uuid = text.len() == 36 && text.chars().filter(|c| *c == '-').count() == 4;
        let is_sticky = text.contains('@') && text.len() > 32;
        if !is_uuid && !is_sticky && !text.contains(&own) {
            return text;
        }
        self.name(text)
    }

    fn name(&mut self, text: String) -> String {
        if text.is_empty() {
            return text;
        }
        let number = self.seen.iter().position(|seen| *seen == text).unwrap_or_else(|| {
            self.seen.push(text);
            self.seen.len() - 1
        });
        format!("<name {number}>")
    }
}

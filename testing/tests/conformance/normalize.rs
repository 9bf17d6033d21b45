//! Histories without what no two runs share: ids, times, and what names the worker or the server's own doings.

use abide::History;
use abide_protos::temporal::api::history::v1::HistoryEvent;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use serde_json::{Map, Value};

/// Left out wherever they stand (server-made, or different for every run).
const LEFT_OUT: [&str; 10] = [
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
];

/// What matters is that they are there.
const TIMES: [&str; 2] = ["createTime", "expireTime"];

/// How long a run waits for its first workflow task.
const BACKOFFS: [&str; 2] = ["firstWorkflowTaskBackoff", "backoffStartInterval"];

/// One line for each event: what it says, with keys in order.
pub(crate) fn normalize(history: &History) -> Vec<String> {
    let events = history.events().iter().cloned().map(without_marker_times).map(without_next_run).collect();
    let history = History::from_events(events);
    let json: Value = serde_json::from_str(&history.to_json().expect("a history writes JSON")).expect("it is JSON");
    let events = json.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names = Names::default();
    events.into_iter().map(|event| names.clean(with_activity_version(event)).to_string()).collect()
}

/// The worker's version is compared where an activity has started: the other events of a real server tell it too.
fn with_activity_version(mut event: Value) -> Value {
    let started = event.get_mut("activityTaskStartedEventAttributes").and_then(Value::as_object_mut);
    if let Some(started) = started
        && let Some(version) = started.remove("workerVersion")
    {
        started.insert("activityWorkerVersion".into(), version);
    }
    event
}

/// Where a run ends that has lived for less than a second, a real server lets the next one wait for the rest of it: that
/// depends on its clock. What was asked for in seconds is compared.
fn is_by_the_clock(key: &str, value: &Value) -> bool {
    let seconds = || value.as_str()?.strip_suffix('s')?.parse::<f64>().ok();
    BACKOFFS.contains(&key) && seconds().is_some_and(|seconds| seconds < 1.0)
}

/// A local activity's marker says when it was scheduled and when it ended, inside a payload.
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

/// A run that was terminated for another one says which, inside a payload.
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

/// Replaces names that differ from run to run by what they stand for, in the order of their appearance.
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
                    // An object is the version of a worker; what is left out is the one of an event.
                    let is_left_out = LEFT_OUT.contains(&key.as_str()) && !(key == "version" && value.is_object());
                    if is_left_out || is_by_the_clock(&key, &value) {
                        continue;
                    }
                    let value = if TIMES.contains(&key.as_str()) { "some time".into() } else { self.clean(value) };
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

    /// Run ids, and names made from this process's id; also as words of a longer text.
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
        let number = self.seen.iter().position(|seen| *seen == text).unwrap_or_else(|| {
            self.seen.push(text);
            self.seen.len() - 1
        });
        format!("<name {number}>")
    }
}

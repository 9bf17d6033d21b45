//! The histories that `genhist` writes are those that a server records, and replay to their end.
//!
//! `recorded/` has what Temporal 1.32.0 recorded for the `worker` of this crate, with the Python SDK as the client.

use abide::History;
use abide_benches::histories::{
    children, fan_out, local_activities, local_activities_in_one_task, patches, seq_activities, seq_timers, signals,
    signals_in_one_task, small, updates,
};
use abide_benches::history_pages::HistoryPages;
use abide_benches::replaying::Replays;
use abide_protos::prost::Message;
use abide_protos::temporal::api::history::v1::{History as Events, HistoryEvent};
use serde_json::Value;

/// Keys whose values differ from run to run.
const BY_RUN: [&str; 14] = [
    "acceptedRequestMessageId",
    "buildId",
    "eventTime",
    "firstExecutionRunId",
    "historySizeBytes",
    "namespaceId",
    "originalExecutionRunId",
    "protocolInstanceId",
    "requestId",
    "runId",
    "taskId",
    "updateId",
    // Of the workflow itself; children's ids are in `workflowExecution` too, and of fixed names.
    "workflowId",
    // A list without order.
    "coreUsedFlags",
];

#[test]
fn every_history_has_the_events_and_fields_that_a_server_records() {
    let recorded = |text: &str| History::from_json(text).expect("a recorded history is JSON").remove(0).into_events();
    let cases = [
        (seq_activities(2), recorded(include_str!("recorded/seq_activities.json"))),
        (seq_timers(2), recorded(include_str!("recorded/seq_timers.json"))),
        (fan_out(3), recorded(include_str!("recorded/fan_out.json"))),
        (signals(2), recorded(include_str!("recorded/signals.json"))),
        (small(), recorded(include_str!("recorded/small.json"))),
        (local_activities(2), recorded(include_str!("recorded/local_activities.json"))),
        (local_activities_in_one_task(2), recorded(include_str!("recorded/local_activities_in_one_task.json"))),
        (updates(2), recorded(include_str!("recorded/updates.json"))),
        (children(2), recorded(include_str!("recorded/children.json"))),
        (patches(2), recorded(include_str!("recorded/patches.json"))),
    ];
    for (ours, recorded) in cases {
        assert_eq!(lines(ours.events), lines(recorded));
    }
}

#[test]
fn every_history_replays_to_its_end() {
    let replays = Replays::default();
    let histories = [
        seq_activities(100),
        seq_timers(100),
        fan_out(300),
        signals(100),
        signals_in_one_task(1_000),
        small(),
        local_activities(100),
        local_activities_in_one_task(100),
        updates(100),
        children(100),
        patches(100),
    ];
    for history in histories {
        let pages = HistoryPages::cut(&Events::encode_to_vec(&history)).expect("a whole history");
        assert_eq!(replays.replay(&pages), Ok(()), "{}", pages.workflow_id);
    }
}

/// Returns one line by event, without what differs from run to run.
fn lines(events: Vec<HistoryEvent>) -> Vec<String> {
    let json = History::from_events(events).to_json().expect("a history writes JSON");
    let mut json: Value = serde_json::from_str(&json).expect("it is JSON");
    let events = json["events"].as_array_mut().expect("a history is a list of events");
    events.iter_mut().for_each(mask);
    events.iter().map(Value::to_string).collect()
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_sticky = fields.contains_key("normalName");
            for (key, value) in fields {
                match key.as_str() {
                    "name" if is_sticky => *value = "a sticky queue".into(),
                    // A marker's bookkeeping, which holds times. Payloads have a text of this name.
                    "data" if value.is_object() => *value = "masked".into(),
                    key if BY_RUN.contains(&key) && (value.is_string() || value.is_array()) => *value = "masked".into(),
                    _ => mask(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

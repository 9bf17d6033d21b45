//! Files from which a history is read, and its printed form.

use std::path::{Path, PathBuf};
use std::slice::from_ref;

use expect_test::{Expect, expect};

use super::*;
use crate::replay::text::{event_line, parse_history};

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories").join(name)
}

fn one(path: &Path) -> History {
    let mut histories = History::load(path).unwrap();
    assert_eq!(histories.len(), 1, "{}", path.display());
    histories.remove(0)
}

fn from_text(text: &str) -> History {
    History::from_events(parse_history(text).unwrap())
}

fn refused(read: Result<Vec<History>, HistoryError>, expected: Expect) {
    expected.assert_eq(&read.unwrap_err().to_string());
}

#[test]
fn a_recorded_order_of_events_is_printed_for_people() {
    expect![[r#"
        FailsOnActivity, workflow id fails_on_activity, run id 01a20709-c206-7a78-bf05-4dc5843e0263, started 2026-11-23T06:13:29.734687973Z, 11 events
           1  +0.000s  WorkflowExecutionStarted(FailsOnActivity)
                         - queue: fails_on_activity
           2  +0.000s  WorkflowTaskScheduled
           3  +0.014s  WorkflowTaskStarted
           4  +0.022s  WorkflowTaskCompleted
                         - Commands: [ActivityTaskScheduled(fail)]
           5  +0.022s  ActivityTaskScheduled(fail)
                         - id: 1, input: "uncaught", start_to_close: 10s
           6  +0.022s  ActivityTaskStarted(fail)
                         - scheduled: 5
           7  +0.042s  ActivityTaskFailed(fail)
                         - scheduled: 5, retry_state: NonRetryableFailure, failure: uncaught (TestFailure)
           8  +0.043s  WorkflowTaskScheduled
           9  +0.048s  WorkflowTaskStarted
          10  +0.056s  WorkflowTaskCompleted
                         - Commands: [WorkflowExecutionFailed]
          11  +0.057s  WorkflowExecutionFailed
                         - retry_state: RetryPolicyNotSet
                         - failure: activity fail (id 1): Activity task failed: uncaught (TestFailure)
    "#]].assert_eq(&one(&recorded("fails_on_activity.json")).to_string());
}

#[test]
fn messages_timers_and_children_are_printed_with_what_matters() {
    let history = from_text(
        "1 WorkflowExecutionStarted type=order input={\"items\":[\"book\"]} id=order-1 cron=\"@daily\"
         2 WorkflowExecutionSignaled name=hurry input=\"now\"
         3 WorkflowTaskScheduled
         4 WorkflowTaskStarted at=2s
         5 WorkflowTaskFailed cause=NonDeterministicError message=\"does not fit\"
         6 WorkflowTaskScheduled attempt=2
         7 WorkflowTaskStarted at=61s
         8 WorkflowTaskCompleted
         9 TimerStarted after=5s
         10 ActivityTaskScheduled type=charge start_to_close=5s input=1,<70000 bytes> queue=elsewhere retry.maximum_attempts=3
         11 StartChildWorkflowExecutionInitiated id=child-7 type=ship
         12 WorkflowExecutionUpdateAccepted update=u1 name=add args=1
         13 WorkflowExecutionUpdateCompleted message=\"too many\" type=Limit
         14 ActivityTaskStarted attempt=3 last_failure.message=boom
         15 ActivityTaskFailed message=\"card refused\" type=Refused cause=\"no money\"
         16 TimerFired
         17 ChildWorkflowExecutionStarted at=2h
         18 UnknownEvent(99) worker_may_ignore=true
         19 WorkflowTaskScheduled
         20 WorkflowTaskTimedOut
         21 WorkflowExecutionTerminated reason=\"enough of it\"",
    );
    expect![[r#"
        order, workflow id order-1, run id 01234567-89ab-4def-8123-456789abcdef, started 2026-01-01T00:00:00Z, 21 events
           1        +0.000s  WorkflowExecutionStarted(order)
                               - queue: queue, input: {"items":["book"]}, cron: @daily
           2        +0.001s  WorkflowExecutionSignaled(hurry)
                               - input: "now"
           3        +0.002s  WorkflowTaskScheduled
           4        +2.000s  WorkflowTaskStarted
           5        +2.001s  WorkflowTaskFailed
                               - cause: NonDeterministicError, failure: does not fit
           6        +2.002s  WorkflowTaskScheduled
                               - attempt: 2
           7     +1m01.000s  WorkflowTaskStarted
           8     +1m01.001s  WorkflowTaskCompleted
                               - Commands: [TimerStarted(1), ActivityTaskScheduled(charge), StartChildWorkflowExecutionInitiated(ship)]
           9     +1m01.002s  TimerStarted(1)
                               - after: 5s
          10     +1m01.003s  ActivityTaskScheduled(charge)
                               - id: 1, queue: elsewhere, input: 1,<70000 bytes>, start_to_close: 5s, retry: maximum_attempts 3
          11     +1m01.004s  StartChildWorkflowExecutionInitiated(ship)
                               - id: child-7
          12     +1m01.005s  WorkflowExecutionUpdateAccepted(add)
                               - args: 1
          13     +1m01.006s  WorkflowExecutionUpdateCompleted(add)
                               - accepted: 12, failure: too many (Limit)
          14     +1m01.007s  ActivityTaskStarted(charge)
                               - scheduled: 10, attempt: 3, last failure: boom
          15     +1m01.008s  ActivityTaskFailed(charge)
                               - scheduled: 10, retry_state: NonRetryableFailure, failure: card refused (Refused): no money
          16     +1m01.009s  TimerFired(1)
          17  +2h00m00.000s  ChildWorkflowExecutionStarted(ship)
                               - initiated: 11, workflow: child-7/run-of-child-7
          18  +2h00m00.001s  UnknownEvent(99)
                               - not known to this version; workers may ignore it
          19  +2h00m00.002s  WorkflowTaskScheduled
          20  +2h00m00.003s  WorkflowTaskTimedOut
                               - timeout: StartToClose
          21  +2h00m00.004s  WorkflowExecutionTerminated
                               - reason: "enough of it"
    "#]].assert_eq(&history.to_string());
    expect!["History(order, workflow id order-1, run id 01234567-89ab-4def-8123-456789abcdef, started 2026-01-01T00:00:00Z, 21 events)"].assert_eq(&format!("{history:?}"));
}

#[test]
fn long_payloads_are_cut() {
    let printed = one(&recorded("large_payload.json")).to_string();
    let result = printed.lines().find(|line| line.contains("result:")).unwrap().trim();
    expect![[r#"- result: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.. (100002 bytes)"#]].assert_eq(result);
}

#[test]
fn a_written_history_reads_back_as_the_same_history() {
    let history = one(&recorded("activity_outcomes.json"));
    assert_eq!(history.workflow_type(), Some("ActivityOutcomes"));
    assert_eq!(history.len(), 35);
    assert_eq!(History::from_json(history.to_json().unwrap()).unwrap(), from_ref(&history));
    assert_eq!(History::from_binary(&history.to_binary()).unwrap(), from_ref(&history));
    let list = format!("[{0}, {0}]", history.to_json().unwrap());
    assert_eq!(History::from_json(list).unwrap(), [history.clone(), history]);
}

#[test]
fn a_run_can_be_named_where_its_events_do_not() {
    let history = from_text("1 WorkflowExecutionStarted type=order id=\"\" original_execution_run_id=\"\"");
    assert_eq!((history.workflow_id(), history.run_id()), (None, None));
    let history = history.with_execution("order-1", "run-1");
    assert_eq!((history.workflow_id(), history.run_id()), (Some("order-1"), Some("run-1")));
}

#[test]
fn several_protobuf_histories_stand_one_after_another() {
    use abide_protos::prost::Message;
    let history = from_text("1 WorkflowExecutionStarted\n2 WorkflowTaskScheduled");
    let proto = abide_protos::temporal::api::history::v1::History { events: history.events().to_vec() };
    let bytes = proto.encode_length_delimited_to_vec().repeat(3);
    assert_eq!(History::from_binary(&bytes).unwrap(), [history.clone(), history.clone(), history]);
}

#[test]
fn old_enum_names_are_read_in_nested_messages_too() {
    let old = r#"{"events": [
        {"eventId": "1", "eventType": "WorkflowExecutionStarted", "aFieldOfTomorrow": {"x": [1]},
         "workflowExecutionStartedEventAttributes": {"taskQueue": {"name": "q", "kind": "Sticky"}, "initiator": "CronSchedule",
            "continuedFailure": {"message": "late", "timeoutFailureInfo": {"timeoutType": "StartToClose"}}}},
        {"eventId": 2, "eventType": "ActivityTaskFailed", "activityTaskFailedEventAttributes": {"retryState": "MaximumAttemptsReached"}},
        {"eventId": 3, "eventType": "SomethingOfTomorrow", "workerMayIgnore": true},
        {"eventId": 4, "eventType": 4711, "workerMayIgnore": true}]}"#;
    let history = History::from_json(old).unwrap().remove(0);
    let lines: Vec<String> = history.events().iter().map(event_line).collect();
    expect![[r#"
        1 WorkflowExecutionStarted queue=q initiator=CronSchedule continued_failure.message=late continued_failure.timeout=StartToClose
        2 ActivityTaskFailed retry_state=MaximumAttemptsReached
        3 UnknownEvent(0) worker_may_ignore=true
        4 UnknownEvent(4711) worker_may_ignore=true"#]].assert_eq(&lines.join("\n"));
    assert_eq!(History::from_json(history.to_json().unwrap()).unwrap(), [history]);
}

#[test]
fn broken_json_is_refused_with_its_place() {
    refused(
        History::from_json("{\n  \"events\": [,]\n}"),
        expect!["line 2, column 14: this is not JSON: expected value"],
    );
    refused(
        History::from_json("{\"event\": []}"),
        expect![
            "line 1, column 1: expected a history (an object with a list `events`, as `temporal workflow show --output json` writes it), found an object without it"
        ],
    );
    refused(History::from_json("[]x"), expect!["line 1, column 3: this is not JSON: trailing characters"]);
    refused(
        History::from_json("{\"events\": []}"),
        expect!["line 1, column 1: expected a history, found one without events"],
    );
    let first = "{\"eventId\": 1, \"eventType\": \"WorkflowExecutionStarted\"}";
    let wrong = "{\"eventId\": 2, \"timerStartedEventAttributes\": {\"startToFireTimeout\": \"soon\"}}";
    refused(
        History::from_json(format!("[{{\"events\": [{first}]}},\n{{\"events\": [\n  {first},\n  {wrong}]}}]")),
        expect![
            "line 4, column 3: history 2 of the list: event 2: timerStartedEventAttributes.startToFireTimeout: failed to parse duration"
        ],
    );
    refused(
        History::from_json("[]"),
        expect!["line 1, column 1: expected a history, found an empty list: export it again"],
    );
}

#[test]
fn a_file_is_named() {
    let error = History::load(recorded("no-such-file.json")).unwrap_err();
    assert_eq!(error.path(), Some(recorded("no-such-file.json").as_path()));
    let text = error.to_string();
    assert!(text.contains("no-such-file.json: the file could not be read: "), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.json");
    std::fs::write(&file, "{\n\"events\": 1}").unwrap();
    let error = History::load(&file).unwrap_err();
    assert_eq!((error.path(), error.position()), (Some(file.as_path()), Some((1, 1))));
}

#[test]
fn missing_events_are_named() {
    let read = |text: &str| History::from_binary(&from_text(text).to_binary());
    refused(
        read("1 WorkflowExecutionStarted\n5 WorkflowTaskScheduled"),
        expect!["events 2 to 4 are missing: event 5 WorkflowTaskScheduled follows event 1"],
    );
    refused(
        read("2 WorkflowTaskScheduled"),
        expect!["event 1 is missing: the history begins with event 2 WorkflowTaskScheduled"],
    );
    refused(
        read("1 WorkflowExecutionStarted\n2 WorkflowTaskScheduled\n2 WorkflowTaskStarted"),
        expect!["expected event 3, found event 2 WorkflowTaskStarted after event 2"],
    );
}

#[test]
fn broken_protobuf_is_refused_with_its_place() {
    let sound = from_text("1 WorkflowExecutionStarted\n2 WorkflowTaskScheduled").to_binary();
    refused(
        History::from_binary(&sound[..sound.len() - 5]),
        expect!["event 2 at byte 123: expected 33 bytes, found 28: the file is cut off, or is not a history"],
    );
    refused(
        History::from_binary(b"hello, this is text"),
        expect!["expected 104 bytes, found 18: the file is cut off, or is not a history"],
    );
    refused(History::from_binary(b""), expect!["expected a history, found an empty file"]);
    let mut wrong = sound;
    wrong[2] = 0x07;
    refused(
        History::from_binary(&wrong),
        expect!["event 1 at byte 0 cannot be decoded: failed to decode Protobuf message: invalid wire type value: 7"],
    );
}

/// Every available file of every SDK loads, its JSON form is the same history, and it can be printed.
#[test]
fn histories_of_all_sdks_load() {
    let mut folders = vec![recorded("")];
    match std::env::var_os("ABIDE_HISTORIES") {
        Some(root) => folders.extend(
            ["core", "features", "go", "python", "python-1.35", "typescript"].map(|name| Path::new(&root).join(name)),
        ),
        None => println!("ABIDE_HISTORIES is not set: histories of other SDKs were not read"),
    }
    let mut count = 0;
    for folder in folders {
        for file in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = file.unwrap().path();
            let is_history = path.extension().is_some_and(|extension| extension == "json" || extension == "bin");
            // This file is not a history: it describes the local activities of the .bin file of that name.
            if !is_history || path.ends_with("core/la_replay_without_activation_index.json") {
                continue;
            }
            for history in History::load(&path).unwrap() {
                assert!(history.workflow_type().is_some(), "{}", path.display());
                assert_eq!(
                    History::from_json(history.to_json().unwrap()).unwrap(),
                    from_ref(&history),
                    "{}",
                    path.display()
                );
                let printed = history.to_string();
                assert!(printed.lines().count() > history.len(), "{}: {printed}", path.display());
                count += 1;
            }
        }
    }
    assert!(count >= 20, "{count}");
}

/// Returns a history whose run failed with a chain of this many failures, as the CLI prints it.
fn failed_with(failures: usize) -> String {
    let mut chain = String::new();
    for number in 1..failures {
        chain += &format!("{{\"message\": \"error {number}\", \"cause\": ");
    }
    chain += &format!(
        "{{\"message\": \"error {failures}\", \"timeoutFailureInfo\": {{\"timeoutType\": \"StartToClose\"}}}}"
    );
    chain += &"}".repeat(failures - 1);
    let event = |id: u32, name: &str, attributes: &str| {
        format!("{{\"eventId\": \"{id}\", \"eventType\": \"{name}\", {attributes}}}")
    };
    let started = r#""workflowExecutionStartedEventAttributes": {"workflowType": {"name": "wf"}}"#;
    let failed = format!("\"workflowExecutionFailedEventAttributes\": {{\"failure\": {chain}}}");
    let events = [event(1, "WorkflowExecutionStarted", started), event(2, "WorkflowExecutionFailed", &failed)];
    format!("{{\"events\": [\n{},\n{}\n]}}", events[0], events[1])
}

fn failures_of(history: &History) -> Vec<String> {
    use abide_protos::temporal::api::history::v1::history_event::Attributes;
    let Some(Attributes::WorkflowExecutionFailedEventAttributes(failed)) = &history.events[1].attributes else {
        panic!("{history}")
    };
    let chain = std::iter::successors(failed.failure.as_ref(), |failure| failure.cause.as_deref());
    chain.map(|failure| failure.message.clone()).collect()
}

#[test]
fn a_failure_with_any_number_of_causes_is_read_from_json() {
    for failures in (1..160).chain([1_001, 10_000, 200_000]) {
        let histories = History::from_json(failed_with(failures)).unwrap_or_else(|error| panic!("{failures}: {error}"));
        let found = failures_of(&histories[0]);
        assert_eq!(found[0], "error 1");
        assert_eq!(found.last().unwrap(), &format!("error {failures}"), "the root of the chain");
        if found.len() < failures {
            assert_eq!(found[49..51], ["error 50".to_string(), format!("{} causes are left out here", failures - 51)]);
        }
        // A history that was read can be written and read again.
        let json = histories[0].to_json().unwrap_or_else(|error| panic!("{failures}: {error}"));
        assert_eq!(History::from_json(json).unwrap(), histories);
        assert_eq!(History::from_binary(&histories[0].to_binary()).unwrap(), histories);
    }
}

#[test]
fn json_that_nests_too_deep_elsewhere_is_refused_with_a_sentence() {
    refused(
        History::from_json("[".repeat(1_000_000) + &"]".repeat(1_000_000)),
        expect![
            "expected a history, found JSON that nests 1000000 levels deep: in a history only the causes of failures nest deeper than 127 levels"
        ],
    );
    let details = format!("\"details\": {}1{}, \"message\": \"error 1\"", "[".repeat(300), "]".repeat(300));
    refused(
        History::from_json(failed_with(1_000).replacen("\"message\": \"error 1\"", &details, 1)),
        expect![
            "expected a history, found JSON that nests 305 levels deep: in a history only the causes of failures nest deeper than 127 levels"
        ],
    );
    refused(
        History::from_json("[".repeat(1_000_000)),
        expect!["line 1, column 1000000: this is not JSON: EOF while parsing a list"],
    );
    refused(
        History::from_json(failed_with(1_000).replace("\"eventId\": \"2\"", "\"eventId\": 2.x")),
        expect!["line 3, column 15: this is not JSON: invalid number"],
    );
    refused(
        History::from_json(failed_with(1_000).replace("\"eventId\": \"2\"", "\"eventId\": true")),
        expect![
            "line 3, column 1: event 2: eventId: invalid type: boolean, expected a 64-bit signed integer or decimal string"
        ],
    );
}

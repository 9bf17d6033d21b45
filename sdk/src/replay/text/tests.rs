//! Histories and commands as text: both directions, and the errors for broken text.

use std::time::Duration;

use expect_test::{Expect, expect};

use abide_protos::fields::MessageBuilder;
use abide_protos::temporal::api::enums::v1::EventType;

use super::*;
use crate::history::payload_text;

fn printed(text: &str) -> String {
    match parse_history(text) {
        Ok(events) => events.iter().map(event_line).collect::<Vec<_>>().join("\n"),
        Err(error) => error,
    }
}

fn check(text: &str, expected: Expect) {
    let first = printed(text);
    expected.assert_eq(&first);
    let times = |text| {
        parse_history(text)
            .unwrap()
            .into_iter()
            .map(|mut event| {
                event.event_time = None;
                event
            })
            .collect::<Vec<_>>()
    };
    // The printed text is a history again, and the same one.
    assert_eq!(times(text), times(&first));
}

#[test]
fn lines_are_wired_to_the_events_they_mean() {
    let text = "
        # a comment
        1 WorkflowExecutionStarted type=order input=7,\"two words\",{\"a\": [1, 2]}
        2 WorkflowTaskScheduled
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 ActivityTaskScheduled id=1 type=charge start_to_close=5s retry.maximum_attempts=3
        6 ActivityTaskScheduled type=ship
        7 TimerStarted after=20ms
        8 ActivityTaskStarted
        9 ActivityTaskStarted attempt=2 last_failure.message=boom
        10 ActivityTaskCompleted id=2 result=\"ok\"
        11 ActivityTaskFailed message=\"card refused\" type=Refused cause=\"no money\" cause.type=Poor
        12 TimerFired
        13 WorkflowTaskScheduled
        14 WorkflowTaskStarted
        15 WorkflowTaskCompleted lang=2 sdk=temporal-python
        16 WorkflowExecutionCompleted result=null";
    check(
        text,
        expect![[r#"
            1 WorkflowExecutionStarted type=order queue=queue input=7,"two words",{"a": [1, 2]} workflow_task=10s original_execution_run_id=01234567-89ab-4def-8123-456789abcdef first_execution_run_id=01234567-89ab-4def-8123-456789abcdef attempt=1 id=wf-id
            2 WorkflowTaskScheduled queue=queue start_to_close=10s attempt=1
            3 WorkflowTaskStarted scheduled=2
            4 WorkflowTaskCompleted scheduled=2 started=3 flags=1,2,3,4
            5 ActivityTaskScheduled id=1 type=charge queue=queue start_to_close=5s task=4 retry.maximum_attempts=3
            6 ActivityTaskScheduled id=2 type=ship queue=queue task=4
            7 TimerStarted id=1 after=20ms task=4
            8 ActivityTaskStarted scheduled=5
            9 ActivityTaskStarted scheduled=6 attempt=2 last_failure.message=boom
            10 ActivityTaskCompleted result="ok" scheduled=6 started=9
            11 ActivityTaskFailed message="card refused" type=Refused cause="no money" cause.type=Poor scheduled=5 started=8 retry_state=NonRetryableFailure
            12 TimerFired id=1 started=7
            13 WorkflowTaskScheduled queue=queue start_to_close=10s attempt=1
            14 WorkflowTaskStarted scheduled=13
            15 WorkflowTaskCompleted scheduled=13 started=14 lang=2 sdk=temporal-python flags=none
            16 WorkflowExecutionCompleted result=null task=15"#]],
    );
}

#[test]
fn workflow_tasks_fail_and_time_out() {
    let text = "
        1 WorkflowExecutionStarted
        2 WorkflowTaskScheduled
        3 WorkflowTaskStarted
        4 WorkflowTaskFailed cause=NonDeterministicError message=\"does not fit\"
        5 WorkflowTaskScheduled attempt=2
        6 WorkflowTaskStarted
        7 WorkflowTaskTimedOut
        8 WorkflowTaskScheduled
        9 WorkflowTaskStarted
        10 WorkflowTaskCompleted flags=1,3";
    check(
        text,
        expect![[r#"
        1 WorkflowExecutionStarted type=wf queue=queue workflow_task=10s original_execution_run_id=01234567-89ab-4def-8123-456789abcdef first_execution_run_id=01234567-89ab-4def-8123-456789abcdef attempt=1 id=wf-id
        2 WorkflowTaskScheduled queue=queue start_to_close=10s attempt=1
        3 WorkflowTaskStarted scheduled=2
        4 WorkflowTaskFailed scheduled=2 started=3 cause=NonDeterministicError message="does not fit"
        5 WorkflowTaskScheduled queue=queue start_to_close=10s attempt=2
        6 WorkflowTaskStarted scheduled=5
        7 WorkflowTaskTimedOut scheduled=5 started=6 timeout=StartToClose
        8 WorkflowTaskScheduled queue=queue start_to_close=10s attempt=1
        9 WorkflowTaskStarted scheduled=8
        10 WorkflowTaskCompleted scheduled=8 started=9 flags=1,3"#]],
    );
}

#[test]
fn activities_and_timers_end_in_every_way() {
    let text = "
        4 WorkflowTaskCompleted flags=none
        5 ActivityTaskScheduled
        6 ActivityTaskScheduled
        7 TimerStarted
        8 TimerStarted
        9 ActivityTaskCancelRequested
        10 ActivityTaskCanceled
        11 ActivityTaskTimedOut timeout=ScheduleToClose message=late cause=\"last error\"
        12 TimerCanceled id=2
        13 TimerFired";
    check(
        text,
        expect![[r#"
            4 WorkflowTaskCompleted flags=none
            5 ActivityTaskScheduled id=1 type=act queue=queue task=4
            6 ActivityTaskScheduled id=2 type=act queue=queue task=4
            7 TimerStarted id=1 after=1s task=4
            8 TimerStarted id=2 after=1s task=4
            9 ActivityTaskCancelRequested scheduled=5 task=4
            10 ActivityTaskCanceled latest_cancel_requested=9 scheduled=5
            11 ActivityTaskTimedOut message=late timeout=ScheduleToClose cause="last error" scheduled=6 retry_state=Timeout
            12 TimerCanceled id=2 started=8 task=4
            13 TimerFired id=1 started=7"#]],
    );
}

#[test]
fn children_and_other_workflows() {
    let text = "
        5 StartChildWorkflowExecutionInitiated id=child type=greet input=1
        6 StartChildWorkflowExecutionInitiated
        7 ChildWorkflowExecutionStarted
        8 StartChildWorkflowExecutionFailed
        9 ChildWorkflowExecutionFailed message=boom type=Broken
        10 StartChildWorkflowExecutionInitiated id=late
        11 ChildWorkflowExecutionStarted
        12 ChildWorkflowExecutionCompleted result=\"hi\"
        13 SignalExternalWorkflowExecutionInitiated workflow=other name=poke input=1
        14 RequestCancelExternalWorkflowExecutionInitiated workflow=other/run-1 reason=\"had enough\"
        15 ExternalWorkflowExecutionSignaled
        16 RequestCancelExternalWorkflowExecutionFailed";
    check(
        text,
        expect![[r#"
        5 StartChildWorkflowExecutionInitiated id=child type=greet queue=queue input=1
        6 StartChildWorkflowExecutionInitiated id=child-2 type=child queue=queue
        7 ChildWorkflowExecutionStarted initiated=5 workflow=child/run-of-child type=greet
        8 StartChildWorkflowExecutionFailed id=child type=greet cause=WorkflowAlreadyExists initiated=5
        9 ChildWorkflowExecutionFailed message=boom type=Broken workflow=child-2/run-of-child-2 workflow_type=child initiated=6
        10 StartChildWorkflowExecutionInitiated id=late type=child queue=queue
        11 ChildWorkflowExecutionStarted initiated=10 workflow=late/run-of-late type=child
        12 ChildWorkflowExecutionCompleted result="hi" workflow=late/run-of-late type=child initiated=10 started=11
        13 SignalExternalWorkflowExecutionInitiated workflow=other name=poke input=1
        14 RequestCancelExternalWorkflowExecutionInitiated workflow=other/run-1 reason="had enough"
        15 ExternalWorkflowExecutionSignaled initiated=13 workflow=other
        16 RequestCancelExternalWorkflowExecutionFailed cause=ExternalWorkflowExecutionNotFound workflow=other/run-1 initiated=14"#]],
    );
}

#[test]
fn nexus_operations_end_in_every_way() {
    let text = "
        5 NexusOperationScheduled endpoint=shop service=orders operation=pay input=1
        6 NexusOperationScheduled
        7 NexusOperationScheduled operation=other
        8 NexusOperationStarted
        9 NexusOperationCancelRequested
        10 NexusOperationCancelRequestCompleted
        11 NexusOperationCanceled
        12 NexusOperationFailed cause=\"no money\" cause.type=Poor
        13 NexusOperationCancelRequested
        14 NexusOperationCancelRequestFailed message=\"no such operation\"
        15 NexusOperationTimedOut
        16 NexusOperationScheduled
        17 NexusOperationCompleted result=\"paid\"";
    check(
        text,
        expect![[r#"
        5 NexusOperationScheduled endpoint=shop service=orders operation=pay input=1
        6 NexusOperationScheduled endpoint=endpoint service=service operation=operation
        7 NexusOperationScheduled endpoint=endpoint service=service operation=other
        8 NexusOperationStarted scheduled=5 operation_token=token
        9 NexusOperationCancelRequested scheduled=5
        10 NexusOperationCancelRequestCompleted worker_may_ignore=true requested=9 scheduled=5
        11 NexusOperationCanceled scheduled=5 message="nexus operation completed unsuccessfully" nexus.scheduled_event_id=5 nexus.endpoint=shop nexus.service=orders nexus.operation=pay cause="operation canceled" cause.cancelled=true
        12 NexusOperationFailed scheduled=6 message="nexus operation completed unsuccessfully" nexus.scheduled_event_id=6 nexus.endpoint=endpoint nexus.service=service nexus.operation=operation cause="no money" cause.type=Poor
        13 NexusOperationCancelRequested scheduled=7
        14 NexusOperationCancelRequestFailed worker_may_ignore=true requested=13 message="no such operation" scheduled=7
        15 NexusOperationTimedOut scheduled=7 message="nexus operation completed unsuccessfully" nexus.scheduled_event_id=7 nexus.endpoint=endpoint nexus.service=service nexus.operation=other cause="operation timed out" cause.timeout=ScheduleToClose
        16 NexusOperationScheduled endpoint=endpoint service=service operation=operation
        17 NexusOperationCompleted scheduled=16 result="paid""#]],
    );
}

#[test]
fn messages_updates_and_closings() {
    let text = "
        2 WorkflowTaskScheduled
        3 WorkflowTaskStarted
        4 WorkflowTaskCompleted
        5 WorkflowExecutionSignaled name=poke input={\"n\":1}
        6 WorkflowExecutionCancelRequested cause=\"had enough\"
        7 WorkflowExecutionUpdateAccepted update=u1 name=add args=1,2
        8 WorkflowExecutionUpdateCompleted result=3
        9 WorkflowExecutionUpdateAdmitted update=u2 name=add args=5
        10 WorkflowExecutionUpdateAccepted update=u2
        11 WorkflowExecutionUpdateCompleted update=u2 message=\"too many\" type=Limit
        12 MarkerRecorded name=core_patch details.patch-data={\"id\":\"p\",\"deprecated\":false}
        13 UpsertWorkflowSearchAttributes search_attributes.TemporalChangeVersion=[\"p\"]
        14 WorkflowExecutionPaused reason=lunch
        15 WorkflowExecutionOptionsUpdated
        16 UnknownEvent(999) worker_may_ignore=true
        17 WorkflowExecutionContinuedAsNew type=next input=1";
    check(
        text,
        expect![[r#"
        2 WorkflowTaskScheduled queue=queue start_to_close=10s attempt=1
        3 WorkflowTaskStarted scheduled=2
        4 WorkflowTaskCompleted scheduled=2 started=3 flags=1,2,3,4
        5 WorkflowExecutionSignaled name=poke input={"n":1}
        6 WorkflowExecutionCancelRequested cause="had enough"
        7 WorkflowExecutionUpdateAccepted update=u1 request=u1/request sequencing=2 accepted_request.meta.update_id=u1 name=add args=1,2
        8 WorkflowExecutionUpdateCompleted update=u1 result=3 accepted=7
        9 WorkflowExecutionUpdateAdmitted update=u2 name=add args=5
        10 WorkflowExecutionUpdateAccepted update=u2 request=u2/request sequencing=9
        11 WorkflowExecutionUpdateCompleted update=u2 message="too many" type=Limit accepted=10
        12 MarkerRecorded name=core_patch details.patch-data={"id":"p","deprecated":false} task=4
        13 UpsertWorkflowSearchAttributes task=4 search_attributes.TemporalChangeVersion=["p"]
        14 WorkflowExecutionPaused worker_may_ignore=true reason=lunch
        15 WorkflowExecutionOptionsUpdated worker_may_ignore=true
        16 UnknownEvent(999) worker_may_ignore=true
        17 WorkflowExecutionContinuedAsNew new_execution_run_id=next-run type=next queue=queue input=1 task=4"#]],
    );
}

#[test]
fn every_event_type_can_be_written() {
    for number in 1..200 {
        let name = event_type_name(number);
        if name.starts_with("UnknownEvent") {
            continue;
        }
        assert_eq!(EventType::try_from(number).map(|known| event_type_name(known as i32)), Ok(name.clone()));
        let field = attributes_field(&name);
        assert!(MessageBuilder::new::<HistoryEvent>().knows(&field), "HistoryEvent has no field {field}");
    }
}

#[test]
fn times_go_on_from_what_is_stated() {
    let events =
        parse_history("1 WorkflowExecutionStarted\n2 WorkflowTaskScheduled at=5s\n3 WorkflowTaskStarted").unwrap();
    let after = |event: &HistoryEvent| {
        let time = event.event_time.unwrap();
        Duration::new((time.seconds - FIRST_SECOND) as u64, time.nanos as u32)
    };
    let times: Vec<Duration> = events.iter().map(after).collect();
    assert_eq!(times, [Duration::ZERO, Duration::from_secs(5), Duration::from_millis(5001)]);
}

#[test]
fn bad_text_is_refused_with_its_line() {
    let refused = |text: &str| parse_history(text).unwrap_err();
    expect![[r#"
        line 3: expected an event id first, found `five`
          five TimerStarted
        line 1: `TimerBegan` is not an event type; expected a name such as ActivityTaskScheduled, or UnknownEvent(99)
          1 TimerBegan
        line 1: expected key=value, found `after`
          1 TimerStarted after
        line 1: after: `soon` is no duration; write 5s, 1.5s, 20ms, 3m, 2h or 1d
          1 TimerStarted after=soon
        line 1: no field `colour` in TimerStartedEventAttributes; it has: timer_id, start_to_fire_timeout, workflow_task_completed_event_id
          1 TimerStarted colour=red
        line 1: no earlier event that this one could belong to; name it with started=EVENT_ID
          1 TimerFired
        line 1: a quote or a bracket is not closed on this line
          1 ActivityTaskScheduled input="no end
        line 1: input: `hello` is not JSON; a payload is written as JSON, texts in quotes
          1 ActivityTaskScheduled input=hello
        line 1: timeout: `Tuesday` is no TimeoutType; expected one of Unspecified, StartToClose, ScheduleToStart, ScheduleToClose, Heartbeat
          1 WorkflowTaskTimedOut timeout=Tuesday"#]].assert_eq(
        &[
            "\n\nfive TimerStarted",
            "1 TimerBegan",
            "1 TimerStarted after",
            "1 TimerStarted after=soon",
            "1 TimerStarted colour=red",
            "1 TimerFired",
            "1 ActivityTaskScheduled input=\"no end",
            "1 ActivityTaskScheduled input=hello",
            "1 WorkflowTaskTimedOut timeout=Tuesday",
        ]
        .map(refused)
        .join("\n"),
    );
}

#[test]
fn payload_bytes_are_kept_as_written() {
    let events = parse_history("1 WorkflowExecutionStarted input={\"b\": 1, \"a\": 2},<3 bytes>,null").unwrap();
    let Some(
        abide_protos::temporal::api::history::v1::history_event::Attributes::WorkflowExecutionStartedEventAttributes(
            started,
        ),
    ) = &events[0].attributes
    else {
        panic!("{events:?}")
    };
    let payloads = &started.input.as_ref().unwrap().payloads;
    let texts: Vec<String> = payloads.iter().map(|payload| payload_text(payload, 100)).collect();
    assert_eq!(texts, ["{\"b\": 1, \"a\": 2}", "<3 bytes>", "null"]);
}

/// Builds a command from its fields, so that these specs need no structs.
fn command(name: &str, fields: &[(&str, &str)]) -> String {
    let mut builder = MessageBuilder::new::<Command>();
    builder.set("command_type", name).unwrap();
    for (path, text) in fields {
        builder.set(path, text).unwrap();
    }
    command_line(&builder.finish().unwrap())
}

#[test]
fn commands_are_lines() {
    let activity = |field: &str| format!("schedule_activity_task_command_attributes.{field}");
    let scheduled = [
        ("activity_id", "2"),
        ("activity_type", "ship"),
        ("input", "1,{\"a\": 2}"),
        ("start_to_close_timeout", "5s"),
        ("task_queue", "queue"),
        ("retry_policy.backoff_coefficient", "1"),
        ("header", "{}"),
        ("priority", "{}"),
        ("use_workflow_build_id", "true"),
    ]
    .map(|(path, text)| (activity(path), text));
    let scheduled: Vec<(&str, &str)> = scheduled.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let lines = [
        command(
            "StartTimer",
            &[
                ("start_timer_command_attributes.timer_id", "1"),
                ("start_timer_command_attributes.start_to_fire_timeout", "300s"),
            ],
        ),
        command("ScheduleActivityTask", &scheduled),
        command("ScheduleActivityTask", &[("schedule_activity_task_command_attributes.task_queue", "other")]),
        command(
            "RequestCancelActivityTask",
            &[("request_cancel_activity_task_command_attributes.scheduled_event_id", "5")],
        ),
        command("CancelTimer", &[("cancel_timer_command_attributes.timer_id", "1")]),
        command("CompleteWorkflowExecution", &[("complete_workflow_execution_command_attributes.result", "\"done\"")]),
        command("CompleteWorkflowExecution", &[("complete_workflow_execution_command_attributes", "{}")]),
        command(
            "FailWorkflowExecution",
            &[
                ("fail_workflow_execution_command_attributes.failure.message", "\"Activity task failed\""),
                ("fail_workflow_execution_command_attributes.failure.activity_failure_info.activity_type", "ship"),
                ("fail_workflow_execution_command_attributes.failure.cause.message", "boom"),
                ("fail_workflow_execution_command_attributes.failure.cause.application_failure_info.type", "Broken"),
            ],
        ),
        command("CancelWorkflowExecution", &[("cancel_workflow_execution_command_attributes", "{}")]),
        command(
            "ContinueAsNewWorkflowExecution",
            &[
                ("continue_as_new_workflow_execution_command_attributes.workflow_type", "next"),
                ("continue_as_new_workflow_execution_command_attributes.input", "3"),
                ("continue_as_new_workflow_execution_command_attributes.task_queue", "queue"),
            ],
        ),
    ];
    expect![[r#"
        StartTimer id=1 after=5m
        ScheduleActivityTask id=2 type=ship input=1,{"a": 2} start_to_close=5s retry.backoff_coefficient=1
        ScheduleActivityTask queue=other
        RequestCancelActivityTask scheduled=5
        CancelTimer id=1
        CompleteWorkflowExecution result="done"
        CompleteWorkflowExecution
        FailWorkflowExecution message="Activity task failed" activity=ship cause=boom cause.type=Broken
        CancelWorkflowExecution
        ContinueAsNewWorkflowExecution type=next input=3"#]]
    .assert_eq(&lines.join("\n"));
}

/// The printed lines of recorded histories can be read, and give the same lines again.
#[test]
fn recorded_histories_can_be_written_as_text() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/histories");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        for history in crate::History::load(&path).unwrap() {
            let lines: Vec<String> = history.events().iter().map(event_line).collect();
            let again = parse_history(&lines.join("\n")).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let again: Vec<String> = again.iter().map(event_line).collect();
            for (line, again) in lines.iter().zip(&again) {
                // The reader fills in fields that a real server leaves out of later tasks.
                assert_eq!(line, again, "{}", path.display());
            }
        }
    }
}

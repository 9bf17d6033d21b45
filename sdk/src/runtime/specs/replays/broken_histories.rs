//! Inconsistent histories: they give a clear error in the right place, and nothing hangs.

use abide_protos::temporal::api::enums::v1::EventType;
use expect_test::{Expect, expect};

use crate::duration::secs;
use crate::replay::text::parse_history;
use crate::replay::{HistoryPage, Input, Until, WorkflowTask};
use crate::runtime::specs::harness::{after_first_task, check_recorded, run_of, task, text};

#[track_caller]
fn check_broken(history: &str, expected: Expect) {
    check_recorded(
        |ctx| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        },
        history,
        expected,
    );
}

#[test]
fn an_unknown_event_is_fatal() {
    check_broken(
        &after_first_task(
            "5 TimerStarted
             6 UnknownEvent(999)
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: event 6 (UnknownEvent(999)) is not known to this version of Abide \
             and must not be ignored; use a newer version"
        ],
    );
}

#[test]
fn an_event_that_is_known_but_not_handled_yet_is_fatal() {
    check_broken(
        &after_first_task(
            "5 TimerStarted
             6 WorkflowPropertiesModifiedExternally
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: event 6 (WorkflowPropertiesModifiedExternally) is not known to this \
             version of Abide and must not be ignored; use a newer version"
        ],
    );
}

#[test]
fn an_unknown_event_is_not_taken_for_what_its_attributes_say() {
    let history = after_first_task("5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled\n8 WorkflowTaskStarted");
    let told = |event_type: i32, may_ignore: bool| {
        let mut events = parse_history(&history).unwrap();
        events[5].event_type = event_type;
        events[5].worker_may_ignore = may_ignore;
        let mut run = run_of(|ctx| async move {
            ctx.timer(secs(1)).await?;
            Ok(())
        });
        text(&run.handle(Input::WorkflowTask(Box::new(task(&events)))))
    };
    let fired = EventType::TimerFired as i32;
    let told = [told(999, false), told(999, true), told(EventType::TimerStarted as i32, false), told(fired, false)];
    expect![[r#"
        Fail WorkflowWorkerUnhandledFailure: event 6 (UnknownEvent(999)) is not known to this version of Abide and must not be ignored; use a newer version

        Fail WorkflowWorkerUnhandledFailure: event 6 (TimerStarted) has the attributes of a TimerFired; the history is damaged
        CompleteWorkflowExecution result=null"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn attributes_of_an_ignorable_unknown_event_are_ignored() {
    // A later server's event, which happens to have the attributes of a patch's marker.
    let history = after_first_task(
        r#"5 MarkerRecorded name=core_patch details.patch-data={"id":"new","deprecated":false}
           6 TimerStarted
           7 WorkflowTaskScheduled
           8 WorkflowTaskStarted"#,
    );
    let mut events = parse_history(&history).unwrap();
    events[4].event_type = 999;
    events[4].worker_may_ignore = true;
    let mut run = run_of(|ctx| async move {
        if ctx.patched("new") {
            ctx.wait_until(|| false).await?;
        }
        ctx.timer(secs(1)).await?;
        Ok(())
    });
    // If it were read as a marker, the code would have to issue another one.
    assert_eq!(text(&run.handle(Input::WorkflowTask(Box::new(task(&events))))), "");
}

#[test]
fn a_core_flag_of_a_later_version_is_refused_by_number() {
    let history = |flags: &str| {
        format!(
            "1 WorkflowExecutionStarted type=wf
             2 WorkflowTaskScheduled
             3 WorkflowTaskStarted
             4 WorkflowTaskCompleted {flags}
             5 TimerStarted
             6 WorkflowTaskScheduled
             7 WorkflowTaskStarted"
        )
    };
    let refused = expect![
        "Fail WorkflowWorkerUnhandledFailure: event 4 (WorkflowTaskCompleted): the history was recorded with core flag \
         5, which this version of Abide does not know; without it, the replay could differ from the recorded run \
         unnoticed; use a newer version"
    ];
    check_broken(&history("flags=1,2,3,4,5"), refused);
    check_broken(&history("flags=1,2,3,4"), expect![""]);
}

#[test]
fn ids_out_of_order_are_fatal() {
    check_broken(
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         4 WorkflowTaskStarted
         3 WorkflowTaskCompleted",
        expect!["Fail WorkflowWorkerUnhandledFailure: the history is broken: event 3 should follow, found event 4"],
    );
}

#[test]
fn a_hole_in_a_history_is_fatal() {
    check_broken(
        &after_first_task(
            "5 TimerStarted
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect!["Fail WorkflowWorkerUnhandledFailure: the history is broken: event 6 should follow, found event 7"],
    );
}

#[test]
fn a_history_that_does_not_begin_at_its_beginning_is_asked_for_once() {
    let events =
        parse_history(&after_first_task("5 TimerStarted\n6 WorkflowTaskScheduled\n7 WorkflowTaskStarted")).unwrap();
    let mut run = run_of(|_| async move { Ok(()) });
    let rest = WorkflowTask {
        history: HistoryPage { events: events[3..].to_vec(), next_page_token: Vec::new() },
        ..task(&events)
    };
    let mut told = vec![text(&run.handle(Input::WorkflowTask(Box::new(rest))))];
    let again = HistoryPage { events: events[3..].to_vec(), next_page_token: Vec::new() };
    told.push(text(&run.handle(Input::HistoryPage(again))));
    expect![[r#"
        NeedHistory []
        Fail WorkflowWorkerUnhandledFailure: expected the run's history from event 1, found one that begins with event 4"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_history_without_a_beginning_is_fatal() {
    check_broken(
        "1 WorkflowExecutionSignaled
         2 WorkflowTaskScheduled
         3 WorkflowTaskStarted",
        expect!["Fail WorkflowWorkerUnhandledFailure: the history does not begin with WorkflowExecutionStarted"],
    );
}

#[test]
fn a_history_that_ends_before_its_task_begins_is_fatal() {
    let events = parse_history("1 WorkflowExecutionStarted type=wf\n2 WorkflowTaskScheduled").unwrap();
    let mut run = run_of(|_| async move { Ok(()) });
    let task = WorkflowTask { until: Until::Started(3), ..task(&events) };
    expect!["Fail WorkflowWorkerUnhandledFailure: the history ends at event 2, before the task's WorkflowTaskStarted event 3"].assert_eq(&text(&run.handle(Input::WorkflowTask(Box::new(task)))));
}

#[test]
fn workflow_task_events_in_an_impossible_order_are_fatal() {
    check_broken(
        "1 WorkflowExecutionStarted type=wf
         2 WorkflowTaskScheduled
         3 WorkflowTaskCompleted
         4 WorkflowTaskScheduled
         5 WorkflowTaskStarted",
        expect!["Fail WorkflowWorkerUnhandledFailure: event 3: a workflow task cannot be Completed in state Scheduled"],
    );
}

#[test]
fn events_after_the_end_are_fatal() {
    check_broken(
        &after_first_task(
            "5 TimerStarted
             6 WorkflowExecutionTerminated
             7 WorkflowTaskScheduled
             8 WorkflowTaskStarted",
        ),
        expect![
            "Fail WorkflowWorkerUnhandledFailure: event 7 (WorkflowTaskScheduled) follows the event that closed the workflow"
        ],
    );
}

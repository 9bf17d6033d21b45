//! Ends of workflow tasks, as ids of the events that end them.

use super::*;
use crate::replay::text::parse_history;

/// Reads a history in pages of `page` events. Returns the ids at which tasks end, and the number of events that are
/// left. With `at_once` it applies events as soon as they are certain to belong to the task, as a replay does; a query
/// waits for the task's end.
fn ends(events: &[HistoryEvent], page: usize, at_once: bool) -> (Vec<i64>, usize) {
    let mut cursor = EventCursor::default();
    let mut pages = events.chunks(page).peekable();
    let mut ends = Vec::new();
    let mut applied = 0;
    loop {
        match cursor.next_task() {
            NextTask::NeedPage(certain) => {
                if at_once {
                    apply(&mut cursor, &mut applied, certain);
                }
                assert!(ends.is_empty() || !cursor.take_next_page_token().is_empty());
                push_next(&mut cursor, &mut pages);
            }
            NextTask::Rest(0) if pages.peek().is_some() => push_next(&mut cursor, &mut pages),
            NextTask::Rest(count) => return (ends, applied + count),
            NextTask::Events(count) => {
                apply(&mut cursor, &mut applied, count);
                ends.push(cursor.applied);
                applied = 0;
                cursor.end_task();
                cursor.release();
            }
        }
    }
}

/// Applies `count` events, and adds them to those of the task.
fn apply(cursor: &mut EventCursor, applied: &mut usize, count: usize) {
    for _ in 0..count {
        cursor.advance().unwrap();
    }
    *applied += count;
    cursor.release();
}

fn id(event: Next<'_>) -> i64 {
    match event {
        Next::Event(event) => event.event_id,
        Next::ReadMarker(id) => id,
    }
}

fn push_next<'a>(cursor: &mut EventCursor, pages: &mut std::iter::Peekable<impl Iterator<Item = &'a [HistoryEvent]>>) {
    let events = pages.next().expect("no page is asked for after the last").to_vec();
    let next_page_token = if pages.peek().is_some() { b"more".to_vec() } else { Vec::new() };
    cursor.push(HistoryPage { events, next_page_token }).unwrap();
}

/// Checks the same for every size of page.
#[track_caller]
fn check(history: &str, expected: &[i64], rest: usize) {
    let events = parse_history(history).unwrap();
    for page in 1..=events.len() {
        for at_once in [true, false] {
            assert_eq!(
                ends(&events, page, at_once),
                (expected.to_vec(), rest),
                "in pages of {page}, at once: {at_once}"
            );
        }
    }
}

const FIRST_TASK: &str = "1 WorkflowExecutionStarted
    2 WorkflowTaskScheduled
    3 WorkflowTaskStarted
    ";

#[track_caller]
fn check_after_start(rest: &str, expected: &[i64], left: usize) {
    check(&format!("{FIRST_TASK}{rest}"), expected, left);
}

#[test]
fn a_started_task_is_the_end_whether_it_is_answered_or_not() {
    check_after_start("", &[3], 0);
    check_after_start("4 WorkflowTaskCompleted", &[3], 1);
    check_after_start("4 WorkflowTaskCompleted\n5 TimerStarted\n6 TimerFired\n7 WorkflowTaskScheduled", &[3], 4);
}

#[test]
fn each_answered_task_is_an_end() {
    check_after_start(
        "4 WorkflowTaskCompleted
         5 TimerStarted
         6 TimerFired
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted
         9 WorkflowTaskCompleted
         10 WorkflowExecutionCompleted",
        &[3, 8, 10],
        0,
    );
}

#[test]
fn attempts_that_failed_or_timed_out_are_no_ends() {
    check_after_start(
        "4 WorkflowTaskFailed
         5 WorkflowTaskScheduled
         6 WorkflowTaskStarted
         7 WorkflowTaskTimedOut
         8 WorkflowExecutionSignaled
         9 WorkflowTaskScheduled
         10 WorkflowTaskStarted",
        &[10],
        0,
    );
}

#[test]
fn an_attempt_that_has_just_failed_leaves_its_events_to_the_next() {
    check_after_start("4 WorkflowTaskFailed\n5 WorkflowTaskScheduled", &[], 5);
}

#[test]
fn a_task_that_never_started_is_no_end() {
    check_after_start(
        "4 WorkflowTaskCompleted
         5 WorkflowExecutionSignaled
         6 WorkflowTaskScheduled
         7 WorkflowTaskTimedOut timeout=ScheduleToStart
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
        &[3, 9],
        0,
    );
}

#[test]
fn heartbeats_are_no_ends_while_no_command_was_seen() {
    check_after_start(
        "4 WorkflowTaskCompleted
         5 WorkflowTaskScheduled
         6 WorkflowTaskStarted
         7 WorkflowTaskCompleted
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted
         10 WorkflowTaskCompleted
         11 TimerStarted",
        &[9],
        2,
    );
    check_after_start(
        "4 WorkflowTaskCompleted
         5 TimerStarted
         6 WorkflowExecutionSignaled
         7 WorkflowTaskScheduled
         8 WorkflowTaskStarted
         9 WorkflowTaskCompleted
         10 WorkflowTaskScheduled
         11 WorkflowTaskStarted",
        &[3, 8, 11],
        0,
    );
}

#[test]
fn a_completed_task_with_a_signal_before_the_next_is_no_heartbeat() {
    check_after_start(
        "4 WorkflowTaskCompleted
         5 WorkflowExecutionSignaled
         6 WorkflowTaskScheduled
         7 WorkflowTaskStarted",
        &[3, 7],
        0,
    );
}

#[test]
fn a_run_closed_from_outside_ends_at_its_closing_event() {
    for closing in ["WorkflowExecutionTerminated", "WorkflowExecutionTimedOut", "WorkflowExecutionCanceled"] {
        check_after_start(&format!("4 {closing}"), &[4], 0);
        check_after_start(&format!("4 WorkflowTaskCompleted\n5 TimerStarted\n6 {closing}"), &[3, 6], 0);
        check_after_start(
            &format!("4 WorkflowTaskCompleted\n5 WorkflowExecutionSignaled\n6 WorkflowTaskScheduled\n7 {closing}"),
            &[3, 7],
            0,
        );
    }
}

#[test]
fn an_accepted_update_ends_the_task_before_the_one_that_brought_it() {
    // A chain of heartbeats: the update came after the task that started with event 6.
    check_after_start(
        "4 WorkflowTaskCompleted
         5 WorkflowTaskScheduled
         6 WorkflowTaskStarted
         7 WorkflowTaskCompleted
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted
         10 WorkflowTaskCompleted
         11 WorkflowExecutionUpdateAccepted sequencing=8",
        &[6, 9],
        2,
    );
    // Nothing was skipped, so the task that brought the update is the end.
    check_after_start("4 WorkflowTaskCompleted\n5 WorkflowExecutionUpdateAccepted sequencing=2", &[3], 2);
}

#[test]
fn events_that_are_known_already_are_skipped() {
    let events = parse_history(&format!("{FIRST_TASK}4 WorkflowTaskCompleted\n5 TimerStarted")).unwrap();
    let mut cursor = EventCursor::default();
    let page = |from: usize, to: usize| HistoryPage { events: events[from..to].to_vec(), ..HistoryPage::default() };
    cursor.push(page(0, 3)).unwrap();
    cursor.push(page(1, 5)).unwrap();
    cursor.push(page(2, 4)).unwrap();
    assert_eq!(cursor.last_id(), 5);
    let ids: Vec<i64> = std::iter::from_fn(|| cursor.advance().map(id)).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
}

#[test]
fn a_hole_and_a_disorder_are_refused() {
    let events = parse_history(&format!("{FIRST_TASK}5 TimerStarted\n4 WorkflowTaskCompleted")).unwrap();
    let mut cursor = EventCursor::default();
    let told = cursor.push(HistoryPage { events, ..HistoryPage::default() }).unwrap_err();
    assert_eq!(told, "the history is broken: event 4 should follow, found event 5");
}

#[test]
fn pages_are_dropped_as_soon_as_they_are_applied() {
    let events = parse_history(&format!("{FIRST_TASK}4 WorkflowTaskCompleted")).unwrap();
    let mut cursor = EventCursor::default();
    for event in &events {
        cursor.push(HistoryPage { events: vec![event.clone()], ..HistoryPage::default() }).unwrap();
    }
    for left in [4, 3, 2, 1] {
        cursor.advance().unwrap();
        assert_eq!(cursor.pages.len(), left);
    }
    cursor.release();
    assert!(cursor.pages.is_empty());
}

/// Returns a history with this many signals, then a task that is answered with this many markers, then the end.
fn burst(signals: usize, markers: usize) -> Vec<HistoryEvent> {
    let types = ["WorkflowExecutionStarted"]
        .into_iter()
        .chain(std::iter::repeat_n("WorkflowExecutionSignaled", signals))
        .chain(["WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted"])
        .chain(std::iter::repeat_n("MarkerRecorded", markers))
        .chain(["WorkflowExecutionCompleted"]);
    let lines = types.enumerate().map(|(index, name)| match name {
        "MarkerRecorded" => format!("{} MarkerRecorded local_activity=1 activity=echo index=1\n", index + 1),
        name => format!("{} {name}\n", index + 1),
    });
    parse_history(&lines.collect::<String>()).unwrap()
}

#[test]
fn a_task_of_many_pages_is_applied_page_by_page_and_each_event_looked_at_once() {
    let events = burst(100, 0);
    let mut cursor = EventCursor::default();
    let mut pages = events.chunks(10).peekable();
    let mut applied = 0;
    while pages.peek().is_some() {
        push_next(&mut cursor, &mut pages);
        assert_eq!((cursor.pages.len(), cursor.applied), (1, cursor.looked_at));
        match cursor.next_task() {
            NextTask::NeedPage(certain) => apply(&mut cursor, &mut applied, certain),
            found => assert_eq!(found, NextTask::Events(3), "101 to 103, when 104 is seen"),
        }
    }
    assert_eq!((applied, cursor.end), (100, Some(103)));
}

/// Checks the events that the look-ahead from the first task's end shows, in pages of each size.
#[track_caller]
fn check_ahead(history: &str, expected: &[i64]) {
    let events = parse_history(&format!("{FIRST_TASK}{history}")).unwrap();
    for size in 1..=events.len() {
        let mut cursor = EventCursor::default();
        let mut pages = events.chunks(size).peekable();
        let mut shown = Vec::new();
        push_next(&mut cursor, &mut pages);
        let count = loop {
            match cursor.next_task() {
                NextTask::Events(count) => break count,
                _ => push_next(&mut cursor, &mut pages),
            }
        };
        apply(&mut cursor, &mut 0, count);
        cursor.end_task();
        let mut show = |event: &mut HistoryEvent| {
            shown.push(event.event_id);
            Ok::<_, std::convert::Infallible>(false)
        };
        while !cursor.look_ahead(&mut show).unwrap() {
            push_next(&mut cursor, &mut pages);
        }
        assert_eq!(shown, expected, "in pages of {size}");
    }
}

#[test]
fn the_look_ahead_shows_what_the_answer_to_the_task_led_to() {
    check_ahead("", &[]);
    check_ahead("4 WorkflowTaskCompleted\n5 TimerStarted\n6 WorkflowExecutionCompleted", &[4, 5, 6]);
    check_ahead(
        "4 WorkflowTaskCompleted
         5 MarkerRecorded name=version
         6 WorkflowExecutionUpdateAccepted
         7 WorkflowExecutionUpdateCompleted
         8 TimerStarted
         9 WorkflowExecutionSignaled
         10 WorkflowTaskScheduled
         11 WorkflowTaskStarted
         12 WorkflowTaskCompleted
         13 MarkerRecorded name=version",
        &[4, 5, 6, 7, 8],
    );
    // A heartbeat is answered without commands.
    check_ahead("4 WorkflowTaskCompleted\n5 WorkflowExecutionSignaled\n6 WorkflowTaskScheduled", &[4]);
}

#[test]
fn a_cancellation_that_stands_right_behind_its_request_does_not_end_the_answer() {
    check_ahead(
        "4 WorkflowTaskCompleted
         5 ActivityTaskScheduled
         6 ActivityTaskCancelRequested
         7 ActivityTaskCanceled
         8 MarkerRecorded name=version
         9 WorkflowTaskScheduled",
        &[4, 5, 6, 7, 8],
    );
}

#[test]
fn markers_that_were_read_leave_nothing_behind_but_their_place() {
    let events = burst(0, 100);
    let mut cursor = EventCursor::default();
    let mut pages = events.chunks(10).peekable();
    push_next(&mut cursor, &mut pages);
    assert_eq!(cursor.next_task(), NextTask::Events(3));
    apply(&mut cursor, &mut 0, 3);
    cursor.end_task();
    let mut show =
        |event: &mut HistoryEvent| Ok::<_, std::convert::Infallible>(event.event_type() == EventType::MarkerRecorded);
    while !cursor.look_ahead(&mut show).unwrap() {
        let kept: usize = cursor.pages.iter().map(|page| page.events.len()).sum();
        assert_eq!(kept, 4, "the first four events, which are no markers");
        push_next(&mut cursor, &mut pages);
    }
    assert_eq!(cursor.next_task(), NextTask::Events(102));
    let next: Vec<_> =
        std::iter::from_fn(|| cursor.advance().map(|event| (matches!(event, Next::Event(_)), id(event)))).collect();
    assert_eq!(next.iter().map(|(_, id)| *id).collect::<Vec<_>>(), (4..=105).collect::<Vec<_>>());
    // 4 is the task's completion. The last page, with 101 to 104, was not full of markers.
    let whole: Vec<_> = next.iter().filter(|(whole, _)| *whole).map(|(_, id)| *id).collect();
    assert_eq!(whole, [4, 101, 102, 103, 104, 105]);
}

//! Speculative workflow tasks: when they leave no trace, and what turns them into normal ones.

use expect_test::expect;

use super::spec::check;

#[test]
fn a_rejected_update_leaves_no_trace_and_its_event_ids_are_used_again() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            respond: reject u
            poll-update u
            signal s
            poll
            respond:
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            respond: back to 3
            update u: Completed, failed: rejected
            poll-update: NotFound update "u" not found
            poll: task, attempt 1, events 1-7
            history:
              5 WorkflowExecutionSignaled s
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskCompleted of 6, 7
        "#]],
    );
}

#[test]
fn an_update_that_comes_while_a_task_is_started_gets_the_next_one() {
    check(
        "
            start
            poll
            respond:
            update a
            poll
            update b
            respond: accept a; update-completed a 1
            poll
            respond: reject b
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update a after 5
            update a: Completed, 1
            poll: task, attempt 1, events 1-11, update b after 10
            update b: Completed, failed: rejected
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted a after 5
              9 WorkflowExecutionUpdateCompleted a of 8: 1
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskCompleted of 10, 11
        "#]],
    );
}

#[test]
fn a_worker_that_takes_the_next_task_along_can_drop_it() {
    check(
        "
            start
            poll
            respond:
            update a
            poll
            update b
            respond inline: accept a; update-completed a 1
            respond inline: reject b
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update a after 5
            poll: task, attempt 1, events 7-11, update b after 10
            update a: Completed, 1
            respond: back to 6
            update b: Completed, failed: rejected
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted a after 5
              9 WorkflowExecutionUpdateCompleted a of 8: 1
        "#]],
    );
}

#[test]
fn a_signal_makes_a_scheduled_speculative_task_a_normal_one() {
    check(
        "
            start
            poll
            respond:
            update u
            signal s
            poll
            respond: reject u
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7, update u after 6
            update u: Completed, failed: rejected
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowExecutionSignaled s
              7 WorkflowTaskStarted of 5
              8 WorkflowTaskCompleted of 5, 7
        "#]],
    );
}

#[test]
fn a_signal_during_a_speculative_task_keeps_its_events() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            signal s
            respond: reject u
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Completed, failed: rejected
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionSignaled s
              9 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn the_start_of_an_activity_keeps_a_speculative_task() {
    check(
        "
            start
            poll
            respond: activity 1
            update u
            take
            poll
            respond: reject u
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            poll: task, attempt 1, events 1-7, update u after 6
            update u: Completed, failed: rejected
            history:
              5 ActivityTaskScheduled 1
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskCompleted of 6, 7
        "#]],
    );
}

#[test]
fn a_speculative_task_that_nobody_takes_becomes_a_normal_one() {
    check(
        "
            start
            poll
            respond:
            update u
            wait 5s
            poll
            respond: accept u; update-completed u 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8, update u after 7
            update u: Completed, 1
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskTimedOut of 5, 0: ScheduleToStart
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 WorkflowExecutionUpdateAccepted u after 7
              11 WorkflowExecutionUpdateCompleted u of 10: 1
        "#]],
    );
}

#[test]
fn a_speculative_task_on_a_sticky_queue_that_nobody_polls_goes_to_the_normal_queue() {
    check(
        "
            start
            poll
            poll sticky
            respond sticky:
            update u
            wait 5s
            poll
            respond: accept u; update-completed u 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: nothing
            poll: task, attempt 1, events 1-8, update u after 7
            update u: Completed, 1
            history:
              5 WorkflowTaskScheduled on sticky, attempt 1
              6 WorkflowTaskTimedOut of 5, 0: ScheduleToStart
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 WorkflowExecutionUpdateAccepted u after 7
              11 WorkflowExecutionUpdateCompleted u of 10: 1
        "#]],
    );
}

#[test]
fn a_speculative_task_that_times_out_is_written() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            wait 10s
            poll
            respond: accept u; update-completed u 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            poll: task, attempt 2, events 1-9, update u after 8
            update u: Completed, 1
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskTimedOut of 5, 6: StartToClose
              8 WorkflowTaskScheduled on tq, attempt 2
              9 WorkflowTaskStarted of 8
              10 WorkflowTaskCompleted of 8, 9
              11 WorkflowExecutionUpdateAccepted u after 8
              12 WorkflowExecutionUpdateCompleted u of 11: 1
        "#]],
    );
}

#[test]
fn an_old_worker_is_not_shown_events_twice() {
    check(
        "
            start
            poll
            respond: marker m
            update u
            poll
            respond old-worker: reject u
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7, update u after 6
            update u: Completed, failed: rejected
            history:
              5 MarkerRecorded m
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskCompleted of 6, 7
        "#]],
    );
}

#[test]
fn an_update_ends_the_wait_before_the_first_task() {
    check(
        "
            start delay=60s
            update u
            poll
            respond: accept u; update-completed u 1
            wait 60s
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3, update u after 2
            update u: Completed, 1
            history:
              1 WorkflowExecutionStarted attempt 1, in 60s
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionUpdateAccepted u after 2
              6 WorkflowExecutionUpdateCompleted u of 5: 1
        "#]],
    );
}

#[test]
fn a_rejected_update_does_not_end_the_wait_before_the_first_task() {
    check(
        "
            start delay=60s
            update u
            poll
            respond: reject u
            history
            wait 60s
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3, update u after 2
            update u: Completed, failed: rejected
            history:
              1 WorkflowExecutionStarted attempt 1, in 60s
            history:
              1 WorkflowExecutionStarted attempt 1, in 60s
              2 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_speculative_task_whose_sticky_worker_is_gone_never_was_on_the_sticky_queue() {
    check(
        "
            start
            poll
            respond sticky:
            update u
            poll
            respond: accept u; update-completed u 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Completed, 1
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted u after 5
              9 WorkflowExecutionUpdateCompleted u of 8: 1
        "#]],
    );
}

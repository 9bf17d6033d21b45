//! Timers: firing together, and cancellation, even of a timer that has just fired.

use expect_test::expect;

use super::spec::check;

#[test]
fn timers_that_are_due_together_wake_the_workflow_once() {
    check(
        "
            start
            poll
            respond: timer b 1s; timer a 1s; timer c 1s
            wait 1s
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 TimerStarted b
              6 TimerStarted a
              7 TimerStarted c
              8 TimerFired b of 5
              9 TimerFired a of 6
              10 TimerFired c of 7
              11 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_timer_fires_in_order_of_its_time() {
    check(
        "
            start
            poll
            respond: timer late 2s; timer early 1s
            wait 5s
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 TimerStarted late
              6 TimerStarted early
              7 TimerFired early of 6
              8 WorkflowTaskScheduled on tq, attempt 1
              9 TimerFired late of 5
        "#]],
    );
}

#[test]
fn a_cancelled_timer_never_fires() {
    check(
        "
            start
            poll
            respond: timer 1 5s; timer 2 1s
            wait 1s
            poll
            respond: cancel-timer 1
            wait 1m
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-9
            history:
              5 TimerStarted 1
              6 TimerStarted 2
              7 TimerFired 2 of 6
              8 WorkflowTaskScheduled on tq, attempt 1
              9 WorkflowTaskStarted of 8
              10 WorkflowTaskCompleted of 8, 9
              11 TimerCanceled 1 of 5
        "#]],
    );
}

#[test]
fn a_timer_that_fired_during_the_task_is_still_cancelled() {
    check(
        "
            start
            poll
            respond: timer 1 1s
            signal a
            poll
            wait 1s
            respond: cancel-timer 1; complete
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            history:
              5 TimerStarted 1
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 TimerCanceled 1 of 5
              11 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn an_unknown_timer_cannot_be_cancelled() {
    check(
        "
            start
            poll
            respond: cancel-timer 1
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument BadCancelTimerAttributes: invalid history builder state for action: add-timer-canceled-event, TimerID: 1
            history:
              4 WorkflowTaskFailed of 2, 3: BadCancelTimerAttributes, BadCancelTimerAttributes: invalid history builder state for action: add-timer-canceled-event, TimerID: 1
        "#]],
    );
}

#[test]
fn an_id_is_free_again_after_firing() {
    check(
        "
            start
            poll
            respond: timer 1 1s
            wait 1s
            poll
            respond: timer 1 1s
            wait 1s
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            history:
              5 TimerStarted 1
              6 TimerFired 1 of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 TimerStarted 1
              11 TimerFired 1 of 10
              12 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

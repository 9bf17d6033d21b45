//! Updates: what they leave in the history, speculative tasks and how they are dropped, and how updates end with their run.

use expect_test::expect;

use super::spec::check;

#[test]
fn an_update_of_an_idle_run_gets_a_task_of_its_own() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            respond: accept u; update-completed u done
            poll-update u
            poll-update nobody
            update u
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Completed, done
            poll-update u: Completed, done
            poll-update: NotFound update "nobody" not found
            update u: Completed, done
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted u after 5
              9 WorkflowExecutionUpdateCompleted u of 8: done
        "#]],
    );
}

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
            history
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
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionSignaled s
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskCompleted of 6, 7
        "#]],
    );
}

#[test]
fn an_update_rides_on_a_task_that_is_scheduled() {
    check(
        "
            start
            update u
            poll
            respond: reject u
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3, update u after 2
            update u: Completed, failed: rejected
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
        "#]],
    );
}

#[test]
fn an_update_over_several_tasks_is_first_accepted() {
    check(
        "
            start
            poll
            respond:
            update u wait=accepted
            poll
            respond: accept u; timer 1 1s
            poll-update u
            update u
            wait 1s
            poll
            respond: update-completed u later
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Accepted
            poll-update u: Accepted
            poll: task, attempt 1, events 1-12
            update u: Completed, later
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted u after 5
              9 TimerStarted 1
              10 TimerFired 1 of 9
              11 WorkflowTaskScheduled on tq, attempt 1
              12 WorkflowTaskStarted of 11
              13 WorkflowTaskCompleted of 11, 12
              14 WorkflowExecutionUpdateCompleted u of 8: later
        "#]],
    );
}

#[test]
fn two_updates_at_once() {
    check(
        "
            start
            poll
            respond:
            update a
            update b wait=accepted
            poll
            respond: accept b; accept a; update-completed a 1
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update a after 5, update b after 5
            update a: Completed, 1
            update b: Accepted
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted b after 5
              9 WorkflowExecutionUpdateAccepted a after 5
              10 WorkflowExecutionUpdateCompleted a of 9: 1
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
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update a after 5
            update a: Completed, 1
            poll: task, attempt 1, events 1-11, update b after 10
            update b: Completed, failed: rejected
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
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
            history
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
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
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
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7, update u after 6
            update u: Completed, failed: rejected
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
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
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Completed, failed: rejected
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
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
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            poll: task, attempt 1, events 1-7, update u after 6
            update u: Completed, failed: rejected
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
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
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8, update u after 7
            update u: Completed, 1
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
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
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: nothing
            poll: task, attempt 1, events 1-8, update u after 7
            update u: Completed, 1
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
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
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            poll: task, attempt 2, events 1-9, update u after 8
            update u: Completed, 1
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
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
fn a_worker_that_fails_the_task_gets_the_update_again() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            fail-task
            poll
            respond: accept u; update-completed u 1
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            poll: task, attempt 2, events 1-9, update u after 8
            update u: Completed, 1
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskFailed of 5, 6: WorkflowWorkerUnhandledFailure
              8 WorkflowTaskScheduled on tq, attempt 2
              9 WorkflowTaskStarted of 8
              10 WorkflowTaskCompleted of 8, 9
              11 WorkflowExecutionUpdateAccepted u after 8
              12 WorkflowExecutionUpdateCompleted u of 11: 1
        "#]],
    );
}

#[test]
fn answers_that_make_no_sense_fail_the_task_and_the_update() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            respond: update-completed u 1
            poll
            respond:
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            respond: InvalidArgument BadUpdateWorkflowExecutionMessage: invalid state transition attempted for Update u: received *update.Response message while in state Sent
            update u: FailedPrecondition Unable to perform workflow execution update due to unexpected workflow task failure.
            poll: task, attempt 2, events 1-9
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskFailed of 5, 6: BadUpdateWorkflowExecutionMessage, BadUpdateWorkflowExecutionMessage: invalid state transition attempted for Update u: received *update.Response message while in state Sent
              8 WorkflowTaskScheduled on tq, attempt 2
              9 WorkflowTaskStarted of 8
              10 WorkflowTaskCompleted of 8, 9
        "#]],
    );
}

#[test]
fn an_answer_to_an_unknown_update_fails_the_task() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            respond: accept other at=5
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            respond: InvalidArgument BadUpdateWorkflowExecutionMessage: update other wasn't found on the server. This is most likely a transient error which will be resolved automatically by retries
            update u: FailedPrecondition Unable to perform workflow execution update due to unexpected workflow task failure.
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskFailed of 5, 6: BadUpdateWorkflowExecutionMessage, BadUpdateWorkflowExecutionMessage: update other wasn't found on the server. This is most likely a transient error which will be resolved automatically by retries
        "#]],
    );
}

#[test]
fn an_update_that_the_worker_ignores_is_rejected() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            respond: marker m
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Completed, failed: Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not supported by the worker.
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 MarkerRecorded m
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
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7, update u after 6
            update u: Completed, failed: rejected
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 MarkerRecorded m
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskCompleted of 6, 7
        "#]],
    );
}

#[test]
fn a_run_that_completes_fails_accepted_updates_and_aborts_others() {
    check(
        "
            start
            poll
            respond:
            update a
            poll
            respond: accept a
            signal s
            poll
            update b
            respond:
            poll
            update c
            respond: accept b; complete
            poll-update a
            update d
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update a after 5
            poll: task, attempt 1, events 1-11
            poll: task, attempt 1, events 1-14, update b after 13
            update a: Completed, failed: Workflow Update failed because the Workflow completed before the Update completed.
            update b: Completed, failed: Workflow Update failed because the Workflow completed before the Update completed.
            update c: NotFound workflow update was aborted by closing workflow
            poll-update a: Completed, failed: Workflow Update failed because the Workflow completed before the Update completed.
            update: NotFound workflow execution already completed
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted a after 5
              9 WorkflowExecutionSignaled s
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskCompleted of 10, 11
              13 WorkflowTaskScheduled on tq, attempt 1
              14 WorkflowTaskStarted of 13
              15 WorkflowTaskCompleted of 13, 14
              16 WorkflowExecutionUpdateAccepted b after 13
              17 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn a_rejection_counts_although_the_run_completes_in_the_same_task() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            respond: reject u; complete
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Completed, failed: rejected
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn a_run_that_continues_leaves_updates_to_the_next_one() {
    check(
        "
            start
            poll
            update u
            respond: continue-as-new
            update u
            poll
            respond: accept u; update-completed u 1
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            update u: ResourceExhausted workflow operation can not be applied because workflow is closing
            poll: task, attempt 1, events 1-3, update u after 2
            update u: Completed, 1
            history:
              1 WorkflowExecutionStarted attempt 1, by Workflow
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionUpdateAccepted u after 2
              6 WorkflowExecutionUpdateCompleted u of 5: 1
        "#]],
    );
}

#[test]
fn a_terminated_run_ends_its_updates() {
    check(
        "
            start
            poll
            respond:
            update a
            poll
            respond: accept a
            update b
            terminate
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update a after 5
            update a: Completed, failed: Workflow Update failed because the Workflow completed before the Update completed.
            update b: NotFound workflow update was aborted by closing workflow
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted a after 5
              9 WorkflowExecutionTerminated
        "#]],
    );
}

#[test]
fn a_run_that_is_about_to_close_takes_no_updates() {
    check(
        "
            start
            poll
            signal s
            respond: complete
            poll
            update u
            respond:
            update u
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument UnhandledCommand
            poll: task, attempt 1, events 1-7
            update: ResourceExhausted workflow operation can not be applied because workflow is closing
        "#]],
    );
}

#[test]
fn an_update_is_refused_while_the_task_keeps_failing() {
    check(
        "
            start
            poll
            fail-task
            poll
            fail-task
            poll
            update u
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 2, events 1-6
            poll: task, attempt 3, events 1-6
            update: FailedPrecondition Unable to perform workflow execution update due to Workflow Task in failed state.
        "#]],
    );
}

#[test]
fn eleven_updates_at_once_are_one_too_many() {
    check(
        "
            start
            update u0
            update u1
            update u2
            update u3
            update u4
            update u5
            update u6
            update u7
            update u8
            update u9
            update u10
        ",
        &expect![[r#"
            start: first run, started true
            update: ResourceExhausted limit on number of concurrent in-flight updates has been reached (10)
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
              1 WorkflowExecutionStarted attempt 1
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
              1 WorkflowExecutionStarted attempt 1
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn who_waits_too_long_hears_how_far_the_update_is() {
    check(
        "
            start
            poll
            respond:
            update u
            give-up
            poll
            respond: accept u
            poll-update u wait=completed
            give-up
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            update u: Admitted
            poll: task, attempt 1, events 1-6, update u after 5
            poll-update u: Accepted
        "#]],
    );
}

#[test]
fn a_heartbeat_need_not_answer_updates() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            respond force inline:
            respond: accept u at=8; update-completed u 1
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            poll: task, attempt 1, events 7-9
            update u: Completed, 1
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowTaskScheduled on tq, attempt 1
              9 WorkflowTaskStarted of 8
              10 WorkflowTaskCompleted of 8, 9
              11 WorkflowExecutionUpdateAccepted u after 8
              12 WorkflowExecutionUpdateCompleted u of 11: 1
        "#]],
    );
}

#[test]
fn update_with_start_brings_the_update_in_the_first_task() {
    check(
        "
            update-with-start u
            poll
            respond: accept u; update-completed u 1
            history
        ",
        &expect![[r#"
            poll: task, attempt 1, events 1-3, update u after 2
            update-with-start u: Completed, 1
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionUpdateAccepted u after 2
              6 WorkflowExecutionUpdateCompleted u of 5: 1
        "#]],
    );
}

#[test]
fn update_with_start_of_a_run_that_is_there_goes_by_the_conflict_policy() {
    check(
        "
            start
            poll
            respond:
            update-with-start a conflict=fail
            update-with-start b conflict=use
            poll
            respond: accept b; update-completed b 1
            update-with-start b conflict=fail
            update-with-start c conflict=terminate
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            update-with-start: AlreadyExists Update-with-Start could not be executed.
            poll: task, attempt 1, events 1-6, update b after 5
            update-with-start b: Completed, 1
            update-with-start b: Completed, 1
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn update_with_start_finds_a_completed_update_in_a_closed_run() {
    check(
        "
            update-with-start u
            poll
            respond: accept u; update-completed u 1; complete
            update-with-start u reuse=reject
            update-with-start v reuse=reject
        ",
        &expect![[r#"
            poll: task, attempt 1, events 1-3, update u after 2
            update-with-start u: Completed, 1
            update-with-start u: Completed, 1
            update-with-start: AlreadyExists Update-with-Start could not be executed.
        "#]],
    );
}

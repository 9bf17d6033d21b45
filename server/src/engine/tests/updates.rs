//! Updates: how they reach a worker, and the events of its answers.

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
            history from=5
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
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted u after 5
              9 WorkflowExecutionUpdateCompleted u of 8: done
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
            history from=5
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
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update a after 5, update b after 5
            update a: Completed, 1
            update b: Accepted
            history:
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
fn a_caller_that_waits_too_long_gets_the_stage_of_the_update() {
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
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            poll: task, attempt 1, events 7-9
            update u: Completed, 1
            history:
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

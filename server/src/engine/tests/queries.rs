//! Queries: with a workflow task, on their own, refused.

use expect_test::expect;

use super::spec::check;

#[test]
fn a_query_before_the_first_task_rides_on_it() {
    check(
        "
            start
            query q
            poll
            respond answer=yes:
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3, 1 query
            answered: yes
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
        "#]],
    );
}

#[test]
fn a_query_between_tasks_is_a_task_of_its_own() {
    check(
        "
            start
            poll
            respond:
            query q
            poll
            answer yes
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: query q, events 1-4
            answered: yes
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
        "#]],
    );
}

#[test]
fn a_cached_run_is_asked_without_its_history() {
    check(
        "
            start
            poll
            poll sticky
            respond sticky:
            query q
            poll
            poll sticky
            answer yes
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: nothing
            poll: nothing
            poll: query q, no events
            answered: yes
        "#]],
    );
}

#[test]
fn a_dead_worker_does_not_keep_a_query() {
    check(
        "
            start
            poll
            poll sticky
            respond sticky:
            query q
            wait 5s
            poll
            answer yes
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: nothing
            poll: query q, events 1-4
            answered: yes
        "#]],
    );
}

#[test]
fn a_query_that_its_task_did_not_answer_goes_on_alone() {
    check(
        "
            start
            poll
            query q
            respond:
            poll
            answer yes
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: query q, events 1-4
            answered: yes
        "#]],
    );
}

#[test]
fn a_closed_workflow_answers() {
    check(
        "
            start
            poll
            respond: complete
            query q
            poll
            answer yes
            query q open
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: query q, events 1-5
            answered: yes
            query: rejected true
        "#]],
    );
}

#[test]
fn a_workflow_that_never_ran_cannot_answer() {
    check(
        "
            start
            terminate
            query q
        ",
        &expect![[r#"
            start: first run, started true
            query: FailedPrecondition Workflow execution closed before WorkflowTaskStarted event
        "#]],
    );
}

#[test]
fn a_workflow_whose_task_keeps_failing_cannot_answer() {
    check(
        "
            start
            poll
            fail-task
            poll
            fail-task
            query q
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 2, events 1-6
            query: FailedPrecondition Unable to query workflow due to Workflow Task in failed state.
        "#]],
    );
}

#[test]
fn a_workflow_that_starts_later_cannot_answer_now() {
    check(
        "
            start delay=1m
            query q
        ",
        &expect![[r#"
            start: first run, started true
            query: FailedPrecondition Workflow task is not scheduled yet.
        "#]],
    );
}

#[test]
fn a_query_is_answered_once() {
    check(
        "
            start
            poll
            respond:
            query q
            poll
            answer yes
            answer no
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: query q, events 1-4
            answered: yes
            answer: NotFound query task not found, or already expired
        "#]],
    );
}

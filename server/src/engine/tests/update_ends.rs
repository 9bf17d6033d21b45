//! Updates that are dropped, end with their run, or come with its start.

use expect_test::expect;

use super::spec::check;

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
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            respond: InvalidArgument BadUpdateWorkflowExecutionMessage: invalid state transition attempted for Update u: received *update.Response message while in state Sent
            update u: FailedPrecondition Unable to perform workflow execution update due to unexpected workflow task failure.
            poll: task, attempt 2, events 1-9
            history:
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
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            respond: InvalidArgument BadUpdateWorkflowExecutionMessage: update other wasn't found on the server. This is most likely a transient error which will be resolved automatically by retries
            update u: FailedPrecondition Unable to perform workflow execution update due to unexpected workflow task failure.
            history:
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
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Completed, failed: Workflow Update is rejected because it wasn't processed by worker. Probably, Workflow Update is not supported by the worker.
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 MarkerRecorded m
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
            history from=5
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
            wait 1s
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
              1 WorkflowExecutionStarted attempt 1, by Workflow, in 1s
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
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update a after 5
            update a: Completed, failed: Workflow Update failed because the Workflow completed before the Update completed.
            update b: NotFound workflow update was aborted by closing workflow
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted a after 5
              9 WorkflowExecutionTerminated terminated by user via frontend
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
fn update_with_start_brings_the_update_in_the_first_task() {
    check(
        "
            update-with-start u
            poll
            respond: accept u; update-completed u 1
            history from=5
        ",
        &expect![[r#"
            poll: task, attempt 1, events 1-3, update u after 2
            update-with-start u: Completed, 1
            history:
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

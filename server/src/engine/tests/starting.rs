//! Starting: workflow ids in use, repeated requests.

use expect_test::expect;

use super::spec::check;

#[test]
fn the_same_request_starts_once() {
    check(
        "
            start request=x
            start request=x
            count
        ",
        &expect![[r#"
            start: first run, started true
            start: first run, started true
            count: 1
        "#]],
    );
}

#[test]
fn a_running_workflow_id_is_taken() {
    check(
        "
            start
            start
            start conflict=use
            count
        ",
        &expect![[r#"
            start: first run, started true
            start: AlreadyExists Workflow execution is already running. WorkflowId: wf, RunId: 018bcfe5-6800-7b74-a851-6a89391beaa2.
            start: first run, started false
            count: 1
        "#]],
    );
}

#[test]
fn a_running_workflow_may_be_replaced() {
    check(
        "
            start
            start conflict=terminate
            history first
            history
            count
        ",
        &expect![[r#"
            start: first run, started true
            start: another run, started true
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionTerminated TerminateIfRunning WorkflowIdReusePolicy
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
            count: 2
        "#]],
    );
}

#[test]
fn a_closed_workflow_id_is_free() {
    check(
        "
            start
            poll
            respond: complete
            start reuse=failed
            start reuse=reject
            start
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            start: AlreadyExists Workflow execution already finished successfully. WorkflowId: wf, RunId: 018bcfe5-6800-7b74-a851-6a89391beaa2. Workflow Id reuse policy: allow duplicate workflow Id if last run failed.
            start: AlreadyExists Workflow execution already finished. WorkflowId: wf, RunId: 018bcfe5-6800-7b74-a851-6a89391beaa2. Workflow Id reuse policy: reject duplicate workflow Id.
            start: another run, started true
        "#]],
    );
}

#[test]
fn a_failed_workflow_id_is_free() {
    check(
        "
            start
            terminate
            start reuse=failed
        ",
        &expect![[r#"
            start: first run, started true
            start: another run, started true
        "#]],
    );
}

#[test]
fn an_eager_start_brings_its_task() {
    check(
        "
            start eager
            respond: complete
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionCompleted
        "#]],
    );
}

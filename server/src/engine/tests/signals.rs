//! Signals, signal-with-start, cancellation, termination.

use expect_test::expect;

use super::spec::check;

#[test]
fn a_signal_wakes_the_workflow() {
    check(
        "
            start
            poll
            respond:
            signal a
            signal b
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 WorkflowExecutionSignaled a
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowExecutionSignaled b
        "#]],
    );
}

#[test]
fn the_same_request_signals_once() {
    check(
        "
            start
            signal a request=x
            signal a request=x
            history
        ",
        &expect![[r#"
            start: first run, started true
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionSignaled a
        "#]],
    );
}

#[test]
fn a_closed_workflow_takes_no_signals() {
    check(
        "
            start
            terminate
            signal a
            terminate
            cancel
        ",
        &expect![[r#"
            start: first run, started true
            signal: NotFound workflow execution already completed
            terminate: NotFound workflow execution already completed
        "#]],
    );
}

#[test]
fn signal_with_start_starts_with_the_signal() {
    check(
        "
            signal-with-start a
            signal-with-start b
            history
        ",
        &expect![[r#"
            signal-with-start: started true
            signal-with-start: started false
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowExecutionSignaled a
              3 WorkflowTaskScheduled on tq, attempt 1
              4 WorkflowExecutionSignaled b
        "#]],
    );
}

#[test]
fn signal_with_start_is_idempotent() {
    check(
        "
            signal-with-start a request=x
            signal-with-start a request=x
            history
        ",
        &expect![[r#"
            signal-with-start: started true
            signal-with-start: started false
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowExecutionSignaled a
              3 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn signal_with_start_skips_a_start_delay_that_others_wait_for() {
    check(
        "
            start delay=1m
            signal a
            poll
            signal-with-start b
            poll
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: nothing
            signal-with-start: started false
            poll: task, attempt 1, events 1-5
            history:
              1 WorkflowExecutionStarted attempt 1, in 60s
              2 WorkflowExecutionSignaled a
              3 WorkflowExecutionSignaled b
              4 WorkflowTaskScheduled on tq, attempt 1
              5 WorkflowTaskStarted of 4
        "#]],
    );
}

#[test]
fn cancellation_is_requested_once() {
    check(
        "
            start
            poll
            respond:
            cancel
            cancel
            poll
            respond: cancelled
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7
            history:
              5 WorkflowExecutionCancelRequested
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskCompleted of 6, 7
              9 WorkflowExecutionCanceled
        "#]],
    );
}

#[test]
fn cancellation_does_not_wait_for_the_start_delay() {
    check(
        "
            start delay=1m
            cancel
            poll
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-4
        "#]],
    );
}

#[test]
fn a_run_that_is_closing_takes_no_signal_while_its_task_is_in_hand() {
    check(
        "
            start
            poll
            signal a
            respond: continue-as-new
            signal b
            poll
            signal c
            signal-with-start c
            cancel
            respond: continue-as-new
            signal d
            poll
            signal e
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument UnhandledCommand
            poll: task, attempt 1, events 1-8
            signal: ResourceExhausted workflow operation can not be applied because workflow is closing
            signal-with-start: ResourceExhausted workflow operation can not be applied because workflow is closing
            respond: InvalidArgument UnhandledCommand
            poll: task, attempt 1, events 1-13
            signal: ResourceExhausted workflow operation can not be applied because workflow is closing
        "#]],
    );
}

#[test]
fn a_failed_task_ends_the_closing() {
    check(
        "
            start
            poll
            signal a
            respond: complete
            poll
            signal b
            fail-task
            poll
            signal c
            respond:
            signal d
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument UnhandledCommand
            poll: task, attempt 1, events 1-7
            signal: ResourceExhausted workflow operation can not be applied because workflow is closing
            poll: task, attempt 2, events 1-10
        "#]],
    );
}

#[test]
fn the_signal_of_another_workflow_waits_for_a_closing_run() {
    check(
        "
            start
            poll
            signal a
            respond: continue-as-new
            poll
            start of=sender
            poll
            respond of=sender: signal-workflow wf hello
            history of=sender from=5
            respond of=wf: continue-as-new
            history
            history of=sender from=6
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument UnhandledCommand
            poll: task, attempt 1, events 1-7
            start: another run, started true
            poll: task, attempt 1 of sender, events 1-3
            history of sender:
              5 SignalExternalWorkflowExecutionInitiated hello to wf
            history:
              1 WorkflowExecutionStarted attempt 1, by Workflow, in 1s
              2 WorkflowExecutionSignaled hello from sender
            history of sender:
              6 ExternalWorkflowExecutionSignaled of 5
              7 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_message_to_a_child_that_the_same_answer_starts_finds_nobody() {
    check(
        "
            start
            poll
            respond: child c; signal-workflow c hello child
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 StartChildWorkflowExecutionInitiated c Terminate
              6 SignalExternalWorkflowExecutionInitiated hello to c
              7 SignalExternalWorkflowExecutionFailed of 6: ExternalWorkflowExecutionNotFound
              8 WorkflowTaskScheduled on tq, attempt 1
              9 ChildWorkflowExecutionStarted of 5
        "#]],
    );
}

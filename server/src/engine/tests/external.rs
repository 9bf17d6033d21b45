//! Signals and cancellation requests from one workflow to another.

use expect_test::expect;

use super::spec::check;

#[test]
fn a_signal_arrives_and_its_sender_hears_of_it() {
    check(
        "
            start of=other
            start
            poll
            respond of=other: timer 1 1m
            poll
            respond: signal-workflow other hello
            history from=5
            history of=other from=5
        ",
        &expect![[r#"
            start: first run, started true
            start: another run, started true
            poll: task, attempt 1 of other, events 1-3
            poll: task, attempt 1, events 1-3
            history:
              5 SignalExternalWorkflowExecutionInitiated hello to other
              6 ExternalWorkflowExecutionSignaled of 5
              7 WorkflowTaskScheduled on tq, attempt 1
            history of other:
              5 TimerStarted 1
              6 WorkflowExecutionSignaled hello from wf
              7 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_request_to_cancel_arrives_once_and_every_sender_succeeds() {
    check(
        "
            start of=other
            start
            poll
            respond of=other: timer 1 1m
            poll
            respond: cancel-workflow other; cancel-workflow other
            history from=5
            history of=other from=5
        ",
        &expect![[r#"
            start: first run, started true
            start: another run, started true
            poll: task, attempt 1 of other, events 1-3
            poll: task, attempt 1, events 1-3
            history:
              5 RequestCancelExternalWorkflowExecutionInitiated other: enough
              6 RequestCancelExternalWorkflowExecutionInitiated other: enough
              7 ExternalWorkflowExecutionCancelRequested of 5
              8 WorkflowTaskScheduled on tq, attempt 1
              9 ExternalWorkflowExecutionCancelRequested of 6
            history of other:
              5 TimerStarted 1
              6 WorkflowExecutionCancelRequested enough from wf
              7 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn messages_to_missing_and_closed_workflows_fail() {
    check(
        "
            start of=closed
            poll
            respond: complete
            start
            poll
            respond: signal-workflow missing hello; cancel-workflow missing; signal-workflow closed hello; cancel-workflow closed; signal-workflow wf hello; cancel-workflow wf
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1 of closed, events 1-3
            start: another run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 SignalExternalWorkflowExecutionInitiated hello to missing
              6 RequestCancelExternalWorkflowExecutionInitiated missing: enough
              7 SignalExternalWorkflowExecutionInitiated hello to closed
              8 RequestCancelExternalWorkflowExecutionInitiated closed: enough
              9 SignalExternalWorkflowExecutionInitiated hello to wf
              10 RequestCancelExternalWorkflowExecutionInitiated wf: enough
              11 SignalExternalWorkflowExecutionFailed of 5: ExternalWorkflowExecutionNotFound
              12 WorkflowTaskScheduled on tq, attempt 1
              13 RequestCancelExternalWorkflowExecutionFailed of 6: ExternalWorkflowExecutionNotFound
              14 SignalExternalWorkflowExecutionFailed of 7: ExternalWorkflowExecutionNotFound
              15 ExternalWorkflowExecutionCancelRequested of 8
              16 SignalExternalWorkflowExecutionFailed of 9: ExternalWorkflowExecutionNotFound
              17 RequestCancelExternalWorkflowExecutionFailed of 10: ExternalWorkflowExecutionNotFound
        "#]],
    );
}

#[test]
fn a_message_to_a_child_reaches_children_only() {
    check(
        "
            start of=stranger
            start
            poll
            respond of=stranger: timer 1 1m
            poll
            respond: child kid
            poll
            respond: signal-workflow kid hello child; cancel-workflow kid child; signal-workflow stranger hello child; cancel-workflow stranger child
            history from=5
            history of=kid
        ",
        &expect![[r#"
            start: first run, started true
            start: another run, started true
            poll: task, attempt 1 of stranger, events 1-3
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 SignalExternalWorkflowExecutionInitiated hello to kid
              11 RequestCancelExternalWorkflowExecutionInitiated kid: enough
              12 SignalExternalWorkflowExecutionInitiated hello to stranger
              13 RequestCancelExternalWorkflowExecutionInitiated stranger: enough
              14 ExternalWorkflowExecutionSignaled of 10
              15 WorkflowTaskScheduled on tq, attempt 1
              16 ExternalWorkflowExecutionCancelRequested of 11
              17 SignalExternalWorkflowExecutionFailed of 12: ExternalWorkflowExecutionNotFound
              18 RequestCancelExternalWorkflowExecutionFailed of 13: ExternalWorkflowExecutionNotFound
            history of kid:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionSignaled hello from wf
              4 WorkflowExecutionCancelRequested enough from wf
        "#]],
    );
}

#[test]
fn messages_in_the_answer_that_ends_the_sender_go_with_it() {
    check(
        "
            start of=other
            start
            poll
            respond of=other: timer 1 1m
            poll
            respond: signal-workflow other hello; cancel-workflow other; complete
            history from=5
            history of=other from=5
        ",
        &expect![[r#"
            start: first run, started true
            start: another run, started true
            poll: task, attempt 1 of other, events 1-3
            poll: task, attempt 1, events 1-3
            history:
              5 SignalExternalWorkflowExecutionInitiated hello to other
              6 RequestCancelExternalWorkflowExecutionInitiated other: enough
              7 WorkflowExecutionCompleted
            history of other:
              5 TimerStarted 1
        "#]],
    );
}

#[test]
fn a_message_to_nobody_fails_the_task() {
    check(
        "
            start
            poll
            respond: cancel-workflow
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument BadRequestCancelExternalWorkflowExecutionAttributes: WorkflowId is not set on RequestCancelExternalWorkflowExecutionCommand.
            history:
              4 WorkflowTaskFailed of 2, 3: BadRequestCancelExternalWorkflowExecutionAttributes, BadRequestCancelExternalWorkflowExecutionAttributes: WorkflowId is not set on RequestCancelExternalWorkflowExecutionCommand.
        "#]],
    );
}

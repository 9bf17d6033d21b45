//! Children of a parent that is reset.

use expect_test::expect;

use super::spec::check;

#[test]
fn a_child_begun_before_the_point_belongs_to_the_new_run() {
    check(
        "
            start
            poll
            respond: child kid
            poll
            respond
            poll
            reset 9
            history first from=5
            poll
            respond
            history of=kid
            respond of=kid: complete done
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1 of kid, events 1-3
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 WorkflowExecutionTerminated because
            poll: task, attempt 1, events 1-11
            history of kid:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskFailed of 7, 8: ResetWorkflow, because
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskCompleted of 10, 11
              13 ChildWorkflowExecutionCompleted of 5, 6 done
              14 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn the_end_of_a_child_reaches_its_parent_through_several_resets() {
    check(
        "
            start
            poll
            respond: child kid
            poll
            respond
            poll
            reset 9
            poll
            respond: timer 1 1m
            reset 12
            respond of=kid: complete done
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1 of kid, events 1-3
            poll: task, attempt 1, events 1-11
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskFailed of 7, 8: ResetWorkflow, because
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskFailed of 10, 11: ResetWorkflow, because
              13 WorkflowTaskScheduled on tq, attempt 1
              14 ChildWorkflowExecutionCompleted of 5, 6 done
        "#]],
    );
}

#[test]
fn news_of_children_after_the_point_are_recorded_again() {
    check(
        "
            start
            poll
            respond: child fails; child cancelled; child terminated; child late run_timeout=1s; child kid
            poll
            respond
            poll
            respond: fail
            poll
            respond: cancelled
            terminate of=terminated
            wait 1s
            reset 17
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-16
            poll: task, attempt 1 of fails, events 1-3
            poll: task, attempt 1 of cancelled, events 1-3
            history:
              5 StartChildWorkflowExecutionInitiated fails Terminate
              6 StartChildWorkflowExecutionInitiated cancelled Terminate
              7 StartChildWorkflowExecutionInitiated terminated Terminate
              8 StartChildWorkflowExecutionInitiated late Terminate
              9 StartChildWorkflowExecutionInitiated kid Terminate
              10 ChildWorkflowExecutionStarted of 5
              11 WorkflowTaskScheduled on tq, attempt 1
              12 ChildWorkflowExecutionStarted of 6
              13 ChildWorkflowExecutionStarted of 7
              14 ChildWorkflowExecutionStarted of 8
              15 ChildWorkflowExecutionStarted of 9
              16 WorkflowTaskStarted of 11
              17 WorkflowTaskFailed of 11, 16: ResetWorkflow, because
              18 ChildWorkflowExecutionFailed of 5, 10: RetryPolicyNotSet
              19 ChildWorkflowExecutionCanceled of 6, 12
              20 ChildWorkflowExecutionTerminated of 7, 13
              21 ChildWorkflowExecutionTimedOut of 8, 14: RetryPolicyNotSet
              22 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_start_after_the_point_is_recorded_again() {
    check(
        "
            start
            poll
            signal a
            respond force inline: child kid
            respond
            history from=5
            reset 9
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 4-8
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 ChildWorkflowExecutionStarted of 5
              11 WorkflowTaskScheduled on tq, attempt 1
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskFailed of 7, 8: ResetWorkflow, because
              10 ChildWorkflowExecutionStarted of 5
              11 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_refused_start_after_the_point_is_recorded_again() {
    check(
        "
            start of=kid
            start
            poll
            poll
            signal a
            respond force inline: child kid reuse=reject
            respond
            history from=5
            reset 9
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            start: another run, started true
            poll: task, attempt 1 of kid, events 1-3
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 4-8
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 StartChildWorkflowExecutionFailed of 5: WorkflowAlreadyExists
              11 WorkflowTaskScheduled on tq, attempt 1
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskFailed of 7, 8: ResetWorkflow, because
              10 StartChildWorkflowExecutionFailed of 5: WorkflowAlreadyExists
              11 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_child_begun_after_the_point_that_has_ended_is_started_again() {
    check(
        "
            start
            poll
            respond: child kid
            poll
            respond
            poll
            respond: complete done
            reset 4
            poll
            respond: child kid
            poll
            respond: child kid
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1 of kid, events 1-3
            poll: task, attempt 1, events 1-6
            poll: task, attempt 1, events 1-11
            history:
              4 WorkflowTaskFailed of 2, 3: ResetWorkflow, because
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 StartChildWorkflowExecutionInitiated kid Terminate
              9 ChildWorkflowExecutionStarted of 8
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskCompleted of 10, 11
              13 StartChildWorkflowExecutionInitiated kid Terminate
              14 StartChildWorkflowExecutionFailed of 13: WorkflowAlreadyExists
              15 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_child_begun_after_the_point_belongs_to_no_run() {
    check(
        "
            start
            poll
            respond: child kid
            poll
            reset 4
            poll
            poll
            respond of=kid: complete done
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1 of kid, events 1-3
            poll: task, attempt 1, events 1-6
            history:
              4 WorkflowTaskFailed of 2, 3: ResetWorkflow, because
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
        "#]],
    );
}

#[test]
fn messages_for_children_only_and_the_close_policy_do_not_reach_it() {
    check(
        "
            start
            poll
            respond: child kid
            poll
            respond
            poll
            reset 9
            poll
            respond of=wf: signal-workflow kid hello child; cancel-workflow kid child
            poll
            respond of=wf: complete
            history from=5
            history of=kid
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1 of kid, events 1-3
            poll: task, attempt 1, events 1-11
            poll: task, attempt 1, events 1-18
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskFailed of 7, 8: ResetWorkflow, because
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskCompleted of 10, 11
              13 SignalExternalWorkflowExecutionInitiated hello to kid
              14 RequestCancelExternalWorkflowExecutionInitiated kid: enough
              15 SignalExternalWorkflowExecutionFailed of 13: ExternalWorkflowExecutionNotFound
              16 WorkflowTaskScheduled on tq, attempt 1
              17 RequestCancelExternalWorkflowExecutionFailed of 14: ExternalWorkflowExecutionNotFound
              18 WorkflowTaskStarted of 16
              19 WorkflowTaskCompleted of 16, 18
              20 WorkflowExecutionCompleted
            history of kid:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
        "#]],
    );
}

#[test]
fn a_child_that_is_reset_tells_its_parent_only_its_end() {
    check(
        "
            start
            poll
            respond: child kid
            poll
            respond
            poll
            reset 3 of=kid
            history from=5
            poll
            respond of=kid: complete done
            history from=10
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1 of kid, events 1-3
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
            poll: task, attempt 1 of kid, events 1-6
            history:
              10 ChildWorkflowExecutionCompleted of 5, 6 done
              11 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

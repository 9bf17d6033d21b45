//! Child workflows: their start, and the effects of the child's end and of the parent's end on each other.

use expect_test::expect;

use super::spec::check;

#[test]
fn a_child_starts_when_its_parent_knows_of_it_and_tells_how_it_ended() {
    check(
        "
            start
            poll
            respond: child kid
            history from=5
            history of=kid
            poll
            respond
            poll
            respond: complete done
            history from=8
            poll
            respond: complete
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
            history of kid:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1 of kid, events 1-3
            history:
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 ChildWorkflowExecutionCompleted of 5, 6 done
              11 WorkflowTaskScheduled on tq, attempt 1
            poll: task, attempt 1, events 1-12
        "#]],
    );
}

#[test]
fn every_end_of_a_child_has_its_event() {
    check(
        "
            start
            poll
            respond: child fails; child times-out run_timeout=1s; child cancelled; child terminated
            poll
            respond
            poll
            respond: fail
            poll
            respond
            poll
            respond: cancelled
            terminate of=terminated
            wait 1s
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-14
            poll: task, attempt 1 of fails, events 1-3
            poll: task, attempt 1 of times-out, events 1-3
            poll: task, attempt 1 of cancelled, events 1-3
            history:
              5 StartChildWorkflowExecutionInitiated fails Terminate
              6 StartChildWorkflowExecutionInitiated times-out Terminate
              7 StartChildWorkflowExecutionInitiated cancelled Terminate
              8 StartChildWorkflowExecutionInitiated terminated Terminate
              9 ChildWorkflowExecutionStarted of 5
              10 WorkflowTaskScheduled on tq, attempt 1
              11 ChildWorkflowExecutionStarted of 6
              12 ChildWorkflowExecutionStarted of 7
              13 ChildWorkflowExecutionStarted of 8
              14 WorkflowTaskStarted of 10
              15 WorkflowTaskCompleted of 10, 14
              16 ChildWorkflowExecutionFailed of 5, 9: RetryPolicyNotSet
              17 WorkflowTaskScheduled on tq, attempt 1
              18 ChildWorkflowExecutionCanceled of 7, 12
              19 ChildWorkflowExecutionTerminated of 8, 13
              20 ChildWorkflowExecutionTimedOut of 6, 11: RetryPolicyNotSet
        "#]],
    );
}

#[test]
fn an_id_in_use_is_refused() {
    check(
        "
            start of=kid
            start
            poll
            respond of=kid: timer 1 1m
            poll
            respond: child kid
            history from=5
            poll
            respond: child kid reuse=terminate
            history from=8
            history of=kid
        ",
        &expect![[r#"
            start: first run, started true
            start: another run, started true
            poll: task, attempt 1 of kid, events 1-3
            poll: task, attempt 1, events 1-3
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 StartChildWorkflowExecutionFailed of 5: WorkflowAlreadyExists
              7 WorkflowTaskScheduled on tq, attempt 1
            poll: task, attempt 1, events 1-8
            history:
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 StartChildWorkflowExecutionInitiated kid Terminate
              11 ChildWorkflowExecutionStarted of 10
              12 WorkflowTaskScheduled on tq, attempt 1
            history of kid:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn an_id_that_was_used_is_refused_if_the_policy_says_so() {
    check(
        "
            start of=kid
            poll
            respond: complete
            start
            poll
            respond: child kid reuse=reject
            poll
            respond: child kid
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1 of kid, events 1-3
            start: another run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 StartChildWorkflowExecutionFailed of 5: WorkflowAlreadyExists
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 StartChildWorkflowExecutionInitiated kid Terminate
              11 ChildWorkflowExecutionStarted of 10
              12 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn the_parent_hears_of_the_end_of_the_whole_chain() {
    check(
        "
            start
            poll
            respond: child kid retry=2
            poll
            respond
            poll
            respond: fail
            history from=5
            wait 1s
            poll
            respond: continue-as-new
            wait 1s
            history
            poll
            respond: complete late
            history from=10
            history of=kid
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
            poll: task, attempt 1 of kid, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
            poll: task, attempt 1 of kid, events 1-3
            history:
              10 ChildWorkflowExecutionCompleted of 5, 6 late
              11 WorkflowTaskScheduled on tq, attempt 1
            history of kid:
              1 WorkflowExecutionStarted attempt 1, by Workflow, child of wf, in 1s
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionCompleted late
        "#]],
    );
}

#[test]
fn parent_close_policies_are_applied_to_what_has_started() {
    check(
        "
            start
            poll
            respond: child terminated; child abandoned policy=abandon; child asked policy=cancel
            poll
            respond: complete
            history of=terminated
            history of=abandoned
            history of=asked
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-12
            history of terminated:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionTerminated by parent close policy
            history of abandoned:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
            history of asked:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionCancelRequested from wf
        "#]],
    );
}

#[test]
fn the_policy_reaches_the_run_that_a_child_has_continued_as() {
    check(
        "
            start
            poll
            respond: child kid
            poll
            respond
            poll
            respond: continue-as-new
            wait 1s
            terminate
            history of=kid
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1 of kid, events 1-3
            history of kid:
              1 WorkflowExecutionStarted attempt 1, by Workflow, child of wf, in 1s
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionTerminated by parent close policy
        "#]],
    );
}

#[test]
fn continuing_as_new_closes_the_run_for_its_children() {
    check(
        "
            start
            poll
            respond: child kid
            poll
            respond: continue-as-new
            wait 1s
            history of=kid
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            history of kid:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionTerminated by parent close policy
            history:
              1 WorkflowExecutionStarted attempt 1, by Workflow, in 1s
              2 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_parent_that_closes_at_once_starts_no_child_whatever_the_policy() {
    check(
        "
            start
            poll
            respond: child dropped; child abandoned policy=abandon; complete
            history
            history of=dropped
            history of=abandoned
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 StartChildWorkflowExecutionInitiated dropped Terminate
              6 StartChildWorkflowExecutionInitiated abandoned Abandon
              7 WorkflowExecutionCompleted
            history: NotFound workflow not found for ID: dropped
            history: NotFound workflow not found for ID: abandoned
        "#]],
    );
}

#[test]
fn news_of_children_wait_for_the_end_of_the_task() {
    check(
        "
            start
            poll
            respond inline force: child kid
            poll
            respond of=kid: complete done
            history from=5
            respond of=wf: timer 1 1m
            history from=8
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 4-7
            poll: task, attempt 1 of kid, events 1-3
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
            history:
              8 WorkflowTaskCompleted of 6, 7
              9 TimerStarted 1
              10 ChildWorkflowExecutionStarted of 5
              11 ChildWorkflowExecutionCompleted of 5, 10 done
              12 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_start_seen_earlier_is_named_by_the_end() {
    check(
        "
            start
            poll
            respond inline force: child kid
            respond: timer 1 1m
            poll
            poll
            respond of=kid: complete done
            respond of=wf: timer 2 1m
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 4-7
            poll: task, attempt 1 of kid, events 1-3
            poll: task, attempt 1, events 1-12
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskCompleted of 6, 7
              9 TimerStarted 1
              10 ChildWorkflowExecutionStarted of 5
              11 WorkflowTaskScheduled on tq, attempt 1
              12 WorkflowTaskStarted of 11
              13 WorkflowTaskCompleted of 11, 12
              14 TimerStarted 2
              15 ChildWorkflowExecutionCompleted of 5, 10 done
              16 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_child_that_cannot_be_started_fails_the_task() {
    check(
        "
            start
            poll
            respond: child
            poll
            respond: child kid cron=never
            poll
            respond: child kid namespace=other
            poll
            respond: child kid namespace=nowhere
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument BadStartChildExecutionAttributes: Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType=Child Namespace=default
            poll: task, attempt 2, events 1-6
            respond: InvalidArgument BadStartChildExecutionAttributes: invalid CronSchedule on StartChildWorkflowExecutionCommand: invalid CronSchedule.. WorkflowId=kid WorkflowType=Child Namespace=default
            poll: nothing
            respond: InvalidArgument BadStartChildExecutionAttributes: cross namespace commands are not allowed
            poll: nothing
            respond: NotFound Namespace nowhere is not found.
            history:
              4 WorkflowTaskFailed of 2, 3: BadStartChildExecutionAttributes, BadStartChildExecutionAttributes: Required field WorkflowId is not set on StartChildWorkflowExecutionCommand. WorkflowType=Child Namespace=default
        "#]],
    );
}

#[test]
fn a_child_has_the_timeouts_of_a_start() {
    check(
        "
            start
            poll
            respond: child kid execution_timeout=3s retry=9
            wait 3s
            history from=5
            history of=kid
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 ChildWorkflowExecutionTimedOut of 5, 6: Timeout
            history of kid:
              1 WorkflowExecutionStarted attempt 1, child of wf
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionTimedOut Timeout
        "#]],
    );
}

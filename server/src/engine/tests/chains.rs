//! Runs that follow others: continue-as-new, retries, timeouts.

use expect_test::expect;

use super::spec::check;

#[test]
fn continue_as_new() {
    check(
        "
            start
            poll
            respond: continue-as-new
            wait 1s
            history first
            history
            poll
            respond: complete
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionContinuedAsNew
            history:
              1 WorkflowExecutionStarted attempt 1, by Workflow, in 1s
              2 WorkflowTaskScheduled on tq, attempt 1
            poll: task, attempt 1, events 1-3
        "#]],
    );
}

#[test]
fn a_run_that_another_one_follows_takes_a_second_at_least() {
    check(
        "
            start
            wait 0.4s
            poll
            respond: continue-as-new
            poll
            wait 0.6s
            poll
            wait 2s
            respond: continue-as-new
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: nothing
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1, by Workflow
              2 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_failed_run_is_tried_again() {
    check(
        "
            start retry=2
            poll
            respond: fail
            history first from=5
            poll
            wait 1s
            poll
            history
            respond: fail
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 WorkflowExecutionFailed InProgress
            poll: nothing
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 2, by Retry, in 1s, after "no"
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
            history:
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionFailed MaximumAttemptsReached
        "#]],
    );
}

#[test]
fn a_non_retryable_failure_ends_the_chain() {
    check(
        "
            start retry=2
            poll
            respond: fail non-retryable
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 WorkflowExecutionFailed NonRetryableFailure
        "#]],
    );
}

#[test]
fn without_a_policy_a_failure_is_final() {
    check(
        "
            start
            poll
            respond: fail
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 WorkflowExecutionFailed RetryPolicyNotSet
        "#]],
    );
}

#[test]
fn the_run_timeout_ends_a_run() {
    check(
        "
            start run_timeout=5s
            poll
            respond: timer 1 1m; activity 1
            wait 5s
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 TimerStarted 1
              6 ActivityTaskScheduled 1
              7 WorkflowExecutionTimedOut RetryPolicyNotSet
        "#]],
    );
}

#[test]
fn the_run_timeout_ends_a_started_task_first() {
    check(
        "
            start run_timeout=5s
            poll
            signal a
            wait 5s
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              4 WorkflowTaskFailed of 2, 3: ForceCloseCommand
              5 WorkflowExecutionSignaled a
              6 WorkflowExecutionTimedOut RetryPolicyNotSet
        "#]],
    );
}

#[test]
fn a_run_that_timed_out_is_tried_again() {
    check(
        "
            start run_timeout=5s retry=2
            wait 5s
            history first
            wait 1s
            poll
            wait 5s
            history
        ",
        &expect![[r#"
            start: first run, started true
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionTimedOut InProgress
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 2, by Retry, in 1s, after "workflow timeout" (StartToClose)
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskFailed of 2, 3: ForceCloseCommand
              5 WorkflowExecutionTimedOut MaximumAttemptsReached
        "#]],
    );
}

#[test]
fn the_execution_timeout_ends_the_chain() {
    check(
        "
            start execution_timeout=5s retry=9
            wait 5s
            history
        ",
        &expect![[r#"
            start: first run, started true
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionTimedOut Timeout
        "#]],
    );
}

#[test]
fn a_start_delay_holds_back_the_first_task() {
    check(
        "
            start delay=5s
            history
            wait 5s
            history
        ",
        &expect![[r#"
            start: first run, started true
            history:
              1 WorkflowExecutionStarted attempt 1, in 5s
            history:
              1 WorkflowExecutionStarted attempt 1, in 5s
              2 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

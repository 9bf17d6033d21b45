//! Runs with a cron schedule.

use expect_test::expect;

use super::spec::check;

#[test]
fn a_run_follows_at_the_next_time_and_is_told_the_last_result() {
    check(
        "
            start cron=@every_10s
            poll
            wait 10s
            poll
            wait 3s
            respond: complete one
            history first
            history
            wait 6s
            poll
            wait 1s
            poll
            respond: complete two
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: nothing
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 10s
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionCompleted one
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 7s, last result one
            poll: nothing
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 10s, last result two
        "#]],
    );
}

#[test]
fn missed_cron_runs_are_not_made_up_for() {
    check(
        "
            start cron=@every_10s task_timeout=1m
            wait 10s
            poll
            wait 25s
            respond: complete
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 5s
        "#]],
    );
}

#[test]
fn a_failed_run_is_retried_first_and_its_failure_is_carried_on() {
    check(
        "
            start cron=@every_10s retry=2
            wait 10s
            poll
            respond: complete one
            wait 10s
            poll
            respond: fail
            history
            wait 1s
            poll
            respond: fail
            history
            wait 10s
            poll
            respond: complete
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 2, by Retry, in 1s, after "no"
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 10s, after "no"
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 10s
        "#]],
    );
}

#[test]
fn a_failed_run_keeps_the_last_result() {
    check(
        "
            start cron=@every_10s
            wait 10s
            poll
            respond: complete one
            wait 10s
            poll
            respond: fail
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 10s, last result one, after "no"
        "#]],
    );
}

#[test]
fn a_run_that_times_out_is_followed_unless_the_chain_is_over() {
    check(
        "
            start cron=@every_10s run_timeout=3s execution_timeout=30s
            wait 13s
            history first
            history
            wait 17s
            history
        ",
        &expect![[r#"
            start: first run, started true
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 10s
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowExecutionTimedOut RetryPolicyNotSet
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 7s, after "workflow timeout" (StartToClose)
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 7s, after "workflow timeout" (StartToClose)
              2 WorkflowExecutionTimedOut Timeout
        "#]],
    );
}

#[test]
fn termination_and_cancellation_end_the_chain() {
    check(
        "
            start cron=*_*_*_*_*
            terminate
            history
            start cron=*_*_*_*_*
            cancel
            poll
            respond: cancelled
            history
        ",
        &expect![[r#"
            start: first run, started true
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 40s
              2 WorkflowExecutionTerminated terminated by user via frontend
            start: another run, started true
            poll: task, attempt 1, events 1-4
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 40s
              2 WorkflowExecutionCancelRequested
              3 WorkflowTaskScheduled on tq, attempt 1
              4 WorkflowTaskStarted of 3
              5 WorkflowTaskCompleted of 3, 4
              6 WorkflowExecutionCanceled
        "#]],
    );
}

#[test]
fn continue_as_new_leaves_the_schedule() {
    check(
        "
            start cron=@every_10s
            wait 10s
            poll
            respond: continue-as-new
            history
            wait 1s
            poll
            respond: complete
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1, by Workflow, in 1s
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1, by Workflow, in 1s
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskCompleted of 2, 3
              5 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn a_signal_waits_for_the_time_and_comes_with_the_run() {
    check(
        "
            start cron=@every_10s
            signal a
            poll
            wait 10s
            history
        ",
        &expect![[r#"
            start: first run, started true
            poll: nothing
            history:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, in 10s
              2 WorkflowExecutionSignaled a
              3 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_parent_sees_the_end_of_the_whole_chain() {
    check(
        "
            start
            poll
            respond: child kid cron=@every_10s
            poll
            respond
            wait 10s
            poll
            respond: complete one
            history of=kid
            poll
            history from=5
            terminate of=kid
            history from=10
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            poll: task, attempt 1 of kid, events 1-3
            history of kid:
              1 WorkflowExecutionStarted attempt 1, by CronSchedule, child of wf, in 10s, last result one
            poll: nothing
            history:
              5 StartChildWorkflowExecutionInitiated kid Terminate
              6 ChildWorkflowExecutionStarted of 5
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
            history:
              10 ChildWorkflowExecutionTerminated of 5, 6
              11 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn schedules_that_make_no_sense_are_refused() {
    check(
        "
            start cron=never
            start cron=0_0_31_2_*
            start cron=@daily delay=1s
            start cron=TZ=Asia/Tokyo_@daily
        ",
        &expect![[r#"
            start: InvalidArgument invalid CronSchedule.
            start: InvalidArgument invalid CronSchedule, no time can be found to satisfy the schedule
            start: InvalidArgument CronSchedule and WorkflowStartDelay may not be used together.
            start: Unimplemented Abide's embedded server supports cron schedules in UTC only, found the time zone "Asia/Tokyo"
        "#]],
    );
}

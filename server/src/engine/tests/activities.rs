//! Activities: attempts, late started events, the four timeouts, cancellation, eager execution.

use expect_test::expect;

use super::spec::check;

#[test]
fn attempts_leave_one_started_event() {
    check(
        "
            start
            poll
            respond: activity 1 retry=3
            take
            failed 1
            take
            wait 1s
            take
            failed 1
            wait 1s
            history from=5
            take
            done 1
            history from=6
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            take: nothing
            take: activity 1, attempt 2
            history:
              5 ActivityTaskScheduled 1
            take: activity 1, attempt 3
            history:
              6 ActivityTaskStarted of 5, attempt 3, after "no"
              7 ActivityTaskCompleted of 5, 6
              8 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn attempts_are_limited() {
    check(
        "
            start
            poll
            respond: activity 1 retry=2
            take
            failed 1
            wait 1s
            take
            failed 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            take: activity 1, attempt 2
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskStarted of 5, attempt 2, after "no"
              7 ActivityTaskFailed of 5, 6: MaximumAttemptsReached
              8 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_non_retryable_failure_is_final() {
    check(
        "
            start
            poll
            respond: activity 1
            take
            failed 1 non-retryable
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskStarted of 5, attempt 1
              7 ActivityTaskFailed of 5, 6: NonRetryableFailure
              8 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn no_attempt_begins_that_cannot_end_in_time() {
    check(
        "
            start
            poll
            respond: activity 1 s2c=1.5s retry=9
            take
            failed 1
            wait 1s
            take
            failed 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            take: activity 1, attempt 2
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskStarted of 5, attempt 2, after "no"
              7 ActivityTaskFailed of 5, 6: Timeout
              8 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_failure_names_its_own_delay() {
    check(
        "
            start
            poll
            respond: activity 1 retry=2
            take
            failed 1 delay=7s
            wait 6s
            take
            wait 1s
            take
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            take: nothing
            take: activity 1, attempt 2
        "#]],
    );
}

#[test]
fn schedule_to_start_timeout() {
    check(
        "
            start
            poll
            respond: activity 1 s2s=3s retry=5
            wait 3s
            history from=5
            take
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskTimedOut of 5, 0: Timeout, "activity ScheduleToStart timeout" (ScheduleToStart)
              7 WorkflowTaskScheduled on tq, attempt 1
            take: nothing
        "#]],
    );
}

#[test]
fn schedule_to_close_timeout() {
    check(
        "
            start
            poll
            respond: activity 1 s2c=3s retry=5
            take
            wait 3s
            history from=5
            done 1
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskStarted of 5, attempt 1
              7 ActivityTaskTimedOut of 5, 6: Timeout, "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying" (ScheduleToClose)
              8 WorkflowTaskScheduled on tq, attempt 1
            done: NotFound invalid activityID or activity already timed out or invoking workflow is completed
        "#]],
    );
}

#[test]
fn start_to_close_timeouts_are_tried_again() {
    check(
        "
            start
            poll
            respond: activity 1 stc=3s retry=2
            take
            wait 3s
            wait 1s
            take
            wait 3s
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            take: activity 1, attempt 2
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskStarted of 5, attempt 2, after "activity StartToClose timeout" (StartToClose)
              7 ActivityTaskTimedOut of 5, 6: MaximumAttemptsReached, "activity StartToClose timeout" (StartToClose) because "activity StartToClose timeout" (StartToClose)
              8 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn heartbeats_keep_an_attempt_alive() {
    check(
        "
            start
            poll
            respond: activity 1 stc=1m hb=2s retry=2
            take
            wait 1s
            beat 1 half
            wait 1.5s
            beat 1 more
            wait 2s
            wait 1s
            take
            wait 2s
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            beat: cancel requested false
            beat: cancel requested false
            take: activity 1, attempt 2, heartbeat more
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskStarted of 5, attempt 2, after "activity Heartbeat timeout" (Heartbeat)
              7 ActivityTaskTimedOut of 5, 6: MaximumAttemptsReached, "activity Heartbeat timeout" (Heartbeat heartbeat more) because "activity Heartbeat timeout" (Heartbeat)
              8 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn an_unstarted_activity_is_cancelled_at_once() {
    check(
        "
            start
            poll
            respond: activity 1
            signal a
            poll
            respond: cancel-activity 5
            history from=5
            take
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            history:
              5 ActivityTaskScheduled 1
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 ActivityTaskCancelRequested of 5
              11 ActivityTaskCanceled of 5, 0: requested by 10 "ACTIVITY_ID_NOT_STARTED"
              12 WorkflowTaskScheduled on tq, attempt 1
            take: nothing
        "#]],
    );
}

#[test]
fn an_activity_that_backs_off_is_cancelled_at_once() {
    check(
        "
            start
            poll
            respond: activity 1 retry=5
            take
            failed 1
            signal a
            poll
            respond: cancel-activity 5
            wait 1s
            take
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            poll: task, attempt 1, events 1-8
            take: nothing
            history:
              5 ActivityTaskScheduled 1
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 ActivityTaskCancelRequested of 5
              11 ActivityTaskCanceled of 5, 0: requested by 10 "ACTIVITY_ID_NOT_STARTED"
              12 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_running_activity_hears_of_its_cancellation() {
    check(
        "
            start
            poll
            respond: activity 1
            take
            cancelled 1
            signal a
            poll
            respond: cancel-activity 5
            beat 1 x
            cancelled 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            cancelled: InvalidArgument unable to mark activity as canceled without activity being request canceled first
            poll: task, attempt 1, events 1-8
            beat: cancel requested true
            history:
              5 ActivityTaskScheduled 1
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 ActivityTaskCancelRequested of 5
              11 ActivityTaskStarted of 5, attempt 1
              12 ActivityTaskCanceled of 5, 11: requested by 10
              13 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_cancelled_activity_is_not_tried_again() {
    check(
        "
            start
            poll
            respond: activity 1 retry=5
            take
            signal a
            poll
            respond: cancel-activity 5
            failed 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            poll: task, attempt 1, events 1-8
            history:
              5 ActivityTaskScheduled 1
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 ActivityTaskCancelRequested of 5
              11 ActivityTaskStarted of 5, attempt 1
              12 ActivityTaskFailed of 5, 11: CancelRequested
              13 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn results_during_a_task_come_after_its_commands() {
    check(
        "
            start
            poll
            respond: activity 1; activity 2
            take
            take
            signal a
            poll
            done 2
            signal b
            done 1
            respond: marker m
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            take: activity 2, attempt 1
            poll: task, attempt 1, events 1-9
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskScheduled 2
              7 WorkflowExecutionSignaled a
              8 WorkflowTaskScheduled on tq, attempt 1
              9 WorkflowTaskStarted of 8
              10 WorkflowTaskCompleted of 8, 9
              11 MarkerRecorded m
              12 ActivityTaskStarted of 6, attempt 1
              13 WorkflowExecutionSignaled b
              14 ActivityTaskStarted of 5, attempt 1
              15 ActivityTaskCompleted of 6, 12
              16 ActivityTaskCompleted of 5, 14
              17 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn cancelling_what_has_just_ended() {
    check(
        "
            start
            poll
            respond: activity 1
            take
            signal a
            poll
            done 1
            respond: cancel-activity 5
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            poll: task, attempt 1, events 1-8
            history:
              5 ActivityTaskScheduled 1
              6 WorkflowExecutionSignaled a
              7 WorkflowTaskScheduled on tq, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 ActivityTaskCancelRequested of 5
              11 ActivityTaskStarted of 5, attempt 1
              12 ActivityTaskCompleted of 5, 11
              13 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn eager_activities_come_with_the_completion() {
    check(
        "
            start
            poll
            respond: activity 1 eager
            take
            done 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            eager activity 1
            take: nothing
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskStarted of 5, attempt 1
              7 ActivityTaskCompleted of 5, 6
              8 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn an_activity_of_a_workflow_that_closes_is_not_started() {
    check(
        "
            start
            poll
            respond: activity 1 eager; complete
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 ActivityTaskScheduled 1
              6 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn an_id_is_taken_while_its_activity_is_pending() {
    check(
        "
            start
            poll
            respond: activity 1; activity 1
            poll
            respond: activity 1
            take
            done 1
            poll
            respond: activity 1
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument ScheduleActivityDuplicateId: invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: 1
            poll: task, attempt 2, events 1-6
            take: activity 1, attempt 1
            poll: task, attempt 1, events 1-12
        "#]],
    );
}

#[test]
fn an_old_attempt_is_refused() {
    check(
        "
            start
            poll
            respond: activity 1 stc=1s retry=3
            take
            wait 1s
            wait 1s
            done 1
            take
            done 1
            done 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            done: NotFound invalid activityID or activity already timed out or invoking workflow is completed
            take: activity 1, attempt 2
            done: NotFound invalid activityID or activity already timed out or invoking workflow is completed
            history:
              5 ActivityTaskScheduled 1
              6 ActivityTaskStarted of 5, attempt 2, after "activity StartToClose timeout" (StartToClose)
              7 ActivityTaskCompleted of 5, 6
              8 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

//! Workflow tasks: attempts, failures, timeouts, sticky queues, tasks that come with a completion.

use std::time::Duration;

use expect_test::expect;

use super::spec::{Spec, check};

#[test]
fn tasks_that_fail_again_and_again_are_reported_until_one_completes() {
    check(
        "
            start
            poll
            fail-task
            poll
            fail-task
            poll
            fail-task
            poll
            fail-task
            count TemporalReportedProblems IS NOT NULL
            poll
            fail-task
            count TemporalReportedProblems = 'cause=WorkflowTaskFailedCauseWorkflowWorkerUnhandledFailure'
            poll
            respond
            count TemporalReportedProblems IS NOT NULL
            count
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 2, events 1-6
            poll: task, attempt 3, events 1-6
            poll: task, attempt 4, events 1-6
            count: 0
            poll: task, attempt 5, events 1-6
            count: 1
            poll: task, attempt 6, events 1-6
            count: 0
            count: 1
        "#]],
    );
}

#[test]
fn an_empty_run() {
    check(
        "
            start
            poll
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

#[test]
fn a_failing_task_leaves_one_event() {
    check(
        "
            start
            poll
            fail-task
            poll
            fail-task
            poll
            fail-task
            history from=4
            poll
            respond: complete
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 2, events 1-6
            poll: task, attempt 3, events 1-6
            history:
              4 WorkflowTaskFailed of 2, 3: WorkflowWorkerUnhandledFailure
            poll: task, attempt 4, events 1-6
            history:
              5 WorkflowTaskScheduled on tq, attempt 4
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn a_signal_makes_a_failed_task_a_first_attempt_again() {
    check(
        "
            start
            poll
            fail-task
            signal a
            history from=4
            poll
            history from=6
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              4 WorkflowTaskFailed of 2, 3: WorkflowWorkerUnhandledFailure
              5 WorkflowExecutionSignaled a
            poll: task, attempt 1, events 1-7
            history:
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
        "#]],
    );
}

#[test]
fn termination_ends_the_started_task_first() {
    check(
        "
            start
            poll
            signal a
            signal b
            terminate
            history from=4
            respond: complete
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              4 WorkflowTaskFailed of 2, 3: ForceCloseCommand
              5 WorkflowExecutionSignaled a
              6 WorkflowExecutionSignaled b
              7 WorkflowExecutionTerminated terminated by user via frontend
            respond: NotFound Workflow task not found.
        "#]],
    );
}

#[test]
fn a_task_that_times_out_flushes_what_was_buffered() {
    check(
        "
            start task_timeout=5s
            poll
            signal a
            wait 5s
            respond: complete
            history from=4
            poll
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: NotFound Workflow task not found.
            history:
              4 WorkflowTaskTimedOut of 2, 3: StartToClose
              5 WorkflowExecutionSignaled a
              6 WorkflowTaskScheduled on tq, attempt 1
            poll: task, attempt 1, events 1-7
        "#]],
    );
}

#[test]
fn a_task_that_times_out_again_leaves_no_event() {
    check(
        "
            start task_timeout=5s
            poll
            wait 5s
            poll
            wait 5s
            poll
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 2, events 1-6
            poll: task, attempt 3, events 1-6
            history:
              4 WorkflowTaskTimedOut of 2, 3: StartToClose
        "#]],
    );
}

#[test]
fn heartbeats_renew_the_task() {
    check(
        "
            start
            poll
            respond force inline:
            respond force inline: marker m
            respond force inline:
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 4-6
            poll: task, attempt 1, events 7-10
            poll: task, attempt 1, events 11-13
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 MarkerRecorded m
              9 WorkflowTaskScheduled on tq, attempt 1
              10 WorkflowTaskStarted of 9
              11 WorkflowTaskCompleted of 9, 10
              12 WorkflowTaskScheduled on tq, attempt 1
              13 WorkflowTaskStarted of 12
        "#]],
    );
}

#[test]
fn heartbeats_end_after_half_an_hour() {
    let mut spec = Spec::new();
    spec.run("start task_timeout=2m");
    spec.run("poll");
    // The first heartbeat starts the series; the task at minute 30.4 exceeds its limit.
    spec.run("respond force inline:");
    for _ in 0..16 {
        spec.wait(Duration::from_secs(114));
        spec.run("respond force inline:");
    }
    assert!(spec.out.ends_with("respond: NotFound workflow task heartbeat timeout\n"), "{}", spec.out);
    assert_eq!(spec.out.matches("poll: task").count(), 17);
}

#[test]
fn the_sticky_queue_is_used_while_its_worker_lives() {
    check(
        "
            start
            poll
            respond sticky: timer 1 1s
            poll sticky
            wait 1s
            poll
            poll sticky
            respond sticky: timer 2 1s
            wait 1s
            wait 5s
            poll
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: nothing
            poll: nothing
            poll: task, attempt 1, events 4-8
            poll: task, attempt 1, events 1-15
            history:
              5 TimerStarted 1
              6 TimerFired 1 of 5
              7 WorkflowTaskScheduled on sticky, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskCompleted of 7, 8
              10 TimerStarted 2
              11 TimerFired 2 of 10
              12 WorkflowTaskScheduled on sticky, attempt 1
              13 WorkflowTaskTimedOut of 12, 0: ScheduleToStart
              14 WorkflowTaskScheduled on tq, attempt 1
              15 WorkflowTaskStarted of 14
        "#]],
    );
}

#[test]
fn a_sticky_queue_without_a_worker_is_passed_over() {
    check(
        "
            start
            poll
            respond sticky: timer 1 1s
            wait 1s
            poll
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-8
            history:
              5 TimerStarted 1
              6 TimerFired 1 of 5
              7 WorkflowTaskScheduled on sticky, attempt 1
              8 WorkflowTaskStarted of 7
        "#]],
    );
}

#[test]
fn a_sticky_queue_is_dead_after_ten_seconds() {
    check(
        "
            start
            poll
            poll sticky
            respond sticky: timer 1 11s
            wait 11s
            poll
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: nothing
            poll: task, attempt 1, events 1-8
            history:
              5 TimerStarted 1
              6 TimerFired 1 of 5
              7 WorkflowTaskScheduled on sticky, attempt 1
              8 WorkflowTaskStarted of 7
        "#]],
    );
}

#[test]
fn a_failure_after_a_cached_task_is_a_first_attempt() {
    check(
        "
            start
            poll
            poll sticky
            respond sticky: timer 1 1s
            wait 1s
            poll sticky
            fail-task
            poll
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: nothing
            poll: task, attempt 1, events 4-8
            poll: task, attempt 1, events 1-11
            history:
              5 TimerStarted 1
              6 TimerFired 1 of 5
              7 WorkflowTaskScheduled on sticky, attempt 1
              8 WorkflowTaskStarted of 7
              9 WorkflowTaskFailed of 7, 8: WorkflowWorkerUnhandledFailure
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
        "#]],
    );
}

#[test]
fn a_close_command_must_be_the_last() {
    check(
        "
            start
            poll
            respond: complete; timer 1 1s
            respond: complete
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument invalid command sequence: [CompleteWorkflowExecution, StartTimer], command CompleteWorkflowExecution must be the last command.
            history:
              5 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn a_bad_command_fails_the_task() {
    check(
        "
            start
            poll
            respond: timer 1 1s; timer 1 2s
            history from=4
            poll
            respond: timer 1 1s; timer 1 2s
            history
            wait 10s
            poll
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: 1
            history:
              4 WorkflowTaskFailed of 2, 3: StartTimerDuplicateId, StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: 1
            poll: task, attempt 2, events 1-6
            respond: InvalidArgument StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: 1
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
              4 WorkflowTaskFailed of 2, 3: StartTimerDuplicateId, StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: 1
            poll: task, attempt 3, events 1-6
        "#]],
    );
}

#[test]
fn news_during_the_task_forbid_its_end() {
    check(
        "
            start
            poll
            signal a
            respond: timer 1 1m; complete
            history from=4
            poll
            respond: complete
            history from=7
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument UnhandledCommand
            history:
              4 WorkflowTaskFailed of 2, 3: UnhandledCommand, UnhandledCommand
              5 WorkflowExecutionSignaled a
              6 WorkflowTaskScheduled on tq, attempt 1
            poll: task, attempt 1, events 1-7
            history:
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskCompleted of 6, 7
              9 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn an_old_token_is_refused() {
    check(
        "
            start task_timeout=5s
            poll
            wait 5s
            respond: complete
            poll
            respond: complete
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: NotFound Workflow task not found.
            poll: task, attempt 2, events 1-6
            history:
              4 WorkflowTaskTimedOut of 2, 3: StartToClose
              5 WorkflowTaskScheduled on tq, attempt 2
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn an_upsert_of_nothing_fails_the_task() {
    check(
        "
            start
            poll
            respond: upsert-attributes
            poll
            respond: upsert-memo
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument BadSearchAttributes: IndexedFields is not set on UpsertWorkflowSearchAttributesCommand.
            poll: task, attempt 2, events 1-6
            respond: InvalidArgument BadModifyWorkflowPropertiesAttributes: UpsertedMemo.Fields is not set on ModifyWorkflowPropertiesCommand.
        "#]],
    );
}

//! Resets: what the new run keeps, what is reapplied, what is refused.

use expect_test::expect;

use super::spec::check;

#[test]
fn signals_and_updates_after_the_point_are_applied_again() {
    check(
        "
            start
            poll
            respond:
            signal a
            poll
            respond: timer 1 60s
            update u
            poll
            respond: accept u; update-completed u 1
            signal b
            reset 4
            history from=4
            history first from=5
            poll
            respond: accept u at=6; update-completed u 2
            history from=9
            poll-update u
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7
            poll: task, attempt 1, events 1-11, update u after 10
            update u: Completed, 1
            history:
              4 WorkflowTaskFailed of 2, 3: ResetWorkflow, because
              5 WorkflowExecutionSignaled a
              6 WorkflowExecutionUpdateAdmitted u
              7 WorkflowExecutionSignaled b
              8 WorkflowTaskScheduled on tq, attempt 1
            history:
              5 WorkflowExecutionSignaled a
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskCompleted of 6, 7
              9 TimerStarted 1
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskCompleted of 10, 11
              13 WorkflowExecutionUpdateAccepted u after 10
              14 WorkflowExecutionUpdateCompleted u of 13: 1
              15 WorkflowExecutionSignaled b
              16 WorkflowTaskScheduled on tq, attempt 1
              17 WorkflowExecutionTerminated because
            poll: task, attempt 1, events 1-9
            history:
              9 WorkflowTaskStarted of 8
              10 WorkflowTaskCompleted of 8, 9
              11 WorkflowExecutionUpdateAccepted u after 6, its request is elsewhere
              12 WorkflowExecutionUpdateCompleted u of 11: 2
            poll-update u: Completed, 2
        "#]],
    );
}

#[test]
fn excluded_events_are_not_applied_again() {
    check(
        "
            start
            poll
            respond:
            signal a
            poll
            respond:
            update u
            poll
            respond: accept u; update-completed u 1
            reset 4 exclude=signals
            history from=4
            reset 4 first exclude=updates
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7
            poll: task, attempt 1, events 1-10, update u after 9
            update u: Completed, 1
            history:
              4 WorkflowTaskFailed of 2, 3: ResetWorkflow, because
              5 WorkflowExecutionUpdateAdmitted u
              6 WorkflowTaskScheduled on tq, attempt 1
            history:
              4 WorkflowTaskFailed of 2, 3: ResetWorkflow, because
              5 WorkflowExecutionSignaled a
              6 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_task_that_no_worker_had_taken_is_started_by_the_server() {
    check(
        "
            start
            poll
            respond:
            signal a
            reset 3
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              4 WorkflowTaskFailed of 2, 3: ResetWorkflow, because
              5 WorkflowExecutionSignaled a
              6 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_closed_run_can_be_reset() {
    check(
        "
            start
            poll
            respond:
            signal a
            poll
            respond: complete
            reset 8
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7
            history:
              5 WorkflowExecutionSignaled a
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskFailed of 6, 7: ResetWorkflow, because
              9 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_reset_during_a_task_ends_it_and_applies_what_came_meanwhile() {
    check(
        "
            start
            poll
            respond:
            signal a
            poll
            signal b
            reset 4
            history from=4
            history first from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7
            history:
              4 WorkflowTaskFailed of 2, 3: ResetWorkflow, because
              5 WorkflowExecutionSignaled a
              6 WorkflowExecutionSignaled b
              7 WorkflowTaskScheduled on tq, attempt 1
            history:
              5 WorkflowExecutionSignaled a
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
              8 WorkflowTaskFailed of 6, 7: ForceCloseCommand
              9 WorkflowExecutionSignaled b
              10 WorkflowExecutionTerminated because
        "#]],
    );
}

#[test]
fn timers_fire_when_they_would_have_and_activities_are_handed_out_again() {
    check(
        "
            start
            poll
            respond: timer 1 10s; activity 1; activity 2
            take
            take
            done 2
            poll
            respond:
            wait 4s
            reset 12
            take
            wait 5s
            history from=5
            wait 1s
            history from=14
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            take: activity 1, attempt 1
            take: activity 2, attempt 1
            poll: task, attempt 1, events 1-11
            take: activity 1, attempt 1
            history:
              5 TimerStarted 1
              6 ActivityTaskScheduled 1
              7 ActivityTaskScheduled 2
              8 ActivityTaskStarted of 7, attempt 1
              9 ActivityTaskCompleted of 7, 8
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskFailed of 10, 11: ResetWorkflow, because
              13 WorkflowTaskScheduled on tq, attempt 1
            history:
              14 TimerFired 1 of 5
        "#]],
    );
}

#[test]
fn accepted_updates_before_the_point_go_on() {
    check(
        "
            start
            poll
            respond:
            update u wait=accepted
            poll
            respond: accept u
            signal s
            poll
            respond:
            reset 12
            poll-update u
            poll
            respond: update-completed u 1
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Accepted
            poll: task, attempt 1, events 1-11
            poll-update u: Accepted
            poll: task, attempt 1, events 1-14
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 WorkflowExecutionUpdateAccepted u after 5
              9 WorkflowExecutionSignaled s
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskFailed of 10, 11: ResetWorkflow, because
              13 WorkflowTaskScheduled on tq, attempt 1
              14 WorkflowTaskStarted of 13
              15 WorkflowTaskCompleted of 13, 14
              16 WorkflowExecutionUpdateCompleted u of 8: 1
        "#]],
    );
}

#[test]
fn runs_that_continued_the_old_one_give_their_signals() {
    check(
        "
            start
            poll
            respond:
            signal a
            poll
            respond: continue-as-new
            wait 1s
            poll
            signal b
            respond:
            reset 4 first
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7
            poll: task, attempt 1, events 1-3
            history:
              4 WorkflowTaskFailed of 2, 3: ResetWorkflow, because
              5 WorkflowExecutionSignaled a
              6 WorkflowExecutionSignaled b
              7 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_reset_must_point_at_the_end_of_a_workflow_task() {
    check(
        "
            start
            poll
            respond:
            signal a
            poll
            respond: marker m
            reset 1
            reset 5
            reset 9
            reset 99
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-7
            reset: InvalidArgument Workflow task finish ID must be > 1 && <= workflow last event ID.
            reset: InvalidArgument Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: 5
            reset: InvalidArgument Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, WorkflowTaskStarted + 1]: 9
            reset: InvalidArgument Workflow task finish ID must be > 1 && <= workflow last event ID.
        "#]],
    );
}

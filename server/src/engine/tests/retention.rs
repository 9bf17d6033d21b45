//! The retention of closed runs.

use expect_test::expect;

use super::spec::check;

#[test]
fn a_closed_run_is_removed_when_its_retention_has_passed() {
    check(
        "
            start
            poll
            start of=open
            respond: complete
            count
            wait 1380m
            count
            signal a
            wait 60m
            count
            signal a
            query state
            start
            count
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            start: another run, started true
            count: 2
            count: 2
            signal: NotFound workflow execution already completed
            count: 1
            signal: NotFound workflow not found for ID: wf
            query: NotFound workflow not found for ID: wf
            start: another run, started true
            count: 2
        "#]],
    );
}

#[test]
fn time_does_not_skip_to_the_end_of_a_retention() {
    check(
        "
            start
            poll
            respond: complete
            start of=open
            poll
            respond of=open: timer t 6000m
            wait 5940m
            wait 60m
            history of=open from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            start: another run, started true
            poll: task, attempt 1 of open, events 1-3
            history of open:
              5 TimerStarted t
              6 TimerFired t of 5
              7 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

//! Completions in pages: their order, missing and surplus pages, and the end of their task.

use abide_protos::prost::Message as _;
use abide_protos::temporal::api::errordetails::v1::WorkflowTaskCompletionBufferLostFailure;
use expect_test::expect;

use super::super::errors::Error;
use super::super::{Engine, Options};
use super::spec::{Spec, check};
use crate::engine::workflow_tasks::PageLimits;

/// Returns the transcript of a script on a server with lower limits than the default.
fn transcript_within(limits: PageLimits, script: &str) -> String {
    let mut spec = Spec::new();
    let namespaces = vec!["default".into(), "other".into()];
    spec.engine = Engine::new(Options { namespaces, completion_pages: limits, ..Options::default() });
    script.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| spec.run(line));
    spec.out
}

#[test]
fn the_last_page_completes_the_task_with_the_commands_of_all() {
    check(
        "
            start
            poll
            respond page=0 more: marker a; marker b
            respond page=1 more: marker c
            history
            respond page=2: marker d; complete
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              1 WorkflowExecutionStarted attempt 1
              2 WorkflowTaskScheduled on tq, attempt 1
              3 WorkflowTaskStarted of 2
            history:
              4 WorkflowTaskCompleted of 2, 3
              5 MarkerRecorded a
              6 MarkerRecorded b
              7 MarkerRecorded c
              8 MarkerRecorded d
              9 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn pages_before_the_last_come_in_any_order() {
    check(
        "
            start
            poll
            respond page=2 more: marker c
            respond page=0 more: marker a
            respond page=1 more: marker b
            respond page=3: complete
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 MarkerRecorded a
              6 MarkerRecorded b
              7 MarkerRecorded c
              8 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn a_page_that_comes_again_is_not_taken_twice() {
    check(
        "
            start
            poll
            respond page=0 more: marker a
            respond page=0 more: marker other
            respond page=1: complete
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 MarkerRecorded a
              6 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn pages_behind_the_last_are_dropped() {
    check(
        "
            start
            poll
            respond page=0 more: marker a
            respond page=5 more: marker f
            respond page=1: complete
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 MarkerRecorded a
              6 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn a_last_page_without_the_others_leaves_the_task_as_it_is() {
    check(
        "
            start
            poll
            respond page=1: complete
            respond page=0 more: marker a
            respond page=2 more: marker c
            respond page=3: complete
            respond page=3: complete
            respond page=0 more: marker a
            respond page=1: complete
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: Aborted workflow task completion buffer lost for scheduled event 2 attempt 1
            respond: Aborted workflow task completion buffer missing page 1 of 3
            respond: Aborted workflow task completion buffer lost for scheduled event 2 attempt 1
            history:
              5 MarkerRecorded a
              6 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn pages_do_not_outlive_their_task() {
    check(
        "
            start task_timeout=5s
            poll
            respond page=0 more: marker a
            wait 5s
            respond page=1: complete
            poll
            respond page=1: complete
            respond page=0 more: marker b
            fail-task
            wait 5s
            poll
            respond page=1: complete
            respond page=0 more: marker c
            respond: timer 1 1s
            wait 1s
            poll
            respond page=1: complete
            respond: complete
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: NotFound Workflow task not found.
            poll: task, attempt 2, events 1-6
            respond: Aborted workflow task completion buffer lost for scheduled event 5 attempt 2
            poll: task, attempt 3, events 1-6
            respond: Aborted workflow task completion buffer lost for scheduled event 5 attempt 3
            poll: task, attempt 1, events 1-11
            respond: Aborted workflow task completion buffer lost for scheduled event 10 attempt 1
            history:
              4 WorkflowTaskTimedOut of 2, 3: StartToClose
              5 WorkflowTaskScheduled on tq, attempt 3
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 TimerStarted 1
              9 TimerFired 1 of 8
              10 WorkflowTaskScheduled on tq, attempt 1
              11 WorkflowTaskStarted of 10
              12 WorkflowTaskCompleted of 10, 11
              13 WorkflowExecutionCompleted
        "#]],
    );
}

#[test]
fn pages_stay_when_something_happens_meanwhile() {
    check(
        "
            start
            poll
            respond page=0 more: marker a
            signal news
            respond page=1: marker b
            poll
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-9
            history:
              5 MarkerRecorded a
              6 MarkerRecorded b
              7 WorkflowExecutionSignaled news
              8 WorkflowTaskScheduled on tq, attempt 1
              9 WorkflowTaskStarted of 8
        "#]],
    );
}

#[test]
fn pages_of_a_task_for_an_update_are_kept_while_it_turns_into_a_normal_one() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            respond page=0 more: marker a
            signal news
            respond page=1: accept u
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 MarkerRecorded a
              9 WorkflowExecutionUpdateAccepted u after 5
              10 WorkflowExecutionSignaled news
              11 WorkflowTaskScheduled on tq, attempt 1
        "#]],
    );
}

#[test]
fn a_task_with_commands_in_pages_leaves_its_trace_even_if_its_last_page_only_rejects_an_update() {
    check(
        "
            start
            poll
            respond:
            update u
            poll
            respond page=0 more: marker a
            respond page=1: reject u
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 1-6, update u after 5
            update u: Completed, failed: rejected
            history:
              5 WorkflowTaskScheduled on tq, attempt 1
              6 WorkflowTaskStarted of 5
              7 WorkflowTaskCompleted of 5, 6
              8 MarkerRecorded a
        "#]],
    );
}

#[test]
fn commands_of_all_pages_are_looked_at_together_and_only_then() {
    check(
        "
            start
            poll
            respond page=0 more: complete
            respond page=1: timer 1 1s
            respond page=0 more: timer 1 1s
            respond page=1: timer 1 2s
            history from=4
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument invalid command sequence: [CompleteWorkflowExecution, StartTimer], command CompleteWorkflowExecution must be the last command.
            respond: InvalidArgument StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: 1
            history:
              4 WorkflowTaskFailed of 2, 3: StartTimerDuplicateId, StartTimerDuplicateId: invalid history builder state for action: add-timer-started-event, TimerID: 1
        "#]],
    );
}

#[test]
fn commands_of_other_pages_make_a_heartbeat_more_than_one() {
    check(
        "
            start
            poll
            respond page=0 more: marker a
            respond page=1 force inline:
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            poll: task, attempt 1, events 4-7
            history:
              5 MarkerRecorded a
              6 WorkflowTaskScheduled on tq, attempt 1
              7 WorkflowTaskStarted of 6
        "#]],
    );
}

#[test]
fn pages_that_make_no_sense_are_refused() {
    check(
        "
            start
            poll
            respond page=0 more: marker a
            respond page=1 more:
            respond page=1: complete
            respond page=-1 more: marker a
            respond page=1024 more: marker a
            respond page=0 more: marker a
            respond page=1024: complete
            respond page=1: marker b
            history from=5
            terminate
            respond page=0 more: marker a
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            respond: InvalidArgument intermediate workflow task page must carry at least one command
            respond: Aborted workflow task completion buffer lost for scheduled event 2 attempt 1
            respond: InvalidArgument workflow task completion pagination page number must be non-negative
            respond: InvalidArgument workflow task completion pagination supports at most 1024 pages
            respond: InvalidArgument workflow task completion pagination supports at most 1024 pages
            history:
              5 MarkerRecorded a
              6 MarkerRecorded b
            respond: NotFound Workflow task not found.
        "#]],
    );
}

#[test]
fn a_number_below_zero_is_that_of_the_only_page() {
    check(
        "
            start
            poll
            respond page=0 more: marker a
            respond page=-1: marker b
            history from=5
        ",
        &expect![[r#"
            start: first run, started true
            poll: task, attempt 1, events 1-3
            history:
              5 MarkerRecorded b
        "#]],
    );
}

#[test]
fn more_than_one_task_may_have_ends_the_workflow() {
    let script = "
        start
        poll
        signal news
        respond page=0 more: marker 0123456789
        respond page=1 more: marker 0123456789
        history
    ";
    let expected = expect![[r#"
        start: first run, started true
        poll: task, attempt 1, events 1-3
        respond: InvalidArgument RequestTooLarge: workflow task completion buffer size exceeds the per-workflow limit
        history:
          1 WorkflowExecutionStarted attempt 1
          2 WorkflowTaskScheduled on tq, attempt 1
          3 WorkflowTaskStarted of 2
          4 WorkflowTaskFailed of 2, 3: RequestTooLarge, RequestTooLarge: workflow task completion buffer size exceeds the per-workflow limit
          5 WorkflowExecutionSignaled news
          6 WorkflowExecutionTerminated RequestTooLarge: workflow task completion buffer size exceeds the per-workflow limit
    "#]];
    expected.assert_eq(&transcript_within(PageLimits { task: 30, ..PageLimits::default() }, script));
}

#[test]
fn more_than_a_repeated_task_may_have_leaves_it_to_its_timeout() {
    let script = "
        start task_timeout=5s
        poll
        fail-task
        poll
        respond page=0 more: marker 0123456789
        respond page=1 more: marker 0123456789
        respond page=1: complete
        history
        wait 5s
        poll
    ";
    let expected = expect![[r#"
        start: first run, started true
        poll: task, attempt 1, events 1-3
        poll: task, attempt 2, events 1-6
        respond: InvalidArgument RequestTooLarge: workflow task completion buffer size exceeds the per-workflow limit
        respond: Aborted workflow task completion buffer lost for scheduled event 5 attempt 2
        history:
          1 WorkflowExecutionStarted attempt 1
          2 WorkflowTaskScheduled on tq, attempt 1
          3 WorkflowTaskStarted of 2
          4 WorkflowTaskFailed of 2, 3: WorkflowWorkerUnhandledFailure
        poll: task, attempt 3, events 1-6
    "#]];
    expected.assert_eq(&transcript_within(PageLimits { task: 30, ..PageLimits::default() }, script));
}

#[test]
fn a_page_is_lost_when_no_memory_is_left_for_it() {
    let script = "
        start of=a
        poll
        start of=b
        poll
        respond of=a page=0 more: marker 0123456789
        respond of=b page=0 more: marker 0123456789
        respond of=b page=1: complete
        respond of=a page=1: complete
        respond of=b page=0 more: marker 0123456789
        respond of=b page=1: complete
        history of=b
    ";
    let of_namespace = transcript_within(PageLimits { namespace: 30, ..PageLimits::default() }, script);
    expect![[r#"
        start: first run, started true
        poll: task, attempt 1 of a, events 1-3
        start: another run, started true
        poll: task, attempt 1 of b, events 1-3
        respond: Aborted workflow task completion buffer memory limit reached while buffering page 0
        respond: Aborted workflow task completion buffer lost for scheduled event 2 attempt 1
        history of b:
          1 WorkflowExecutionStarted attempt 1
          2 WorkflowTaskScheduled on tq, attempt 1
          3 WorkflowTaskStarted of 2
          4 WorkflowTaskCompleted of 2, 3
          5 MarkerRecorded 0123456789
          6 WorkflowExecutionCompleted
    "#]]
    .assert_eq(&of_namespace);
    assert_eq!(transcript_within(PageLimits { server: 30, ..PageLimits::default() }, script), of_namespace);
}

#[test]
fn the_worker_is_told_by_a_detail_that_pages_are_lost() {
    let details = Error::completion_pages_lost("lost").details();
    let status = abide_protos::google::rpc::Status::decode(&*details).unwrap();
    let name = "type.googleapis.com/temporal.api.errordetails.v1.WorkflowTaskCompletionBufferLostFailure";
    assert_eq!((status.code, status.details[0].type_url.as_str()), (10, name));
    WorkflowTaskCompletionBufferLostFailure::decode(&*status.details[0].value).unwrap();
}

//! The replayer's reports on histories and code that cannot be replayed, and on many histories at once.

use std::time::Duration;

use abide::prelude::*;
use abide::replay::text::parse_history;
use abide::replayer::{ReplayError, RunOutcome};
use abide::{History, WorkflowReplayer};
use expect_test::expect;

use super::python::echo;
use super::recorded;

#[workflow(name = "Steps")]
async fn blocking(_ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let (_sender, receiver) = std::sync::mpsc::channel::<String>();
    Ok(receiver.recv()?)
}

#[workflow(name = "Steps")]
async fn panicking(_ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    panic!("an author's mistake");
}

#[workflow(name = "Steps")]
async fn sleeping_on_tokio(_ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    #[expect(clippy::disallowed_methods, reason = "the mistake that is to be found")]
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(String::new())
}

#[workflow(name = "Steps")]
async fn wants_an_argument(_ctx: &WorkflowContext, _missing: String) -> Result<String, WorkflowError> {
    Ok(String::new())
}

#[workflow(name = "Gather50")]
async fn one_is_enough(ctx: &WorkflowContext) -> Result<i64, WorkflowError> {
    ctx.activity(echo, "0".into()).start_to_close_timeout(secs(60)).await?;
    Ok(0)
}

#[workflow(name = "Sleepy")]
async fn sleepy(ctx: &WorkflowContext, times: u32) -> Result<u32, WorkflowError> {
    for _ in 0..times {
        ctx.timer(secs(1)).await?;
    }
    Ok(times)
}

#[workflow(name = "TimedOut")]
async fn waits(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(echo, "first".into()).start_to_close_timeout(secs(10)).await?;
    Ok(ctx.timer(hours(1)).await?)
}

fn refused(replayer: WorkflowReplayer) -> ReplayError {
    replayer.replay(&recorded("steps")).expect_err("the changed definition does not fit")
}

#[test]
fn an_unknown_workflow_is_named_with_those_that_are_known() {
    expect!["the history is of workflow `Steps`, but the replayer has no workflow; add it with `.workflow(..)`"]
        .assert_eq(&refused(WorkflowReplayer::new()).to_string());
    let error = refused(WorkflowReplayer::new().workflow(waits).workflow(one_is_enough));
    expect![
        "the history is of workflow `Steps`, but the replayer has only Gather50, TimedOut; add it with `.workflow(..)`"
    ]
    .assert_eq(&error.to_string());
}

#[test]
fn a_panic_is_told_with_its_place() {
    let error = refused(WorkflowReplayer::new().workflow(panicking));
    assert!(matches!(&error, ReplayError::TaskFailed { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("an author's mistake") && text.contains("verdicts.rs:"), "{text}");
}

#[test]
fn a_workflow_that_blocks_is_given_up() {
    let error =
        refused(WorkflowReplayer::new().workflow(blocking).deadlock_detection_timeout(Duration::from_millis(100)));
    assert!(error.to_string().contains("[TMPRL1101] Potential deadlock"), "{error}");
}

#[test]
fn a_tokio_timer_is_nondeterminism() {
    let error = refused(WorkflowReplayer::new().workflow(sleeping_on_tokio));
    assert!(matches!(&error, ReplayError::Nondeterminism(_)), "{error}");
    assert!(error.to_string().contains("verdicts.rs:"), "{error}");
}

#[test]
fn arguments_that_do_not_fit_fail_the_task() {
    let error = refused(WorkflowReplayer::new().workflow(wants_an_argument));
    assert!(matches!(&error, ReplayError::TaskFailed { .. }), "{error}");
    assert!(error.to_string().contains("argument 1"), "{error}");
}

#[test]
fn the_outcome_of_a_run_that_the_server_closed_is_open() {
    let replayed = WorkflowReplayer::new().workflow(waits).replay(&recorded("timed_out")).unwrap();
    assert_eq!((replayed.outcome(), replayed.recorded()), (&RunOutcome::Open, &RunOutcome::Open));
    assert_eq!(replayed.result::<()>().unwrap(), None);
}

#[test]
fn a_hole_is_found_where_loading_did_not_look() {
    let mut events = recorded("timed_out").events().to_vec();
    events.remove(5);
    let error = WorkflowReplayer::new().workflow(waits).replay(&History::from_events(events)).unwrap_err();
    assert!(matches!(&error, ReplayError::InvalidHistory { .. }), "{error}");
    expect!["the history cannot be replayed: the history is broken: event 6 should follow, found event 7"]
        .assert_eq(&error.to_string());
}

#[test]
fn events_of_unknown_types_are_skipped_if_workers_may() {
    let replay = |event: &str| {
        let text = format!(
            "1 WorkflowExecutionStarted type=Sleepy input=1
             2 WorkflowTaskScheduled
             3 WorkflowTaskStarted
             4 WorkflowTaskCompleted
             5 TimerStarted
             6 {event}
             7 TimerFired
             8 WorkflowTaskScheduled
             9 WorkflowTaskStarted
             10 WorkflowTaskCompleted
             11 WorkflowExecutionCompleted result=1"
        );
        WorkflowReplayer::new().workflow(sleepy).replay(&History::from_events(parse_history(&text).unwrap()))
    };
    assert!(replay("UnknownEvent(4711) worker_may_ignore=true").unwrap().same_outcome());
    let error = replay("UnknownEvent(4711)").unwrap_err();
    assert!(matches!(&error, ReplayError::InvalidHistory { .. }), "{error}");
    expect![
        "the history cannot be replayed: event 6 (UnknownEvent(4711)) is not known to this version of Abide and must \
         not be ignored; use a newer version"
    ]
    .assert_eq(&error.to_string());
}

#[test]
fn long_histories_are_replayed_page_by_page() {
    let mut text = "WorkflowExecutionStarted type=Sleepy input=300\nWorkflowTaskScheduled\n".to_string();
    let timer = "TimerStarted\nTimerFired\nWorkflowTaskScheduled\nWorkflowTaskStarted\nWorkflowTaskCompleted\n";
    text += "WorkflowTaskStarted\nWorkflowTaskCompleted\n";
    text += &timer.repeat(300);
    text += "WorkflowExecutionCompleted result=300";
    let numbered: Vec<String> = text.lines().zip(1..).map(|(line, id)| format!("{id} {line}")).collect();
    let history = History::from_events(parse_history(&numbered.join("\n")).unwrap());

    let replayed = WorkflowReplayer::new().workflow(sleepy).replay(&history).unwrap();
    assert_eq!((replayed.events(), replayed.result().unwrap()), (1505, Some(300)));
    assert!(replayed.same_outcome());
}

#[test]
fn another_result_is_no_nondeterminism_but_shows() {
    let text = "1 WorkflowExecutionStarted type=Sleepy input=0\n2 WorkflowTaskScheduled\n3 WorkflowTaskStarted
                4 WorkflowTaskCompleted\n5 WorkflowExecutionCompleted result=";
    let same_outcome = |result: &str| {
        let history = History::from_events(parse_history(&format!("{text}{result}")).unwrap());
        WorkflowReplayer::new().workflow(sleepy).replay(&history).unwrap().same_outcome()
    };
    assert!(same_outcome("0"));
    assert!(!same_outcome("1"));
    assert!(!same_outcome("null"));
}

#[test]
fn one_bad_history_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let (timed_out, gather) = (recorded("timed_out"), recorded("gather50"));
    write("1 broken.json", b"{\"events\": [}");
    write("2 changed.bin", &gather.to_binary());
    write("3 notes.txt", b"not a history");
    write("4 two.json", format!("[{0}, {0}]", timed_out.to_json().unwrap()).as_bytes());
    let replayer = WorkflowReplayer::new().workflow(waits).workflow(one_is_enough);

    let report = replayer.replay_dir(folder.path()).unwrap();
    let names: Vec<(&str, bool)> = report.results().iter().map(|one| (one.name(), one.verdict().is_ok())).collect();
    expect![[r#"
        [
            (
                "1 broken.json",
                false,
            ),
            (
                "2 changed.bin",
                false,
            ),
            (
                "4 two.json #1",
                true,
            ),
            (
                "4 two.json #2",
                true,
            ),
        ]
    "#]]
    .assert_debug_eq(&names);
    let panic = std::panic::catch_unwind(|| report.assert_all_deterministic()).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap().replace(env!("CARGO_MANIFEST_DIR"), "");
    let text: Vec<&str> = text.lines().map(|line| line.split("verdicts.rs:").next().unwrap().trim_end()).collect();
    expect![[r#"
        histories do not fit the workflow code
        2 of 4 histories replayed to their end:
          FAILED  1 broken.json (unknown workflow)
                  the history cannot be replayed: FOLDER/1 broken.json:1:13: this is not JSON: expected value
          FAILED  2 changed.bin (Gather50)
                  [TMPRL1100] Nondeterminism error: the workflow's code no longer fits its history.
                    history:  event 6 ActivityTaskScheduled: type=echo id=2
                    code now: produced no command here; it waits for activity type=echo id=1
                    at:       sdk/tests/replay_histories/
                    next:     restore the old behaviour, or guard the change with `ctx.patched(..)`; check with WorkflowReplayer.
          ok      4 two.json #1 (TimedOut, 12 events): open
          ok      4 two.json #2 (TimedOut, 12 events): open"#]].assert_eq(&text.join("\n").replace(&folder.path().display().to_string(), "FOLDER"));

    replayer.replay_file(folder.path().join("4 two.json")).assert_all_deterministic();
}

#[test]
fn a_folder_without_histories_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = WorkflowReplayer::new().replay_dir(folder.path()).unwrap_err();
    assert_eq!(error.path(), Some(folder.path()));
    assert!(
        error.to_string().ends_with("expected histories (files ending in .json, .bin, .binpb, .pb), found none"),
        "{error}"
    );
}

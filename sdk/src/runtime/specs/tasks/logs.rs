//! The log of workflow code: it has each line once, with the run that the line belongs to.

use abide_protos::temporal::api::query::v1::WorkflowQuery;

use crate::converter::to_payload;
use crate::duration::secs;
use crate::replay::text::{parse_history, parse_task};
use crate::replay::{HistoryPage, Input, LocalActivityResolution, LocalActivityResult, Until, WorkflowTask};
use crate::runtime::WorkflowRun;
use crate::runtime::specs::harness::{FIRST_TASK, after_first_task, new_run, registry, run_of, task};
use crate::runtime::specs::log::Log;
use crate::{ActivityError, State, WorkflowContext, WorkflowError, activity, workflow, workflow_methods};

/// The span of all lines of workflow code.
const SPAN: &str = "abide::workflow workflow{namespace=\"default\" task_queue=\"queue\" workflow_type=\"wf\" \
                    workflow_id=\"wf-id\" run_id=\"01234567-89ab-4def-8123-456789abcdef\" attempt=1}: ";

const FIRED: &str = "5 TimerStarted
    6 TimerFired
    7 WorkflowTaskScheduled
    8 WorkflowTaskStarted";

#[activity]
async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

/// Logs on each of its ways.
#[workflow(name = "wf")]
#[derive(Default)]
struct Talker {
    ends: State<bool>,
}

#[workflow_methods]
impl Talker {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        tracing::info!("begins");
        let _dropped = Dropped;
        let spawned = ctx.clone();
        let branch = ctx.spawn(async move {
            tracing::info_span!("branch").in_scope(|| tracing::info!("a branch begins"));
            spawned.timer(secs(1)).await
        });
        branch.await?;
        tracing::info!("the branch has ended");
        ctx.wait_until(|| self.ends.get()).await?;
        Ok(())
    }

    #[signal]
    fn note(&self, text: String) {
        tracing::info!("signal: {text}");
    }

    #[query]
    fn ask(&self) -> u32 {
        tracing::info!("query");
        7
    }

    #[update]
    async fn change(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        tracing::info!("update");
        Ok(ctx.timer(secs(1)).await?)
    }

    #[update_validator(change)]
    fn check_change(&self) -> Result<(), WorkflowError> {
        tracing::info!("validator");
        Ok(())
    }
}

/// Logs when it is dropped.
struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        tracing::info!("dropped");
    }
}

fn talker() -> WorkflowRun {
    new_run(&registry(Talker::run), None)
}

/// Returns the lines of a run that gets these inputs one after another, without the span that all have.
#[track_caller]
fn lines(run: WorkflowRun, inputs: impl IntoIterator<Item = Input>) -> Vec<String> {
    let log = Log::default();
    let mut run = run;
    log.of(|| {
        for input in inputs {
            run.handle(input);
        }
        drop(run);
    });
    let lines = log.take();
    let without = |line: &String| line.strip_prefix(SPAN).map(str::to_owned);
    lines.iter().map(|line| without(line).unwrap_or_else(|| panic!("without the span of the run: {line}"))).collect()
}

fn input(history: &str) -> Input {
    let (events, messages) = parse_task(history).unwrap();
    Input::WorkflowTask(Box::new(WorkflowTask { messages, ..task(&events) }))
}

#[test]
fn live_code_logs_in_the_span_of_its_run() {
    let log = Log::default();
    log.of(|| talker().handle(input(FIRST_TASK)));
    let branch = format!("{SPAN}{} branch{{}}: a branch begins", module_path!());
    assert_eq!(log.take(), [format!("{SPAN}begins"), branch]);
}

#[test]
fn code_that_is_replayed_logs_nothing_and_goes_on_when_it_is_live() {
    let history = after_first_task(FIRED);
    assert_eq!(lines(talker(), [input(&history)]), ["the branch has ended"]);
    // To its end, as the replayer does it.
    assert_eq!(lines(talker(), [input(&(history + "\n9 WorkflowTaskCompleted"))]), [""; 0]);
}

#[test]
fn a_cached_run_logs_each_line_once() {
    let events = parse_history(&after_first_task(FIRED)).unwrap();
    let history = HistoryPage { events: events[3..].to_vec(), next_page_token: Vec::new() };
    let second = WorkflowTask { history, until: Until::Started(8), attempt: 1, ..WorkflowTask::default() };
    let told = lines(talker(), [input(FIRST_TASK), Input::WorkflowTask(Box::new(second))]);
    let branch = format!("{} branch{{}}: a branch begins", module_path!());
    assert_eq!(told, ["begins", &branch, "the branch has ended"]);
}

#[test]
fn message_handlers_log_when_their_messages_are_new() {
    let messages = "5 TimerStarted
        6 WorkflowExecutionSignaled name=note input=\"one\"
        7 WorkflowTaskScheduled
        8 WorkflowTaskStarted";
    let update = "\nupdate id=u1 name=change";
    assert_eq!(
        lines(talker(), [input(&(after_first_task(messages) + update))]),
        ["signal: one", "validator", "update"]
    );
    let later = "9 WorkflowTaskCompleted
        10 WorkflowExecutionUpdateAccepted update=u1 name=change
        11 TimerStarted
        12 WorkflowExecutionSignaled name=note input=\"two\"
        13 WorkflowTaskScheduled
        14 WorkflowTaskStarted";
    let replayed = after_first_task(&format!("{messages}\n{later}"));
    assert_eq!(lines(talker(), [input(&replayed)]), ["signal: two"]);
}

/// Queries do not repeat when a run is replayed, so their lines are those of live code.
#[test]
fn a_query_handler_logs_although_the_code_before_it_is_replayed() {
    let query = WorkflowQuery { query_type: "ask".into(), ..WorkflowQuery::default() };
    let events = parse_history(&after_first_task("5 TimerStarted")).unwrap();
    let alone = WorkflowTask { until: Until::End, query: Some(query.clone()), ..task(&events) };
    assert_eq!(lines(talker(), [Input::WorkflowTask(Box::new(alone))]), ["query"]);
    let events = parse_history(&after_first_task(FIRED)).unwrap();
    let beside = WorkflowTask { queries: vec![("q".into(), query)], ..task(&events) };
    assert_eq!(lines(talker(), [Input::WorkflowTask(Box::new(beside))]), ["the branch has ended", "query"]);
}

#[test]
fn abides_own_warnings_of_the_live_task_follow_a_silent_replay() {
    let signalled = "5 TimerStarted
        6 WorkflowExecutionSignaled name=unknown
        7 WorkflowExecutionSignaled name=note input=7
        8 WorkflowTaskScheduled
        9 WorkflowTaskStarted";
    let told = lines(talker(), [input(&after_first_task(signalled))]);
    let [dropped, kept] = &told[..] else { panic!("{told:#?}") };
    assert!(dropped.starts_with("a signal was dropped because its arguments do not fit its handler"), "{dropped}");
    assert!(kept.starts_with("the workflow has no handler for a signal"), "{kept}");
}

#[test]
fn code_that_fails_in_its_replay_does_not_silence_the_thread() {
    let log = Log::default();
    log.of(|| {
        let panics = |_: WorkflowContext| async move {
            if true {
                panic!("in the first task");
            }
            Ok(())
        };
        run_of(panics).handle(input(&after_first_task(FIRED)));
        tracing::info!("afterwards");
    });
    assert_eq!(log.take(), ["afterwards"]);
}

/// A worker dies while a local activity runs. The new worker gets the task after the heartbeat, and with it the jobs of
/// the task before.
#[test]
fn code_that_ran_before_a_heartbeat_logs_nothing_again() {
    const HEARTBEAT: &str = "5 WorkflowTaskScheduled
        6 WorkflowTaskStarted";
    let heartbeats = after_first_task(HEARTBEAT);
    let twice = after_first_task(&format!(
        "{HEARTBEAT}
        7 WorkflowTaskCompleted
        8 WorkflowTaskScheduled
        9 WorkflowTaskStarted"
    ));
    for history in [heartbeats, twice] {
        let told = lines(new_run(&registry(Waiter::run), None), [input(&history), ended()]);
        assert_eq!(told, ["live: the activity has ended"]);
    }
}

/// The code may act on the signal now, and then its lines are new.
#[test]
fn code_logs_again_if_a_signal_has_come_since_the_heartbeat() {
    let signalled = after_first_task(
        "5 WorkflowExecutionSignaled name=note
        6 WorkflowTaskScheduled
        7 WorkflowTaskStarted
        8 WorkflowTaskFailed
        9 WorkflowTaskScheduled
        10 WorkflowTaskStarted",
    );
    let after_heartbeat = after_first_task(
        "5 WorkflowTaskScheduled
        6 WorkflowExecutionSignaled name=note
        7 WorkflowTaskStarted",
    );
    let told = |history: &str| lines(new_run(&registry(Waiter::run), None), [input(history), ended()]);
    assert_eq!(told(&signalled), ["live: a signal", "live: the activity has ended"]);
    assert_eq!(told(&after_heartbeat), ["live: a signal", "live: begins", "live: the activity has ended"]);
}

/// Waits for a local activity.
#[workflow(name = "wf")]
#[derive(Default)]
struct Waiter;

#[workflow_methods]
impl Waiter {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        tracing::info!("{}: begins", progress(ctx));
        let echoing = ctx.local_activity(echo, "long".into()).start_to_close_timeout(secs(5));
        echoing.await?;
        tracing::info!("{}: the activity has ended", progress(ctx));
        Ok(())
    }

    #[signal]
    fn note(&self, ctx: &WorkflowContext) {
        tracing::info!("{}: a signal", progress(ctx));
    }
}

fn progress(ctx: &WorkflowContext) -> &'static str {
    if ctx.is_replaying() { "replayed" } else { "live" }
}

fn ended() -> Input {
    let result = LocalActivityResult::Completed(to_payload(&"done").unwrap());
    let resolution = LocalActivityResolution { seq: 1, result, attempt: 1, run_time: secs(1), wall_time: None };
    Input::LocalActivityResolved(Box::new(resolution))
}

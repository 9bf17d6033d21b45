//! Small histories from users who replayed their runs here and found bugs: each file in `inputs`, with the correct
//! result.
//!
//! The `.txt` files are written by hand and end with an open task, whose commands are checked; the `.json` files go
//! through the replayer. The files `py-*` were recorded with the Python SDK 1.35.0 on a real server; the others have
//! the form that the named SDK records.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use abide::prelude::*;
use abide::replay::text::{TASK_QUEUE, command_line, parse_history};
use abide::replay::{HistoryPage, Input, Output, Until, WorkflowTask};
use abide::replayer::RunOutcome;
use abide::runtime::{RunOptions, WorkflowRegistry, WorkflowRun};
use abide::workflow::{ChildWorkflowCancellationType, WorkflowImplementation};
use abide::{ActivityType, NexusOperation, Workflow, WorkflowReplayer};

use super::{Recorded, fits, one};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/replay_histories/inputs")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap()
}

fn json(name: &str) -> Recorded {
    Recorded { name: format!("inputs/{name}"), history: one(&folder().join(format!("{name}.json"))) }
}

/// Returns a worker's answer to the last task of such a text: its commands, or the reason that it cannot answer.
#[track_caller]
fn answer<Kind, W>(workflow: W, text: &str) -> String
where
    W: Workflow<Kind>,
    W::Definition: WorkflowImplementation,
{
    let mut registry = WorkflowRegistry::default();
    registry.add(workflow.definition());
    let options = RunOptions::new("default", TASK_QUEUE);
    let mut run = WorkflowRun::new(Arc::new(registry), Arc::new(options), "wf-id".into(), String::new());
    let events = parse_history(text).unwrap();
    let last = events.last().unwrap();
    let is_in_hand = format!("{:?}", last.event_type()) == "WorkflowTaskStarted";
    let task = WorkflowTask {
        until: if is_in_hand { Until::Started(last.event_id) } else { Until::End },
        attempt: 1,
        history: HistoryPage { events, next_page_token: Vec::new() },
        ..WorkflowTask::default()
    };
    match run.handle(Input::WorkflowTask(Box::new(task))) {
        Output::Complete(completion) => completion.commands.iter().map(command_line).collect::<Vec<_>>().join("\n"),
        Output::Fail(failure) => failure.failure.message,
        other => format!("{other:?}"),
    }
}

// ---- the target of a cancellation request (W1) ------------------------------------------------------------------------

#[workflow(name = "child")]
async fn child(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow(name = "wf")]
async fn cancels_its_child(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let scope = ctx.cancellation_scope();
    let child = ctx.child_workflow(child, ()).id("c");
    let child = scope.run(child.cancellation_type(ChildWorkflowCancellationType::WaitCancellationCompleted));
    let cancels = async {
        ctx.timer(secs(1)).await?;
        scope.cancel();
        Ok::<(), WorkflowError>(())
    };
    let (child, cancelled) = abide::join!(child, cancels);
    cancelled?;
    Ok(child?)
}

#[test]
fn w1_a_child_is_cancelled_by_its_id_whatever_run_it_has_come_to() {
    let command = answer(cancels_its_child, &text("w1-child-chain-cancelled"));
    assert!(command.starts_with("RequestCancelExternalWorkflowExecution id=c child_workflow_only=true"), "{command}");
    assert!(!command.contains("run_id="), "{command}");
}

// ---- conditions (W5, W6) ----------------------------------------------------------------------------------------------

#[activity]
async fn first() -> Result<String, ActivityError> {
    Ok("first".into())
}

#[activity]
async fn second() -> Result<String, ActivityError> {
    Ok("second".into())
}

async fn call(ctx: &WorkflowContext, is_first: bool) -> Result<String, WorkflowError> {
    Ok(match is_first {
        true => ctx.activity(first, ()).start_to_close_timeout(secs(5)).await?,
        false => ctx.activity(second, ()).start_to_close_timeout(secs(5)).await?,
    })
}

/// Two branches wait for one flag; each resets it and calls an activity. Returns the results in order of arrival.
async fn gate(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let (open, said) = (Cell::new(true), RefCell::new(Vec::new()));
    let branch = async |is_first| {
        ctx.wait_until(|| open.get()).await?;
        open.set(false);
        let text = call(ctx, is_first).await?;
        said.borrow_mut().push(text);
        Ok::<(), WorkflowError>(())
    };
    let (one, other) = abide::join!(branch(true), branch(false));
    one.and(other)?;
    Ok(said.take())
}

/// The first branch waits for something already true, the second for nothing.
async fn yields(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let said = Rc::new(RefCell::new(Vec::new()));
    let branch = |is_first: bool| {
        let (ctx, said) = (ctx.clone(), said.clone());
        async move {
            if is_first {
                ctx.wait_until(|| true).await?;
            }
            let text = call(&ctx, is_first).await?;
            said.borrow_mut().push(text);
            Ok::<(), WorkflowError>(())
        }
    };
    let branches = (ctx.spawn(branch(true)), ctx.spawn(branch(false)));
    branches.0.await?;
    branches.1.await?;
    Ok(said.take())
}

#[workflow(name = "wf")]
async fn gate_in_text(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    gate(ctx).await
}

#[workflow(name = "gate")]
async fn gate_in_python(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    gate(ctx).await
}

#[workflow(name = "wf")]
async fn yields_in_text(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    yields(ctx).await
}

#[workflow(name = "yields")]
async fn yields_in_python(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    yields(ctx).await
}

#[test]
fn w5a_all_who_wait_for_what_is_true_go_on() {
    for recorder in ["python", "typescript"] {
        assert_eq!(answer(gate_in_text, &text(&format!("w5a-all-waiters-wake-{recorder}"))), "", "{recorder}");
    }
    fits(&WorkflowReplayer::new().workflow(gate_in_python), &json("py-gate"));
}

#[test]
fn w5b_a_wait_for_what_is_true_gives_way() {
    for recorder in ["python", "typescript"] {
        assert_eq!(answer(yields_in_text, &text(&format!("w5b-true-condition-yields-{recorder}"))), "", "{recorder}");
    }
    fits(&WorkflowReplayer::new().workflow(yields_in_python), &json("py-yields"));
}

/// Waits until no handler is running and a signal has arrived.
#[workflow(name = "OwnMultiSignal")]
#[derive(Default)]
struct OwnMultiSignal {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl OwnMultiSignal {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| ctx.all_handlers_finished() && self.heard.with(|heard| !heard.is_empty())).await?;
        Ok(self.heard.get())
    }

    #[signal(name = "Signal")]
    async fn hear(&self, _ctx: &WorkflowContext, text: String) {
        self.heard.update(|heard| heard.push(text));
    }
}

/// Three waits, in the order in which they start.
#[workflow(name = "MultiWaitConditionWorkflow")]
async fn multi_wait_condition(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let log = Rc::new(RefCell::new(Vec::<String>::new()));
    let wait = |only_after_another: bool, push: &'static str| {
        let (ctx, log) = (ctx.clone(), log.clone());
        async move {
            ctx.wait_until(|| log.borrow().last().is_some_and(|last| !only_after_another || last != "one")).await?;
            log.borrow_mut().push(push.into());
            Ok::<(), WorkflowError>(())
        }
    };
    let waits = [ctx.spawn(wait(true, "three")), ctx.spawn(wait(false, "two")), ctx.spawn(wait(false, "four"))];
    log.borrow_mut().push("one".into());
    for wait in waits {
        wait.await?;
    }
    Ok(log.take())
}

#[test]
fn w6_dotnet_is_replayed_by_its_flag() {
    let replayer = WorkflowReplayer::new().workflow(OwnMultiSignal::run).workflow(multi_wait_condition);
    for (name, result) in [
        ("w6-signals-dotnet-without-flag-2", &["one"][..]),
        ("w6-signals-dotnet-with-flag-2", &["one", "two"]),
        ("w6-conditions-dotnet-without-flag-2", &["one", "two", "four", "three"]),
    ] {
        let replayed = fits(&replayer, &json(name));
        let told = replayed.result::<Vec<String>>().expect("a list of texts").expect("a completed run");
        assert_eq!(told, result, "{name}");
    }
}

// ---- generated ids (W7) -----------------------------------------------------------------------------------------------

const CONDITION_ORDER: [&str; 8] = [
    "ConditionOrder0",
    "ConditionOrder1",
    "ConditionOrder2",
    "ConditionOrder3",
    "ConditionOrder4",
    "ConditionOrder5",
    "ConditionOrder6",
    "ConditionOrder7",
];

/// Starts the given number of activities once it is released.
#[workflow(name = "ConditionOrderWorkflow")]
#[derive(Default)]
struct ConditionOrder {
    released: State<bool>,
}

#[workflow_methods]
impl ConditionOrder {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, count: usize) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.released.get()).await?;
        let call = |(name, number)| {
            let activity = ActivityType::<fn(u32) -> String>::new(name);
            ctx.activity(activity, number).start_to_close_timeout(secs(10)).start()
        };
        let calls: Vec<_> = CONDITION_ORDER.into_iter().take(count).zip(0_u32..).map(call).collect();
        for call in calls {
            call.await?;
        }
        Ok(())
    }

    #[signal(name = "Release")]
    fn release(&self) {
        self.released.set(true);
    }
}

#[test]
fn w7_activities_may_be_numbered_from_anything() {
    assert_eq!(answer(ConditionOrder::run, &text("w7-zero-based-activity-ids")), "");
    let replayed =
        super::replayed(&WorkflowReplayer::new().workflow(ConditionOrder::run), &json("w7-one-based-activity-ids"));
    assert!(matches!(replayed.outcome(), RunOutcome::Completed(_)), "{}", replayed.outcome());
}

// ---- timers of zero length (W8) ---------------------------------------------------------------------------------------

#[workflow]
async fn sleeps_zero(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.timer(secs(0)).await?)
}

#[workflow]
async fn zero(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(secs(0)).await?;
    Ok("done".into())
}

#[test]
fn w8_a_timer_of_zero_length_is_a_command() {
    let replayer = WorkflowReplayer::new().workflow(sleeps_zero).workflow(zero);
    let replayed = super::replayed(&replayer, &json("w8-zero-timer-typescript"));
    assert!(matches!(replayed.outcome(), RunOutcome::Completed(_)), "{}", replayed.outcome());
    fits(&replayer, &json("py-zero"));
}

/// Two timers, the first of which may have zero length.
async fn two_timers(ctx: &WorkflowContext, first: u64) -> Result<(), WorkflowError> {
    let (one, other) = (ctx.timer(secs(first)).start(), ctx.timer(secs(1)).start());
    one.await?;
    Ok(other.await?)
}

#[workflow(name = "wf")]
async fn first_timer_of_a_second(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    two_timers(ctx, 1).await
}

#[workflow(name = "wf")]
async fn first_timer_of_no_length(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    two_timers(ctx, 0).await
}

#[test]
fn w8b_a_length_that_was_zero_is_told_by_the_number_of_the_timer() {
    let recorded = text("w8b-duration-becomes-zero");
    let by = |recorder: &str| recorded.replace("WorkflowTaskCompleted", &format!("WorkflowTaskCompleted {recorder}"));
    // Only Abide 0.1.0 recorded no event for it, but used a sequence number.
    assert_eq!(
        answer(first_timer_of_no_length, &by("sdk=abide sdk_version=0.1.0")),
        "CompleteWorkflowExecution result=null"
    );
    let refused = answer(first_timer_of_a_second, &by("sdk=abide sdk_version=0.1.0"));
    assert!(refused.contains("event 5 TimerStarted: id=2\n  code now: StartTimer id=1"), "{refused}");
    let refused = answer(first_timer_of_no_length, &by("sdk=abide sdk_version=0.2.0"));
    assert!(refused.contains("event 5 TimerStarted: id=2\n  code now: StartTimer id=1"), "{refused}");
}

// ---- no parent (W10), no input (X1) -----------------------------------------------------------------------------------

#[workflow]
async fn who_is_above(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    assert!(ctx.info().parent.is_none(), "{:?}", ctx.info().parent);
    assert!(ctx.info().root().is_none(), "{:?}", ctx.info().root());
    Ok(())
}

#[test]
fn w10_an_execution_without_an_id_is_nobody() {
    let replayed = super::replayed(&WorkflowReplayer::new().workflow(who_is_above), &json("w10-empty-parent-and-root"));
    assert!(matches!(replayed.outcome(), RunOutcome::Completed(_)), "{}", replayed.outcome());
}

#[workflow(name = "noarg")]
#[derive(Default)]
struct NoArguments {
    released: State<u32>,
}

#[workflow_methods]
impl NoArguments {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
        ctx.wait_until(|| self.released.get() > 0).await?;
        Ok(self.released.get())
    }

    #[signal]
    fn release(&self) {
        self.released.update(|released| *released += 1);
    }
}

#[test]
fn x1_null_for_no_arguments_is_taken() {
    fits(&WorkflowReplayer::new().workflow(NoArguments::run), &json("x1-null-for-no-arguments"));
}

// ---- a timer and a cancellation request in one task (X3) ---------------------------------------------------------------

async fn fired_or_cancelled(ctx: &WorkflowContext) -> String {
    if ctx.timer(secs(3)).await.is_ok() { "fired" } else { "cancelled" }.into()
}

#[workflow(name = "wf")]
async fn timer_in_text(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(fired_or_cancelled(ctx).await)
}

#[workflow]
async fn timer_or_cancel(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(fired_or_cancelled(ctx).await)
}

#[test]
fn x3_python_cancels_the_wait_in_either_order() {
    let in_text = WorkflowReplayer::new().workflow(timer_in_text);
    for name in ["x3-cancel-then-fired", "x3-fired-then-cancel"] {
        let history = abide::History::from_events(parse_history(&text(name)).unwrap());
        fits(&in_text, &Recorded { name: format!("inputs/{name}"), history });
    }
    let recorded = WorkflowReplayer::new().workflow(timer_or_cancel);
    fits(&recorded, &json("py-timer-cancel-first"));
    fits(&recorded, &json("py-timer-fire-first"));
}

// ---- a start and a cancellation request ------------------------------------------------------------------------------

#[workflow(name = "Sleeper")]
async fn sleeper(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.wait_until(|| false).await?;
    Ok(())
}

#[workflow(name = "StartsChild")]
async fn starts_child(ctx: &WorkflowContext, _held_for: f64) -> Result<String, WorkflowError> {
    let ended = match ctx.child_workflow(sleeper, ()).start().await {
        Ok(child) => child.await,
        Err(failure) => Err(failure),
    };
    Ok(ended.map_or_else(|failure| if failure.is_cancelled() { "cancelled" } else { "failed" }, |()| "done").into())
}

#[workflow(name = "StartsOperation")]
async fn starts_operation(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    const PAY: NexusOperation<u64, String> = NexusOperation::new("service", "operation");
    match ctx.nexus_operation("nobody", PAY, 7).await {
        Err(failure) if failure.is_cancelled() => Ok("cancelled".into()),
        other => Ok(other?),
    }
}

/// In the files `-tie` and `-child-pending` the start comes in the task of the request, in the other ones never.
#[test]
fn python_gives_up_a_start_when_its_workflow_is_cancelled() {
    let replayer = WorkflowReplayer::new().workflow(starts_child).workflow(starts_operation);
    for name in [
        "py-start-child-pending",
        "py-start-child-pending-flag-2",
        "py-start-child-tie",
        "py-start-child-tie-flag-2",
        "py-start-operation-pending",
        "py-start-operation-pending-flag-2",
    ] {
        let replayed = fits(&replayer, &json(name));
        assert_eq!(replayed.result::<String>().unwrap().as_deref(), Some("cancelled"), "{name}");
    }
}

/// Checks that a test reads every file.
#[test]
fn every_input_is_replayed() {
    let source = include_str!("inputs.rs");
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<String> = entries.collect();
    assert_eq!(files.len(), 27);
    for file in files {
        let stem = file.split('.').next().unwrap();
        let before_recorder = stem.trim_end_matches("-python").trim_end_matches("-typescript");
        assert!(
            source.contains(&format!("\"{stem}\"")) || source.contains(&format!("{before_recorder}-{{recorder}}")),
            "{file}"
        );
    }
}

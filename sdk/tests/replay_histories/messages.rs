//! Twins that handle signals and updates during other work: Python's tracing workflow, Core's local activities that
//! outlast workflow tasks, Go's update that arrives together with a child's start.

use std::collections::BTreeMap;

use abide::prelude::*;
use abide::replay::NondeterminismKind;
use abide::replayer::{Grouping, RunOrder};
use abide::{ChildWorkflowFailure, History, WorkflowReplayer};
use abide_protos::temporal::api::history::v1::history_event::Attributes;

use super::children::ChildWorkflowWaitOnSignal;
use super::local_activities::delayed;
use super::others::say_hello;
use super::{differs, fits, from_elsewhere, replayed};

/// Records the turns of handlers and activities. Python records each at two more turns of its event loop, which Rust
/// does not have, because awaiting something ready continues at once.
#[workflow(name = "SignalsActivitiesTimersUpdatesTracingWorkflow")]
#[derive(Default)]
struct Tracing {
    log: State<Vec<String>>,
}

#[workflow_methods]
impl Tracing {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let timer = async {
            self.note("timer-sync");
            ctx.timer(millis(100)).await?;
            self.note("timer-1");
            self.note("timer-2");
            Ok::<_, WorkflowError>(())
        };
        let activity = async {
            self.note("act-sync");
            ctx.activity(say_hello, "Enchi".into()).schedule_to_close_timeout(secs(5)).await?;
            self.note("act-1");
            self.note("act-2");
            Ok::<_, WorkflowError>(())
        };
        let (timer, activity) = abide::join!(timer, activity);
        timer.and(activity)?;
        Ok(self.log.get())
    }

    #[signal]
    async fn dosig(&self, _ctx: &WorkflowContext, name: String) -> Result<(), WorkflowError> {
        ["sync", "1", "2"].iter().for_each(|turn| self.note(&format!("sig-{name}-{turn}")));
        Ok(())
    }

    #[update]
    async fn doupdate(&self, _ctx: &WorkflowContext, name: String) -> Result<(), WorkflowError> {
        ["sync", "1", "2"].iter().for_each(|turn| self.note(&format!("update-{name}-{turn}")));
        Ok(())
    }

    fn note(&self, what: &str) {
        self.log.update(|log| log.push(what.to_string()));
    }
}

/// Updates that are handled at once, while a local activity outlasts several tasks.
#[workflow(name = "long_local_activity_with_update-0")]
#[derive(Default)]
struct LongLocalActivity;

#[workflow_methods]
impl LongLocalActivity {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.local_activity(delayed, "hi!".into()).start_to_close_timeout(secs(20)).await?)
    }

    #[update]
    fn update(&self, nothing: ()) {
        nothing
    }
}

/// The same with updates that wait for a timer; the second handler is still running when the workflow ends.
#[workflow(name = "long_local_activity_with_update-1")]
#[derive(Default)]
struct LongLocalActivityWithTimers;

#[workflow_methods]
impl LongLocalActivityWithTimers {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.local_activity(delayed, "hi!".into()).start_to_close_timeout(secs(20)).await?)
    }

    #[update]
    async fn update(&self, ctx: &WorkflowContext, _nothing: ()) -> Result<(), WorkflowError> {
        Ok(ctx.timer(secs(2)).await?)
    }
}

#[activity(name = "helloworldActivity")]
async fn hello_world(name: String, _delay: u64) -> Result<String, ActivityError> {
    Ok(format!("Hello {name}!"))
}

/// Cancels its child as soon as it has started.
#[workflow(name = "ChildWorkflowCancelWithUpdate")]
#[derive(Default)]
struct ChildWorkflowCancelWithUpdate {
    shutdown: State<bool>,
}

#[workflow_methods]
impl ChildWorkflowCancelWithUpdate {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let child = ctx.child_workflow(ChildWorkflowWaitOnSignal::run, ()).start().await?;
        child.cancel();
        let ended: Result<(), ChildWorkflowFailure> = child.await;
        drop(ended);
        Ok(ctx.wait_until(|| self.shutdown.get()).await?)
    }

    #[update]
    async fn update(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.activity(hello_world, ("world".into(), 1_000_000_000)).start_to_close_timeout(secs(5)).await?;
        Ok(())
    }

    #[signal]
    fn shutdown(&self, now: bool) {
        self.shutdown.set(now);
    }
}

fn recorded_result(history: &History) -> Vec<String> {
    match history.events().last().and_then(|event| event.attributes.as_ref()) {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)) => {
            let result = completed.result.as_ref().expect("it has a result");
            serde_json::from_slice(&result.payloads[0].data).expect("a list of texts")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn python_event_tracing_issues_the_same_commands() {
    for name in ["python/test_replayer_event_tracing.json", "python/test_replayer_event_tracing_single_batch.json"] {
        let Some(history) = from_elsewhere(name) else { continue };
        let replayed = replayed(&WorkflowReplayer::new().workflow(Tracing::run), &history);
        let now = replayed.result::<Vec<String>>().unwrap().unwrap();
        let recorded = recorded_result(&history);
        // Each has the same turns in the same order as in Python; the order between them depends on Python's event
        // loop.
        assert_eq!(turns(&now), turns(&recorded), "{name}");
        assert_eq!((now.len(), turns(&now).len()), (15, 5), "{name}");
        // The order of their first turns is the same, too.
        let begun = |notes: &[String]| notes.iter().filter(|note| note.ends_with("sync")).cloned().collect::<Vec<_>>();
        assert_eq!(begun(&now), begun(&recorded), "{name}");
    }
}

/// Returns the records of each handler and each part of the main routine, in order.
fn turns(notes: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut turns: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (who, turn) in notes.iter().filter_map(|note| note.rsplit_once('-')) {
        turns.entry(who).or_default().push(turn);
    }
    turns
}

#[test]
fn core_long_local_activity_with_update() {
    let replayer = WorkflowReplayer::new().workflow(LongLocalActivity::run).workflow(LongLocalActivityWithTimers::run);
    for name in
        ["core/long_local_activity_with_update-0_history.bin", "core/long_local_activity_with_update-1_history.bin"]
    {
        let Some(history) = from_elsewhere(name) else { continue };
        fits(&replayer, &history);
    }
}

/// One task brings the child's start and an update. Go runs the main routine first, so the child's cancellation
/// precedes the accepted update. Here, as in every Core-based SDK, updates are accepted before anything else happens.
#[test]
fn go_accepts_an_update_after_what_came_before_it() {
    let Some(history) = from_elsewhere("go/child-workflow-cancel-with-update.json") else { return };
    for grouping in [Grouping::Batch, Grouping::ByRank] {
        let replayer = WorkflowReplayer::new().workflow(ChildWorkflowCancelWithUpdate::run);
        let found = differs(&replayer.run_order(RunOrder { grouping, ..RunOrder::OURS }), &history);
        let at = (found.event_id(), found.event_type(), found.kind());
        assert_eq!(
            at,
            (10, "RequestCancelExternalWorkflowExecutionInitiated", NondeterminismKind::DifferentCommand),
            "{found}"
        );
    }
}

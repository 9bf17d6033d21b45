//! Twins of recorded workflows with local activities: Python's, Core's, and Core's 69 groupings of old markers.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

use std::sync::Mutex;

use abide::prelude::*;
use abide::workflow::ActivityCancellationType::{Abandon, TryCancel, WaitCancellationCompleted};
use abide::{ActivityFailure, History, WorkflowReplayer};
use futures_util::future::{FutureExt, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::python::{echo, fail, flaky, nap, once, outcome};
use super::{fits, from_elsewhere, mutations, recorded};

#[workflow(name = "LocalActivities")]
pub async fn local_activities(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let quick = RetryPolicy::new().initial_interval(millis(10)).backoff_coefficient(1.0);
    let mut results = vec![
        outcome(ctx.local_activity(echo, "local".into()).start_to_close_timeout(secs(10))).await,
        outcome(ctx.local_activity(fail, "local no".into()).start_to_close_timeout(secs(10))).await,
        outcome(ctx.local_activity(flaky, 3).start_to_close_timeout(secs(10)).retry_policy(quick)).await,
    ];
    let naps = [0.3, 0.1, 0.2].map(|seconds| ctx.local_activity(nap, seconds).start_to_close_timeout(secs(10)));
    for slept in join_all(naps).await {
        results.push(slept?);
    }
    results.push(ctx.activity(echo, "remote".into()).start_to_close_timeout(secs(10)).await?);
    Ok(results)
}

#[workflow(name = "LocalActivityBackoff")]
pub async fn local_activity_backoff(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(millis(1500)).backoff_coefficient(1.0);
    let call = ctx.local_activity(flaky, 3).start_to_close_timeout(secs(10));
    Ok(call.retry_policy(policy).local_retry_threshold(secs(1)).await?)
}

#[workflow(name = "LocalActivityHeartbeat")]
pub async fn local_activity_heartbeat(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let first = ctx.local_activity(nap, 5.0).start_to_close_timeout(secs(30)).await?;
    let second = ctx.local_activity(echo, "after".into()).start_to_close_timeout(secs(10)).await?;
    Ok(format!("{first}, {second}"))
}

#[workflow(name = "LocalActivityCancel")]
pub async fn local_activity_cancel(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let handles = [TryCancel, WaitCancellationCompleted, Abandon].map(|cancellation_type| {
        let call = ctx.local_activity(nap, 30.0).start_to_close_timeout(secs(60)).retry_policy(once());
        call.cancellation_type(cancellation_type).start()
    });
    ctx.timer(millis(500)).await?;
    handles.iter().for_each(|handle| handle.cancel());
    let mut results = Vec::new();
    for handle in handles {
        results.push(outcome(handle).await);
    }
    Ok(results)
}

#[activity]
async fn signal_self_once() -> Result<String, ActivityError> {
    Ok("done".into())
}

#[workflow]
#[derive(Default)]
struct UnhandledCommand {
    notes: State<Vec<String>>,
}

#[workflow_methods]
impl UnhandledCommand {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.local_activity(signal_self_once, ()).start_to_close_timeout(secs(10)).await?;
        Ok(self.notes.get())
    }

    #[signal]
    fn note(&self, value: String) {
        self.notes.update(|notes| notes.push(value));
    }
}

#[workflow]
#[derive(Default)]
pub(crate) struct SignalTimerRace {
    log: State<Vec<String>>,
}

#[workflow_methods]
impl SignalTimerRace {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.timer(secs(1)).await?;
        self.log.update(|log| log.push("timer".into()));
        ctx.activity(echo, self.log.get().join(",")).start_to_close_timeout(secs(10)).await?;
        Ok(self.log.get())
    }

    #[signal]
    async fn note(&self, ctx: &WorkflowContext, value: String) -> Result<(), WorkflowError> {
        self.log.update(|log| log.push(value.clone()));
        ctx.local_activity(echo, value).start_to_close_timeout(secs(10)).await?;
        Ok(())
    }
}

/// Registers the twins of Python's workflows with a replayer.
fn with_twins(replayer: WorkflowReplayer) -> WorkflowReplayer {
    replayer
        .workflow(local_activities)
        .workflow(local_activity_backoff)
        .workflow(local_activity_heartbeat)
        .workflow(local_activity_cancel)
        .workflow(UnhandledCommand::run)
        .workflow(SignalTimerRace::run)
}

#[test]
fn python_local_activities() {
    let replayer = with_twins(WorkflowReplayer::new());
    for name in [
        "local_activities",
        "local_activity_backoff",
        "local_activity_heartbeat",
        "local_activity_cancel",
        "unhandled_command",
        "signal_timer_race",
        "signal_timer_race_single_batch",
    ] {
        fits(&replayer, &recorded(name));
    }
}

#[activity(name = "delay")]
pub(crate) async fn delayed(name: String) -> Result<(), ActivityError> {
    drop(name);
    Ok(())
}

/// Core's test evicts the run while the local activity is running.
#[workflow(name = "evict_while_la_running_no_interference")]
async fn evict_while_la_running(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.local_activity(delayed, "hi!".into()).start_to_close_timeout(secs(20)).await?;
    Ok(ctx.activity(delayed, "hi!".into()).start_to_close_timeout(secs(20)).await?)
}

/// The recorded run failed a task after the timer.
#[workflow(name = "fail_wf_task_PITR/89Y")]
async fn fail_wf_task(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.timer(millis(200)).await?)
}

#[test]
fn core_evict_while_la_running() {
    let Some(history) = from_elsewhere("core/evict_while_la_running_no_interference-16_history.bin") else { return };
    fits(&WorkflowReplayer::new().workflow(evict_while_la_running), &history);
}

#[test]
fn core_fail_wf_task() {
    let Some(history) = from_elsewhere("core/fail_wf_task.bin") else { return };
    fits(&WorkflowReplayer::new().workflow(fail_wf_task), &history);
}

/// In spite of its name, it recorded a normal activity in place of a cancelled timer.
#[workflow]
#[derive(Default)]
struct WorkflowWithLocalActivityStartWhenTimerCancel {
    signalled: State<bool>,
}

#[activity(name = "Echo")]
async fn echo_go(wait: i64, value: i64) -> Result<i64, ActivityError> {
    Ok(wait + value)
}

#[workflow_methods]
impl WorkflowWithLocalActivityStartWhenTimerCancel {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
        let timer = ctx.timer(secs(3)).start();
        ctx.wait_until(|| self.signalled.get()).await?;
        let echoing = ctx.activity(echo_go, (0, 0)).schedule_to_close_timeout(secs(5)).start();
        timer.cancel();
        echoing.await?;
        Ok(timer.await.is_err())
    }

    #[signal]
    fn signal(&self, _value: String) {
        self.signalled.set(true);
    }
}

#[test]
fn go_activity_same_time_as_cancel() {
    let Some(history) = from_elsewhere("go/activity-same-time-as-cancel.json") else { return };
    fits(&WorkflowReplayer::new().workflow(WorkflowWithLocalActivityStartWhenTimerCancel::run), &history);
}

// ---- Core's groupings of markers without an activation index ---------------------------------------------------------

/// Results that the code received together, by the numbers of its local activities; one history at a time.
static GROUPS: Mutex<Vec<Vec<String>>> = Mutex::new(Vec::new());

#[activity(name = "default_act_type")]
async fn work() -> Result<abide::converter::RawPayload, ActivityError> {
    Err(ActivityError::cancelled())
}

fn log(group: Vec<String>) {
    GROUPS.lock().unwrap().push(group);
}

/// Starts three at once; each that completes starts another one, until all three have completed.
#[workflow(name = "default_wf_type")]
async fn fan_out(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let local = |id: String| ctx.local_activity(work, ()).start_to_close_timeout(secs(5)).activity_id(id).start();
    let mut pending: FuturesUnordered<_> = (1..=3)
        .map(|n| {
            let handle = local(format!("work-{n}"));
            async move { handle.await.map(|_| format!("la-{n}")) }
        })
        .collect();
    let (mut done, mut next, mut group) = (0, 4, Vec::new());
    loop {
        if group.is_empty() {
            group.extend(pending.next().await.transpose()?);
            done += 1;
        }
        while let Some(Some(finished)) = pending.next().now_or_never() {
            group.push(finished?);
            done += 1;
        }
        log(std::mem::take(&mut group));
        if done == 3 {
            break;
        }
        local("expired".into()).await?;
        group.push(format!("la-{next}"));
        next += 1;
    }
    local("finish".into()).await?;
    log(vec![format!("la-{next}")]);
    Ok(())
}

/// Two at once and an activity; nothing depends on any of them.
#[workflow(name = "default_wf_type")]
#[derive(Default)]
struct Nothing {
    group: State<Vec<String>>,
}

#[workflow_methods]
impl Nothing {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let local = |id: &str| ctx.local_activity(work, ()).start_to_close_timeout(secs(5)).activity_id(id).start();
        let (first, second) = (local("la-1"), local("la-2"));
        ctx.activity(work, ()).start_to_close_timeout(secs(5)).activity_id("act-3").start().detach();
        first.await?;
        log(vec!["la-1".into()]);
        second.await?;
        self.group.update(|group| group.push("la-2".into()));
        log(self.group.get());
        Ok(())
    }

    #[signal]
    fn signal(&self) {
        self.group.update(|group| group.push("signal".into()));
    }
}

#[test]
fn core_groups_old_markers_as_it_did() {
    const NAME: &str = "core/la_replay_without_activation_index";
    let Some(folder) = std::env::var_os("ABIDE_HISTORIES") else {
        println!("not replayed, ABIDE_HISTORIES is not set: {NAME}.bin");
        return;
    };
    let path = |ending: &str| std::path::Path::new(&folder).join(format!("{NAME}.{ending}"));
    let histories = History::load(path("bin")).unwrap();
    let scripts: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(path("json")).unwrap()).expect("the scripts are JSON");
    assert_eq!((histories.len(), scripts.len()), (69, 69));
    let (fan_outs, nothings) =
        (WorkflowReplayer::new().workflow(fan_out), WorkflowReplayer::new().workflow(Nothing::run));
    for (history, script) in histories.iter().zip(&scripts) {
        GROUPS.lock().unwrap().clear();
        let replayer = if script["workflow"] == "Fanout" { &fan_outs } else { &nothings };
        assert!(replayer.replay(history).unwrap().same_outcome());
        let expected: Vec<Vec<String>> = serde_json::from_value(script["activations"].clone()).unwrap();
        assert_eq!(GROUPS.lock().unwrap()[..], expected[1..], "{}", script["name"]);
        mutations::none_fits(replayer, &format!("{NAME}.bin {}", script["name"]), history);
    }
}

/// Describes a local activity's failure as its workflow sees it, whichever SDK recorded it.
#[workflow(name = "LocalActivities")]
async fn looks_at_the_failure(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.local_activity(echo, "local".into()).start_to_close_timeout(secs(10)).await?;
    let failed = ctx.local_activity(fail, "local no".into()).start_to_close_timeout(secs(10)).await;
    let failure: ActivityFailure = failed.expect_err("it was recorded as failed");
    let cause = failure.cause().expect("it has a cause");
    assert_eq!((failure.activity_type(), failure.activity_id()), ("fail", "2"));
    assert_eq!(failure.retry_state(), abide::RetryState::NonRetryableFailure);
    assert_eq!((cause.message(), cause.error_type()), ("local no", Some("TestFailure")));
    assert_eq!(cause.detail::<String>(0).unwrap().as_deref(), Some("detail"));
    ctx.wait_until(|| false).await?;
    Ok(())
}

#[test]
fn a_recorded_failure_keeps_all_it_says() {
    // The history is cut off where the twin's code differs.
    let history = History::from_events(recorded("local_activities").events()[..6].to_vec());
    WorkflowReplayer::new().workflow(looks_at_the_failure).replay(&history).unwrap();
}

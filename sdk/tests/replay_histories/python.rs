//! Twins of the Python workflows with which the files in `tests/histories` were recorded, and their replays.
//!
//! Each twin issues the commands of its Python original in the same order and returns the same result. The bodies of
//! activities never run in a replay; they document the originals.

use std::fmt::Display;
use std::future::Future;

use abide::prelude::*;
use abide::replayer::{Grouping, RunOrder, RunOutcome};
use abide::workflow::ActivityCancellationType::{Abandon, TryCancel, WaitCancellationCompleted};
use abide::{ActivityFailure, Cancelled, FailureKind, WorkflowReplayer};
use futures_util::future::join_all;

use super::{fits, recorded, replayed};

/// Returns the result of an operation as text: `ok VALUE`, or the failure.
pub(super) async fn outcome<T: Display, E: Describe>(pending: impl Future<Output = Result<T, E>>) -> String {
    match pending.await {
        Ok(value) => format!("ok {value}"),
        Err(error) => error.describe(),
    }
}

/// Describes a failure as one line of text, the same in any language.
pub(super) trait Describe {
    fn describe(&self) -> String;
}

impl Describe for Cancelled {
    fn describe(&self) -> String {
        "cancelled".into()
    }
}

impl Describe for ActivityFailure {
    fn describe(&self) -> String {
        let cause = self.cause().expect("an activity's failure has a cause");
        match cause.kind() {
            FailureKind::Application => {
                format!("application {}: {}", cause.error_type().unwrap_or_default(), cause.message())
            }
            FailureKind::Timeout => match cause.timeout_type() {
                Some(abide::TimeoutType::StartToClose) => "timeout START_TO_CLOSE".into(),
                Some(abide::TimeoutType::Heartbeat) => "timeout HEARTBEAT".into(),
                other => format!("timeout {other:?}"),
            },
            FailureKind::Cancelled => "cancelled".into(),
            other => format!("{other:?}: {}", cause.message()),
        }
    }
}

pub(crate) fn once() -> RetryPolicy {
    RetryPolicy::new().maximum_attempts(1)
}

#[activity]
pub async fn echo(value: String) -> Result<String, ActivityError> {
    Ok(value)
}

#[activity]
pub async fn shout(value: String) -> Result<String, ActivityError> {
    Ok(value.to_uppercase())
}

#[activity]
pub async fn fail(message: String) -> Result<String, ActivityError> {
    Err(ApplicationFailure::new(message).error_type("TestFailure").non_retryable().into())
}

#[activity]
pub async fn flaky(ctx: &ActivityContext, succeeds_at_attempt: u32) -> Result<String, ActivityError> {
    match ctx.info().attempt {
        attempt if attempt < succeeds_at_attempt => {
            Err(ApplicationFailure::new(format!("attempt {attempt}")).error_type("Flaky").into())
        }
        attempt => Ok(format!("attempt {attempt}")),
    }
}

#[activity]
pub async fn nap(seconds: f64) -> Result<String, ActivityError> {
    Ok(format!("slept {seconds}"))
}

#[activity]
async fn beat_until_cancelled() -> Result<String, ActivityError> {
    Ok("never".into())
}

#[activity]
async fn big(size: usize) -> Result<String, ActivityError> {
    Ok("x".repeat(size))
}

#[workflow(name = "ActivityOutcomes")]
async fn activity_outcomes(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    Ok(vec![
        outcome(ctx.activity(echo, "hello".into()).start_to_close_timeout(secs(10))).await,
        outcome(ctx.activity(fail, "no".into()).start_to_close_timeout(secs(10))).await,
        outcome(ctx.activity(nap, 30.0).start_to_close_timeout(secs(1)).retry_policy(once())).await,
        outcome(
            ctx.activity(nap, 30.0).start_to_close_timeout(secs(30)).heartbeat_timeout(secs(1)).retry_policy(once()),
        )
        .await,
        outcome(
            ctx.activity(flaky, 3)
                .start_to_close_timeout(secs(10))
                .retry_policy(RetryPolicy::new().initial_interval(millis(100))),
        )
        .await,
    ])
}

#[workflow(name = "ActivityCancel")]
async fn activity_cancel(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let handles = [TryCancel, WaitCancellationCompleted, Abandon].map(|cancellation_type| {
        ctx.activity(beat_until_cancelled, ())
            .start_to_close_timeout(secs(30))
            .heartbeat_timeout(secs(1))
            .retry_policy(once())
            .cancellation_type(cancellation_type)
            .start()
    });
    ctx.timer(secs(1)).await?;
    handles.iter().for_each(|handle| handle.cancel());
    let mut results = Vec::new();
    for handle in handles {
        results.push(outcome(handle).await);
    }
    Ok(results)
}

#[workflow(name = "CancelCompletedActivity")]
async fn cancel_completed_activity(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let handle = ctx.activity(nap, 1.0).start_to_close_timeout(secs(10)).start();
    ctx.timer(millis(500)).await?;
    handle.cancel();
    Ok(outcome(handle).await)
}

#[workflow]
#[derive(Default)]
struct Timers {
    open: State<bool>,
}

#[workflow_methods]
impl Timers {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let nothing = |result: Result<(), Cancelled>| match result {
            Ok(()) => "ok None".to_string(),
            Err(error) => error.describe(),
        };
        let mut results = Vec::new();
        let at_once = ctx.timer(secs(60)).start();
        at_once.cancel();
        results.push(nothing(at_once.await));

        let later = ctx.timer(secs(60)).start();
        ctx.timer(millis(100)).await?;
        later.cancel();
        results.push(nothing(later.await));

        results.push(self.opened_within(ctx, millis(100)).await?);
        results.push(self.opened_within(ctx, secs(60)).await?);
        results.push(self.opened_within(ctx, secs(30)).await?);
        ctx.timer(millis(50)).await?;
        Ok(results)
    }

    #[signal]
    fn unlock(&self) {
        self.open.set(true);
    }

    async fn opened_within(&self, ctx: &WorkflowContext, limit: std::time::Duration) -> Result<String, Cancelled> {
        let opened = ctx.wait_until(|| self.open.get()).timeout(limit).await?;
        Ok(if opened { "opened" } else { "timed out" }.into())
    }
}

#[workflow(name = "WaitAny")]
async fn wait_any(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let mut results = Vec::new();
    for (seconds, limit) in [(0.1, secs(30)), (30.0, millis(200))] {
        let mut work = ctx
            .activity(nap, seconds)
            .start_to_close_timeout(secs(60))
            .heartbeat_timeout(secs(60))
            .retry_policy(once())
            .start();
        let mut timer = ctx.timer(limit).start();
        abide::select! {
            _ = &mut work => {
                timer.cancel();
                results.push("work".to_string());
                results.push(timer.await.map_or_else(|error| error.describe(), |()| "ok None".into()));
            }
            _ = &mut timer => {
                work.cancel();
                results.push("timer".to_string());
                results.push(outcome(work).await);
            }
        }
    }
    Ok(results)
}

#[workflow(name = "Gather50")]
async fn gather50(ctx: &WorkflowContext) -> Result<i64, WorkflowError> {
    let calls = (0..50).map(|i: i64| ctx.activity(echo, i.to_string()).start_to_close_timeout(secs(60)));
    let mut sum = 0;
    for value in join_all(calls).await {
        sum += value?.parse::<i64>()?;
    }
    Ok(sum)
}

#[workflow]
#[derive(Default)]
struct BufferedSignals {
    seen: State<Vec<String>>,
}

#[workflow_methods]
impl BufferedSignals {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.seen.with(|seen| seen.len() == 20)).await?;
        Ok(self.seen.get())
    }

    #[signal]
    async fn add(&self, ctx: &WorkflowContext, value: String) -> Result<(), WorkflowError> {
        let echoed = ctx.activity(echo, value).start_to_close_timeout(secs(10)).await?;
        self.seen.update(|seen| seen.push(echoed));
        Ok(())
    }
}

#[workflow]
struct Queries {
    state: State<String>,
    go: State<bool>,
}

impl Default for Queries {
    fn default() -> Self {
        Self { state: State::new("new".into()), go: State::new(false) }
    }
}

#[workflow_methods]
impl Queries {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        self.state.set("waiting".into());
        ctx.wait_until(|| self.go.get()).await?;
        self.state.set("working".into());
        ctx.activity(nap, 0.3).start_to_close_timeout(secs(10)).await?;
        self.state.set("done".into());
        Ok(self.state.get())
    }

    #[signal]
    fn proceed(&self) {
        self.go.set(true);
    }

    #[query]
    fn current(&self) -> String {
        self.state.get()
    }
}

#[workflow(name = "RetriedRun")]
async fn retried_run(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(50)).await?;
    match ctx.info().attempt {
        1 => Err(ApplicationFailure::new("first attempt").error_type("Retry").into()),
        attempt => Ok(format!("attempt {attempt}")),
    }
}

#[workflow(name = "CronRun")]
async fn cron_run(ctx: &WorkflowContext) -> Result<i64, WorkflowError> {
    ctx.timer(millis(50)).await?;
    Ok(ctx.info().last_completion_result::<i64>()?.unwrap_or(0) + 1)
}

#[workflow(name = "LargePayload")]
async fn large_payload(ctx: &WorkflowContext) -> Result<usize, WorkflowError> {
    Ok(ctx.activity(big, 100_000).start_to_close_timeout(secs(10)).await?.len())
}

#[workflow(name = "CancelWithCleanup")]
async fn cancel_with_cleanup(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let (slept, _beaten) = abide::join!(
        ctx.timer(hours(1)),
        ctx.activity(beat_until_cancelled, ())
            .start_to_close_timeout(secs(30))
            .heartbeat_timeout(secs(1))
            .retry_policy(once())
            .cancellation_type(WaitCancellationCompleted),
    );
    if let Err(cancelled) = slept {
        ctx.shielded(async {
            ctx.timer(millis(50)).await?;
            ctx.activity(echo, "cleanup".into()).start_to_close_timeout(secs(10)).await?;
            Ok::<_, WorkflowError>(())
        })
        .await?;
        return Err(cancelled.into());
    }
    Ok("not cancelled".into())
}

#[workflow(name = "FailsOnActivity")]
async fn fails_on_activity(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.activity(fail, "uncaught".into()).start_to_close_timeout(secs(10)).await?)
}

#[workflow(name = "TaskFailure")]
async fn task_failure(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(50)).await?;
    Ok(ctx.activity(echo, "fixed".into()).start_to_close_timeout(secs(10)).await?)
}

#[workflow]
#[derive(Default)]
struct TaskTimedOut {
    seen: State<Vec<String>>,
}

#[workflow_methods]
impl TaskTimedOut {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.activity(echo, "first".into()).start_to_close_timeout(secs(10)).await?;
        ctx.wait_until(|| self.seen.with(|seen| !seen.is_empty())).await?;
        Ok(self.seen.get())
    }

    #[signal]
    fn note(&self, value: String) {
        self.seen.update(|seen| seen.push(value));
    }
}

#[workflow(name = "Evicted")]
async fn evicted(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let mut results = Vec::new();
    for step in 0..5 {
        results.push(ctx.activity(echo, format!("step {step}")).start_to_close_timeout(secs(10)).await?);
        ctx.timer(millis(20)).await?;
    }
    Ok(results)
}

#[workflow(name = "TimedOut")]
async fn timed_out(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(echo, "first".into()).start_to_close_timeout(secs(10)).await?;
    ctx.timer(hours(1)).await?;
    Ok(())
}

#[workflow(name = "Steps")]
async fn steps(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let first = ctx.activity(echo, "one".into()).start_to_close_timeout(secs(10)).await?;
    ctx.timer(millis(50)).await?;
    Ok(first + &ctx.activity(shout, "two".into()).start_to_close_timeout(secs(10)).await?)
}

fn replayer() -> WorkflowReplayer {
    WorkflowReplayer::new()
        .workflow(activity_outcomes)
        .workflow(activity_cancel)
        .workflow(cancel_completed_activity)
        .workflow(Timers::run)
        .workflow(wait_any)
        .workflow(gather50)
        .workflow(BufferedSignals::run)
        .workflow(Queries::run)
        .workflow(retried_run)
        .workflow(cron_run)
        .workflow(large_payload)
        .workflow(cancel_with_cleanup)
        .workflow(fails_on_activity)
        .workflow(task_failure)
        .workflow(TaskTimedOut::run)
        .workflow(evicted)
        .workflow(timed_out)
        .workflow(steps)
}

macro_rules! same_outcome {
    ($($name:ident)*) => {
        /// Each history fits its twin, and the twin ends as recorded, with the same result.
        mod ends_as_recorded {
            $(
                #[test]
                fn $name() {
                    super::fits(&super::replayer(), &super::recorded(stringify!($name)));
                }
            )*
        }
    };
}

same_outcome! {
    activity_outcomes activity_cancel timers wait_any gather50 buffered_signals queries cancel_with_cleanup
    fails_on_activity task_failure task_timed_out timed_out evicted steps large_payload
}

#[test]
fn later_runs_of_a_chain_end_as_recorded() {
    for name in ["retried_run-1", "retried_run-2", "cron_run-2"] {
        fits(&replayer(), &recorded(name));
    }
}

#[test]
fn a_cancel_that_meets_a_completion_loses_where_python_lets_it_win() {
    let replayed = replayed(&replayer(), &recorded("cancel_completed_activity"));
    assert_eq!(replayed.result::<String>().unwrap().as_deref(), Some("ok slept 1"));
    let RunOutcome::Completed(Some(recorded)) = replayed.recorded() else { panic!("it completed") };
    assert_eq!(recorded.data, b"\"cancelled\"");
    // A report may be logged.
    assert_eq!(replayed.recorded().to_string(), "completed with a string of 9 characters");
}

#[test]
fn the_order_of_jobs_can_be_chosen() {
    // This history does not depend on the order, so both orders fit.
    for grouping in [Grouping::Batch, Grouping::ByRank] {
        fits(&replayer().run_order(RunOrder { grouping, ..RunOrder::OURS }), &recorded("timers"));
    }
}

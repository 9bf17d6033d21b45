//! The workflows and activities of the tests.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use abide::prelude::*;

const TIMEOUT: Duration = secs(20);

#[activity]
pub(crate) async fn greet(name: String) -> Result<String, ActivityError> {
    Ok(format!("Hello, {name}!"))
}

#[activity]
pub(crate) async fn add(left: u64, right: u64) -> Result<u64, ActivityError> {
    Ok(left + right)
}

/// Fails in the given way.
#[activity]
pub(crate) async fn misbehave(ctx: &ActivityContext, how: String) -> Result<String, ActivityError> {
    match how.as_str() {
        "panic" => panic!("out of beans"),
        "large result" => Ok("x".repeat(3 * 1024 * 1024)),
        "large heartbeat" => {
            ctx.heartbeat(&"x".repeat(3 * 1024 * 1024))?;
            let _ = ctx.cancelled().await;
            Ok("cancelled".into())
        }
        "cancelled" => Err(ActivityError::cancelled()),
        _ => Err(ApplicationFailure::new("declined").error_type("Declined").non_retryable().into()),
    }
}

/// Fails until the third attempt.
#[activity]
pub(crate) async fn third_time_lucky(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    let attempt = ctx.info().attempt;
    if attempt < 3 { Err(ApplicationFailure::new("not yet").into()) } else { Ok(attempt) }
}

/// Counts in heartbeats; the first attempt fails at 3, the next one continues from there.
#[activity]
pub(crate) async fn count_to_six(ctx: &ActivityContext) -> Result<Vec<u32>, ActivityError> {
    let from = ctx.last_heartbeat::<u32>()?.unwrap_or_default();
    let mut counted = Vec::new();
    for number in from + 1..=6 {
        ctx.heartbeat(&number)?;
        counted.push(number);
        if number == 3 {
            return Err(ApplicationFailure::new("stumbled").into());
        }
    }
    Ok(counted)
}

/// Heartbeats until it is cancelled, and returns the reason.
#[activity]
pub(crate) async fn wait_for_cancellation(ctx: &ActivityContext) -> Result<String, ActivityError> {
    loop {
        ctx.heartbeat(&())?;
        tokio::select! {
            _ = ctx.cancelled() => return Err(ActivityError::cancelled_with(&"stopped".to_string())?),
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

/// Takes the place of `wait_for_cancellation`: ends at the notice that the worker shuts down, before it is cancelled.
#[activity(name = "wait_for_cancellation", auto_heartbeat)]
pub(crate) async fn wait_for_notice(ctx: &ActivityContext) -> Result<String, ActivityError> {
    ctx.worker_shutting_down().await;
    Ok(format!("noticed, cancelled: {}", ctx.is_cancelled()))
}

#[workflow]
pub(crate) async fn greeting(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    let text = ctx.activity(greet, name).start_to_close_timeout(TIMEOUT).await?;
    ctx.timer(millis(10)).await?;
    Ok(text)
}

#[workflow]
pub(crate) async fn misbehaving(ctx: &WorkflowContext, how: String) -> Result<String, WorkflowError> {
    let once = RetryPolicy::new().maximum_attempts(1);
    Ok(ctx.activity(misbehave, how).start_to_close_timeout(TIMEOUT).retry_policy(once).await?)
}

#[workflow]
pub(crate) async fn lucky(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    let soon = RetryPolicy::new().initial_interval(millis(10));
    Ok(ctx.activity(third_time_lucky, ()).start_to_close_timeout(TIMEOUT).retry_policy(soon).await?)
}

#[workflow]
pub(crate) async fn counting(ctx: &WorkflowContext) -> Result<Vec<u32>, WorkflowError> {
    let soon = RetryPolicy::new().initial_interval(millis(10));
    Ok(ctx.activity(count_to_six, ()).start_to_close_timeout(TIMEOUT).retry_policy(soon).await?)
}

/// Sums up with one activity after another.
#[workflow]
pub(crate) async fn summing(ctx: &WorkflowContext, to: u64) -> Result<u64, WorkflowError> {
    let mut sum = 0;
    for number in 1..=to {
        sum = ctx.activity(add, (sum, number)).start_to_close_timeout(TIMEOUT).await?;
    }
    Ok(sum)
}

/// Waits for a long activity until it is cancelled.
#[workflow]
pub(crate) async fn waiting(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let once = RetryPolicy::new().maximum_attempts(1);
    let wait = ctx
        .activity(wait_for_cancellation, ())
        .start_to_close_timeout(TIMEOUT)
        .heartbeat_timeout(secs(1))
        .retry_policy(once)
        .cancellation_type(abide::workflow::ActivityCancellationType::WaitCancellationCompleted);
    Ok(wait.await?)
}

/// Collects words until it has three.
#[workflow]
#[derive(Default)]
pub(crate) struct Collector {
    words: State<Vec<String>>,
}

#[workflow_methods]
impl Collector {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.words.read().len() >= 3).await?;
        Ok(self.words.get().join(" "))
    }

    #[signal]
    pub(crate) fn add(&self, word: String) {
        self.words.update(|words| words.push(word));
    }

    #[query]
    pub(crate) fn words(&self) -> Vec<String> {
        self.words.get()
    }
}

/// Ends [`spinning`], so that a test does not leave behind a thread that never ends.
pub(crate) static SPIN_ENDS: AtomicBool = AtomicBool::new(false);

#[workflow]
pub(crate) async fn spinning(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    while !SPIN_ENDS.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    Ok(())
}

pub(crate) static PANICS: AtomicU32 = AtomicU32::new(0);

/// Panics the first time it runs, like a bug that a deployment fixes.
#[workflow]
pub(crate) async fn mended(_ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    assert!(PANICS.fetch_add(1, Ordering::Relaxed) > 0, "the mistake");
    Ok("mended".into())
}

/// Passes a large argument to an activity.
#[workflow]
pub(crate) async fn large_argument(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.activity(greet, "x".repeat(3 * 1024 * 1024)).start_to_close_timeout(TIMEOUT).await?)
}

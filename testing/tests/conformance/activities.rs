//! Activities: all ways to end, retries, cancellation.

use std::sync::atomic::{AtomicU32, Ordering};

use abide::prelude::*;
use abide::worker::PollerBehavior;
use abide::workflow::ActivityCancellationType;

use crate::arm::{Arm, Outcome, compare, until_event};

#[activity]
async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

#[activity]
async fn refuse(text: String) -> Result<(), ActivityError> {
    Err(ApplicationFailure::new(text).error_type("Refused").non_retryable().detail(&7_u32)?.into())
}

#[activity]
async fn third_time(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    let attempt = ctx.info().attempt;
    if attempt < 3 {
        return Err(ApplicationFailure::new(format!("attempt {attempt}")).error_type("NotYet").into());
    }
    Ok(attempt)
}

#[activity]
async fn until_cancelled(ctx: &ActivityContext) -> Result<(), ActivityError> {
    let mut beats = tokio::time::interval(millis(50));
    loop {
        tokio::select! {
            _ = beats.tick() => ctx.heartbeat(&"beat".to_string())?,
            _ = ctx.cancelled() => return Err(ActivityError::cancelled()),
        }
    }
}

/// Waits far longer than its timeouts, without a heartbeat.
#[activity]
async fn hang(ctx: &ActivityContext) -> Result<(), ActivityError> {
    ctx.cancelled().await;
    Err(ActivityError::cancelled())
}

fn once() -> RetryPolicy {
    RetryPolicy::new().maximum_attempts(1)
}

#[workflow]
async fn outcomes(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let limit = secs(10);
    let mut all = vec![ctx.activity(echo, "hello".into()).start_to_close_timeout(limit).summary("says it").await?];
    let refused = ctx.activity(refuse, "no".into()).start_to_close_timeout(limit).await;
    all.push(refused.expect_err("it refuses").error_type().unwrap_or_default());
    let policy = RetryPolicy::new().initial_interval(millis(20)).backoff_coefficient(1.0);
    let third = ctx.activity(third_time, ()).start_to_close_timeout(limit).retry_policy(policy).await?;
    all.push(third.to_string());
    let slow = ctx.activity(hang, ()).start_to_close_timeout(secs(1)).retry_policy(once()).await;
    all.push(format!("{:?}", slow.expect_err("it takes too long").timeout_type()));
    let silent =
        ctx.activity(hang, ()).start_to_close_timeout(secs(20)).heartbeat_timeout(secs(1)).retry_policy(once()).await;
    all.push(format!("{:?}", silent.expect_err("it sends no heartbeat").timeout_type()));
    let unheard = ctx
        .activity(echo, "nobody".into())
        .start_to_close_timeout(limit)
        .schedule_to_start_timeout(secs(1))
        .task_queue("nobody-polls-this")
        .await;
    all.push(format!("{:?}", unheard.expect_err("nobody takes it").timeout_type()));
    Ok(all)
}

#[tokio::test]
async fn activities_end_in_every_way() -> Outcome {
    compare("outcomes", |arm| async move {
        let worker = arm.worker().workflow(outcomes).activities(echo).activities(refuse).activities(third_time);
        let worker = worker.activities(hang).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(outcomes, ()).id(arm.id()).task_queue(arm.queue()).await?;
                let timeout = |kind: &str| format!("Some({kind})");
                let expected = [
                    "hello".to_string(),
                    "Refused".to_string(),
                    "3".to_string(),
                    timeout("StartToClose"),
                    timeout("Heartbeat"),
                    timeout("ScheduleToStart"),
                ];
                assert_eq!(handle.result().await?, expected);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[workflow]
async fn cancels(ctx: &WorkflowContext, kind: u32) -> Result<String, WorkflowError> {
    let kind = match kind {
        0 => ActivityCancellationType::TryCancel,
        1 => ActivityCancellationType::WaitCancellationCompleted,
        _ => ActivityCancellationType::Abandon,
    };
    let call = ctx.activity(until_cancelled, ()).start_to_close_timeout(secs(20)).heartbeat_timeout(millis(900));
    let running = call.retry_policy(once()).cancellation_type(kind).start();
    ctx.timer(millis(300)).await?;
    running.cancel();
    Ok(format!("cancelled {}", running.await.expect_err("it was cancelled").is_cancelled()))
}

async fn cancelling(arm: Arm, kind: u32) -> crate::arm::Histories {
    let worker = arm.worker().workflow(cancels).activities(until_cancelled).build()?;
    let history = worker
        .run_until(async {
            let handle = arm.client.start(cancels, kind).id(arm.id()).task_queue(arm.queue()).await?;
            assert_eq!(handle.result().await?, "cancelled true");
            Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
        })
        .await??;
    Ok(vec![history])
}

#[tokio::test]
async fn try_cancel_resolves_at_once() -> Outcome {
    compare("try-cancel", |arm| cancelling(arm, 0)).await
}

#[tokio::test]
async fn wait_cancellation_completed_waits_for_the_activity() -> Outcome {
    compare("wait-cancel", |arm| cancelling(arm, 1)).await
}

#[tokio::test]
async fn abandon_sends_nothing() -> Outcome {
    compare("abandon", |arm| cancelling(arm, 2)).await
}

#[workflow]
async fn cancels_before_start(ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
    let call = ctx.activity(echo, "nobody".into()).start_to_close_timeout(secs(20)).task_queue("nobody-polls-this");
    let waiting = call.cancellation_type(ActivityCancellationType::WaitCancellationCompleted).start();
    ctx.timer(millis(50)).await?;
    waiting.cancel();
    Ok(waiting.await.expect_err("it was cancelled").is_cancelled())
}

#[tokio::test]
async fn an_activity_that_has_not_started_is_cancelled_by_the_server() -> Outcome {
    compare("cancel-unstarted", |arm| async move {
        let worker = arm.worker().workflow(cancels_before_start).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(cancels_before_start, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert!(handle.result().await?);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

static POLLS: AtomicU32 = AtomicU32::new(0);

#[activity]
async fn never_ready() -> Result<String, ActivityError> {
    let poll = POLLS.fetch_add(1, Ordering::Relaxed);
    // The message must be the same on both servers, whichever attempt is the last.
    let _ = poll;
    Err(ApplicationFailure::new("still pending").error_type("Pending").into())
}

#[workflow]
async fn polls(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(secs(1)).backoff_coefficient(1.0);
    let call = ctx.activity(never_ready, ()).schedule_to_close_timeout(secs(5)).start_to_close_timeout(secs(2));
    Ok(call.retry_policy(policy).await?)
}

#[tokio::test]
async fn polling_ends_with_the_last_error_before_the_deadline() -> Outcome {
    compare("polling", |arm| async move {
        let worker = arm.worker().workflow(polls).activities(never_ready).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(polls, ()).id(arm.id()).task_queue(arm.queue()).await?;
                let error = handle.result().await.expect_err("it never gets ready");
                assert!(error.is_retry_timeout(), "{error}");
                until_event(&handle, "EVENT_TYPE_ACTIVITY_TASK_FAILED", 1).await?;
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[workflow]
async fn calls_unknown(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let unknown = ctx.activity(echo, "x".into()).start_to_close_timeout(secs(5)).retry_policy(once()).await;
    Ok(unknown.expect_err("no worker knows it").error_type().unwrap_or_default())
}

#[tokio::test]
async fn an_unknown_activity_type_fails_that_activity() -> Outcome {
    compare("unknown-activity", |arm| async move {
        let worker = arm.worker().workflow(calls_unknown).activities(hang).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(calls_unknown, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, "NotFoundError");
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

/// An activity that returns the name of its worker.
struct Whose(&'static str);

#[activities]
impl Whose {
    #[activity]
    async fn whose(&self) -> Result<String, ActivityError> {
        Ok(self.0.to_string())
    }
}

#[workflow]
async fn asks_whose(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let mut names = Vec::new();
    for _ in 0..10 {
        names.push(ctx.activity(Whose::whose, ()).start_to_close_timeout(secs(10)).await?);
    }
    // The workflow closes in the task that schedules this one, so the server does not start it.
    ctx.activity(Whose::whose, ()).start_to_close_timeout(secs(10)).start().detach();
    Ok(names)
}

#[tokio::test]
async fn eager_activities_stay_on_the_worker_that_schedules_them() -> Outcome {
    compare("eager", |arm| async move {
        let own = arm
            .worker()
            .workflow(asks_whose)
            .activities(Whose("own"))
            .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(1))
            .build()?;
        let other = arm
            .worker()
            .activities(Whose("other"))
            .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(10))
            .build()?;
        let body = async {
            let handle = arm.client.start(asks_whose, ()).id(arm.id()).task_queue(arm.queue()).await?;
            assert_eq!(handle.result().await?, ["own"; 10]);
            Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
        };
        let history = own.run_until(Box::pin(other.run_until(body))).await???;
        Ok(vec![history])
    })
    .await
}

/// Wrong signatures of `echo` on the callers' side.
mod misunderstood {
    use super::*;

    #[activity]
    pub(super) async fn echo(_number: u32) -> Result<String, ActivityError> {
        Ok("never called".into())
    }
}

#[workflow]
async fn misunderstands(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let call = ctx.activity(misunderstood::echo, 7).start_to_close_timeout(secs(5)).retry_policy(once());
    let failure = call.await.expect_err("a number is no text");
    let local = ctx.local_activity(misunderstood::echo, 7).start_to_close_timeout(secs(5)).retry_policy(once());
    let local = local.await.expect_err("a number is no text");
    Ok(format!("{:?} {:?}, {:?}", failure.error_type(), failure.retry_state(), local.error_type()))
}

#[tokio::test]
async fn b045_a_workflow_catches_that_arguments_do_not_fit() -> Outcome {
    compare("misunderstands", |arm| async move {
        let worker = arm.worker().workflow(misunderstands).activities(echo).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(misunderstands, ()).id(arm.id()).task_queue(arm.queue()).await?;
                let caught = "Some(\"InvalidArguments\") MaximumAttemptsReached, Some(\"InvalidArguments\")";
                assert_eq!(handle.result().await?, caught);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

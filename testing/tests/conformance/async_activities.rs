//! Asynchronous activity completion, by token and by id.

use std::sync::Mutex;

use abide::client::AsyncActivityError;
use abide::prelude::*;
use abide::workflow::ActivityCancellationType;

use crate::arm::{Outcome, compare, until, until_event};

/// The task tokens of the attempts so far.
static TOKENS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Returns without a result, to be completed later.
#[activity]
async fn approve(ctx: &ActivityContext) -> Result<String, ActivityError> {
    TOKENS.lock().expect("no thread panicked").push(ctx.info().task_token.clone());
    Err(ActivityError::will_complete_async())
}

#[workflow]
async fn approvals(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let call = |id: &str| {
        let once = RetryPolicy::new().maximum_attempts(1);
        ctx.activity(approve, ()).start_to_close_timeout(secs(30)).activity_id(id).retry_policy(once)
    };
    let mut all = vec![call("by-token").await?, call("by-id").await?];
    let refused = call("refused").await.expect_err("it is refused");
    all.push(refused.error_type().unwrap_or_default());
    let stopped = call("stopped").cancellation_type(ActivityCancellationType::WaitCancellationCompleted).start();
    ctx.timer(millis(20)).await?;
    stopped.cancel();
    all.push(stopped.await.expect_err("it is stopped").is_cancelled().to_string());
    Ok(all)
}

#[tokio::test]
async fn outcomes_come_from_elsewhere() -> Outcome {
    compare("async-activities", |arm| async move {
        TOKENS.lock().expect("no thread panicked").clear();
        let worker = arm.worker().workflow(approvals).activities(approve).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(approvals, ()).id(arm.id()).task_queue(arm.queue()).await?;
                // Waits until this many attempts have returned without a result.
                let waiting = |count: usize| async move {
                    let has = || async { Ok(TOKENS.lock().expect("no thread panicked").len() >= count) };
                    until(&format!("there are {count} attempts"), has).await
                };
                waiting(1).await?;
                let token = TOKENS.lock().expect("no thread panicked")[0].clone();
                let by_token = arm.client.async_activity(token);
                assert!(!by_token.heartbeat(&1).await?.cancel_requested);
                by_token.complete(&"yes".to_string()).await?;
                waiting(2).await?;
                let again = by_token.complete(&"yes".to_string()).await.expect_err("it has ended");
                assert!(matches!(again, AsyncActivityError::NotFound { .. }), "{again:?}");
                let by_id = |id: &str| arm.client.async_activity_by_id(arm.id(), "", id);
                by_id("by-id").complete(&"yes again".to_string()).await?;
                waiting(3).await?;
                by_id("refused").fail(ApplicationFailure::new("no").error_type("Refused")).await?;
                waiting(4).await?;
                until_event(&handle, "EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED", 1).await?;
                assert!(by_id("stopped").heartbeat(&2).await?.cancel_requested);
                by_id("stopped").report_cancelled(&"half done".to_string()).await?;
                assert_eq!(handle.result().await?, ["yes", "yes again", "Refused", "true"]);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

//! Timers.

use abide::prelude::*;

use crate::arm::{Outcome, compare};

#[workflow]
async fn sleeper(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(50)).summary("a nap").await?;
    let long = ctx.timer(secs(60)).start();
    ctx.timer(millis(20)).await?;
    long.cancel();
    let cancelled = long.await.is_err();
    let met = ctx.wait_until(|| false).timeout(millis(30)).await?;
    Ok(format!("cancelled {cancelled}, met {met}"))
}

#[tokio::test]
async fn timers_fire_and_are_cancelled() -> Outcome {
    compare("timers", |arm| async move {
        let worker = arm.worker().workflow(sleeper).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(sleeper, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, "cancelled true, met false");
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[workflow]
async fn does_not_wait(ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
    ctx.timer(millis(0)).await?;
    Ok(ctx.wait_until(|| false).timeout(millis(0)).await?)
}

#[tokio::test]
async fn timers_of_zero_length_are_accepted_and_fire() -> Outcome {
    compare("zero-timers", |arm| async move {
        let worker = arm.worker().workflow(does_not_wait).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(does_not_wait, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert!(!handle.result().await?);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

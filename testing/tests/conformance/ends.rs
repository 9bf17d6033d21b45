//! The ends of runs, and the runs that follow them.

use abide::prelude::*;

use crate::arm::{Outcome, compare};

#[workflow]
async fn countdown(ctx: &WorkflowContext, n: u32) -> Result<String, WorkflowError> {
    ctx.timer(millis(20)).await?;
    if n == 0 {
        return Ok(format!("lift-off after {:?}", ctx.info().memo::<String>("note")?));
    }
    ctx.continue_as_new(countdown, n - 1).into()
}

#[tokio::test]
async fn continue_as_new_keeps_the_memo() -> Outcome {
    compare("continue-as-new", |arm| async move {
        let worker = arm.worker().workflow(countdown).build()?;
        let histories = worker
            .run_until(async {
                let start = arm.client.start(countdown, 1).id(arm.id()).task_queue(arm.queue());
                let handle = start.memo("note", &"kept".to_string()).await?;
                assert_eq!(handle.result().await?, "lift-off after Some(\"kept\")");
                let first = handle.run_id().unwrap_or_default().to_string();
                let last = arm.client.handle(countdown, arm.id());
                Ok::<_, Box<dyn std::error::Error>>(vec![
                    arm.client.handle(countdown, arm.id()).with_run_id(first).fetch_history().await?,
                    last.fetch_history().await?,
                ])
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow]
async fn second_try(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    ctx.timer(millis(20)).await?;
    if ctx.info().attempt == 1 {
        return Err(ApplicationFailure::new("first attempt").error_type("Early").into());
    }
    Ok(ctx.info().attempt)
}

#[tokio::test]
async fn a_workflow_with_a_retry_policy_runs_again() -> Outcome {
    compare("workflow-retry", |arm| async move {
        let worker = arm.worker().workflow(second_try).build()?;
        let histories = worker
            .run_until(async {
                let policy = RetryPolicy::new().initial_interval(secs(1));
                let start = arm.client.start(second_try, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.retry_policy(policy).await?;
                assert_eq!(handle.result().await?, 2);
                let first = handle.run_id().unwrap_or_default().to_string();
                let last = arm.client.handle(second_try, arm.id());
                Ok::<_, Box<dyn std::error::Error>>(vec![
                    arm.client.handle(second_try, arm.id()).with_run_id(first).fetch_history().await?,
                    last.fetch_history().await?,
                ])
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow]
async fn fails(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let cause = std::io::Error::other("disk full");
    Err(ApplicationFailure::new("no luck").error_type("Unlucky").detail(&"more".to_string())?.cause(cause).into())
}

#[tokio::test]
async fn a_failed_workflow_carries_its_chain_of_causes() -> Outcome {
    compare("fails", |arm| async move {
        let worker = arm.worker().workflow(fails).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(fails, ()).id(arm.id()).task_queue(arm.queue()).await?;
                let error = handle.result().await.expect_err("it fails");
                let failure = error.failure().expect("a failure is recorded");
                assert_eq!(failure.error_type(), Some("Unlucky"));
                assert_eq!(failure.root_cause().message(), "disk full");
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[workflow]
async fn waits(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(hours(1)).await?;
    Ok(())
}

#[tokio::test]
async fn a_run_timeout_closes_the_run() -> Outcome {
    compare("run-timeout", |arm| async move {
        let worker = arm.worker().workflow(waits).build()?;
        let history = worker
            .run_until(async {
                let start = arm.client.start(waits, ()).id(arm.id()).task_queue(arm.queue());
                let handle = start.run_timeout(secs(1)).await?;
                let error = handle.result().await.expect_err("it times out");
                assert!(error.is_timeout(), "{error}");
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

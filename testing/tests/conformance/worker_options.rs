//! Options of workers that need no file of their own.

use std::sync::{Arc, Mutex};

use abide::client::ClientOptions;
use abide::prelude::*;
use abide::worker::Worker;

use crate::arm::{Arm, Outcome, compare};

#[activity(start_to_close_timeout = secs(20))]
async fn runs_here(ctx: &ActivityContext) -> Result<bool, ActivityError> {
    Ok(ctx.info().is_local)
}

#[workflow]
async fn both_kinds(ctx: &WorkflowContext) -> Result<(bool, bool), WorkflowError> {
    let local = ctx.local_activity(runs_here, ()).await?;
    // Nobody polls the activities of the task queue.
    let waits = ctx.activity(runs_here, ()).schedule_to_start_timeout(millis(500)).await;
    Ok((local, matches!(waits, Err(failure) if failure.is_timeout())))
}

#[tokio::test]
async fn a_worker_without_remote_activities_runs_local_ones_only() -> Outcome {
    compare("no-remote", async |arm: Arm| {
        let told = |built: Result<Worker, abide::worker::WorkerError>| built.expect_err("it is refused").to_string();
        assert!(told(arm.worker().activities(runs_here).no_remote_activities().build()).contains("no workflow"));
        let own = arm.worker().workflow(both_kinds).no_remote_activities();
        assert!(told(own.own_queue(|own| own.activities(runs_here)).build()).contains("both set"));
        let worker = arm.worker().workflow(both_kinds).activities(runs_here).no_remote_activities().build()?;
        let handle = arm.client.start(both_kinds, ()).id(arm.id()).task_queue(arm.queue()).await?;
        assert_eq!(Box::pin(worker.run_until(handle.result())).await??, (true, true));
        Ok(vec![handle.fetch_history().await?])
    })
    .await
}

#[workflow]
async fn returns_at_once(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[tokio::test]
async fn the_hook_is_told_the_error_that_ends_the_worker() -> Outcome {
    compare("fatal", async |arm: Arm| {
        let client = Client::connect(ClientOptions::new(arm.address()).namespace("nowhere")).await?;
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&told);
        let worker = Worker::builder(&client, arm.queue()).workflow(returns_at_once);
        let worker = worker.on_fatal_error(move |error| {
            hears.lock().unwrap().push(error.to_string());
            panic!("a hook that panics changes nothing");
        });
        let error = Box::pin(worker.build()?.run()).await.expect_err("the namespace is not there");
        assert!(error.is_namespace_not_found());
        assert_eq!(*told.lock().unwrap(), [error.to_string()]);
        Ok(Vec::new())
    })
    .await
}

#[tokio::test]
async fn a_serverless_worker_works() -> Outcome {
    compare("serverless", async |arm: Arm| {
        let worker = arm.worker().workflow(local_only).activities(runs_here).serverless();
        let shown = format!("{worker:?}");
        let settings =
            ["max_concurrent_workflow_tasks: 10", "max_concurrent_activities: 2", "max_cached_workflows: 30"];
        assert!(settings.iter().all(|setting| shown.contains(setting)), "{shown}");
        let worker = worker.build()?;
        let is_debugged = std::env::var_os("TEMPORAL_DEBUG").is_some_and(|value| !value.is_empty());
        assert!(format!("{worker:?}").contains(&format!("debug_mode: {is_debugged}")));
        let handle = arm.client.start(local_only, ()).id(arm.id()).task_queue(arm.queue()).await?;
        assert_eq!(Box::pin(worker.run_until(handle.result())).await??, (true, false));
        Ok(vec![handle.fetch_history().await?])
    })
    .await
}

#[workflow]
async fn local_only(ctx: &WorkflowContext) -> Result<(bool, bool), WorkflowError> {
    Ok((ctx.local_activity(runs_here, ()).await?, ctx.activity(runs_here, ()).await?))
}

#[workflow]
async fn asks_for_two(ctx: &WorkflowContext) -> Result<(bool, bool), WorkflowError> {
    let (off, on) = (ctx.patched("off"), ctx.patched("on"));
    ctx.timer(millis(10)).await?;
    assert_eq!((off, on), (ctx.patched("off"), ctx.patched("on")), "a run keeps its path");
    Ok((off, on))
}

#[tokio::test]
async fn a_worker_decides_which_patches_are_active() -> Outcome {
    compare("patch-activation", async |arm: Arm| {
        // Without a cache, the second task replays the first.
        let worker = arm.worker().workflow(asks_for_two).max_cached_workflows(0);
        let worker = worker.patch_activation(|info, patch_id| info.workflow_type == "asks_for_two" && patch_id == "on");
        let worker = worker.build()?;
        let handle = arm.client.start(asks_for_two, ()).id(arm.id()).task_queue(arm.queue()).await?;
        assert_eq!(Box::pin(worker.run_until(handle.result())).await??, (false, true));
        Ok(vec![handle.fetch_history().await?])
    })
    .await
}

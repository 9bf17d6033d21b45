//! Continue-as-new: when the server suggests it, and the version on which the next run starts.

use std::future::IntoFuture;

use abide::client::Client;
use abide::prelude::*;
use abide::worker::DeploymentOptions;
use abide::workflow::WorkflowImplementation;
use abide::{ContinueAsNewVersioningBehavior, History, Workflow, WorkflowDefinition};

use crate::arm::{Arm, Histories, Outcome, compare, until_event};
use crate::side_data::make_current;

type Failed = Box<dyn std::error::Error>;

/// Collects parcels until the server suggests a new run.
#[workflow]
#[derive(Default)]
struct Depot {
    sizes: State<Vec<usize>>,
}

#[workflow_methods]
impl Depot {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, run: u32) -> Result<String, WorkflowError> {
        if run > 1 {
            return Ok(format!("suggested {}", ctx.continue_as_new_suggested()));
        }
        ctx.wait_until(|| ctx.continue_as_new_suggested()).await?;
        let large = ctx.history_size_bytes() > 4 << 20;
        let reasons = ctx.continue_as_new_reasons();
        ctx.shielded(ctx.timer(millis(20)).summary(format!("{large} {reasons:?} {:?}", self.sizes.get()))).await?;
        ctx.continue_as_new(Depot::run, run + 1).into()
    }

    #[signal]
    fn parcel(&self, content: String) {
        self.sizes.update(|sizes| sizes.push(content.len()));
    }
}

/// Returns the histories of the first and the last run of a chain of two.
async fn both_runs<Kind, W: Workflow<Kind>>(
    client: &Client,
    handle: &WorkflowHandle<W::Definition>,
    workflow: W,
    id: String,
) -> Result<Vec<History>, Failed> {
    let workflow = workflow.definition();
    let first = handle.run_id().unwrap_or_default().to_string();
    Ok(vec![
        client.handle(workflow.clone(), id.clone()).with_run_id(first).fetch_history().await?,
        client.handle(workflow, id).fetch_history().await?,
    ])
}

/// The server suggests it at 4 MiB or more, which three signals reach.
#[tokio::test]
async fn b096_a_large_history_brings_the_suggestion_and_its_reason() -> Outcome {
    for cached in [100, 0] {
        compare("continue-suggested", move |arm| async move {
            let worker = arm.worker().workflow(Depot::run).max_cached_workflows(cached).build()?;
            let histories = worker
                .run_until(async {
                    let handle = arm.client.start(Depot::run, 1).id(arm.id()).task_queue(arm.queue()).await?;
                    for parcel in 1..=3 {
                        until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", parcel).await?;
                        handle.signal(Depot::parcel, "x".repeat(1_500_000)).await?;
                    }
                    assert_eq!(handle.result().await?, "suggested false");
                    both_runs(&arm.client, &handle, Depot::run, arm.id()).await
                })
                .await??;
            let told = "true [HistorySizeTooLarge] [1500000, 1500000, 1500000]";
            assert!(told_in(&histories[0], told), "no timer says {told}");
            Ok(histories)
        })
        .await?;
    }
    Ok(())
}

/// Returns true if a timer has this summary.
fn told_in(history: &History, summary: &str) -> bool {
    let summaries = history.events().iter().filter_map(|event| event.user_metadata.as_ref()?.summary.as_ref());
    summaries.into_iter().any(|payload| String::from_utf8_lossy(&payload.data).contains(summary))
}

#[workflow(versioning_behavior = pinned)]
async fn moves_on(ctx: &WorkflowContext, (run, how): (u32, u32)) -> Result<String, WorkflowError> {
    ctx.timer(millis(20)).await?;
    if run > 1 {
        return Ok(ctx.current_deployment_version().map(|version| version.build_id).unwrap_or_default());
    }
    let next = ctx.continue_as_new(moves_on, (run + 1, how));
    match how {
        0 => next,
        1 => next.initial_versioning_behavior(ContinueAsNewVersioningBehavior::AutoUpgrade),
        _ => next.initial_versioning_behavior(ContinueAsNewVersioningBehavior::UseRampingVersion),
    }
    .into()
}

/// There is only one version to start on; the histories show what was requested and what was inherited.
async fn begins_on(arm: Arm, how: u32) -> Histories {
    let deployment = DeploymentOptions::new(arm.queue(), "build-1").use_worker_versioning();
    let worker = arm.worker().workflow(moves_on).deployment(deployment).build()?;
    let histories = worker
        .run_until(async {
            make_current(&arm, "build-1").await?;
            let handle = arm.client.start(moves_on, (1, how)).id(arm.id()).task_queue(arm.queue()).await?;
            assert_eq!(handle.result().await?, "build-1");
            both_runs(&arm.client, &handle, moves_on, arm.id()).await
        })
        .await??;
    Ok(histories)
}

#[tokio::test]
async fn b105_the_next_run_of_a_pinned_workflow_inherits_its_version() -> Outcome {
    compare("continue-pinned", |arm| begins_on(arm, 0)).await
}

#[tokio::test]
async fn b105_the_next_run_begins_on_the_current_version_if_asked() -> Outcome {
    compare("continue-upgraded", |arm| begins_on(arm, 1)).await
}

#[tokio::test]
async fn b105_the_next_run_begins_on_the_ramping_version_if_asked() -> Outcome {
    compare("continue-ramping", |arm| begins_on(arm, 2)).await
}

#[workflow(versioning_behavior = auto_upgrade)]
async fn upgrades(ctx: &WorkflowContext, run: u32) -> Result<String, WorkflowError> {
    ctx.timer(millis(20)).await?;
    match run {
        1 => ctx.continue_as_new(upgrades, 2).into(),
        _ => Ok(ctx.current_deployment_version().map(|version| version.build_id).unwrap_or_default()),
    }
}

#[tokio::test]
async fn b105_the_next_run_of_an_upgrading_workflow_is_told_its_version() -> Outcome {
    compare("continue-upgrading", |arm| async move {
        let deployment = DeploymentOptions::new(arm.queue(), "build-1").use_worker_versioning();
        let worker = arm.worker().workflow(upgrades).deployment(deployment).build()?;
        let histories = worker
            .run_until(async {
                make_current(&arm, "build-1").await?;
                let handle = arm.client.start(upgrades, 1).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(handle.result().await?, "build-1");
                both_runs(&arm.client, &handle, upgrades, arm.id()).await
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow(versioning_behavior = auto_upgrade)]
async fn second_time_upgrading(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    second_time(ctx).await
}

#[workflow(versioning_behavior = pinned)]
async fn second_time_pinned(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    second_time(ctx).await
}

/// A run that continues a pinned one inherits its version, and so does the second attempt.
#[workflow(versioning_behavior = pinned)]
async fn second_time_inherited(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    if ctx.info().continued_run_id.is_empty() {
        return ctx.continue_as_new(second_time_inherited, ()).into();
    }
    second_time(ctx).await
}

async fn second_time(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(20)).await?;
    match ctx.info().attempt {
        1 => Err(ApplicationFailure::new("not yet").into()),
        _ => Ok(ctx.current_deployment_version().map(|version| version.build_id).unwrap_or_default()),
    }
}

/// Returns the first and the last history of a versioned workflow that is retried.
async fn retried<Kind, W>(arm: Arm, workflow: W) -> Histories
where
    W: Workflow<Kind>,
    W::Definition: WorkflowImplementation + WorkflowDefinition<Args = (), Output = String>,
{
    let workflow = workflow.definition();
    let deployment = DeploymentOptions::new(arm.queue(), "build-1").use_worker_versioning();
    let worker = arm.worker().workflow(workflow.clone()).deployment(deployment).build()?;
    let histories = worker
        .run_until(async {
            make_current(&arm, "build-1").await?;
            let start = arm.client.start(workflow.clone(), ()).id(arm.id()).task_queue(arm.queue());
            let handle = start.retry_policy(RetryPolicy::new().initial_interval(millis(100))).await?;
            assert_eq!(handle.result().await?, "build-1");
            both_runs(&arm.client, &handle, workflow, arm.id()).await
        })
        .await??;
    Ok(histories)
}

#[tokio::test]
async fn attempts_of_a_workflow_inherit_its_version_as_their_behaviour_wants() -> Outcome {
    compare("retried-upgrading", |arm| retried(arm, second_time_upgrading)).await?;
    compare("retried-pinned", |arm| retried(arm, second_time_pinned)).await?;
    compare("retried-inherited", |arm| retried(arm, second_time_inherited)).await
}

/// Waits until a newer version of the program exists, and moves to it with its next run.
#[workflow(versioning_behavior = pinned)]
#[derive(Default)]
struct Mover {
    asked: State<u32>,
}

#[workflow_methods]
impl Mover {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, run: u32) -> Result<String, WorkflowError> {
        if run > 1 {
            ctx.timer(millis(20)).await?;
            return Ok(ctx.current_deployment_version().map(|version| version.build_id).unwrap_or_default());
        }
        ctx.wait_until(|| self.asked.get() > 0 && ctx.target_deployment_version_changed()).await?;
        let next = ctx.continue_as_new(Mover::run, run + 1);
        next.initial_versioning_behavior(ContinueAsNewVersioningBehavior::AutoUpgrade).into()
    }

    /// Triggers a workflow task, which tells if there is another version.
    #[signal]
    fn look(&self) {
        self.asked.update(|asked| *asked += 1);
    }
}

/// Not on the embedded server, which sends tasks to workers of any version.
#[tokio::test]
async fn b105_a_pinned_run_learns_of_the_new_version_and_its_next_run_is_on_it() -> Outcome {
    compare("continue-moves", |arm| async move {
        let build = |build_id: &str| {
            let deployment = DeploymentOptions::new(arm.queue(), build_id).use_worker_versioning();
            arm.worker().workflow(Mover::run).deployment(deployment).build()
        };
        let (old, new) = (build("build-1")?, build("build-2")?);
        let handle = old
            .run_until(Box::pin(async {
                if !make_current(&arm, "build-1").await? {
                    return Ok(None);
                }
                let handle = arm.client.start(Mover::run, 1).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                let moved = new
                    .run_until(Box::pin(async {
                        make_current(&arm, "build-2").await?;
                        // The server reports the new target version with a task, some time after the change.
                        let mut ticks = tokio::time::interval(millis(500));
                        let result = handle.result().into_future();
                        let mut result = std::pin::pin!(result);
                        loop {
                            tokio::select! {
                                moved = &mut result => return Ok::<_, Failed>(moved?),
                                _ = ticks.tick() => drop(handle.signal(Mover::look, ()).await),
                            }
                        }
                    }))
                    .await??;
                assert_eq!(moved, "build-2");
                Ok::<_, Failed>(Some(handle))
            }))
            .await??;
        if let Some(handle) = handle {
            let runs = both_runs(&arm.client, &handle, Mover::run, arm.id()).await?;
            assert!(runs[0].to_json()?.contains("build-1") && !runs[0].to_json()?.contains("build-2"));
        }
        Ok(Vec::new())
    })
    .await
}

#[workflow]
async fn steps_on(ctx: &WorkflowContext, n: u32) -> Result<String, WorkflowError> {
    ctx.timer(millis(20)).await?;
    match n {
        0 => Ok(format!("{:?}", ctx.info().memo::<String>("note")?)),
        n => ctx.continue_as_new(steps_on, n - 1).into(),
    }
}

#[tokio::test]
async fn b095_many_runs_continue_side_by_side() -> Outcome {
    compare("continue-many", |arm| async move {
        let worker = arm.worker().workflow(steps_on).build()?;
        let histories = worker
            .run_until(async {
                let one = |number: usize| {
                    let (client, id, queue) = (&arm.client, format!("{}-{number}", arm.id()), arm.queue());
                    async move {
                        let start = client.start(steps_on, 2).id(id.clone()).task_queue(queue);
                        let handle = start.memo("note", &format!("of {number}")).await?;
                        assert_eq!(handle.result().await?, format!("Some(\"of {number}\")"));
                        both_runs(client, &handle, steps_on, id).await
                    }
                };
                let all = futures_util::future::join_all((0..10).map(one)).await;
                all.into_iter().collect::<Result<Vec<_>, Failed>>()
            })
            .await??;
        Ok(histories.into_iter().flatten().collect())
    })
    .await
}

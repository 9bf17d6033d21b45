//! Continue-as-new: when the server suggests it, and which version of the program the next run begins on.

use abide::client::Client;
use abide::prelude::*;
use abide::worker::DeploymentOptions;
use abide::{ContinueAsNewVersioningBehavior, History, WorkflowDefinition};

use crate::arm::{Outcome, compare, until_event};
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

/// The histories of the first and the last run of a chain of two.
async fn both_runs<W: WorkflowDefinition + Copy>(
    client: &Client,
    handle: &WorkflowHandle<W>,
    workflow: W,
    id: String,
) -> Result<Vec<History>, Failed> {
    let first = handle.run_id().unwrap_or_default().to_string();
    Ok(vec![
        client.handle(workflow, id.clone()).with_run_id(first).fetch_history().await?,
        client.handle(workflow, id).fetch_history().await?,
    ])
}

/// 4 MiB are the least that a server suggests it for; three signals bring them.
#[tokio::test]
async fn b112_a_large_history_brings_the_suggestion_and_its_reason() -> Outcome {
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

/// Whether a timer has this summary.
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

#[tokio::test]
async fn b105_the_next_run_begins_on_the_version_that_was_asked_for() -> Outcome {
    for how in 0..3 {
        compare("continue-versions", move |arm| async move {
            let deployment = DeploymentOptions::new(arm.queue(), "build-1").use_worker_versioning(true);
            let worker = arm.worker().workflow(moves_on).deployment(deployment).build()?;
            let histories = worker
                .run_until(async {
                    make_current(&arm, "build-1").await?;
                    let start = arm.client.start(moves_on, (1, how)).id(arm.id()).task_queue(arm.queue());
                    let handle = start.await?;
                    assert_eq!(handle.result().await?, "build-1");
                    both_runs(&arm.client, &handle, moves_on, arm.id()).await
                })
                .await??;
            Ok(histories)
        })
        .await?;
    }
    Ok(())
}

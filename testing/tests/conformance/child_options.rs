//! Options of child workflows: search attributes, priority, versions, retries, and an id that is in use.

use abide::prelude::*;
use abide::worker::DeploymentOptions;
use abide::workflow::{WorkflowIdReusePolicy, WorkflowImplementation};
use abide::{
    DeploymentVersion, Priority, SearchAttributeKey, SignalType, VersioningOverride, Workflow, WorkflowDefinition,
};

use crate::arm::{Arm, Histories, Outcome, compare, until_event};
use crate::side_data::make_current;

type Failed = Box<dyn std::error::Error>;

const STAGE: SearchAttributeKey<String> = SearchAttributeKey::keyword("TestKeyword");
const COUNT: SearchAttributeKey<i64> = SearchAttributeKey::int("TestInt");

fn child_id(ctx: &WorkflowContext) -> String {
    format!("{}-child", ctx.info().workflow_id)
}

/// Returns the options it was started with.
#[workflow]
async fn tells(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    // After its parent was notified of its start.
    ctx.timer(millis(300)).await?;
    let priority = ctx.info().priority();
    Ok(format!(
        "stage {:?} {:?}, priority {:?} {:?} {:?}",
        ctx.search_attribute(&STAGE),
        ctx.search_attribute(&COUNT),
        priority.priority_key,
        priority.fairness_key,
        priority.fairness_weight
    ))
}

#[workflow]
async fn labels_its_child(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let priority = Priority::new().priority_key(2).fairness_key("blue").fairness_weight(1.5);
    let call = ctx.child_workflow(tells, ()).id(child_id(ctx)).priority(priority);
    let call = call.versioning_override(VersioningOverride::AutoUpgrade);
    Ok(call.search_attributes([STAGE.set("begun"), COUNT.set(3)]).await?)
}

#[tokio::test]
async fn search_attributes_priority_and_override_reach_the_child() -> Outcome {
    compare("child-labels", |arm| async move {
        let worker = arm.worker().workflow(labels_its_child).workflow(tells).build()?;
        let histories = worker
            .run_until(async {
                let handle = arm.client.start(labels_its_child, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert_eq!(
                    handle.result().await?,
                    "stage Some(\"begun\") Some(3), priority Some(2) Some(\"blue\") Some(1.5)"
                );
                let child = arm.client.handle(tells, format!("{}-child", arm.id()));
                Ok::<_, Failed>(vec![handle.fetch_history().await?, child.fetch_history().await?])
            })
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow(versioning_behavior = auto_upgrade)]
async fn tells_its_version(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(300)).await?;
    Ok(ctx.current_deployment_version().map(|version| version.build_id).unwrap_or_default())
}

#[workflow(versioning_behavior = auto_upgrade)]
async fn pins_its_child(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let deployment_name = ctx.info().task_queue.clone();
    let pinned = VersioningOverride::Pinned(DeploymentVersion::new(deployment_name, "build-1"));
    Ok(ctx.child_workflow(tells_its_version, ()).id(child_id(ctx)).versioning_override(pinned).await?)
}

#[workflow(versioning_behavior = pinned)]
async fn has_a_child_of_its_version(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(20)).await?;
    Ok(ctx.child_workflow(tells_its_version, ()).id(child_id(ctx)).await?)
}

#[workflow(versioning_behavior = auto_upgrade)]
async fn tells_its_child_its_version(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(millis(20)).await?;
    Ok(ctx.child_workflow(tells_its_version, ()).id(child_id(ctx)).await?)
}

/// Returns the histories of a versioned parent and of its child.
async fn parent_and_child<Kind, W>(arm: Arm, parent: W) -> Histories
where
    W: Workflow<Kind>,
    W::Definition: WorkflowImplementation + WorkflowDefinition<Args = (), Output = String>,
{
    let parent = parent.definition();
    let deployment = DeploymentOptions::new(arm.queue(), "build-1").use_worker_versioning();
    let worker = arm.worker().workflow(parent.clone()).workflow(tells_its_version).deployment(deployment).build()?;
    let histories = worker
        .run_until(async {
            make_current(&arm, "build-1").await?;
            let handle = arm.client.start(parent.clone(), ()).id(arm.id()).task_queue(arm.queue()).await?;
            assert_eq!(handle.result().await?, "build-1");
            let child = arm.client.handle(tells_its_version, format!("{}-child", arm.id()));
            Ok::<_, Failed>(vec![handle.fetch_history().await?, child.fetch_history().await?])
        })
        .await??;
    Ok(histories)
}

/// A client can pin the run that it starts, with or without a signal, as a parent pins its child.
#[tokio::test]
async fn a_run_is_pinned_to_a_version_by_its_client() -> Outcome {
    compare("start-pinned", |arm| async move {
        let deployment = DeploymentOptions::new(arm.queue(), "build-1").use_worker_versioning();
        let worker = arm.worker().workflow(tells_its_version).deployment(deployment).build()?;
        let running = worker.run_until(async {
            make_current(&arm, "build-1").await?;
            let pinned = VersioningOverride::Pinned(DeploymentVersion::new(arm.queue(), "build-1"));
            let mut histories = Vec::new();
            for (name, versioning) in [("pinned", pinned), ("upgraded", VersioningOverride::AutoUpgrade)] {
                for (how, signalled) in [("alone", false), ("signalled", true)] {
                    let start = arm.client.start(tells_its_version, ()).id(format!("{}-{name}-{how}", arm.id()));
                    let start = start.task_queue(arm.queue()).versioning_override(versioning.clone());
                    let unheard = SignalType::<fn()>::new("unheard");
                    let start = if signalled { start.with_signal(unheard, ()) } else { start };
                    let handle = start.await?;
                    assert_eq!(handle.result().await?, "build-1");
                    histories.push(handle.fetch_history().await?);
                }
            }
            Ok::<_, Failed>(histories)
        });
        running.await?
    })
    .await
}

#[tokio::test]
async fn a_child_is_pinned_to_a_version() -> Outcome {
    compare("child-pinned", |arm| parent_and_child(arm, pins_its_child)).await
}

#[tokio::test]
async fn a_child_of_a_pinned_parent_inherits_its_version() -> Outcome {
    compare("child-inherits", |arm| parent_and_child(arm, has_a_child_of_its_version)).await
}

#[tokio::test]
async fn a_child_of_an_upgrading_parent_is_told_its_version() -> Outcome {
    compare("child-is-told", |arm| parent_and_child(arm, tells_its_child_its_version)).await
}

#[workflow]
async fn third_time(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    ctx.timer(millis(300)).await?;
    match ctx.info().attempt {
        3 => Ok(3),
        attempt => Err(ApplicationFailure::new(format!("attempt {attempt}")).error_type("NotYet").into()),
    }
}

#[workflow]
async fn waits_for_retries(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(secs(1)).backoff_coefficient(2.0);
    Ok(ctx.child_workflow(third_time, ()).id(child_id(ctx)).retry_policy(policy).await?)
}

#[tokio::test]
async fn a_child_is_retried_until_it_succeeds() -> Outcome {
    compare("child-retry", |arm| async move {
        let worker = arm.worker().workflow(waits_for_retries).workflow(third_time).build()?;
        let histories = worker
            .run_until(Box::pin(async {
                let handle = arm.client.start(waits_for_retries, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED", 1).await?;
                let child = arm.client.handle(third_time, format!("{}-child", arm.id()));
                let first = child.describe().await?.info().first_execution_run_id().to_string();
                assert_eq!(handle.result().await?, 3);
                Ok::<_, Failed>(vec![
                    handle.fetch_history().await?,
                    arm.client.handle(third_time, child.workflow_id()).with_run_id(first).fetch_history().await?,
                    child.fetch_history().await?,
                ])
            }))
            .await??;
        Ok(histories)
    })
    .await
}

#[workflow]
async fn holds_the_id(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(hours(1)).await?;
    Ok(())
}

#[workflow]
async fn takes_the_id(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let call = ctx.child_workflow(tells, ()).id(child_id(ctx));
    Ok(call.id_reuse_policy(WorkflowIdReusePolicy::TerminateIfRunning).await?)
}

#[tokio::test]
async fn a_child_takes_the_place_of_a_workflow_with_its_id() -> Outcome {
    compare("child-terminates", |arm| async move {
        let worker = arm.worker().workflow(takes_the_id).workflow(holds_the_id).workflow(tells).build()?;
        let histories = worker
            .run_until(async {
                let id = format!("{}-child", arm.id());
                let holder = arm.client.start(holds_the_id, ()).id(id.clone()).task_queue(arm.queue()).await?;
                until_event(&holder, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                let handle = arm.client.start(takes_the_id, ()).id(arm.id()).task_queue(arm.queue()).await?;
                assert!(handle.result().await?.starts_with("stage None None"));
                let error = holder.result().await.expect_err("the child took its place");
                assert!(error.is_terminated(), "{error}");
                Ok::<_, Failed>(vec![
                    handle.fetch_history().await?,
                    holder.fetch_history().await?,
                    arm.client.handle(tells, id).fetch_history().await?,
                ])
            })
            .await??;
        Ok(histories)
    })
    .await
}

//! Cancellation that the server pushes to workers: an activity that never heartbeats is cancelled.

use std::sync::Mutex;

use abide::prelude::*;
use abide::workflow::ActivityCancellationType;
use abide_protos::temporal::api::workflowservice::v1::DescribeNamespaceRequest;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use tonic::transport::Channel;

use crate::arm::{Arm, Histories, Outcome, compare, until};

/// The ends of the attempts, by workflow id.
static ENDED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

fn ended(workflow_id: &str) -> Vec<String> {
    let ended = ENDED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ended.iter().filter(|(id, _)| id == workflow_id).map(|(_, how)| how.clone()).collect()
}

/// Never heartbeats.
#[activity]
async fn linger(ctx: &ActivityContext) -> Result<(), ActivityError> {
    let reason = ctx.cancelled().await;
    let mut ended = ENDED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ended.push((ctx.info().workflow_id.clone().unwrap_or_default(), format!("{reason:?}")));
    Err(ActivityError::cancelled())
}

/// Returns true if the namespace sends commands. A real server must be configured to (as `.ci/real-server` does).
async fn sends_commands(arm: &Arm) -> Result<bool, Box<dyn std::error::Error>> {
    let channel = Channel::from_shared(format!("http://{}", arm.address()))?.connect().await?;
    let request = DescribeNamespaceRequest { namespace: "default".into(), ..Default::default() };
    let described = WorkflowServiceClient::new(channel).describe_namespace(request).await?.into_inner();
    let capabilities = described.namespace_info.unwrap_or_default().capabilities.unwrap_or_default();
    Ok(capabilities.worker_commands)
}

#[workflow]
async fn cancels_silent(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let call = ctx.activity(linger, ()).start_to_close_timeout(secs(60));
    let running = call.cancellation_type(ActivityCancellationType::WaitCancellationCompleted).start();
    ctx.timer(millis(300)).await?;
    running.cancel();
    Ok(format!("cancelled {}", running.await.expect_err("it was cancelled").is_cancelled()))
}

async fn silent(arm: Arm, eager: bool) -> Histories {
    assert!(sends_commands(&arm).await?, "the namespace sends no commands: see .ci/real-server for what turns it on");
    let worker = arm.worker().workflow(cancels_silent).activities(linger);
    let worker = if eager { worker } else { worker.disable_eager_activity_execution() };
    let history = worker
        .build()?
        .run_until(async {
            let handle = arm.client.start(cancels_silent, ()).id(arm.id()).task_queue(arm.queue()).await?;
            assert_eq!(handle.result().await?, "cancelled true");
            Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
        })
        .await??;
    assert_eq!(ended(&arm.id()), ["Cancelled"]);
    Ok(vec![history])
}

#[tokio::test]
async fn b060_an_activity_that_never_heartbeats_sees_its_cancellation() -> Outcome {
    compare("silent-cancel", |arm| silent(arm, false)).await
}

#[tokio::test]
async fn b060_an_eager_activity_that_never_heartbeats_sees_its_cancellation() -> Outcome {
    compare("silent-eager-cancel", |arm| silent(arm, true)).await
}

#[workflow]
async fn leaves_one_behind(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(linger, ()).start_to_close_timeout(secs(60)).start().detach();
    ctx.timer(millis(300)).await?;
    Ok(())
}

async fn left_behind(arm: Arm) -> Histories {
    assert!(sends_commands(&arm).await?, "the namespace sends no commands: see .ci/real-server for what turns it on");
    let worker = arm.worker().workflow(leaves_one_behind).activities(linger).build()?;
    let history = worker
        .run_until(async {
            let handle = arm.client.start(leaves_one_behind, ()).id(arm.id()).task_queue(arm.queue()).await?;
            handle.result().await?;
            until("the activity is told to stop", || async { Ok(!ended(&arm.id()).is_empty()) }).await?;
            Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
        })
        .await??;
    assert_eq!(ended(&arm.id()), ["Cancelled"]);
    Ok(vec![history])
}

#[tokio::test]
async fn b060_an_activity_of_a_workflow_that_has_closed_is_told_to_stop() -> Outcome {
    compare("left-behind", left_behind).await
}

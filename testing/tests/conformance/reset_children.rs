//! Children of a parent that is reset: those started before the reset point move to the new run.

use abide::History;
use abide::prelude::*;
use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::workflowservice::v1::ResetWorkflowExecutionRequest;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;

use crate::arm::{Arm, Outcome, compare, until, until_event};

type Failed = Box<dyn std::error::Error>;

/// Ends when told.
#[workflow]
#[derive(Default)]
struct Child {
    word: State<Option<String>>,
}

#[workflow_methods]
impl Child {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.word.with(Option::is_some)).await?;
        ctx.timer(millis(300)).await?;
        Ok(self.word.get().unwrap_or_default())
    }

    #[signal]
    fn finish(&self, word: String) {
        self.word.set(Some(word));
    }
}

/// Starts a child, waits for a signal, then waits for the child or abandons it.
#[workflow]
#[derive(Default)]
struct Parent {
    leaves: State<Option<bool>>,
}

#[workflow_methods]
impl Parent {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let id = format!("{}-child", ctx.info().workflow_id);
        let child = match ctx.child_workflow(Child::run, ()).id(id).start().await {
            Ok(child) => child,
            Err(error) if error.is_already_started() => return Ok("its id is in use".into()),
            Err(error) => return Err(error.into()),
        };
        ctx.wait_until(|| self.leaves.with(Option::is_some)).await?;
        if self.leaves.get() == Some(true) {
            child.detach();
            return Ok("left".into());
        }
        Ok(child.await?)
    }

    #[signal]
    fn go_on(&self, leaves: bool) {
        self.leaves.set(Some(leaves));
    }
}

/// Resets a run to the workflow task that completed with this event. Returns the old run's history.
async fn reset(arm: &Arm, run_id: &str, event_id: i64) -> Result<History, Failed> {
    let execution = WorkflowExecution { workflow_id: arm.id(), run_id: run_id.into() };
    let request = ResetWorkflowExecutionRequest {
        namespace: "default".into(),
        workflow_execution: Some(execution),
        reason: "once more".into(),
        workflow_task_finish_event_id: event_id,
        request_id: format!("reset-{}-{event_id}", arm.id()),
        ..Default::default()
    };
    let mut client = WorkflowServiceClient::connect(format!("http://{}", arm.address())).await?;
    client.reset_workflow_execution(request).await?;
    Ok(arm.client.handle(Parent::run, arm.id()).with_run_id(run_id).fetch_history().await?)
}

/// Starts the parent and waits until it knows that the child runs: its second task completed with event 9.
async fn begin(arm: &Arm) -> Result<String, Failed> {
    let handle = arm.client.start(Parent::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
    until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
    Ok(handle.run_id().unwrap_or_default().to_string())
}

fn child_id(arm: &Arm) -> String {
    format!("{}-child", arm.id())
}

#[tokio::test]
async fn a_child_that_runs_is_handed_over_to_the_new_run() -> Outcome {
    compare("reset-running-child", |arm| async move {
        let worker = arm.worker().workflow(Parent::run).workflow(Child::run).build()?;
        worker
            .run_until(Box::pin(async {
                let first = begin(&arm).await?;
                let old = reset(&arm, &first, 9).await?;
                let parent = arm.client.handle(Parent::run, arm.id());
                until_event(&parent, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                let child = arm.client.handle(Child::run, child_id(&arm));
                child.signal(Child::finish, "still heard".into()).await?;
                until_event(&parent, "EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED", 1).await?;
                until_event(&parent, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 3).await?;
                parent.signal(Parent::go_on, false).await?;
                assert_eq!(parent.result().await?, "still heard");
                Ok::<_, Failed>(vec![old, parent.fetch_history().await?, child.fetch_history().await?])
            }))
            .await?
    })
    .await
}

#[tokio::test]
async fn the_end_of_a_child_is_recorded_again() -> Outcome {
    compare("reset-ended-child", |arm| async move {
        let worker = arm.worker().workflow(Parent::run).workflow(Child::run).build()?;
        worker
            .run_until(Box::pin(async {
                let first = begin(&arm).await?;
                let child = arm.client.handle(Child::run, child_id(&arm));
                child.signal(Child::finish, "heard".into()).await?;
                let parent = arm.client.handle(Parent::run, arm.id()).with_run_id(&first);
                until_event(&parent, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 3).await?;
                parent.signal(Parent::go_on, false).await?;
                assert_eq!(parent.result().await?, "heard");
                // First of a closed run, then of the run that this reset has created.
                let old = reset(&arm, &first, 9).await?;
                let parent = arm.client.handle(Parent::run, arm.id());
                assert_eq!(parent.result().await?, "heard");
                let second = parent.fetch_history().await?;
                let run_id = parent.describe().await?.info().run_id().to_string();
                reset(&arm, &run_id, 9).await?;
                let parent = arm.client.handle(Parent::run, arm.id());
                assert_eq!(parent.result().await?, "heard");
                Ok::<_, Failed>(vec![old, second, parent.fetch_history().await?])
            }))
            .await?
    })
    .await
}

#[tokio::test]
async fn a_child_begun_after_the_point_keeps_its_id() -> Outcome {
    compare("reset-later-child", |arm| async move {
        let worker = arm.worker().workflow(Parent::run).workflow(Child::run).build()?;
        worker
            .run_until(Box::pin(async {
                let first = begin(&arm).await?;
                let old = reset(&arm, &first, 4).await?;
                let parent = arm.client.handle(Parent::run, arm.id());
                assert_eq!(parent.result().await?, "its id is in use");
                let child = arm.client.handle(Child::run, child_id(&arm));
                assert!(child.describe().await?.status().is_open());
                child.terminate().reason("seen enough").await?;
                Ok::<_, Failed>(vec![old, parent.fetch_history().await?, child.fetch_history().await?])
            }))
            .await?
    })
    .await
}

#[tokio::test]
async fn the_close_policy_does_not_reach_a_child_that_was_handed_over() -> Outcome {
    compare("reset-left-child", |arm| async move {
        let worker = arm.worker().workflow(Parent::run).workflow(Child::run).build()?;
        worker
            .run_until(Box::pin(async {
                let first = begin(&arm).await?;
                let old = reset(&arm, &first, 9).await?;
                let parent = arm.client.handle(Parent::run, arm.id());
                until_event(&parent, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                parent.signal(Parent::go_on, true).await?;
                assert_eq!(parent.result().await?, "left");
                let child = arm.client.handle(Child::run, child_id(&arm));
                // It takes a while, in which the parent close policy would close it.
                child.signal(Child::finish, "alone".into()).await?;
                until("the child has closed", || async { Ok(!child.describe().await?.status().is_open()) }).await?;
                assert_eq!(child.result().await?, "alone");
                Ok::<_, Failed>(vec![old, parent.fetch_history().await?, child.fetch_history().await?])
            }))
            .await?
    })
    .await
}

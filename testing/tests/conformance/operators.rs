//! Calls of operators that both servers serve.

use abide::WorkflowDefinition;
use abide::client::operator::{ResetError, ResetPoint, ResetReapplyExcludeType};
use abide::client::{WorkflowExecutionStatus, WorkflowHandle};
use abide::prelude::*;

use crate::arm::{Arm, Outcome, compare, until_event};

type Failed = Box<dyn std::error::Error>;

/// Returns the words that it has heard when it hears "end".
#[workflow]
#[derive(Default)]
struct Listener {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl Listener {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.heard.with(|heard| heard.iter().any(|word| word == "end"))).await?;
        Ok(self.heard.get())
    }

    #[signal]
    fn hear(&self, word: String) {
        self.heard.update(|heard| heard.push(word));
    }
}

/// Starts a listener that completes a workflow task before its first word, and one after each word.
async fn listening(
    arm: &Arm,
    words: &[&str],
) -> Result<WorkflowHandle<impl WorkflowDefinition<Output = Vec<String>, Workflow = Listener> + use<>>, Failed> {
    let handle = arm.client.start(Listener::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
    until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
    for (index, word) in words.iter().enumerate() {
        handle.signal(Listener::hear, (*word).to_string()).await?;
        until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", index + 2).await?;
    }
    Ok(handle)
}

#[tokio::test]
async fn a_reset_takes_the_messages_after_its_point_along_unless_they_are_excluded() -> Outcome {
    compare("operators-reset", |arm| async move {
        let worker = arm.worker().workflow(Listener::run).build()?;
        let told = Box::pin(async {
            let first = listening(&arm, &["a", "b"]).await?;
            let second = first.reset(ResetPoint::LastWorkflowTask).reason("the last one is wrong").await?;
            assert_ne!(second.run_id(), first.run_id());
            assert_eq!(second.first_execution_run_id(), first.first_execution_run_id());
            let run_id = first.run_id().unwrap_or_default().to_string();
            let old = first.with_run_id(run_id).describe().await?;
            assert_eq!(old.status(), WorkflowExecutionStatus::Terminated, "the old run was open");

            // It goes back before both words, which come again.
            let third = second.reset(ResetPoint::FirstWorkflowTask).await?;
            third.signal(Listener::hear, "end".into()).await?;
            assert_eq!(third.result().await?, ["a", "b", "end"]);

            // A closed workflow can be reset, too. The words that are excluded do not come again.
            let reset = third.reset(ResetPoint::FirstWorkflowTask);
            let fourth = reset.reapply_exclude(ResetReapplyExcludeType::Signal).await?;
            fourth.signal(Listener::hear, "end".into()).await?;
            assert_eq!(fourth.result().await?, ["end"]);
            Ok::<_, Failed>(vec![])
        });
        worker.run_until(told).await?
    })
    .await
}

#[tokio::test]
async fn a_reset_to_a_build_or_an_event_needs_a_workflow_task_there() -> Outcome {
    compare("operators-reset-point", |arm| async move {
        let worker = arm.worker().workflow(Listener::run).build_id("build-7").build()?;
        let told = Box::pin(async {
            let first = listening(&arm, &["a"]).await?;
            let second = first.reset(ResetPoint::BuildId("build-7".into())).await?;
            until_event(&second, "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED", 1).await?;

            let missing = second.reset(ResetPoint::BuildId("build-8".into())).await.err();
            let told = missing.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(matches!(missing, Some(ResetError::NoSuchPoint { .. })), "{missing:?}");
            assert!(told.contains("cannot be reset to the first workflow task of build `build-8`"), "{told}");

            let third = second.reset(ResetPoint::Event(4)).await?;
            match third.reset(ResetPoint::Event(1)).await {
                Err(ResetError::Rpc(error)) => assert!(error.is_invalid_argument(), "{error}"),
                other => panic!("{other:?}"),
            }
            third.signal(Listener::hear, "end".into()).await?;
            assert_eq!(third.result().await?, ["a", "end"]);

            match arm.client.handle(Listener::run, "nobody").reset(ResetPoint::LastWorkflowTask).await {
                Err(ResetError::Rpc(error)) => assert!(error.is_not_found(), "{error}"),
                other => panic!("{other:?}"),
            }
            Ok::<_, Failed>(vec![])
        });
        worker.run_until(told).await?
    })
    .await
}

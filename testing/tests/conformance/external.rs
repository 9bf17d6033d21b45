//! Signals and cancellation requests from a workflow to another that is not its child.

use abide::ExternalWorkflowFailure;
use abide::prelude::*;

use crate::arm::{Outcome, compare, until_event};

/// Listens until it is cancelled.
#[workflow]
#[derive(Default)]
struct Listener {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl Listener {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Err(ctx.cancelled().await.into())
    }

    #[signal]
    fn hear(&self, word: String) {
        self.heard.update(|heard| heard.push(word));
    }
}

/// Signals a listener, a missing workflow, a closed one, and itself; then cancels the listener.
#[workflow]
#[derive(Default)]
struct Talker {}

#[workflow_methods]
impl Talker {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let id = &ctx.info().workflow_id;
        let told = |sent: Result<(), ExternalWorkflowFailure>| match sent {
            Ok(()) => "delivered".to_string(),
            Err(error) if error.is_not_found() => "not found".into(),
            Err(error) => error.to_string(),
        };
        let mut all = Vec::new();
        let listener = ctx.external_workflow(format!("{id}-listener"));
        all.push(told(listener.signal(Listener::hear, "hello".into()).summary("greets it").await));
        for name in [format!("{id}-nobody"), format!("{id}-closed"), id.clone()] {
            let other = ctx.external_workflow(name);
            all.push(told(other.signal(Listener::hear, "hello".into()).await));
            all.push(told(other.cancel().reason("enough").await));
        }
        all.push(told(listener.cancel().reason("enough").await));
        Ok(all)
    }

    #[signal]
    fn hear(&self, word: String) {
        drop(word);
    }
}

#[workflow]
async fn nothing(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[tokio::test]
async fn a_workflow_talks_to_others() -> Outcome {
    compare("external", |arm| async move {
        let worker = arm.worker().workflow(Listener::run).workflow(Talker::run).workflow(nothing).build()?;
        let histories = worker
            .run_until(async {
                let named = |name: &str| format!("{}-{name}", arm.id());
                arm.client.start(nothing, ()).id(named("closed")).task_queue(arm.queue()).await?.result().await?;
                let listener = arm.client.start(Listener::run, ()).id(named("listener")).task_queue(arm.queue());
                let listener = listener.await?;
                until_event(&listener, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                let talker = arm.client.start(Talker::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
                let (yes, no) = ("delivered", "not found");
                // A cancellation request to a closed workflow succeeds without an effect.
                assert_eq!(talker.result().await?, [yes, no, no, no, yes, no, no, yes]);
                assert!(listener.result().await.expect_err("it was cancelled").is_cancelled());
                Ok::<_, Box<dyn std::error::Error>>(vec![
                    talker.fetch_history().await?,
                    listener.fetch_history().await?,
                ])
            })
            .await??;
        Ok(histories)
    })
    .await
}

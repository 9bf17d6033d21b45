//! Workflows are paused, deleted, and get other options.

use abide::client::operator::{ResetPoint, ResetReapplyExcludeType, WorkflowOptionsChange};
use abide::client::{RpcError, WorkflowExecutionStatus};
use abide::prelude::*;
use abide::worker::Worker;
use abide::{DeploymentVersion, Priority, VersioningOverride};

use crate::workflows::{Items, ProcessOrder};
use crate::{client, unique, until};

#[tokio::test]
async fn a_paused_workflow_says_who_paused_it_and_continues_when_told() {
    let Some(client) = client("a_paused_workflow_says_who_paused_it_and_continues_when_told").await else { return };
    let id = unique("paused");
    let handle = client.start(ProcessOrder, String::new()).id(&id).task_queue(&id).await.unwrap();
    handle.pause().reason("stock-taking").await.unwrap();
    let description = handle.describe().await.unwrap();
    assert_eq!(description.status(), WorkflowExecutionStatus::Paused);
    let pause = description.pause().unwrap();
    assert_eq!((pause.reason.as_str(), pause.identity.as_str()), ("stock-taking", client.connection().identity()));
    assert!(pause.time.is_some());
    assert!(handle.pause().await.unwrap_err().is_failed_precondition());
    assert!(handle.query(Items, ()).await.is_err(), "a paused workflow answers no queries");

    handle.unpause().reason("all is counted").await.unwrap();
    let description = handle.describe().await.unwrap();
    assert_eq!((description.status(), description.pause()), (WorkflowExecutionStatus::Running, None));
    assert!(handle.unpause().await.unwrap_err().is_failed_precondition());
    handle.terminate().await.unwrap();
    assert!(handle.pause().await.is_err(), "a closed workflow cannot be paused");
}

#[tokio::test]
async fn a_deleted_workflow_is_gone() {
    let Some(client) = client("a_deleted_workflow_is_gone").await else { return };
    let id = unique("deleted");
    let handle = client.start(ProcessOrder, String::new()).id(&id).task_queue(&id).await.unwrap();
    handle.delete().await.unwrap();
    until("the workflow is gone", || async { handle.describe().await.err().is_some_and(|e| e.is_not_found()) }).await;
    assert!(handle.delete().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn options_that_a_change_does_not_mention_stay() -> Result<(), RpcError> {
    let Some(client) = client("options_that_a_change_does_not_mention_stay").await else { return Ok(()) };
    let id = unique("options");
    let handle = client.start(ProcessOrder, String::new()).id(&id).task_queue(&id).await.unwrap();
    let urgent = Priority::new().priority_key(1);
    let options = handle.update_options(WorkflowOptionsChange::new().priority(urgent.clone())).await?;
    assert_eq!((options.priority.as_ref(), options.versioning_override), (Some(&urgent), None));

    let auto = WorkflowOptionsChange::new().versioning_override(VersioningOverride::AutoUpgrade);
    let options = handle.update_options(auto).await?;
    assert_eq!(options.versioning_override, Some(VersioningOverride::AutoUpgrade));
    assert_eq!(options.priority, Some(urgent), "it was not mentioned");

    let version = DeploymentVersion::new(&id, "nobody-has-built-it");
    let pinned = WorkflowOptionsChange::new().versioning_override(VersioningOverride::Pinned(version));
    let refused = handle.update_options(pinned).await.unwrap_err();
    assert!(refused.is_failed_precondition() || refused.is_not_found(), "{refused}");

    let options =
        handle.update_options(WorkflowOptionsChange::new().clear_versioning_override().clear_priority()).await?;
    assert_eq!((options.versioning_override, options.priority), (None, None));
    handle.terminate().await
}

/// Returns the first two words that it hears.
#[workflow]
#[derive(Default)]
struct Listener {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl Listener {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.heard.with(|heard| heard.len() > 1)).await?;
        Ok(self.heard.get())
    }

    #[signal]
    fn hear(&self, word: String) {
        self.heard.update(|heard| heard.push(word));
    }
}

#[tokio::test]
async fn a_reset_run_gets_other_options() {
    let Some(client) = client("a_reset_run_gets_other_options").await else { return };
    let queue = unique("reset");
    let worker = Worker::builder(&client, &queue).workflow(Listener::run).build().unwrap();
    let test = async {
        let first = client.start(Listener::run, ()).id(&queue).task_queue(&queue);
        let first = first.with_signal(Listener::hear, "a".into()).await.unwrap();
        let completed = "EVENT_TYPE_WORKFLOW_TASK_COMPLETED";
        until("it has heard the first word", || async {
            let history = first.fetch_history().await.unwrap();
            history.events().iter().any(|event| event.event_type().as_str_name() == completed)
        })
        .await;
        first.signal(Listener::hear, "b".into()).await.unwrap();
        assert_eq!(first.result().await.unwrap(), ["a", "b"]);

        let change = WorkflowOptionsChange::new().priority(Priority::new().priority_key(1));
        let reset = first.reset(ResetPoint::FirstWorkflowTask).reapply_exclude(ResetReapplyExcludeType::Signal);
        let second = reset.then_update_options(change).reason("other words").await.unwrap();
        let history = second.fetch_history().await.unwrap();
        let types: Vec<_> = history.events().iter().map(|event| event.event_type().as_str_name()).collect();
        assert!(types.contains(&"EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED"), "{types:?}");
        let told = second.update_options(WorkflowOptionsChange::new().clear_versioning_override()).await.unwrap();
        assert_eq!(told.priority, Some(Priority::new().priority_key(1)));
        second.terminate().await.unwrap();
    };
    Box::pin(worker.run_until(test)).await.unwrap();
}

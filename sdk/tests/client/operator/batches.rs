//! One operation on many workflows.

use abide::client::operator::{
    ActivityOptionsChange, BatchActivities, BatchDescription, BatchHandle, BatchOperation, BatchOperationState,
    BatchOperationType, BatchTargets, ResetPoint, ResetReapplyExcludeType, StartBatchError, WorkflowOptionsChange,
};
use abide::client::{Client, WorkflowExecutionStatus, WorkflowHandle};
use abide::prelude::*;
use abide::worker::Worker;
use abide::{Priority, VersioningOverride, WorkflowDefinition};

use crate::workflows::{AddItem, ProcessOrder};
use crate::{client, unique, until};

async fn completed(batch: &BatchHandle) -> BatchDescription {
    let ended = batch.wait_until_completed(secs(40)).await.unwrap();
    assert_eq!((ended.state(), ended.failure_count()), (BatchOperationState::Completed, 0), "{ended:?}");
    ended
}

/// Starts workflows on a task queue that nobody polls, and waits until a query finds them.
async fn started(client: &Client, queue: &str, count: u64) -> Vec<WorkflowHandle<ProcessOrder>> {
    let mut handles = Vec::new();
    for index in 0..count {
        let start = client.start(ProcessOrder, String::new()).id(format!("{queue}-{index}")).task_queue(queue);
        handles.push(start.await.unwrap());
    }
    found(client, queue, count).await;
    handles
}

async fn found(client: &Client, queue: &str, count: u64) {
    let query = format!("TaskQueue = '{queue}'");
    until("they are found", || async { client.count(&query).await.unwrap().count() == count }).await;
}

async fn event_types<W: WorkflowDefinition>(handle: &WorkflowHandle<W>) -> Vec<&'static str> {
    let history = handle.fetch_history().await.unwrap();
    history.events().iter().map(|event| event.event_type().as_str_name()).collect()
}

#[tokio::test]
async fn a_batch_over_a_query_says_how_far_it_is() {
    let Some(client) = client("a_batch_over_a_query_says_how_far_it_is").await else { return };
    let queue = unique("batch-query");
    let handles = started(&client, &queue, 3).await;
    let query = format!("TaskQueue = '{queue}' AND ExecutionStatus = 'Running'");
    let signal = BatchOperation::signal(AddItem, "book".to_string());
    let batch = client.start_batch(signal, &*query, "a gift").job_id(format!("{queue}-job")).await.unwrap();
    assert_eq!(batch.job_id(), format!("{queue}-job"));
    let ended = completed(&batch).await;
    assert_eq!((ended.total_count(), ended.complete_count()), (3, 3));
    assert_eq!((ended.operation_type(), ended.reason()), (BatchOperationType::SignalWorkflow, "a gift"));
    assert_eq!(ended.identity(), client.connection().identity());
    assert!(ended.info().start_time.is_some() && ended.info().close_time.is_some());
    for handle in &handles {
        assert!(event_types(handle).await.contains(&"EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"));
    }

    let urgent = WorkflowOptionsChange::new().priority(Priority::new().priority_key(1));
    completed(&client.start_batch(BatchOperation::update_options(urgent), &*query, "hurry").await.unwrap()).await;
    let none = WorkflowOptionsChange::new().clear_versioning_override();
    let options = handles[1].update_options(none).await.unwrap();
    assert_eq!(options.priority, Some(Priority::new().priority_key(1)));

    let terminate = client.start_batch(BatchOperation::terminate(), &*query, "enough").max_operations_per_second(40.0);
    let ended = completed(&terminate.await.unwrap()).await;
    assert_eq!(ended.operation_type(), BatchOperationType::TerminateWorkflow);
    assert_eq!(handles[2].describe().await.unwrap().status(), WorkflowExecutionStatus::Terminated);

    let mut batches = client.batches().page_size(2);
    let mut listed = false;
    while let Some(info) = batches.next().await.unwrap() {
        listed |= info.job_id == batch.job_id() && info.state == BatchOperationState::Completed;
    }
    assert!(listed, "the list has it");
}

#[tokio::test]
async fn a_batch_over_a_list_touches_only_the_listed_ones() {
    let Some(client) = client("a_batch_over_a_list_touches_only_the_listed_ones").await else { return };
    let queue = unique("batch-list");
    let handles = started(&client, &queue, 3).await;
    let targets = || BatchTargets::executions([(handles[0].workflow_id(), handles[0].run_id().unwrap_or_default())]);
    completed(&client.start_batch(BatchOperation::cancel(), targets(), "over").await.unwrap()).await;
    assert!(handles[0].describe().await.unwrap().is_cancel_requested());
    assert!(!handles[1].describe().await.unwrap().is_cancel_requested());

    completed(&client.start_batch(BatchOperation::delete(), targets(), "over").await.unwrap()).await;
    until("it is gone", || async { handles[0].describe().await.is_err_and(|error| error.is_not_found()) }).await;
    for handle in &handles[1..] {
        handle.terminate().await.unwrap();
    }
}

#[tokio::test]
async fn a_batch_that_cannot_start_says_why_and_one_that_runs_can_be_stopped() {
    let test = "a_batch_that_cannot_start_says_why_and_one_that_runs_can_be_stopped";
    let Some(client) = client(test).await else { return };
    let invalid = client.start_batch(BatchOperation::cancel(), "Colour ==== 'red'", "why not").await.unwrap_err();
    assert!(matches!(&invalid, StartBatchError::Rpc(error) if error.is_invalid_argument()), "{invalid:?}");
    let silent = client.start_batch(BatchOperation::cancel(), "WorkflowId = 'none'", "").await.unwrap_err();
    assert!(silent.to_string().contains("Reason"), "{silent}");
    let unknown = client.batch(unique("no-such-job"));
    assert!(unknown.describe().await.unwrap_err().is_not_found());
    assert!(unknown.wait_until_completed(secs(1)).await.unwrap_err().is_not_found());

    let queue = unique("batch-stopped");
    // The server does 50 per second.
    let handles = started(&client, &queue, 150).await;
    let query = format!("TaskQueue = '{queue}'");
    let batch = client.start_batch(BatchOperation::cancel(), query, "slowly").await.unwrap();
    let running = batch.wait_until_completed(millis(100)).await.unwrap();
    assert_eq!(running.state(), BatchOperationState::Running, "{running:?}");
    batch.stop("too slow").await.unwrap();
    let stopped = batch.wait_until_completed(secs(20)).await.unwrap();
    assert_eq!(stopped.state(), BatchOperationState::Failed);
    for handle in handles {
        handle.terminate().await.unwrap();
    }
}

/// Fails until an operator lets it pass.
#[activity]
async fn knock(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    let attempt = ctx.info().attempt;
    if attempt < 3 { Err(ApplicationFailure::new("nobody is in").into()) } else { Ok(attempt) }
}

#[workflow]
async fn visit(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(hours(1));
    Ok(ctx.activity(knock, ()).start_to_close_timeout(mins(1)).retry_policy(policy).await?)
}

#[tokio::test]
async fn activities_and_runs_of_many_workflows_start_over() {
    let Some(client) = client("activities_and_runs_of_many_workflows_start_over").await else { return };
    let queue = unique("batch-activities");
    let worker = Worker::builder(&client, &queue).workflow(visit).activities(knock).build().unwrap();
    let test = async {
        let handle = client.start(visit, ()).id(&queue).task_queue(&queue).await.unwrap();
        let attempt = || async { handle.describe().await.unwrap().pending_activities().first().map(|it| it.attempt()) };
        until("it has failed once", || async { attempt().await == Some(2) }).await;
        found(&client, &queue, 1).await;
        let query = format!("TaskQueue = '{queue}'");
        let all = || BatchActivities::of(knock);
        let start = |operation: BatchOperation| client.start_batch(operation, &*query, "try again");

        let fast = ActivityOptionsChange::new().retry_policy(RetryPolicy::new().initial_interval(secs(3600)));
        completed(&start(BatchOperation::update_activity_options(all(), fast)).await.unwrap()).await;
        handle.pause_activities(abide::client::operator::ActivitySelector::of(knock)).await.unwrap();
        completed(&start(BatchOperation::reset_activities(all()).keep_paused().into()).await.unwrap()).await;
        until("its attempts count from 1", || async { attempt().await == Some(1) }).await;

        let fast = ActivityOptionsChange::new().retry_policy(RetryPolicy::new().initial_interval(millis(10)));
        completed(&start(BatchOperation::update_activity_options(all(), fast)).await.unwrap()).await;
        let unpause = BatchOperation::unpause_activities(BatchActivities::All).reset_heartbeat().jitter(millis(1));
        completed(&start(unpause.into()).await.unwrap()).await;
        assert_eq!(handle.result().await.unwrap(), 3);

        let auto = WorkflowOptionsChange::new().versioning_override(VersioningOverride::AutoUpgrade);
        let reset = BatchOperation::reset(ResetPoint::FirstWorkflowTask).then_update_options(auto);
        let reset = reset.reapply_exclude(ResetReapplyExcludeType::Signal);
        completed(&start(reset.into()).await.unwrap()).await;
        let again = client.handle(visit, &*queue);
        let described = again.describe().await.unwrap();
        assert_ne!(Some(described.info().run_id()), handle.run_id());
        assert!(event_types(&again).await.contains(&"EVENT_TYPE_WORKFLOW_EXECUTION_OPTIONS_UPDATED"));
        again.terminate().await.unwrap();
    };
    Box::pin(worker.run_until(test)).await.unwrap();
}

//! Eager starts: the first workflow task comes with the answer to the start, for a worker of the same process.

use abide::client::{Client, StartWorkflow};
use abide::prelude::*;
use abide::replay::text::{RUN_ID, TASK_QUEUE};
use abide::worker::{DeploymentOptions, PollerBehavior};
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_request::operation::Operation;
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Code;

use crate::harness::FIRST_TASK;
use crate::server::{Server, run, task};

type Start = StartWorkflowExecutionRequest;
type Completed = RespondWorkflowTaskCompletedRequest;
type Poll = PollWorkflowTaskQueueRequest;

/// Waits until it is released.
#[workflow(name = "wf")]
#[derive(Default)]
struct Waits;

#[workflow_methods]
impl Waits {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(secs(1)).await?;
        Ok(())
    }

    #[signal]
    fn nudge(&self) {}

    #[update]
    async fn ask(&self, _ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(())
    }
}

/// A workflow that no worker here has registered.
#[workflow(name = "unknown")]
async fn unknown(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

fn start(client: &Client) -> StartWorkflow<impl abide::WorkflowDefinition<Workflow = Waits> + use<>> {
    client.start(Waits::run, ()).task_queue(TASK_QUEUE)
}

/// Returns the answer to a start, with or without the first task.
fn started(eager_workflow_task: Option<PollWorkflowTaskQueueResponse>) -> StartWorkflowExecutionResponse {
    StartWorkflowExecutionResponse { run_id: RUN_ID.into(), started: true, eager_workflow_task, ..Default::default() }
}

/// Returns which of the starts so far requested their first task.
fn asked_for(server: &Server) -> Vec<bool> {
    server.asked::<Start>().iter().map(|(_, start)| start.request_eager_execution).collect()
}

#[tokio::test]
async fn b127_the_first_task_comes_with_the_answer_to_the_start() {
    let server = Server::new();
    let client = server.client().await;
    let deployment = DeploymentOptions::new("shop", "build-7");
    let worker = server.worker_of(&client).workflow(Waits::run).deployment(deployment).build().unwrap();
    run(worker, async {
        server.request::<Poll>(1).await;
        server.answer("StartWorkflowExecution", &started(Some(task(FIRST_TASK))));
        let handle = start(&client).request_eager_start().await.unwrap();
        assert_eq!(handle.run_id(), Some(RUN_ID));
        let completed: Completed = server.request(1).await;
        assert_eq!(completed.task_token, b"task at event 3");
        assert_eq!(completed.commands[0].command_type(), CommandType::StartTimer);
    })
    .await;
    let [(_, asked)] = &server.asked::<Start>()[..] else { panic!("one start") };
    assert!(asked.request_eager_execution);
    let deployment = asked.eager_worker_deployment_options.clone().unwrap();
    assert_eq!((deployment.deployment_name.as_str(), deployment.build_id.as_str()), ("shop", "build-7"));
}

#[tokio::test]
async fn b127_an_eager_start_is_requested_only_if_a_worker_of_the_client_can_take_it() {
    let server = Server::new();
    let (client, another) = (server.client().await, server.client().await);
    let worker = server.worker_of(&client).workflow(Waits::run).build().unwrap();
    for _ in 0..8 {
        server.answer("StartWorkflowExecution", &started(None));
    }
    start(&client).request_eager_start().await.unwrap();
    assert_eq!(asked_for(&server), [false], "before the worker polls");
    run(worker, async {
        server.request::<Poll>(1).await;
        start(&client).await.unwrap();
        start(&client).request_eager_start().task_queue("another").await.unwrap();
        client.start(unknown, ()).task_queue(TASK_QUEUE).request_eager_start().await.unwrap();
        start(&another).request_eager_start().await.unwrap();
        start(&client).request_eager_start().start_delay(secs(1)).await.unwrap();
        assert_eq!(asked_for(&server), [false; 6]);
        start(&client.clone()).request_eager_start().await.unwrap();
        assert!(asked_for(&server)[6], "nothing is in the way");
    })
    .await;
    start(&client).request_eager_start().await.unwrap();
    assert!(!asked_for(&server)[7], "after the worker has ended");
}

#[tokio::test]
async fn b127_no_task_comes_with_a_signal_or_an_update() {
    let server = Server::new();
    let client = server.client().await;
    let worker = server.worker_of(&client).workflow(Waits::run).build().unwrap();
    run(worker, async {
        server.request::<Poll>(1).await;
        server.refuse("SignalWithStartWorkflowExecution", Code::InvalidArgument, "no");
        start(&client).request_eager_start().with_signal(Waits::nudge, ()).await.unwrap_err();
        server.refuse("ExecuteMultiOperation", Code::InvalidArgument, "no");
        assert!(start(&client).request_eager_start().with_update(Waits::ask, ()).await.is_err());
    })
    .await;
    assert_eq!(server.asked::<SignalWithStartWorkflowExecutionRequest>().len(), 1);
    let [(_, both)] = &server.asked::<ExecuteMultiOperationRequest>()[..] else { panic!("one call") };
    let Some(Operation::StartWorkflow(start)) = &both.operations[0].operation else { panic!("a start first") };
    assert!(!start.request_eager_execution);
}

#[tokio::test]
async fn b127_a_server_that_cannot_is_not_asked() {
    let server = Server::new();
    server.answer("GetSystemInfo", &GetSystemInfoResponse::default());
    let client = server.client().await;
    let worker = server.worker_of(&client).workflow(Waits::run).build().unwrap();
    run(worker, async {
        server.request::<Poll>(1).await;
        server.answer("StartWorkflowExecution", &started(None));
        start(&client).request_eager_start().await.unwrap();
    })
    .await;
    assert_eq!(asked_for(&server), [false]);
}

#[tokio::test]
async fn b127_the_slot_is_held_for_the_task_and_otherwise_given_back() {
    let server = Server::new();
    let client = server.client().await;
    // Two polls hold two slots, which leaves one for an eager start.
    let worker = server.worker_of(&client).workflow(Waits::run).max_concurrent_workflow_tasks(3);
    let worker = worker.workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(2)).build().unwrap();
    server.keep_silent("RespondWorkflowTaskCompleted");
    run(worker, async {
        server.request::<Poll>(2).await;
        server.answer("StartWorkflowExecution", &started(None));
        start(&client).request_eager_start().await.unwrap();
        server.refuse("StartWorkflowExecution", Code::InvalidArgument, "no");
        start(&client).request_eager_start().await.unwrap_err();
        server.answer("StartWorkflowExecution", &started(Some(task(FIRST_TASK))));
        start(&client).request_eager_start().await.unwrap();
        assert_eq!(asked_for(&server), [true; 3], "what was not used is free again");
        server.request::<Completed>(1).await;
        server.answer("StartWorkflowExecution", &started(None));
        start(&client).request_eager_start().await.unwrap();
        assert!(!asked_for(&server)[3], "the only slot is in use");
        // No other thread has work left, so the seconds that the worker waits pass at once.
        tokio::time::pause();
    })
    .await;
}

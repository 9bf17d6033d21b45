//! Commands from the server to workers: an activity learns of its cancellation without a heartbeat.
//!
//! These workers run only activities, so that their clock can be paused.

use abide::prelude::*;
use abide::worker::Worker;
use abide_protos::prost::Message as _;
use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::enums::v1::TaskQueueKind;
use abide_protos::temporal::api::nexus::v1::{
    CancelOperationRequest, Request, StartOperationRequest, request, response, start_operation_response,
};
use abide_protos::temporal::api::nexusservices::workerservice::v1::{ExecuteCommandsRequest, ExecuteCommandsResponse};
use abide_protos::temporal::api::worker::v1::{CancelActivityCommand, WorkerCommand, worker_command};
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Code;

use crate::harness::FIRST_TASK;
use crate::server::{Server, activity, run, seconds, task};

type Poll = PollNexusTaskQueueRequest;
type Done = RespondNexusTaskCompletedRequest;
type Refused = RespondNexusTaskFailedRequest;
type Cancelled = RespondActivityTaskCanceledRequest;
type Completed = RespondActivityTaskCompletedRequest;
type Failed = RespondActivityTaskFailedRequest;

const SERVICE: &str = "temporal.api.nexusservices.workerservice.v1.WorkerService";

/// Never heartbeats. An attempt ends as cancelled only if it was given that reason.
#[activity]
async fn linger(ctx: &ActivityContext) -> Result<(), ActivityError> {
    ctx.cancelled().await;
    Err(ActivityError::cancelled())
}

#[activity]
async fn work() -> Result<(), ActivityError> {
    Ok(())
}

#[workflow(name = "wf")]
async fn sleeps(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    Ok(())
}

fn lingering(token: &str) -> PollActivityTaskQueueResponse {
    let start_to_close_timeout = Some(seconds(3600));
    PollActivityTaskQueueResponse { task_token: token.into(), start_to_close_timeout, ..activity("linger") }
}

fn cancel(token: &str) -> WorkerCommand {
    let command = CancelActivityCommand { task_token: token.into() };
    WorkerCommand { r#type: Some(worker_command::Type::CancelActivity(command)) }
}

fn nexus_task(variant: Option<request::Variant>) -> PollNexusTaskQueueResponse {
    PollNexusTaskQueueResponse {
        task_token: b"nexus task".to_vec(),
        request: Some(Request { variant, ..Request::default() }),
        poller_group_id: "group 7".into(),
        ..PollNexusTaskQueueResponse::default()
    }
}

fn operation(service: &str, operation: &str, data: Vec<u8>) -> PollNexusTaskQueueResponse {
    let payload = Payload {
        metadata: [("encoding".to_string(), b"binary/protobuf".to_vec())].into(),
        data,
        ..Payload::default()
    };
    nexus_task(Some(request::Variant::StartOperation(StartOperationRequest {
        service: service.into(),
        operation: operation.into(),
        payload: Some(payload),
        ..StartOperationRequest::default()
    })))
}

fn commands<const N: usize>(commands: [WorkerCommand; N]) -> PollNexusTaskQueueResponse {
    let request = ExecuteCommandsRequest { commands: commands.into() };
    operation(SERVICE, "ExecuteCommands", request.encode_to_vec())
}

/// Returns the results that the worker reported, one for each command.
fn results(done: Done) -> ExecuteCommandsResponse {
    let Some(response::Variant::StartOperation(start)) = done.response.unwrap().variant else { panic!("another one") };
    let Some(start_operation_response::Variant::SyncSuccess(success)) = start.variant else { panic!("{start:?}") };
    ExecuteCommandsResponse::decode(&*success.payload.unwrap().data).unwrap()
}

async fn wait(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}

fn queue_of(poll: &Poll) -> String {
    poll.task_queue.clone().unwrap().name
}

#[tokio::test(start_paused = true)]
async fn b060_a_command_cancels_an_activity_that_never_heartbeats() {
    let server = Server::new().sending_commands();
    let worker = server.worker().await.activities(linger).identity("barista").build_id("build-7").build().unwrap();
    run(worker, async {
        let poll: Poll = server.request(1).await;
        let queue = poll.task_queue.clone().unwrap();
        assert!(queue.name.starts_with("temporal-sys/worker-commands/default/"), "{}", queue.name);
        assert_eq!((queue.kind(), &*poll.identity), (TaskQueueKind::WorkerCommands, "barista"));
        #[expect(deprecated, reason = "the queue knows no versions, of whatever kind")]
        let versions = (&poll.worker_version_capabilities, &poll.deployment_options);
        assert_eq!(versions, (&None, &None));
        // Each poll tells the server where to send commands for the tasks it hands out.
        let of_activities: PollActivityTaskQueueRequest = server.request(1).await;
        assert_eq!(of_activities.worker_control_task_queue, queue.name);

        server.activity_task(lingering("bake"));
        server.activity_task(lingering("brew"));
        wait(secs(1)).await;
        server.nexus_task(commands([cancel("brew"), cancel("ended long ago")]));
        let done: Done = server.request(1).await;
        assert_eq!((&*done.task_token, &*done.poller_group_id), (&b"nexus task"[..], "group 7"));
        assert_eq!(results(done).results.iter().filter(|result| result.r#type.is_some()).count(), 2);
        let cancelled: Cancelled = server.request(1).await;
        assert_eq!(cancelled.task_token, b"brew");
        wait(secs(10)).await;
        assert_eq!(server.asked::<Cancelled>().len(), 1, "the other one goes on");
        server.nexus_task(commands([cancel("bake")]));
        assert_eq!(server.request::<Cancelled>(2).await.task_token, b"bake");
    })
    .await;
    assert!(server.asked::<RecordActivityTaskHeartbeatRequest>().is_empty());
    assert!(server.asked::<Failed>().is_empty(), "nobody else told them to stop");
}

#[tokio::test(start_paused = true)]
async fn b060_a_command_that_overtakes_its_activity_cancels_it_as_it_begins_whichever_worker_runs_it() {
    let server = Server::new().sending_commands();
    let client = server.client().await;
    let first = server.worker_of(&client).activities(linger).build().unwrap();
    let second = server.worker_of(&client).activities(linger).build().unwrap();
    let end_of_first = first.shutdown_handle();
    let first = tokio::spawn(first.run());
    server.request::<Poll>(1).await;
    run(second, async {
        server.nexus_task(commands([cancel("bake"), cancel("brew")]));
        server.request::<Done>(1).await;
        for token in ["bake", "wash"] {
            server.activity_task(lingering(token));
        }
        assert_eq!(server.request::<Cancelled>(1).await.task_token, b"bake");
        server.nexus_task(commands([cancel("wash")]));
        server.request::<Cancelled>(2).await;
        // The worker that took the command has ended when this attempt starts.
        end_of_first.shutdown();
        first.await.unwrap().unwrap();
        server.activity_task(lingering("brew"));
        assert_eq!(server.request::<Cancelled>(3).await.task_token, b"brew");
        // A command concerns a single attempt.
        server.activity_task(lingering("bake"));
        wait(secs(100)).await;
        assert_eq!(server.asked::<Cancelled>().len(), 3);
        server.nexus_task(commands([cancel("bake")]));
        server.request::<Cancelled>(4).await;
    })
    .await;
    assert!(server.asked::<Failed>().is_empty(), "nobody else told them to stop");
}

#[tokio::test]
async fn b060_an_answer_tells_where_commands_for_eager_activities_go() {
    let server = Server::new().sending_commands();
    let worker = server.worker().await.workflow(sleeps).activities(work).build().unwrap();
    run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        let completed: RespondWorkflowTaskCompletedRequest = server.request(1).await;
        let poll: Poll = server.request(1).await;
        assert_eq!(completed.worker_control_task_queue, queue_of(&poll));
        let of_workflows: PollWorkflowTaskQueueRequest = server.request(1).await;
        assert_eq!(of_workflows.worker_control_task_queue, queue_of(&poll));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b060_no_queue_is_polled_unless_the_namespace_sends_commands() {
    let server = Server::new();
    run(server.worker().await.activities(work).build().unwrap(), async {
        let poll: PollActivityTaskQueueRequest = server.request(1).await;
        assert_eq!(poll.worker_control_task_queue, "");
        server.activity_task(activity("work"));
        server.request::<Completed>(1).await;
        wait(secs(100)).await;
    })
    .await;
    assert!(server.asked::<Poll>().is_empty());
}

#[tokio::test]
async fn b060_a_worker_without_activities_takes_no_commands() {
    let server = Server::new().sending_commands();
    run(server.worker().await.workflow(sleeps).build().unwrap(), async {
        server.workflow_task(task(FIRST_TASK));
        let completed: RespondWorkflowTaskCompletedRequest = server.request(1).await;
        assert_eq!(completed.worker_control_task_queue, "");
    })
    .await;
    assert!(server.asked::<Poll>().is_empty());
}

#[tokio::test(start_paused = true)]
async fn b060_what_is_not_known_is_refused_and_the_known_commands_beside_it_are_done() {
    let server = Server::new().sending_commands();
    run(server.worker().await.activities(linger).build().unwrap(), async {
        server.activity_task(lingering("bake"));
        wait(secs(1)).await;
        let unknown = WorkerCommand { r#type: None };
        let cancel_operation = request::Variant::CancelOperation(CancelOperationRequest::default());
        let cases = [
            (commands([unknown, cancel("bake")]), "NOT_IMPLEMENTED", "1 of the commands"),
            (operation(SERVICE, "Dance", Vec::new()), "NOT_FOUND", "`Dance`"),
            (operation("orders.v1", "ExecuteCommands", Vec::new()), "NOT_FOUND", "`orders.v1`"),
            (operation(SERVICE, "ExecuteCommands", b"{}".to_vec()), "BAD_REQUEST", "binary protobuf"),
            (nexus_task(Some(cancel_operation)), "NOT_IMPLEMENTED", "cannot be cancelled"),
            (nexus_task(None), "BAD_REQUEST", "found none"),
        ];
        for (number, (task, error_type, text)) in cases.into_iter().enumerate() {
            server.nexus_task(task);
            let refused: Refused = server.request(number + 1).await;
            #[expect(deprecated, reason = "the newer field is for servers that say that they read it")]
            let error = refused.error.unwrap();
            assert_eq!((&*error.error_type, &*refused.task_token), (error_type, &b"nexus task"[..]));
            assert!(error.failure.as_ref().unwrap().message.contains(text), "{error:?}");
        }
        assert_eq!(server.request::<Cancelled>(1).await.task_token, b"bake");
    })
    .await;
    assert!(server.asked::<Done>().is_empty());
}

#[tokio::test(start_paused = true)]
async fn b060_trouble_with_the_queue_ends_no_worker() {
    let server = Server::new().sending_commands();
    for code in [Code::PermissionDenied, Code::Unavailable, Code::Internal] {
        for _ in 0..10 {
            server.refuse("PollNexusTaskQueue", code, "no commands today");
        }
    }
    server.refuse("RespondNexusTaskCompleted", Code::NotFound, "given up meanwhile");
    run(server.worker().await.activities(linger).activities(work).build().unwrap(), async {
        server.activity_task(lingering("bake"));
        server.nexus_task(commands([cancel("bake")]));
        assert_eq!(server.request::<Cancelled>(1).await.task_token, b"bake");
        let (last, _) = server.asked::<Poll>().swap_remove(30);
        assert!(last > 150, "the server is left alone for longer and longer, found {last} s for 31 polls");
        server.activity_task(activity("work"));
        server.request::<Completed>(1).await;
    })
    .await;

    let server = Server::new().sending_commands();
    server.refuse("PollNexusTaskQueue", Code::Unimplemented, "unknown method");
    run(server.worker().await.activities(work).build().unwrap(), async {
        wait(secs(100)).await;
        server.activity_task(activity("work"));
        server.request::<Completed>(1).await;
    })
    .await;
    assert_eq!(server.asked::<Poll>().len(), 1, "a server that has no such queue is not asked again");
}

#[tokio::test(start_paused = true)]
async fn b060_one_worker_of_a_connection_polls_for_all_and_the_next_takes_over() {
    let server = Server::new().sending_commands();
    let client = server.client().await;
    let first = server.worker_of(&client).activities(linger).build().unwrap();
    let second = server.worker_of(&client).activities(linger).build().unwrap();
    let end_of_first = first.shutdown_handle();
    let first = tokio::spawn(first.run());
    server.request::<Poll>(1).await;
    run(second, async {
        for number in 0..2 {
            server.activity_task(lingering(&format!("of either {number}")));
        }
        wait(secs(1)).await;
        server.nexus_task(commands([cancel("of either 0"), cancel("of either 1")]));
        server.request::<Cancelled>(2).await;
        wait(secs(100)).await;
        assert_eq!(server.asked::<Poll>().len(), 2, "one was answered, one is open");

        end_of_first.shutdown();
        first.await.unwrap().unwrap();
        server.request::<Poll>(3).await;
        server.activity_task(lingering("of the second"));
        wait(secs(1)).await;
        server.nexus_task(commands([cancel("of the second")]));
        assert_eq!(server.request::<Cancelled>(3).await.task_token, b"of the second");

        // Another connection, as in another process, has its own queue.
        let elsewhere: Worker = server.worker().await.activities(linger).build().unwrap();
        run(elsewhere, server.request::<Poll>(5)).await;
    })
    .await;
    let polls: Vec<_> = server.asked::<Poll>().into_iter().map(|(_, poll)| poll).collect();
    let same = |at: usize| queue_of(&polls[at]) == queue_of(&polls[0]);
    assert_eq!((same(1), same(2), same(3), same(4)), (true, true, true, false));
}

#[tokio::test(start_paused = true)]
async fn b060_commands_come_over_the_client_that_takes_over_on_the_same_queue() {
    let (old, new) = (Server::new().sending_commands(), Server::new().sending_commands());
    let worker = old.worker().await.activities(linger).build().unwrap();
    let handle = worker.client_handle();
    run(worker, async {
        let before: Poll = old.request(1).await;
        old.activity_task(lingering("bake"));
        wait(secs(1)).await;
        handle.replace_client(&new.client().await).unwrap();
        let after: Poll = new.request(1).await;
        assert_eq!(queue_of(&after), queue_of(&before));
        new.nexus_task(commands([cancel("bake")]));
        assert_eq!(new.request::<Cancelled>(1).await.task_token, b"bake");
        assert_eq!(new.asked::<Done>().len(), 1);
    })
    .await;
    assert_eq!(old.asked::<Poll>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn b060_commands_are_taken_while_the_worker_shuts_down_and_the_open_poll_does_not_keep_it() {
    let server = Server::new().sending_commands();
    let worker = server.worker().await.activities(linger).graceful_shutdown_timeout(secs(60)).build().unwrap();
    let shutdown = worker.shutdown_handle();
    let running = tokio::spawn(worker.run());
    server.request::<PollActivityTaskQueueRequest>(1).await;
    server.activity_task(lingering("bake"));
    wait(secs(1)).await;
    shutdown.shutdown();
    server.request::<ShutdownWorkerRequest>(1).await;
    wait(secs(20)).await;
    server.nexus_task(commands([cancel("bake")]));
    running.await.unwrap().unwrap();
    let cancelled: Vec<_> = server.asked::<Cancelled>().iter().map(|(at, _)| *at).collect();
    assert_eq!(cancelled, [21], "before the graceful period is over");
    assert_eq!((server.asked::<Poll>().len(), server.asked::<Done>().len()), (2, 1));
}

//! The shells: connections in process and over a socket, callers that go away, the standing clock.

use std::time::Duration;

use abide_protos::Any;
use abide_protos::prost::Message as _;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Status};

use super::engine::api::enums::{
    CommandType, HistoryEventFilterType, UpdateWorkflowExecutionLifecycleStage, WorkflowTaskFailedCause,
};
use super::engine::api::{command, common, protocol, service as api, taskqueue, update};
use super::{InProcessService, Server};

type Client = WorkflowServiceClient<InProcessService>;
type Outcome = Result<(), Box<dyn std::error::Error>>;

const HOUR: Duration = Duration::from_secs(3600);

fn standing_server() -> (Server, Client) {
    let server = Server::builder().time_skipping().start();
    let client = WorkflowServiceClient::new(server.service());
    (server, client)
}

fn queue() -> Option<taskqueue::TaskQueue> {
    Some(taskqueue::TaskQueue { name: "tq".to_owned(), ..Default::default() })
}

fn execution(workflow_id: &str) -> Option<common::WorkflowExecution> {
    Some(common::WorkflowExecution { workflow_id: workflow_id.to_owned(), run_id: String::new() })
}

async fn start(client: &mut Client, workflow_id: &str) -> Result<(), Status> {
    let request = api::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(common::WorkflowType { name: "Workflow".to_owned() }),
        task_queue: queue(),
        ..Default::default()
    };
    client.start_workflow_execution(request).await.map(drop)
}

async fn signal(client: &mut Client, workflow_id: &str) -> Result<(), Status> {
    let request = api::SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution(workflow_id),
        signal_name: "look".to_owned(),
        ..Default::default()
    };
    client.signal_workflow_execution(request).await.map(drop)
}

fn poll_request() -> api::PollWorkflowTaskQueueRequest {
    api::PollWorkflowTaskQueueRequest { namespace: "default".to_owned(), task_queue: queue(), ..Default::default() }
}

fn with_deadline<T>(request: T) -> Request<T> {
    let mut request = Request::new(request);
    request.set_timeout(Duration::from_secs(30));
    request
}

async fn poll(client: &mut Client) -> Result<Vec<u8>, Status> {
    Ok(client.poll_workflow_task_queue(with_deadline(poll_request())).await?.into_inner().task_token)
}

async fn respond(client: &mut Client, task_token: Vec<u8>, commands: Vec<command::Command>) -> Result<(), Status> {
    let request = api::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token,
        commands,
        ..Default::default()
    };
    client.respond_workflow_task_completed(request).await.map(drop)
}

fn timer(duration: Duration) -> command::Command {
    let start_to_fire_timeout = Some(super::engine::time::proto(duration));
    let attributes = command::StartTimerCommandAttributes { timer_id: "1".to_owned(), start_to_fire_timeout };
    command::Command {
        command_type: CommandType::StartTimer.into(),
        attributes: Some(command::command::Attributes::StartTimerCommandAttributes(attributes)),
        ..Default::default()
    }
}

fn complete() -> command::Command {
    let attributes = command::CompleteWorkflowExecutionCommandAttributes::default();
    command::Command {
        command_type: CommandType::CompleteWorkflowExecution.into(),
        attributes: Some(command::command::Attributes::CompleteWorkflowExecutionCommandAttributes(attributes)),
        ..Default::default()
    }
}

/// Returns an update with the id `u` that its caller awaits to the end.
fn update_request(workflow_id: &str) -> api::UpdateWorkflowExecutionRequest {
    api::UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution(workflow_id),
        request: Some(update::Request {
            meta: Some(update::Meta { update_id: "u".to_owned(), ..Default::default() }),
            input: Some(update::Input { name: "change".to_owned(), ..Default::default() }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn accepted() -> Any {
    let acceptance = update::Acceptance {
        accepted_request_message_id: "u/request".to_owned(),
        accepted_request_sequencing_event_id: 1,
        accepted_request: None,
    };
    Any {
        type_url: "type.googleapis.com/temporal.api.update.v1.Acceptance".to_owned(),
        value: acceptance.encode_to_vec(),
    }
}

fn completed() -> Any {
    let value = update::outcome::Value::Success(common::Payloads::default());
    let response = update::Response {
        meta: Some(update::Meta { update_id: "u".to_owned(), ..Default::default() }),
        outcome: Some(update::Outcome { value: Some(value) }),
    };
    Any { type_url: "type.googleapis.com/temporal.api.update.v1.Response".to_owned(), value: response.encode_to_vec() }
}

/// Sends the worker's answer to the update `u`.
async fn respond_to_update(client: &mut Client, task_token: Vec<u8>, body: Any) -> Result<(), Status> {
    let message_id = "answer".to_owned();
    let message = protocol::Message {
        id: message_id.clone(),
        protocol_instance_id: "u".to_owned(),
        body: Some(body),
        ..Default::default()
    };
    let attributes = command::ProtocolMessageCommandAttributes { message_id };
    let command = command::Command {
        command_type: CommandType::ProtocolMessage.into(),
        attributes: Some(command::command::Attributes::ProtocolMessageCommandAttributes(attributes)),
        ..Default::default()
    };
    let request = api::RespondWorkflowTaskCompletedRequest {
        namespace: "default".to_owned(),
        task_token,
        commands: vec![command],
        messages: vec![message],
        ..Default::default()
    };
    client.respond_workflow_task_completed(request).await.map(drop)
}

/// Waits for the end of a workflow, as clients do.
async fn result(mut client: Client, workflow_id: &'static str) -> Result<usize, Status> {
    let request = api::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: execution(workflow_id),
        wait_new_event: true,
        history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
        ..Default::default()
    };
    let response = client.get_workflow_execution_history(request).await?.into_inner();
    Ok(response.history.unwrap_or_default().events.len())
}

/// Polls a future once, which does what it can do at once.
async fn once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut future = std::pin::Pin::new(future);
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

/// Starts a workflow that waits an hour.
async fn start_waiting(client: &mut Client, workflow_id: &str) -> Result<(), Status> {
    start(client, workflow_id).await?;
    let task = poll(client).await?;
    respond(client, task, vec![timer(HOUR)]).await
}

#[tokio::test]
async fn time_stands_still_until_somebody_awaits_an_outcome() -> Outcome {
    let (server, mut client) = standing_server();
    let begin = server.now();
    start_waiting(&mut client, "a").await?;
    assert_eq!(server.now(), begin);
    let mut awaited = Box::pin(result(client.clone(), "a"));
    assert!(once(&mut awaited).await.is_none());
    assert_eq!(server.now(), begin + HOUR);
    let task = poll(&mut client).await?;
    respond(&mut client, task, vec![complete()]).await?;
    assert_eq!(awaited.await?, 1);
    assert_eq!(server.now(), begin + HOUR);
    Ok(())
}

#[tokio::test]
async fn time_skips_while_an_update_is_awaited() -> Outcome {
    let (server, mut client) = standing_server();
    let begin = server.now();
    start_waiting(&mut client, "a").await?;
    let request = update_request("a");
    let mut caller = client.clone();
    let mut awaited = Box::pin(async move { caller.update_workflow_execution(request).await });
    assert!(once(&mut awaited).await.is_none());
    assert_eq!(server.now(), begin, "the task that brings the update is under way");
    let task = poll(&mut client).await?;
    respond_to_update(&mut client, task, accepted()).await?;
    assert_eq!(server.now(), begin + HOUR, "the update is accepted, the workflow waits for its timer");
    let task = poll(&mut client).await?;
    respond_to_update(&mut client, task, completed()).await?;
    let response = awaited.await?.into_inner();
    assert_eq!(response.stage(), UpdateWorkflowExecutionLifecycleStage::Completed);
    assert!(response.outcome.is_some());
    assert_eq!(server.now(), begin + HOUR);
    Ok(())
}

#[tokio::test]
async fn a_refused_answer_is_told_unless_something_came_in_before_it() -> Outcome {
    let (server, mut client) = standing_server();
    start(&mut client, "a").await?;
    let mut told = Box::pin(server.workflow_task_failure());
    let task = poll(&mut client).await?;
    signal(&mut client, "a").await?;
    respond(&mut client, task, vec![complete()]).await.expect_err("the workflow has not seen the signal");
    assert!(once(&mut told).await.is_none(), "it may look at the signal and answer again");
    let task = poll(&mut client).await?;
    respond(&mut client, task.clone(), vec![complete(), timer(HOUR)]).await.expect_err("nothing follows the end");
    let expected = "the server refuses a workflow task completion of workflow `a` (Workflow): invalid command sequence";
    let text = told.await;
    assert!(text.starts_with(expected), "{text}");
    let mut told = Box::pin(server.workflow_task_failure());
    respond(&mut client, task.clone(), vec![complete()]).await?;
    respond(&mut client, task, vec![complete()]).await.expect_err("it has ended");
    assert!(once(&mut told).await.is_none(), "it came too late");
    Ok(())
}

#[tokio::test]
async fn nothing_that_is_under_way_is_skipped_over() -> Outcome {
    let (server, mut client) = standing_server();
    let begin = server.now();
    start_waiting(&mut client, "a").await?;
    start(&mut client, "b").await?;
    let mut awaited = Box::pin(result(client.clone(), "a"));
    assert!(once(&mut awaited).await.is_none());
    assert_eq!(server.busy(), ["a workflow task of workflow b is scheduled on task queue tq"]);
    assert_eq!(server.now(), begin);
    let task = poll(&mut client).await?;
    assert_eq!(server.busy(), ["a workflow task of workflow b is started on task queue tq"]);
    assert_eq!(server.now(), begin);
    respond(&mut client, task, vec![complete()]).await?;
    assert_eq!(server.now(), begin + HOUR);
    Ok(())
}

#[tokio::test]
async fn the_clock_waits_for_who_was_woken() -> Outcome {
    let (server, mut client) = standing_server();
    let begin = server.now();
    start_waiting(&mut client, "long").await?;
    start(&mut client, "short").await?;
    let task = poll(&mut client).await?;
    let mut short = Box::pin(result(client.clone(), "short"));
    let mut long = Box::pin(result(client.clone(), "long"));
    assert!(once(&mut short).await.is_none());
    assert!(once(&mut long).await.is_none());
    respond(&mut client, task, vec![complete()]).await?;
    assert_eq!(server.now(), begin, "the one who awaits the short workflow has not looked yet");
    assert_eq!(short.await?, 1);
    assert_eq!(server.now(), begin, "the one who awaited it can still act on it");
    let task = poll(&mut client).await?;
    assert_eq!(server.now(), begin + HOUR, "only the long workflow is awaited now");
    respond(&mut client, task, vec![complete()]).await?;
    assert_eq!(long.await?, 1);
    Ok(())
}

#[tokio::test]
async fn calls_after_a_sleep_happen_at_its_time_also_while_an_outcome_is_awaited() -> Outcome {
    let (server, mut client) = standing_server();
    let begin = server.now();
    start_waiting(&mut client, "a").await?;
    start(&mut client, "busy").await?;
    let mut awaited = Box::pin(result(client.clone(), "a"));
    let mut asleep = Box::pin(server.sleep(HOUR / 2));
    assert!(once(&mut asleep).await.is_none());
    assert!(once(&mut awaited).await.is_none());
    let task = poll(&mut client).await?;
    respond(&mut client, task, vec![complete()]).await?;
    asleep.await;
    assert_eq!(server.now(), begin + HOUR / 2);
    start(&mut client, "b").await?;
    let task = poll(&mut client).await?;
    assert_eq!(server.now(), begin + HOUR / 2, "the workflow that was started then is under way");
    respond(&mut client, task, vec![complete()]).await?;
    Ok(())
}

#[tokio::test]
async fn sleep_skips_and_advance_does_not_ask() -> Outcome {
    let (server, mut client) = standing_server();
    let begin = server.now();
    server.sleep(HOUR).await;
    assert_eq!(server.now(), begin + HOUR);
    start(&mut client, "busy").await?;
    server.advance(HOUR);
    assert_eq!(server.now(), begin + 2 * HOUR);
    assert_eq!(server.busy().len(), 1);
    let mut asleep = Box::pin(server.sleep(HOUR));
    assert!(once(&mut asleep).await.is_none());
    assert_eq!(server.now(), begin + 2 * HOUR, "a workflow task is waiting for a worker");
    let task = poll(&mut client).await?;
    respond(&mut client, task, vec![complete()]).await?;
    asleep.await;
    assert_eq!(server.now(), begin + 3 * HOUR);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_goes_away_loses_no_task() -> Outcome {
    let (_server, mut client) = standing_server();
    let mut gone = client.clone();
    let mut first = Box::pin(poll(&mut gone));
    let mut other = client.clone();
    let mut second = Box::pin(poll(&mut other));
    assert!(once(&mut first).await.is_none());
    assert!(once(&mut second).await.is_none());
    start(&mut client, "a").await?;
    drop(first);
    assert!(!second.await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn two_polls_that_go_away_give_both_their_tasks_back() -> Outcome {
    let (_server, mut client) = standing_server();
    let (mut one, mut two) = (client.clone(), client.clone());
    let mut first = Box::pin(poll(&mut one));
    let mut second = Box::pin(poll(&mut two));
    assert!(once(&mut first).await.is_none());
    assert!(once(&mut second).await.is_none());
    start(&mut client, "a").await?;
    start(&mut client, "b").await?;
    drop((first, second));
    for _ in 0..2 {
        let mut again = Box::pin(poll(&mut client));
        let task = once(&mut again).await.expect("a task waits, it was given back")?;
        assert!(!task.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn shutting_down_a_worker_ends_its_polls() -> Outcome {
    let (_server, mut client) = standing_server();
    let mut worker = client.clone();
    let request = api::PollWorkflowTaskQueueRequest { worker_instance_key: "w".to_owned(), ..poll_request() };
    let mut polled = Box::pin(worker.poll_workflow_task_queue(with_deadline(request)));
    assert!(once(&mut polled).await.is_none());
    let shutdown = api::ShutdownWorkerRequest {
        namespace: "default".to_owned(),
        worker_instance_key: "w".to_owned(),
        ..Default::default()
    };
    client.shutdown_worker(shutdown).await?;
    assert!(polled.await?.into_inner().task_token.is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_poll_ends_before_its_callers_deadline() -> Outcome {
    let (_server, mut client) = standing_server();
    let began = tokio::time::Instant::now();
    assert!(poll(&mut client).await?.is_empty());
    assert_eq!(began.elapsed().as_secs(), 29);
    Ok(())
}

#[tokio::test]
async fn a_reader_of_a_history_is_answered_before_its_deadline() -> Outcome {
    let (_server, mut client) = standing_server();
    start(&mut client, "a").await?;
    let request = api::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: execution("a"),
        wait_new_event: true,
        history_event_filter_type: HistoryEventFilterType::CloseEvent.into(),
        ..Default::default()
    };
    let mut request = Request::new(request);
    request.set_timeout(Duration::from_millis(20));
    let response = client.get_workflow_execution_history(request).await?.into_inner();
    assert!(response.history.is_none_or(|history| history.events.is_empty()));
    assert!(!response.next_page_token.is_empty(), "it may ask again");
    Ok(())
}

#[tokio::test]
async fn errors_carry_their_details() -> Outcome {
    let (_server, mut client) = standing_server();
    let unknown =
        api::DescribeWorkflowExecutionRequest { namespace: "default".to_owned(), execution: execution("nope") };
    let status = client.describe_workflow_execution(unknown).await.expect_err("there is no such workflow");
    assert_eq!((status.code(), status.message()), (Code::NotFound, "workflow not found for ID: nope"));
    let details = <abide_protos::google::rpc::Status as abide_protos::prost::Message>::decode(status.details())?;
    assert_eq!(details.details[0].type_url, "type.googleapis.com/temporal.api.errordetails.v1.NotFoundFailure");
    Ok(())
}

#[tokio::test]
async fn unimplemented_methods_are_refused_by_name() {
    let (_server, mut client) = standing_server();
    let status = client.create_schedule(api::CreateScheduleRequest::default()).await.expect_err("not implemented");
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().ends_with("WorkflowService/CreateSchedule"), "{}", status.message());
}

#[tokio::test]
async fn the_same_server_serves_a_socket() -> Outcome {
    let (server, mut in_process) = standing_server();
    let address = server.listen("127.0.0.1:0".parse()?).await?;
    let mut client =
        WorkflowServiceClient::connect(format!("http://{address}")).await?.send_compressed(CompressionEncoding::Gzip);
    start(&mut in_process, "a").await?;
    let task = client.poll_workflow_task_queue(with_deadline(poll_request())).await?.into_inner();
    let failed = api::RespondWorkflowTaskFailedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token,
        cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure.into(),
        ..Default::default()
    };
    client.respond_workflow_task_failed(failed).await?;
    drop(server);
    Ok(())
}

#[tokio::test]
async fn only_loopback_addresses_are_listened_at() -> Outcome {
    let server = Server::builder().start();
    let error = server.listen("0.0.0.0:0".parse()?).await.expect_err("that would be open to the network");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    Ok(())
}

#[tokio::test]
async fn an_activity_that_hangs_uses_up_its_time_on_the_machines_clock() -> Outcome {
    let (server, mut client) = standing_server();
    start(&mut client, "a").await?;
    let task = poll(&mut client).await?;
    let attributes = command::ScheduleActivityTaskCommandAttributes {
        activity_id: "1".to_owned(),
        activity_type: Some(common::ActivityType { name: "Activity".to_owned() }),
        task_queue: queue(),
        start_to_close_timeout: Some(super::engine::time::proto(Duration::from_millis(50))),
        retry_policy: Some(common::RetryPolicy { maximum_attempts: 1, ..Default::default() }),
        ..Default::default()
    };
    let schedule = command::Command {
        command_type: CommandType::ScheduleActivityTask.into(),
        attributes: Some(command::command::Attributes::ScheduleActivityTaskCommandAttributes(attributes)),
        ..Default::default()
    };
    respond(&mut client, task, vec![schedule]).await?;
    let begin = server.now();
    let poll_activity = api::PollActivityTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue(),
        ..Default::default()
    };
    client.poll_activity_task_queue(with_deadline(poll_activity)).await?;
    assert!(!poll(&mut client).await?.is_empty(), "the timeout wakes the workflow");
    assert_eq!(server.now(), begin + Duration::from_millis(50));
    Ok(())
}

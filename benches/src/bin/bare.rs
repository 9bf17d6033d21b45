//! `bare [--address A] [--pollers N]`: a worker without an SDK. It answers the tasks of `Small`, and so costs what any
//! worker costs at least: gRPC and protobuf.

use std::process::ExitCode;

use abide_benches::arguments::Arguments;
use abide_benches::histories::values::{IDENTITY, NAMESPACE, json, seconds, sticky_queue, task_queue};
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::command::v1::{
    Command, CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
};
use abide_protos::temporal::api::common::v1::ActivityType;
use abide_protos::temporal::api::enums::v1::CommandType;
use abide_protos::temporal::api::taskqueue::v1::StickyExecutionAttributes;
use abide_protos::temporal::api::workflowservice::v1 as api;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// The first WorkflowTaskStarted event of a run.
const FIRST_STARTED: i64 = 3;
const INPUT: &str = "\"Temporal\"";

#[tokio::main]
#[expect(clippy::print_stderr, reason = "a command-line program: why it ends is its output")]
async fn main() -> ExitCode {
    let Err(error) = run(Arguments::of_process()).await;
    eprintln!("bare: {error}");
    ExitCode::FAILURE
}

/// Serves until a call fails.
async fn run(mut arguments: Arguments) -> Result<std::convert::Infallible, String> {
    let address: String = arguments.option("--address", "127.0.0.1:7299".into())?;
    let pollers: usize = arguments.option("--pollers", 5)?;
    let [] = arguments.finish("bare [--address A] [--pollers N]")?;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|error| format!("{address}: {error}"))?;
    let channel = endpoint.tcp_nodelay(true).connect().await.map_err(|error| format!("{address}: {error}"))?;
    let client = WorkflowServiceClient::new(channel);
    let mut polls = JoinSet::new();
    // One poller at least for each of the two queues of workflow tasks.
    for poller in 0..pollers.max(2) {
        polls.spawn(workflow_tasks(client.clone(), poller % 2 == 1));
    }
    for _ in 0..pollers.max(1) {
        polls.spawn(activity_tasks(client.clone()));
    }
    match polls.join_next().await {
        Some(Ok(Err(status))) => Err(status.to_string()),
        ended => Err(format!("a poller ended: {ended:?}")),
    }
}

async fn workflow_tasks(
    mut client: WorkflowServiceClient<Channel>,
    is_sticky: bool,
) -> Result<std::convert::Infallible, Status> {
    let poll = api::PollWorkflowTaskQueueRequest {
        namespace: NAMESPACE.into(),
        task_queue: if is_sticky { sticky_queue() } else { task_queue() },
        identity: IDENTITY.into(),
        ..Default::default()
    };
    loop {
        let task = client.poll_workflow_task_queue(poll.clone()).await?.into_inner();
        if !task.task_token.is_empty() {
            let commands = vec![if task.started_event_id == FIRST_STARTED { schedule_activity() } else { complete() }];
            let answer = api::RespondWorkflowTaskCompletedRequest {
                task_token: task.task_token,
                commands,
                identity: IDENTITY.into(),
                sticky_attributes: Some(StickyExecutionAttributes {
                    worker_task_queue: sticky_queue(),
                    schedule_to_start_timeout: seconds(10),
                }),
                return_new_workflow_task: true,
                namespace: NAMESPACE.into(),
                ..Default::default()
            };
            client.respond_workflow_task_completed(answer).await?;
        }
    }
}

fn schedule_activity() -> Command {
    let attributes = ScheduleActivityTaskCommandAttributes {
        activity_id: "1".into(),
        activity_type: Some(ActivityType { name: "echo".into() }),
        task_queue: task_queue(),
        input: json(INPUT),
        start_to_close_timeout: seconds(10),
        ..Default::default()
    };
    command(CommandType::ScheduleActivityTask, Attributes::ScheduleActivityTaskCommandAttributes(attributes))
}

fn complete() -> Command {
    let attributes = CompleteWorkflowExecutionCommandAttributes { result: json(INPUT) };
    command(CommandType::CompleteWorkflowExecution, Attributes::CompleteWorkflowExecutionCommandAttributes(attributes))
}

fn command(command_type: CommandType, attributes: Attributes) -> Command {
    Command { command_type: command_type.into(), attributes: Some(attributes), ..Default::default() }
}

async fn activity_tasks(mut client: WorkflowServiceClient<Channel>) -> Result<std::convert::Infallible, Status> {
    let poll = api::PollActivityTaskQueueRequest {
        namespace: NAMESPACE.into(),
        task_queue: task_queue(),
        identity: IDENTITY.into(),
        ..Default::default()
    };
    loop {
        let task = client.poll_activity_task_queue(poll.clone()).await?.into_inner();
        if !task.task_token.is_empty() {
            let answer = api::RespondActivityTaskCompletedRequest {
                task_token: task.task_token,
                result: task.input,
                identity: IDENTITY.into(),
                namespace: NAMESPACE.into(),
                ..Default::default()
            };
            client.respond_activity_task_completed(answer).await?;
        }
    }
}

//! Plain requests sent to both servers, for cases that the SDK never sends or hides from its callers. The transcripts
//! of the answers must be the same on both, and as the test expects.

use std::fmt::Write as _;
use std::future::Future;

use abide::prelude::*;
use abide_protos::google::rpc;
use abide_protos::prost::Message;
use abide_protos::temporal::api::command::v1::{Command, command::Attributes};
use abide_protos::temporal::api::common::v1::{Payload, WorkflowExecution, WorkflowType};
use abide_protos::temporal::api::enums::v1::{CommandType, TaskQueueKind, WorkflowIdConflictPolicy};
use abide_protos::temporal::api::history::v1::{HistoryEvent, history_event};
use abide_protos::temporal::api::operatorservice::v1::operator_service_client::OperatorServiceClient;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use abide_protos::temporal::api::workflowservice::v1::{
    GetWorkflowExecutionHistoryRequest, PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest, SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest,
};
use abide_testing::server::{TestServer, TestServerBuilder};
use expect_test::Expect;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::arm::{Arm, Outcome, start};

/// A client for plain requests, with the transcript of the answers.
pub(crate) struct Raw {
    pub(crate) service: WorkflowServiceClient<Channel>,
    pub(crate) operator: OperatorServiceClient<Channel>,
    pub(crate) arm: Arm,
    pub(crate) task: PollWorkflowTaskQueueResponse,
    transcript: String,
}

/// Runs a script of requests on both servers; each transcript must be `expected`.
pub(crate) async fn compare_answers<F, Fut>(name: &str, expected: Expect, script: F) -> Outcome
where
    F: Fn(Raw) -> Fut,
    Fut: Future<Output = Result<Raw, Box<dyn std::error::Error>>>,
{
    compare_answers_on(TestServer::builder(), name, expected, script).await
}

/// Like [`compare_answers`], with an embedded server with other options.
pub(crate) async fn compare_answers_on<F, Fut>(
    embedded: TestServerBuilder,
    name: &str,
    expected: Expect,
    script: F,
) -> Outcome
where
    F: Fn(Raw) -> Fut,
    Fut: Future<Output = Result<Raw, Box<dyn std::error::Error>>>,
{
    let server = start(embedded);
    let address = server.listen("127.0.0.1:0".parse()?).await?.to_string();
    let ours = Box::pin(script(Raw::connect(&address, name).await?)).await?;
    let ours = ours.finished();
    expected.assert_eq(&ours);
    let Ok(address) = std::env::var("ABIDE_TEST_SERVER") else {
        eprintln!("{name}: not compared with a real server (none is set)");
        return Ok(());
    };
    let theirs = Box::pin(script(Raw::connect(&address, name).await?)).await?;
    assert_eq!(ours, theirs.finished(), "embedded server (left) and real server (right)");
    Ok(())
}

impl Raw {
    pub(crate) async fn connect(address: &str, name: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let arm = Arm::connect(address, name).await?;
        let service = WorkflowServiceClient::connect(format!("http://{address}")).await?;
        let operator = OperatorServiceClient::connect(format!("http://{address}")).await?;
        Ok(Self { service, operator, arm, task: Default::default(), transcript: String::new() })
    }

    /// Adds an answer to the transcript.
    pub(crate) fn note(&mut self, what: &str, answer: &Result<impl Into<String> + Clone, Status>) {
        let text = match answer {
            Ok(answer) => answer.clone().into(),
            Err(status) => refusal(status),
        };
        let _ = writeln!(self.transcript, "{what}: {text}");
    }

    fn finished(&self) -> String {
        self.transcript.replace(&self.arm.id(), "<id>")
    }

    /// Returns the id of this script's workflow `name`.
    pub(crate) fn id_of(&self, name: &str) -> String {
        format!("{}{name}", self.arm.id())
    }

    pub(crate) fn execution_of(&self, name: &str) -> WorkflowExecution {
        WorkflowExecution { workflow_id: self.id_of(name), run_id: String::new() }
    }

    pub(crate) fn queue(&self) -> TaskQueue {
        TaskQueue { name: self.arm.queue(), kind: TaskQueueKind::Normal.into(), ..Default::default() }
    }

    /// Returns the request that starts workflow `name`.
    pub(crate) fn start_request(&self, name: &str) -> StartWorkflowExecutionRequest {
        StartWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_id: self.id_of(name),
            workflow_type: Some(WorkflowType { name: "raw".into() }),
            task_queue: Some(self.queue()),
            identity: "raw".into(),
            request_id: unique(),
            ..Default::default()
        }
    }

    pub(crate) async fn start(&mut self, name: &str) -> Outcome {
        let request = self.start_request(name);
        self.service.start_workflow_execution(request).await?;
        Ok(())
    }

    /// Closes the run and starts another one, whose first task is available at once.
    pub(crate) async fn restart(&mut self) -> Outcome {
        let mut request = self.start_request("");
        request.set_workflow_id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting);
        self.service.start_workflow_execution(request).await?;
        Ok(())
    }

    pub(crate) async fn signal(&mut self, name: &str, signal: &str) -> Result<&'static str, Status> {
        let request = SignalWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_execution: Some(self.execution_of(name)),
            signal_name: signal.into(),
            request_id: unique(),
            ..Default::default()
        };
        self.service.signal_workflow_execution(with_deadline(request)).await.map(|_| "taken")
    }

    /// Takes the next workflow task.
    pub(crate) async fn poll(&mut self) -> Outcome {
        let request = PollWorkflowTaskQueueRequest {
            namespace: "default".into(),
            task_queue: Some(self.queue()),
            identity: "raw".into(),
            ..Default::default()
        };
        self.task = self.service.poll_workflow_task_queue(with_deadline(request)).await?.into_inner();
        if self.task.task_token.is_empty() { Err("there was no workflow task".into()) } else { Ok(()) }
    }

    /// Answers the last task taken.
    pub(crate) async fn complete(&mut self, commands: Vec<Command>) -> Result<&'static str, Status> {
        let request = RespondWorkflowTaskCompletedRequest {
            namespace: "default".into(),
            task_token: self.task.task_token.clone(),
            commands,
            identity: "raw".into(),
            ..Default::default()
        };
        self.service.respond_workflow_task_completed(with_deadline(request)).await.map(|_| "done")
    }

    /// Returns the latest run's events.
    pub(crate) async fn events(&mut self, name: &str) -> Result<Vec<HistoryEvent>, Status> {
        let request = GetWorkflowExecutionHistoryRequest {
            namespace: "default".into(),
            execution: Some(self.execution_of(name)),
            ..Default::default()
        };
        let response = self.service.get_workflow_execution_history(request).await?.into_inner();
        Ok(response.history.unwrap_or_default().events)
    }

    /// Adds the types of the latest run's events to the transcript.
    pub(crate) async fn note_events(&mut self, name: &str) -> Outcome {
        let events = self.events(name).await?;
        let line: Vec<String> = events.iter().map(describe).collect();
        let _ = writeln!(self.transcript, "events: {}", line.join(", "));
        Ok(())
    }
}

/// Returns a request with a deadline of half a minute, so that a script never hangs.
pub(crate) fn with_deadline<T>(request: T) -> Request<T> {
    let mut request = Request::new(request);
    request.set_timeout(secs(30));
    request
}

pub(crate) fn command(kind: CommandType, attributes: Attributes) -> Command {
    Command { command_type: kind.into(), attributes: Some(attributes), ..Default::default() }
}

/// Returns a value as the SDKs encode it.
pub(crate) fn json(text: &str) -> Payload {
    let metadata = [("encoding".to_owned(), b"json/plain".to_vec())];
    Payload { metadata: metadata.into(), data: text.into(), ..Default::default() }
}

/// Returns a unique request id.
pub(crate) fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns code, message and details of a refusal.
pub(crate) fn refusal(status: &Status) -> String {
    let details = rpc::Status::decode(status.details()).unwrap_or_default().details;
    let kinds: Vec<&str> = details.iter().filter_map(|detail| detail.type_url.rsplit('.').next()).collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
    format!("{:?}{kinds}: {}", status.code(), status.message())
}

fn describe(event: &HistoryEvent) -> String {
    let kind = event.event_type().as_str_name().trim_start_matches("EVENT_TYPE_").to_owned();
    match &event.attributes {
        Some(history_event::Attributes::WorkflowTaskFailedEventAttributes(failed)) => {
            format!("{kind} ({})", failed.failure.as_ref().map_or("", |failure| &failure.message))
        }
        Some(history_event::Attributes::WorkflowExecutionSignaledEventAttributes(signal)) => {
            format!("{kind} {}", signal.signal_name)
        }
        _ => kind,
    }
}

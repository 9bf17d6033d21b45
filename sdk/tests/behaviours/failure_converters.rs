//! Failure converters: user-defined conversion from errors to failures wherever user code fails, and back.

use abide::converter::DataConverter;
use abide::prelude::*;
use abide::replay::text::{message_line, update_request};
use abide::{FailureConverter, NexusOperation, RaisedError};
use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use abide_protos::temporal::api::update::v1::{Input, Request};
use abide_protos::temporal::api::workflowservice::v1::*;
use expect_test::expect;

use crate::harness::{FIRST_TASK, after_first_task, parse};
use crate::server::{Server, activity, run, task};

type Completed = RespondWorkflowTaskCompletedRequest;

#[derive(Debug)]
struct Declined;

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("declined")
    }
}

impl std::error::Error for Declined {}

/// Converts `Declined`, changes all other messages to upper case, and recorded ones to lower case.
struct House;

impl FailureConverter for House {
    fn to_failure(&self, error: RaisedError<'_>) -> Failure {
        if error.downcast_ref::<Declined>().is_some() {
            return ApplicationFailure::new("house rules").error_type("Declined").non_retryable().into();
        }
        let failure = error.default_failure();
        let message = failure.message().to_uppercase();
        failure.with_message(message)
    }

    fn read_failure(&self, failure: Failure) -> Failure {
        let message = format!("({})", failure.message().to_lowercase());
        failure.with_message(message)
    }
}

async fn client(server: &Server) -> Client {
    let converter = DataConverter::new().failure_converter(House);
    server.client_with(ClientOptions::default().data_converter(converter)).await
}

/// Describes a failure with its causes.
fn words(failure: &FailureProto) -> String {
    let kind = match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) if info.non_retryable => format!("{}, final", info.r#type),
        Some(FailureInfo::ApplicationFailureInfo(info)) => info.r#type.clone(),
        _ => "another kind".into(),
    };
    format!("{} ({kind})", failure.message)
}

#[activity]
async fn fails(how: String) -> Result<(), ActivityError> {
    match how.as_str() {
        "declined" => Err(Declined.into()),
        "panic" => panic!("out of beans"),
        _ => Err(ApplicationFailure::new("something else").error_type("Else").into()),
    }
}

/// Fails in every place where a workflow can.
#[workflow(name = "wf")]
#[derive(Default)]
struct Fails;

#[workflow_methods]
impl Fails {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let failed = ctx.activity(fails, "declined".into()).start_to_close_timeout(secs(9)).await;
        Err(ApplicationFailure::new(failed.unwrap_err().to_string()).into())
    }

    #[signal]
    fn hear(&self) {}

    #[query]
    fn ask(&self) -> Result<u32, WorkflowError> {
        Err(Declined.into())
    }

    #[update]
    fn later(&self, _never: bool) -> Result<u32, WorkflowError> {
        Err(Declined.into())
    }

    #[update_validator(later)]
    fn check_later(&self, never: &bool) -> Result<(), WorkflowError> {
        if *never { Err(Declined.into()) } else { Ok(()) }
    }
}

fn update(id: &str, never: bool) -> abide_protos::temporal::api::protocol::v1::Message {
    let value = abide_protos::temporal::api::common::v1::Payload {
        metadata: [("encoding".to_string(), b"json/plain".to_vec())].into(),
        data: never.to_string().into(),
        ..Default::default()
    };
    let args = Some(Payloads { payloads: vec![value] });
    let input = Some(Input { name: "later".into(), args, header: None });
    update_request(&format!("{id}/request"), id, 2, &Request { input, ..Request::default() })
}

#[tokio::test]
async fn b132_a_workflows_errors_are_converted_wherever_it_fails() {
    let server = Server::new();
    let worker = server.worker_of(&client(&server).await).workflow(Fails::run).build().unwrap();
    let mut said = Vec::new();
    run(worker, async {
        let query = WorkflowQuery { query_type: "ask".into(), ..WorkflowQuery::default() };
        let queries = [("q".to_string(), query)].into();
        let messages = vec![update("refused", true), update("failed", false)];
        server.workflow_task(PollWorkflowTaskQueueResponse { queries, messages, ..task(FIRST_TASK) });
        let completed: Completed = server.request(1).await;
        let answer = &completed.query_results["q"];
        said.push(format!("query: {} = {}", words(answer.failure.as_ref().unwrap()), answer.error_message));
        said.extend(completed.messages.iter().map(message_line));
        let failed = "5 ActivityTaskScheduled type=fails id=1
            6 ActivityTaskStarted scheduled=5
            7 ActivityTaskFailed scheduled=5 failure.message=OH failure.application_failure_info.type=Else
            8 WorkflowTaskScheduled
            9 WorkflowTaskStarted";
        server.workflow_task(task(&after_first_task(failed)));
        let completed: Completed = server.request(2).await;
        let command = completed.commands[0].attributes.clone().unwrap();
        use abide_protos::temporal::api::command::v1::command::Attributes::FailWorkflowExecutionCommandAttributes;
        let FailWorkflowExecutionCommandAttributes(end) = command else { panic!("{command:?}") };
        said.push(format!("workflow: {}", words(&end.failure.unwrap())));
    })
    .await;
    expect![[r#"
        query: house rules (Declined, final) = house rules
        refused/request/reject of refused: Rejection rejected_request_message_id=refused/request rejected_request_sequencing=2 rejected_request.input.name=later rejected_request.input.args=true message="house rules" source=AbideSDK type=Declined non_retryable=true
        failed/request/accept of failed: Acceptance request=failed/request sequencing=2 name=later args=false
        failed/request/complete of failed: Response update=failed message="house rules" source=AbideSDK type=Declined non_retryable=true
        workflow: ACTIVITY FAILS (ID 1): (ACTIVITY TASK FAILED): OH (ELSE) ()
    "#]]
    .assert_eq(&(said.join("\n") + "\n"));
}

#[tokio::test(start_paused = true)]
async fn b132_an_activitys_errors_and_panics_are_converted() {
    let server = Server::new();
    let client = client(&server).await;
    let worker = server.worker_of(&client).activities(fails).build().unwrap();
    let mut said = Vec::new();
    run(worker, async {
        for (number, how) in ["declined", "panic", "else"].into_iter().enumerate() {
            let value = abide_protos::temporal::api::common::v1::Payload {
                metadata: [("encoding".to_string(), b"json/plain".to_vec())].into(),
                data: format!("{how:?}").into(),
                ..Default::default()
            };
            let input = Some(Payloads { payloads: vec![value] });
            server.activity_task(PollActivityTaskQueueResponse { input, ..activity("fails") });
            let failed: RespondActivityTaskFailedRequest = server.request(number + 1).await;
            said.push(words(&failed.failure.unwrap()));
        }
    })
    .await;
    client.async_activity(b"token".to_vec()).fail(ApplicationFailure::new("from elsewhere")).await.unwrap();
    let failed: RespondActivityTaskFailedRequest = server.request(4).await;
    said.push(words(&failed.failure.unwrap()));
    expect![[r#"
        house rules (Declined, final)
        THE ACTIVITY PANICKED: OUT OF BEANS (Panic)
        SOMETHING ELSE (Else)
        FROM ELSEWHERE ()
    "#]]
    .assert_eq(&(said.join("\n") + "\n"));
}

#[tokio::test]
async fn b132_a_local_activitys_error_is_converted_both_ways_live_and_on_replay() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let failed = ctx.local_activity(fails, "declined".into()).start_to_close_timeout(secs(9)).await;
        Ok(failed.unwrap_err().failure().to_string())
    }
    let server = Server::new();
    let worker = server.worker_of(&client(&server).await).workflow(wf).activities(fails).build().unwrap();
    let live = run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        server.request::<Completed>(1).await
    })
    .await;
    let lines: Vec<String> = live.commands.iter().map(abide::replay::text::command_line).collect();
    let marker = lines.iter().find(|line| line.starts_with("RecordMarker")).unwrap();
    assert!(marker.contains("house rules"), "{marker}");
    let result =
        r#"CompleteWorkflowExecution result="activity fails (id 1): (local activity failed): house rules (Declined)""#;
    assert_eq!(lines.last().unwrap(), result);
}

const CHARGE: NexusOperation<(), ()> = NexusOperation::new("Payments", "charge");

#[tokio::test]
async fn b132_whatever_fails_elsewhere_is_read_by_the_converter() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let (child, signal, operation) = abide::join!(
            ctx.child_workflow(Fails::run, ()).id("child-1"),
            ctx.external_workflow("other").signal(Fails::hear, ()),
            ctx.nexus_operation("endpoint", CHARGE, ()),
        );
        let last = ctx.info().last_failure().map(|failure| failure.to_string());
        let child = child.unwrap_err().failure().message().to_string();
        let signal = signal.unwrap_err().failure().message().to_string();
        let operation = operation.unwrap_err().failure().message().to_string();
        Ok(vec![last.unwrap_or_default(), child, signal, operation])
    }
    let server = Server::new();
    let worker = server.worker_of(&client(&server).await).workflow(wf).build().unwrap();
    let history = after_first_task(
        "5 StartChildWorkflowExecutionInitiated type=wf id=child-1
         6 SignalExternalWorkflowExecutionInitiated id=other name=hear
         7 NexusOperationScheduled endpoint=endpoint service=Payments operation=charge
         8 StartChildWorkflowExecutionFailed initiated=5
         9 SignalExternalWorkflowExecutionFailed initiated=6
         10 NexusOperationFailed scheduled=7
         11 WorkflowTaskScheduled
         12 WorkflowTaskStarted",
    );
    let history = history.replacen("type=wf", "type=wf continued_failure.message=EARLIER", 1);
    let completed = run(worker, async {
        server.workflow_task(task(&history));
        server.request::<Completed>(1).await
    })
    .await;
    expect![[r#"CompleteWorkflowExecution result=["(earlier)","(child workflow execution not started)","(unable to signal external workflow because it was not found)","(nexus operation completed unsuccessfully)"]"#]].assert_eq(&abide::replay::text::command_line(&completed.commands[0]));
}

#[tokio::test(start_paused = true)]
async fn b132_a_client_gets_what_the_converter_makes_of_a_failure() {
    let server = Server::new();
    let events = parse("9 WorkflowExecutionFailed failure.message=OH failure.application_failure_info.type=Else");
    let history = Some(abide_protos::temporal::api::history::v1::History { events });
    let closed = GetWorkflowExecutionHistoryResponse { history, ..Default::default() };
    server.answer("GetWorkflowExecutionHistory", &closed);
    let error = client(&server).await.handle(Fails::run, "wf").result().await.unwrap_err();
    assert_eq!(error.to_string(), "the workflow failed: (oh) (Else)");
}

/// A converter with a bug.
struct Panics;

impl FailureConverter for Panics {
    fn to_failure(&self, _: RaisedError<'_>) -> Failure {
        panic!("the converter is broken")
    }
}

#[tokio::test]
async fn b132_a_converter_that_panics_ends_no_worker() {
    #[workflow(name = "wf")]
    async fn wf(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Err(Declined.into())
    }
    let server = Server::new();
    let converter = DataConverter::new().failure_converter(Panics);
    let client = server.client_with(ClientOptions::default().data_converter(converter)).await;
    let worker = server.worker_of(&client).workflow(wf).activities(fails).build().unwrap();
    run(worker, async {
        server.workflow_task(task(FIRST_TASK));
        let failed: RespondWorkflowTaskFailedRequest = server.request(1).await;
        let text = failed.failure.unwrap().message;
        assert!(text.contains("the converter is broken"), "{text}");
        server.activity_task(activity("fails"));
        let failed: RespondActivityTaskFailedRequest = server.request(1).await;
        assert!(!failed.failure.unwrap().message.is_empty());
    })
    .await;
}

//! Interceptors of a client: what they see and change of each call, their order, refusals, and what they do not see.

use std::sync::{Arc, Mutex};

use abide::client::{
    AsyncActivityHeartbeat, AsyncActivityId, Client, QueryError, RpcError, SignalError, StartError, UpdateError,
    UpdateWithStartError, WorkflowCount, WorkflowDescription, WorkflowFailedError, WorkflowIdConflictPolicy,
};
use abide::converter::RawPayload;
use abide::interceptor::*;
use abide::prelude::*;
use abide::replay::text::{RUN_ID, TASK_QUEUE};
use abide::{DeploymentVersion, History, Priority, VersioningOverride};
use abide_protos::prost::Name;
use abide_protos::temporal::api::common::v1::{Header, Payload, Payloads, WorkflowExecution};
use abide_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
use abide_protos::temporal::api::errordetails::v1::WorkflowExecutionAlreadyStartedFailure;
use abide_protos::temporal::api::history::v1 as history;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::update::v1::{Outcome, UpdateRef, outcome};
use abide_protos::temporal::api::workflow::v1::WorkflowExecutionInfo;
use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_request::operation::Operation;
use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_response::{Response, response};
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::{Code, Status};

use crate::harness::FIRST_TASK;
use crate::server::{Server, activity, run, task};

const CITY: SearchAttributeKey<String> = SearchAttributeKey::keyword("City");

#[workflow(name = "wf")]
#[derive(Default)]
struct Shop;

#[workflow_methods]
impl Shop {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
        ctx.timer(secs(1)).await?;
        Ok(name)
    }

    #[signal]
    fn open(&self, _who: String) {}

    #[query]
    fn price(&self, item: String) -> String {
        item
    }

    #[update]
    async fn sell(&self, _ctx: &WorkflowContext, item: String) -> Result<String, WorkflowError> {
        Ok(item)
    }
}

#[workflow(name = "wf")]
async fn waits(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    Ok(())
}

#[activity]
async fn work() -> Result<(), ActivityError> {
    Ok(())
}

/// The calls that interceptors have seen.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Changes every part of every call that it can change.
struct Changes(Seen);

fn change_start(input: &mut StartWorkflowInput) {
    input.workflow_id += "-changed";
    input.task_queue = "other-queue".into();
    input.arguments.set(0, &"changed".to_string()).unwrap();
    input.headers.set("tenant", &"acme".to_string()).unwrap();
}

#[async_trait]
impl ClientInterceptor for Changes {
    async fn start_workflow(
        &self,
        mut input: StartWorkflowInput,
        next: ClientNext<'_, StartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        let memo = input.memo::<String>("note").unwrap();
        let (kind, city) = (&input.workflow_type, input.search_attribute(&CITY));
        self.0.note(format!("start {kind} {} {memo:?} {city:?} in {}", input.workflow_id, next.namespace()));
        change_start(&mut input);
        input.workflow_type += "2";
        input.request_id = "request-changed".into();
        input.id_reuse_policy = Some(WorkflowIdReusePolicy::RejectDuplicate);
        input.id_conflict_policy = Some(WorkflowIdConflictPolicy::UseExisting);
        input.execution_timeout = Some(hours(3));
        input.run_timeout = Some(hours(2));
        input.task_timeout = Some(secs(20));
        input.start_delay = Some(secs(4));
        input.retry_policy = Some(RetryPolicy::new().maximum_attempts(5));
        input.cron_schedule = Some("@daily".into());
        input.priority = Some(Priority::new().priority_key(2));
        input.set_memo("note", &"changed".to_string()).unwrap();
        input.set_search_attributes([CITY.set("Rome")]);
        next.run(input).await
    }

    async fn signal_with_start_workflow(
        &self,
        mut input: SignalWithStartWorkflowInput,
        next: ClientNext<'_, SignalWithStartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        self.0.note(format!("start {} with signal {}", input.start.workflow_id, input.signal_name));
        change_start(&mut input.start);
        input.signal_name += "2";
        input.signal_arguments.push(&7).unwrap();
        next.run(input).await
    }

    async fn update_with_start_workflow(
        &self,
        mut input: UpdateWithStartWorkflowInput,
        next: ClientNext<'_, UpdateWithStartWorkflowInput>,
    ) -> Result<StartedUpdateWithStart, RpcError> {
        self.0.note(format!("start {} with update {}", input.start.workflow_id, input.update_name));
        change_start(&mut input.start);
        input.update_id += "-changed";
        input.update_name += "2";
        input.update_arguments.push(&7).unwrap();
        input.update_headers.set("tenant", &"acme".to_string()).unwrap();
        let mut started = next.run(input).await?;
        started.update.outcome = Some(UpdateOutcome::Completed(RawPayload::from_value(&"ours".to_string()).unwrap()));
        Ok(started)
    }

    async fn signal_workflow(
        &self,
        mut input: SignalWorkflowInput,
        next: ClientNext<'_, SignalWorkflowInput>,
    ) -> Result<(), RpcError> {
        self.0.note(format!("signal {} {} {:?}", input.name, input.workflow_id, input.run_id));
        (input.workflow_id, input.run_id) = ("elsewhere".into(), Some("its-run".into()));
        input.name += "2";
        input.arguments.set(0, &"changed".to_string()).unwrap();
        input.headers.set("tenant", &"acme".to_string()).unwrap();
        next.run(input).await
    }

    async fn query_workflow(
        &self,
        mut input: QueryWorkflowInput,
        next: ClientNext<'_, QueryWorkflowInput>,
    ) -> Result<QueryAnswer, RpcError> {
        self.0.note(format!("query {} {}", input.name, input.workflow_id));
        (input.workflow_id, input.run_id) = ("elsewhere".into(), Some("its-run".into()));
        input.arguments.set(0, &"changed".to_string()).unwrap();
        input.headers.set("tenant", &"acme".to_string()).unwrap();
        let QueryAnswer::Answered(answer) = next.run(input).await? else { panic!("it is answered") };
        let answer: String = answer.to_value().unwrap();
        Ok(QueryAnswer::Answered(RawPayload::from_value(&format!("about {answer}")).unwrap()))
    }

    async fn start_update(
        &self,
        mut input: StartUpdateInput,
        next: ClientNext<'_, StartUpdateInput>,
    ) -> Result<StartedUpdate, RpcError> {
        self.0.note(format!("update {} {} {}", input.name, input.workflow_id, input.update_id));
        (input.workflow_id, input.update_id) = ("elsewhere".into(), "changed".into());
        input.arguments.set(0, &"changed".to_string()).unwrap();
        input.headers.set("tenant", &"acme".to_string()).unwrap();
        next.run(input).await
    }

    async fn poll_update(
        &self,
        input: PollUpdateInput,
        next: ClientNext<'_, PollUpdateInput>,
    ) -> Result<UpdateOutcome, RpcError> {
        self.0.note(format!("result of update {} of {} {:?}", input.update_id, input.workflow_id, input.run_id));
        let UpdateOutcome::Completed(result) = next.run(input).await? else { panic!("it completes") };
        let result: String = result.to_value().unwrap();
        Ok(UpdateOutcome::Completed(RawPayload::from_value(&format!("sold {result}")).unwrap()))
    }

    async fn workflow_result(
        &self,
        mut input: WorkflowResultInput,
        next: ClientNext<'_, WorkflowResultInput>,
    ) -> Result<RawPayload, WorkflowFailedError> {
        self.0.note(format!("result of {} {:?} {}", input.workflow_id, input.run_id, input.follow_runs));
        input.workflow_id = "elsewhere".into();
        let result: String = next.run(input).await?.to_value()?;
        Ok(RawPayload::from_value(&format!("{result}!"))?)
    }

    async fn describe_workflow(
        &self,
        mut input: DescribeWorkflowInput,
        next: ClientNext<'_, DescribeWorkflowInput>,
    ) -> Result<WorkflowDescription, RpcError> {
        self.0.note(format!("describe {}", input.workflow_id));
        input.workflow_id = "elsewhere".into();
        next.run(input).await
    }

    async fn cancel_workflow(
        &self,
        mut input: CancelWorkflowInput,
        next: ClientNext<'_, CancelWorkflowInput>,
    ) -> Result<(), RpcError> {
        self.0.note(format!("cancel {} {:?}", input.workflow_id, input.first_execution_run_id));
        input.workflow_id = "elsewhere".into();
        input.reason += ", by acme";
        next.run(input).await
    }

    async fn terminate_workflow(
        &self,
        mut input: TerminateWorkflowInput,
        next: ClientNext<'_, TerminateWorkflowInput>,
    ) -> Result<(), RpcError> {
        self.0.note(format!("terminate {}", input.workflow_id));
        input.reason += ", by acme";
        next.run(input).await
    }

    async fn list_workflows(
        &self,
        mut input: ListWorkflowsInput,
        next: ClientNext<'_, ListWorkflowsInput>,
    ) -> Result<WorkflowPage, RpcError> {
        self.0.note(format!("list {} {:?} {}", input.query, input.page_size, input.is_first_page()));
        input.query = "Tenant = 'acme'".into();
        input.page_size = Some(2);
        let mut page = next.run(input).await?;
        page.workflows.retain(|workflow| workflow.workflow_id() != "hidden");
        Ok(page)
    }

    async fn count_workflows(
        &self,
        mut input: CountWorkflowsInput,
        next: ClientNext<'_, CountWorkflowsInput>,
    ) -> Result<WorkflowCount, RpcError> {
        self.0.note(format!("count {}", input.query));
        input.query = "Tenant = 'acme'".into();
        next.run(input).await
    }

    async fn fetch_history(
        &self,
        mut input: FetchHistoryInput,
        next: ClientNext<'_, FetchHistoryInput>,
    ) -> Result<History, RpcError> {
        self.0.note(format!("history of {}", input.workflow_id));
        input.run_id = Some("its-run".into());
        next.run(input).await
    }

    async fn complete_activity(
        &self,
        mut input: CompleteActivityInput,
        next: ClientNext<'_, CompleteActivityInput>,
    ) -> Result<(), RpcError> {
        self.0.note(format!("complete {}", input.activity));
        let result: u32 = input.result.to_value().unwrap();
        input.result = RawPayload::from_value(&(result + 1)).unwrap();
        next.run(input).await
    }

    async fn fail_activity(
        &self,
        mut input: FailActivityInput,
        next: ClientNext<'_, FailActivityInput>,
    ) -> Result<(), RpcError> {
        self.0.note(format!("fail {}", input.activity));
        input.failure = ApplicationFailure::new(format!("{}, says acme", input.failure));
        next.run(input).await
    }

    async fn cancel_activity(
        &self,
        mut input: CancelActivityInput,
        next: ClientNext<'_, CancelActivityInput>,
    ) -> Result<(), RpcError> {
        self.0.note(format!("cancel {}", input.activity));
        input.activity =
            AsyncActivityId::Id { workflow_id: "elsewhere".into(), run_id: String::new(), activity_id: "a".into() };
        input.details.push(&7).unwrap();
        next.run(input).await
    }

    async fn heartbeat_activity(
        &self,
        mut input: HeartbeatActivityInput,
        next: ClientNext<'_, HeartbeatActivityInput>,
    ) -> Result<AsyncActivityHeartbeat, RpcError> {
        self.0.note(format!("heartbeat {}", input.activity));
        input.details.set(0, &"changed".to_string()).unwrap();
        let mut heartbeat = next.run(input).await?;
        heartbeat.paused = true;
        Ok(heartbeat)
    }
}

async fn changed(server: &Server) -> (Client, Seen) {
    let seen = Seen::default();
    (server.client_with(ClientOptions::default().interceptor(Changes(seen.clone()))).await, seen)
}

/// Returns the only request of a type.
fn only<R: abide_protos::prost::Message + Name + Default>(server: &Server) -> R {
    let mut asked = server.asked::<R>();
    assert_eq!(asked.len(), 1, "{}", R::NAME);
    asked.remove(0).1
}

fn texts(payloads: Option<&Payloads>) -> Vec<String> {
    let payloads = payloads.iter().flat_map(|payloads| &payloads.payloads);
    payloads.map(|payload| String::from_utf8_lossy(&payload.data).into_owned()).collect()
}

fn tenant(header: Option<&Header>) -> String {
    String::from_utf8_lossy(&header.unwrap().fields["tenant"].data).into_owned()
}

fn payloads(text: &str) -> Payloads {
    let metadata = [("encoding".to_string(), b"json/plain".to_vec())].into();
    Payloads { payloads: vec![Payload { metadata, data: format!("{text:?}").into_bytes(), ..Default::default() }] }
}

fn started() -> StartWorkflowExecutionResponse {
    StartWorkflowExecutionResponse { run_id: RUN_ID.into(), started: true, ..Default::default() }
}

fn ids(execution: Option<WorkflowExecution>) -> (String, String) {
    let WorkflowExecution { workflow_id, run_id } = execution.unwrap();
    (workflow_id, run_id)
}

#[tokio::test]
async fn an_interceptor_changes_all_of_a_start_and_the_rest_is_kept() {
    let server = Server::new();
    let (client, seen) = changed(&server).await;
    server.answer("StartWorkflowExecution", &started());
    let start = client.start(Shop::run, "shop".into()).id("order").task_queue("queue").run_timeout(secs(9));
    let start = start.memo("note", &"mine".to_string()).search_attributes([CITY.set("Oslo")]);
    let version = VersioningOverride::Pinned(DeploymentVersion::new("shop", "7"));
    let start = start.header("mine", &1).static_summary("a summary").versioning_override(version);
    let handle = start.await.unwrap();
    assert_eq!(seen.take(), [r#"start wf order Some("mine") Some("Oslo") in default"#]);
    assert_eq!((handle.workflow_id(), handle.run_id()), ("order-changed", Some(RUN_ID)));
    assert_eq!(handle.first_execution_run_id(), Some(RUN_ID));

    let sent: StartWorkflowExecutionRequest = only(&server);
    assert_eq!((sent.workflow_id.as_str(), sent.request_id.as_str()), ("order-changed", "request-changed"));
    assert_eq!(sent.workflow_type.unwrap().name, "wf2");
    assert_eq!(sent.task_queue.unwrap().name, "other-queue");
    assert_eq!(texts(sent.input.as_ref()), [r#""changed""#]);
    assert_eq!(tenant(sent.header.as_ref()), r#""acme""#);
    assert!(sent.header.unwrap().fields.contains_key("mine"));
    assert_eq!((sent.workflow_id_reuse_policy, sent.workflow_id_conflict_policy), (3, 2));
    let seconds = [
        sent.workflow_execution_timeout,
        sent.workflow_run_timeout,
        sent.workflow_task_timeout,
        sent.workflow_start_delay,
    ];
    assert_eq!(seconds.map(|duration| duration.unwrap().seconds), [3 * 3600, 2 * 3600, 20, 4]);
    assert_eq!((sent.retry_policy.unwrap().maximum_attempts, sent.cron_schedule.as_str()), (5, "@daily"));
    assert_eq!(sent.priority.unwrap().priority_key, 2);
    assert_eq!(sent.memo.unwrap().fields["note"].data, br#""changed""#);
    assert_eq!(sent.search_attributes.unwrap().indexed_fields["City"].data, br#""Rome""#);
    assert!(sent.user_metadata.unwrap().summary.is_some() && sent.versioning_override.is_some());
    assert_eq!(sent.namespace, "default");
}

#[tokio::test]
async fn an_interceptor_changes_a_start_with_a_signal() {
    let server = Server::new();
    let (client, seen) = changed(&server).await;
    let answer = SignalWithStartWorkflowExecutionResponse { run_id: RUN_ID.into(), ..Default::default() };
    server.answer("SignalWithStartWorkflowExecution", &answer);
    let start = client.start(Shop::run, "shop".into()).id("order").task_queue("queue").static_summary("a summary");
    let handle = start.with_signal(Shop::open, "me".into()).await.unwrap();
    assert_eq!(seen.take(), ["start order with signal open"]);
    assert_eq!((handle.workflow_id(), handle.run_id()), ("order-changed", Some(RUN_ID)));
    let sent: SignalWithStartWorkflowExecutionRequest = only(&server);
    assert_eq!([sent.workflow_id.as_str(), &sent.signal_name], ["order-changed", "open2"]);
    assert_eq!(texts(sent.signal_input.as_ref()), [r#""me""#, "7"]);
    assert_eq!(
        (texts(sent.input.as_ref()), sent.task_queue.unwrap().name),
        (vec![r#""changed""#.into()], "other-queue".into())
    );
    assert_eq!(tenant(sent.header.as_ref()), r#""acme""#);
    assert!(sent.user_metadata.is_some());
}

#[tokio::test]
async fn an_interceptor_changes_a_start_with_an_update() {
    let server = Server::new();
    let (client, seen) = changed(&server).await;
    let updated = UpdateWorkflowExecutionResponse { stage: Stage::Accepted as i32, ..Default::default() };
    let responses = [response::Response::StartWorkflow(started()), response::Response::UpdateWorkflow(updated)];
    let responses = responses.map(|response| Response { response: Some(response) }).into();
    server.answer("ExecuteMultiOperation", &ExecuteMultiOperationResponse { responses });
    let start = client.start(Shop::run, "shop".into()).id("order").task_queue("queue");
    let (handle, update) = start.with_update(Shop::sell, "book".into()).update_id("sale").await.unwrap();
    assert_eq!(seen.take(), ["start order with update sell"]);
    assert_eq!(
        (handle.workflow_id(), update.workflow_id(), update.id()),
        ("order-changed", "order-changed", "sale-changed")
    );
    assert_eq!(update.result().await.unwrap(), "ours", "the outcome is the interceptor's");
    let sent: ExecuteMultiOperationRequest = only(&server);
    let operations: Vec<Operation> = sent.operations.into_iter().filter_map(|one| one.operation).collect();
    let [Operation::StartWorkflow(start), Operation::UpdateWorkflow(update)] = &operations[..] else {
        panic!("{operations:?}")
    };
    assert_eq!((start.workflow_id.as_str(), start.workflow_id_conflict_policy), ("order-changed", 2));
    assert_eq!(update.workflow_execution.as_ref().unwrap().workflow_id, "order-changed");
    assert_eq!(update.wait_policy.unwrap().lifecycle_stage, Stage::Accepted as i32);
    let request = update.request.clone().unwrap();
    let (meta, input) = (request.meta.unwrap(), request.input.unwrap());
    assert_eq!([meta.update_id.as_str(), &input.name], ["sale-changed", "sell2"]);
    assert_eq!(
        (texts(input.args.as_ref()), tenant(input.header.as_ref())),
        (vec![r#""book""#.into(), "7".into()], r#""acme""#.into())
    );
}

#[tokio::test]
async fn an_interceptor_changes_messages_and_their_answers() {
    let server = Server::new();
    let (client, seen) = changed(&server).await;
    let order = client.handle(Shop::run, "order");
    server.answer("SignalWorkflowExecution", &SignalWorkflowExecutionResponse::default());
    order.signal(Shop::open, "me".into()).await.unwrap();
    let signal: SignalWorkflowExecutionRequest = only(&server);
    assert_eq!(ids(signal.workflow_execution), ("elsewhere".into(), "its-run".into()));
    assert_eq!((signal.signal_name.as_str(), texts(signal.input.as_ref())), ("open2", vec![r#""changed""#.into()]));
    assert_eq!(tenant(signal.header.as_ref()), r#""acme""#);
    assert!(!signal.request_id.is_empty() && !signal.identity.is_empty());

    let answer = QueryWorkflowResponse { query_result: Some(payloads("7 coins")), ..Default::default() };
    server.answer("QueryWorkflow", &answer);
    assert_eq!(order.query(Shop::price, "book".into()).await.unwrap(), "about 7 coins");
    let query: QueryWorkflowRequest = only(&server);
    assert_eq!(ids(query.execution), ("elsewhere".into(), "its-run".into()));
    let query = query.query.unwrap();
    assert_eq!((query.query_type.as_str(), texts(query.query_args.as_ref())), ("price", vec![r#""changed""#.into()]));
    assert_eq!(tenant(query.header.as_ref()), r#""acme""#);

    let execution = WorkflowExecution { workflow_id: "elsewhere".into(), run_id: "its-run".into() };
    let update_ref = UpdateRef { workflow_execution: Some(execution), update_id: "changed".into() };
    let accepted = UpdateWorkflowExecutionResponse {
        update_ref: Some(update_ref),
        stage: Stage::Accepted as i32,
        ..Default::default()
    };
    server.answer("UpdateWorkflowExecution", &accepted);
    let outcome = Outcome { value: Some(outcome::Value::Success(payloads("a book"))) };
    let polled = PollWorkflowExecutionUpdateResponse { outcome: Some(outcome), ..Default::default() };
    server.answer("PollWorkflowExecutionUpdate", &polled);
    let update = order.start_update(Shop::sell, "book".into()).id("sale").await.unwrap();
    assert_eq!((update.id(), update.workflow_id(), update.run_id()), ("changed", "elsewhere", Some("its-run")));
    assert_eq!(update.result().await.unwrap(), "sold a book");
    let sent: UpdateWorkflowExecutionRequest = only(&server);
    assert_eq!(ids(sent.workflow_execution), ("elsewhere".into(), String::new()));
    let request = sent.request.unwrap();
    assert_eq!(request.meta.unwrap().update_id, "changed");
    let input = request.input.unwrap();
    assert_eq!((input.name.as_str(), texts(input.args.as_ref())), ("sell", vec![r#""changed""#.into()]));
    assert_eq!(
        seen.take(),
        [
            "signal open order None",
            "query price order",
            "update sell order sale",
            r#"result of update changed of elsewhere Some("its-run")"#
        ]
    );
}

#[tokio::test]
async fn an_interceptor_changes_what_is_asked_about_workflows() {
    let server = Server::new();
    let (client, seen) = changed(&server).await;
    let order = client.handle(Shop::run, "order");
    let completed =
        history::WorkflowExecutionCompletedEventAttributes { result: Some(payloads("done")), ..Default::default() };
    let event = history::HistoryEvent {
        attributes: Some(Attributes::WorkflowExecutionCompletedEventAttributes(completed)),
        ..Default::default()
    };
    let page = GetWorkflowExecutionHistoryResponse {
        history: Some(history::History { events: vec![event] }),
        ..Default::default()
    };
    server.answer("GetWorkflowExecutionHistory", &page);
    assert_eq!(order.result().await.unwrap(), "done!");
    assert_eq!(order.fetch_history().await.unwrap_err().code(), "UNIMPLEMENTED");
    let asked = server.asked::<GetWorkflowExecutionHistoryRequest>();
    let asked: Vec<_> = asked.into_iter().map(|(_, request)| ids(request.execution)).collect();
    assert_eq!(asked, [("elsewhere".into(), String::new()), ("order".to_string(), "its-run".to_string())]);

    server.answer("DescribeWorkflowExecution", &DescribeWorkflowExecutionResponse::default());
    order.describe().await.unwrap();
    assert_eq!(ids(only::<DescribeWorkflowExecutionRequest>(&server).execution).0, "elsewhere");
    server.answer("RequestCancelWorkflowExecution", &RequestCancelWorkflowExecutionResponse::default());
    order.cancel().reason("closed").await.unwrap();
    let cancel: RequestCancelWorkflowExecutionRequest = only(&server);
    assert_eq!((cancel.reason.as_str(), ids(cancel.workflow_execution).0.as_str()), ("closed, by acme", "elsewhere"));
    assert!(!cancel.request_id.is_empty());
    server.answer("TerminateWorkflowExecution", &TerminateWorkflowExecutionResponse::default());
    order.terminate().await.unwrap();
    assert_eq!(only::<TerminateWorkflowExecutionRequest>(&server).reason, ", by acme");

    let info = |id: &str| WorkflowExecutionInfo {
        execution: Some(WorkflowExecution { workflow_id: id.into(), run_id: String::new() }),
        ..Default::default()
    };
    let page = |ids: &[&str], token: &[u8]| ListWorkflowExecutionsResponse {
        executions: ids.iter().map(|id| info(id)).collect(),
        next_page_token: token.to_vec(),
    };
    server.answer("ListWorkflowExecutions", &page(&["one", "hidden"], b"more"));
    server.answer("ListWorkflowExecutions", &page(&["two"], b""));
    let (mut list, mut found) = (client.list("all"), Vec::new());
    while let Some(workflow) = list.next().await.unwrap() {
        found.push(workflow.workflow_id().to_string());
    }
    assert_eq!(found, ["one", "two"]);
    let asked = server.asked::<ListWorkflowExecutionsRequest>();
    let asked: Vec<_> =
        asked.iter().map(|(_, page)| (page.query.as_str(), page.page_size, page.next_page_token.as_slice())).collect();
    assert_eq!(asked, [("Tenant = 'acme'", 2, &b""[..]), ("Tenant = 'acme'", 2, b"more")]);
    server.answer("CountWorkflowExecutions", &CountWorkflowExecutionsResponse { count: 3, ..Default::default() });
    assert_eq!(client.count("all").await.unwrap().count(), 3);
    assert_eq!(only::<CountWorkflowExecutionsRequest>(&server).query, "Tenant = 'acme'");
    let told = seen.take();
    assert_eq!(told[..2], ["result of order None true", "history of order"]);
    assert_eq!(told[2..5], ["describe order", "cancel order None", "terminate order"]);
    assert_eq!(told[5..], ["list all None true", "list all None false", "count all"]);
}

#[tokio::test]
async fn an_interceptor_changes_reports_about_activities() {
    let server = Server::new();
    let (client, seen) = changed(&server).await;
    let activity = client.async_activity_by_id("order", "", "charge");
    activity.complete(&6).await.unwrap();
    assert_eq!(texts(only::<RespondActivityTaskCompletedByIdRequest>(&server).result.as_ref()), ["7"]);
    activity.fail(ApplicationFailure::new("no beans")).await.unwrap();
    let failed: RespondActivityTaskFailedByIdRequest = only(&server);
    assert_eq!(failed.failure.unwrap().message, "no beans, says acme");
    let heartbeat = activity.heartbeat(&"half".to_string()).await.unwrap();
    assert!(heartbeat.paused && !heartbeat.cancel_requested);
    assert_eq!(texts(only::<RecordActivityTaskHeartbeatByIdRequest>(&server).details.as_ref()), [r#""changed""#]);
    // The report by token goes to an activity that is named by its ids.
    client.async_activity(b"SECRET".to_vec()).report_cancelled(&1).await.unwrap();
    let cancelled: RespondActivityTaskCanceledByIdRequest = only(&server);
    assert_eq!(
        (cancelled.workflow_id.as_str(), texts(cancelled.details.as_ref())),
        ("elsewhere", vec!["1".into(), "7".into()])
    );
    let charge = "activity `charge` of workflow `order`";
    let expected = [
        format!("complete {charge}"),
        format!("fail {charge}"),
        format!("heartbeat {charge}"),
        "cancel the activity with a token of 6 bytes".into(),
    ];
    assert_eq!(seen.take(), expected);
}

/// Does nothing.
struct Nothing;

impl ClientInterceptor for Nothing {}

/// Makes one call of each kind, with all options.
async fn call_everything(server: &Server, client: &Client) {
    let start = |id: &str| {
        let start = client.start(Shop::run, "shop".into()).id(id).task_queue("queue").request_id("request");
        let start = start.execution_timeout(secs(9)).run_timeout(secs(8)).task_timeout(secs(7)).start_delay(secs(6));
        let start = start.retry_policy(RetryPolicy::new().initial_interval(secs(1)).non_retryable_error_type("E"));
        let start = start.id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly).cron_schedule("@daily");
        let start = start.id_conflict_policy(WorkflowIdConflictPolicy::TerminateExisting).memo("note", &1);
        let start = start.search_attributes([CITY.set("Oslo")]).header("mine", &1).static_summary("s");
        let version = VersioningOverride::Pinned(DeploymentVersion::new("shop", "7"));
        let start = start.static_details("d").priority(Priority::new().fairness_key("k")).versioning_override(version);
        start.request_eager_start()
    };
    // The scripted server refuses what it has no answer for.
    let _ = start("one").await;
    let _ = client.start(Shop::run, "plain".into()).id("two").request_id("request").task_queue("queue").await;
    let _ = start("three").with_signal(Shop::open, "me".into()).await;
    let _ = start("four").with_update(Shop::sell, "book".into()).update_id("sale").update_header("h", &1).await;
    let order = client.handle(Shop::run, "order").with_run_id("run");
    let _ = order.signal(Shop::open, "me".into()).request_id("request").header("h", &1).await;
    let condition = abide::client::QueryRejectCondition::NotOpen;
    let _ = order.query(Shop::price, "book".into()).reject_condition(condition).header("h", &1).await;
    let _ = order.start_update(Shop::sell, "book".into()).id("sale").header("h", &1).await;
    let _ = order.update(Shop::sell, "book".into()).id("sale2").await;
    let outcome = Outcome { value: Some(outcome::Value::Success(payloads("a book"))) };
    let polled = PollWorkflowExecutionUpdateResponse { outcome: Some(outcome), ..Default::default() };
    server.answer("PollWorkflowExecutionUpdate", &polled);
    assert_eq!(order.update_handle(Shop::sell, "sale").result().await.unwrap(), "a book");
    let _ = order.result().without_following_runs().await;
    let _ = (order.describe().await, order.fetch_history().await);
    let _ = (order.cancel().reason("why").await, order.terminate().reason("why").await);
    let _ = (client.list("query").page_size(7).next().await, client.count("query").await);
    let activity = client.async_activity(b"token".to_vec());
    let _ = (activity.complete(&1).await, activity.heartbeat(&1).await, activity.report_cancelled(&1).await);
    let _ = activity.fail(ApplicationFailure::new("no").error_type("T").non_retryable().detail(&1).unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_that_does_nothing_changes_nothing() {
    let (plain, intercepted) = (Server::new(), Server::new());
    let identity = || ClientOptions::default().identity("me");
    call_everything(&plain, &plain.client_with(identity()).await).await;
    call_everything(&intercepted, &intercepted.client_with(identity().interceptor(Nothing)).await).await;
    assert_eq!(plain.all_methods(), intercepted.all_methods());
    macro_rules! same {
        ($($Request:ident),*) => {$(
            let requests = |server: &Server| {
                server.asked::<$Request>().into_iter().map(|(_, request)| request).collect::<Vec<_>>()
            };
            assert!(!requests(&plain).is_empty(), "{}", $Request::NAME);
            assert_eq!(requests(&plain), requests(&intercepted));
        )*};
    }
    same!(
        StartWorkflowExecutionRequest,
        SignalWithStartWorkflowExecutionRequest,
        ExecuteMultiOperationRequest,
        SignalWorkflowExecutionRequest,
        QueryWorkflowRequest,
        UpdateWorkflowExecutionRequest,
        PollWorkflowExecutionUpdateRequest,
        GetWorkflowExecutionHistoryRequest,
        DescribeWorkflowExecutionRequest,
        TerminateWorkflowExecutionRequest,
        ListWorkflowExecutionsRequest,
        CountWorkflowExecutionsRequest,
        RespondActivityTaskCompletedRequest,
        RecordActivityTaskHeartbeatRequest,
        RespondActivityTaskCanceledRequest,
        RespondActivityTaskFailedRequest
    );
    // Its request id is random.
    let cancel = |server: &Server| {
        let request: RequestCancelWorkflowExecutionRequest = only(server);
        RequestCancelWorkflowExecutionRequest { request_id: String::new(), ..request }
    };
    assert_eq!(cancel(&plain), cancel(&intercepted));
}

/// Notes when it is entered and left, and does with a signal what it is told to.
struct Link {
    name: &'static str,
    seen: Seen,
    does: Does,
}

#[derive(Clone, Copy, PartialEq)]
enum Does {
    Pass,
    Replace,
    Panic,
    Twice,
}

#[async_trait]
impl ClientInterceptor for Link {
    async fn signal_workflow(
        &self,
        input: SignalWorkflowInput,
        next: ClientNext<'_, SignalWorkflowInput>,
    ) -> Result<(), RpcError> {
        self.seen.note(format!("{} in", self.name));
        match self.does {
            Does::Pass => next.run(input).await?,
            Does::Replace => {}
            Does::Panic => panic!("an interceptor panics"),
            Does::Twice => {
                let _ = next.run(input.clone()).await;
                next.run(input).await?;
            }
        }
        self.seen.note(format!("{} out", self.name));
        Ok(())
    }
}

async fn chain(server: &Server, does: [Does; 2]) -> (Client, Seen) {
    let seen = Seen::default();
    let link = |name, does| Link { name, seen: seen.clone(), does };
    let options = ClientOptions::default().interceptor(link("first", does[0])).interceptor(link("second", does[1]));
    (server.client_with(options).await, seen)
}

#[tokio::test]
async fn the_first_interceptor_is_the_outermost() {
    let server = Server::new();
    server.answer("SignalWorkflowExecution", &SignalWorkflowExecutionResponse::default());
    let (client, seen) = chain(&server, [Does::Pass, Does::Pass]).await;
    client.handle(Shop::run, "order").signal(Shop::open, "me".into()).await.unwrap();
    assert_eq!(seen.take(), ["first in", "second in", "second out", "first out"]);
}

#[tokio::test]
async fn an_interceptor_that_does_not_pass_a_call_on_replaces_the_rest() {
    let server = Server::new();
    let (client, seen) = chain(&server, [Does::Replace, Does::Pass]).await;
    client.handle(Shop::run, "order").signal(Shop::open, "me".into()).await.unwrap();
    assert_eq!(seen.take(), ["first in", "first out"]);
    assert!(server.asked::<SignalWorkflowExecutionRequest>().is_empty());
}

#[tokio::test]
async fn an_interceptor_may_repeat_a_call_which_keeps_its_request_id() {
    let server = Server::new();
    server.refuse("SignalWorkflowExecution", Code::NotFound, "not yet");
    server.answer("SignalWorkflowExecution", &SignalWorkflowExecutionResponse::default());
    let (client, seen) = chain(&server, [Does::Twice, Does::Pass]).await;
    client.handle(Shop::run, "order").signal(Shop::open, "me".into()).await.unwrap();
    assert_eq!(seen.take(), ["first in", "second in", "second in", "second out", "first out"]);
    let asked = server.asked::<SignalWorkflowExecutionRequest>();
    assert_eq!((asked.len(), &asked[0].1), (2, &asked[1].1));
}

#[tokio::test]
async fn a_panic_of_an_interceptor_is_the_callers() {
    let server = Server::new();
    let (client, _) = chain(&server, [Does::Pass, Does::Panic]).await;
    let order = client.handle(Shop::run, "order");
    let call = tokio::spawn(async move { order.signal(Shop::open, "me".into()).await });
    assert!(call.await.unwrap_err().is_panic());
}

/// Refuses everything.
struct Refuses;

const REFUSAL: &str = "an interceptor of this client refused the call: not today";

macro_rules! refuses {
    ($($method:ident: $Input:ident => $Output:ty, $Error:ty;)*) => {
        #[async_trait]
        impl ClientInterceptor for Refuses {$(
            async fn $method(&self, _: $Input, _: ClientNext<'_, $Input>) -> Result<$Output, $Error> {
                Err(RpcError::refused("not today").into())
            }
        )*}
    };
}

refuses! {
    start_workflow: StartWorkflowInput => StartedWorkflow, RpcError;
    signal_with_start_workflow: SignalWithStartWorkflowInput => StartedWorkflow, RpcError;
    update_with_start_workflow: UpdateWithStartWorkflowInput => StartedUpdateWithStart, RpcError;
    signal_workflow: SignalWorkflowInput => (), RpcError;
    query_workflow: QueryWorkflowInput => QueryAnswer, RpcError;
    start_update: StartUpdateInput => StartedUpdate, RpcError;
    poll_update: PollUpdateInput => UpdateOutcome, RpcError;
    workflow_result: WorkflowResultInput => RawPayload, WorkflowFailedError;
    describe_workflow: DescribeWorkflowInput => WorkflowDescription, RpcError;
    complete_activity: CompleteActivityInput => (), RpcError;
}

#[tokio::test]
async fn the_error_of_each_call_says_that_an_interceptor_refused_it() {
    let server = Server::new();
    let client = server.client_with(ClientOptions::default().interceptor(Refuses)).await;
    let start = || client.start(Shop::run, "shop".into()).task_queue("queue");
    let error = start().await.unwrap_err();
    assert!(matches!(&error, StartError::Rpc(error) if error.is_refused() && error.is_permission_denied()), "{error}");
    assert_eq!(error.to_string(), REFUSAL);
    assert_eq!(start().with_signal(Shop::open, "me".into()).await.unwrap_err().to_string(), REFUSAL);
    let error = start().with_update(Shop::sell, "book".into()).await.unwrap_err();
    assert!(matches!(&error, UpdateWithStartError::Start(StartError::Rpc(_))), "{error}");
    assert_eq!(error.to_string(), REFUSAL);
    let order = client.handle(Shop::run, "order");
    let error = order.signal(Shop::open, "me".into()).await.unwrap_err();
    assert!(matches!(error, SignalError::Rpc(_)));
    assert_eq!(error.to_string(), REFUSAL);
    let error = order.query(Shop::price, "book".into()).await.unwrap_err();
    assert!(matches!(error, QueryError::Rpc(_)));
    assert_eq!(error.to_string(), REFUSAL);
    let error = order.update(Shop::sell, "book".into()).await.unwrap_err();
    assert!(matches!(error, UpdateError::Rpc(_)));
    assert_eq!(error.to_string(), REFUSAL);
    assert_eq!(order.update_handle(Shop::sell, "sale").result().await.unwrap_err().to_string(), REFUSAL);
    assert_eq!(order.describe().await.unwrap_err().to_string(), REFUSAL);
    let error = order.result().await.unwrap_err();
    assert!(error.to_string().ends_with(REFUSAL), "{error}");
    assert_eq!(client.async_activity(b"token".to_vec()).complete(&1).await.unwrap_err().to_string(), REFUSAL);
    assert!(server.methods().is_empty(), "nothing was sent: {:?}", server.methods());
}

#[tokio::test]
async fn errors_name_the_workflow_that_the_call_went_to() {
    let server = Server::new();
    let (client, _) = changed(&server).await;
    let detail = WorkflowExecutionAlreadyStartedFailure { run_id: "run-1".into(), ..Default::default() };
    let any = abide_protos::Any {
        type_url: format!("type.googleapis.com/{}", WorkflowExecutionAlreadyStartedFailure::full_name()),
        value: abide_protos::prost::Message::encode_to_vec(&detail),
    };
    let details = abide_protos::google::rpc::Status { code: 6, details: vec![any], ..Default::default() };
    let details = abide_protos::prost::Message::encode_to_vec(&details);
    server.refuse_with("StartWorkflowExecution", Status::with_details(Code::AlreadyExists, "there", details.into()));
    let error = client.start(Shop::run, "shop".into()).id("order").task_queue("queue").await.unwrap_err();
    assert!(
        matches!(&error, StartError::AlreadyStarted { workflow_id, .. } if workflow_id == "order-changed"),
        "{error}"
    );
    server.refuse("SignalWorkflowExecution", Code::NotFound, "none");
    let error = client.handle(Shop::run, "order").signal(Shop::open, "me".into()).await.unwrap_err();
    assert!(matches!(&error, SignalError::NotFound { workflow_id, .. } if workflow_id == "elsewhere"), "{error}");
}

/// Sends starts to the queue of the scripted worker.
struct ToTheWorker(Seen);

#[async_trait]
impl ClientInterceptor for ToTheWorker {
    async fn start_workflow(
        &self,
        mut input: StartWorkflowInput,
        next: ClientNext<'_, StartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        self.0.note("start");
        assert!(input.request_eager_start);
        input.task_queue = TASK_QUEUE.into();
        next.run(input).await
    }

    async fn complete_activity(
        &self,
        input: CompleteActivityInput,
        next: ClientNext<'_, CompleteActivityInput>,
    ) -> Result<(), RpcError> {
        self.0.note("complete");
        next.run(input).await
    }
}

#[tokio::test]
async fn an_eager_start_is_for_the_queue_that_an_interceptor_chose_and_the_workers_own_calls_are_not_intercepted() {
    let server = Server::new();
    let seen = Seen::default();
    let client = server.client_with(ClientOptions::default().interceptor(ToTheWorker(seen.clone()))).await;
    let worker = server.worker_of(&client).workflow(waits).activities(work).build().unwrap();
    run(worker, async {
        server.request::<PollWorkflowTaskQueueRequest>(1).await;
        server.activity_task(activity("work"));
        server.request::<RespondActivityTaskCompletedRequest>(1).await;
        let eager = StartWorkflowExecutionResponse { eager_workflow_task: Some(task(FIRST_TASK)), ..started() };
        server.answer("StartWorkflowExecution", &eager);
        client.start(waits, ()).task_queue("elsewhere").request_eager_start().await.unwrap();
        server.request::<RespondWorkflowTaskCompletedRequest>(1).await;
    })
    .await;
    assert!(only::<StartWorkflowExecutionRequest>(&server).request_eager_execution);
    assert_eq!(seen.take(), ["start"]);
}

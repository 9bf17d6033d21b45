//! Interceptors of a client: what they see and change of each call.

use std::sync::{Arc, Mutex};

use abide::client::{
    AsyncActivityHeartbeat, AsyncActivityId, Client, RpcError, WorkflowCount, WorkflowDescription, WorkflowFailedError,
    WorkflowIdConflictPolicy,
};
use abide::converter::RawPayload;
use abide::interceptor::*;
use abide::prelude::*;
use abide::replay::text::RUN_ID;
use abide::{DeploymentVersion, History, Priority, VersioningOverride};
use abide_protos::prost::Name;
use abide_protos::temporal::api::common::v1::{Header, Payload, Payloads, WorkflowExecution};
use abide_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
use abide_protos::temporal::api::history::v1 as history;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::update::v1::{Outcome, UpdateRef, outcome};
use abide_protos::temporal::api::workflow::v1::WorkflowExecutionInfo;
use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_request::operation::Operation;
use abide_protos::temporal::api::workflowservice::v1::execute_multi_operation_response::{Response, response};
use abide_protos::temporal::api::workflowservice::v1::*;

use crate::server::Server;

pub(crate) const CITY: SearchAttributeKey<String> = SearchAttributeKey::keyword("City");

#[workflow(name = "wf")]
#[derive(Default)]
pub(crate) struct Shop;

#[workflow_methods]
impl Shop {
    #[run]
    pub(crate) async fn run(&self, ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
        ctx.timer(secs(1)).await?;
        Ok(name)
    }

    #[signal]
    pub(crate) fn open(&self, _who: String) {}

    #[query]
    pub(crate) fn price(&self, item: String) -> String {
        item
    }

    #[update]
    pub(crate) async fn sell(&self, _ctx: &WorkflowContext, item: String) -> Result<String, WorkflowError> {
        Ok(item)
    }
}

/// The calls that interceptors have seen.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Changes every part of every call that it can change.
pub(crate) struct Changes(Seen);

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

pub(crate) async fn changed(server: &Server) -> (Client, Seen) {
    let seen = Seen::default();
    (server.client_with(ClientOptions::default().interceptor(Changes(seen.clone()))).await, seen)
}

/// Returns the only request of a type.
pub(crate) fn only<R: abide_protos::prost::Message + Name + Default>(server: &Server) -> R {
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

pub(crate) fn payloads(text: &str) -> Payloads {
    let metadata = [("encoding".to_string(), b"json/plain".to_vec())].into();
    Payloads { payloads: vec![Payload { metadata, data: format!("{text:?}").into_bytes(), ..Default::default() }] }
}

pub(crate) fn started() -> StartWorkflowExecutionResponse {
    StartWorkflowExecutionResponse { run_id: RUN_ID.into(), started: true, ..Default::default() }
}

fn ids(execution: Option<WorkflowExecution>) -> (String, String) {
    let WorkflowExecution { workflow_id, run_id } = execution.unwrap();
    (workflow_id, run_id)
}

#[tokio::test]
async fn b133_an_interceptor_changes_all_of_a_start_and_the_rest_is_kept() {
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
async fn b133_an_interceptor_changes_a_start_with_a_signal() {
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
async fn b133_an_interceptor_changes_a_start_with_an_update() {
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
async fn b133_an_interceptor_changes_messages_and_their_answers() {
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
async fn b133_an_interceptor_changes_what_is_asked_about_workflows() {
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
async fn b133_an_interceptor_changes_reports_about_activities() {
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

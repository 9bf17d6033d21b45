//! Interceptors of a client as a chain: their order, refusals, repeated calls, and what they leave alone.

use abide::client::{
    Client, QueryError, RpcError, SignalError, StartError, UpdateError, UpdateWithStartError, WorkflowDescription,
    WorkflowFailedError, WorkflowIdConflictPolicy,
};
use abide::converter::RawPayload;
use abide::interceptor::*;
use abide::prelude::*;
use abide::replay::text::TASK_QUEUE;
use abide::{DeploymentVersion, Priority, VersioningOverride};
use abide_protos::prost::Name;
use abide_protos::temporal::api::errordetails::v1::WorkflowExecutionAlreadyStartedFailure;
use abide_protos::temporal::api::update::v1::{Outcome, outcome};
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::{Code, Status};

use crate::client_interceptors::{CITY, Seen, Shop, changed, only, payloads, started};
use crate::harness::FIRST_TASK;
use crate::server::{Server, activity, run, task};

#[workflow(name = "wf")]
async fn waits(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    Ok(())
}

#[activity]
async fn work() -> Result<(), ActivityError> {
    Ok(())
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
async fn b133_an_interceptor_that_does_nothing_changes_nothing() {
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
async fn b133_the_first_interceptor_is_the_outermost() {
    let server = Server::new();
    server.answer("SignalWorkflowExecution", &SignalWorkflowExecutionResponse::default());
    let (client, seen) = chain(&server, [Does::Pass, Does::Pass]).await;
    client.handle(Shop::run, "order").signal(Shop::open, "me".into()).await.unwrap();
    assert_eq!(seen.take(), ["first in", "second in", "second out", "first out"]);
}

#[tokio::test]
async fn b133_an_interceptor_that_does_not_pass_a_call_on_replaces_the_rest() {
    let server = Server::new();
    let (client, seen) = chain(&server, [Does::Replace, Does::Pass]).await;
    client.handle(Shop::run, "order").signal(Shop::open, "me".into()).await.unwrap();
    assert_eq!(seen.take(), ["first in", "first out"]);
    assert!(server.asked::<SignalWorkflowExecutionRequest>().is_empty());
}

#[tokio::test]
async fn b133_an_interceptor_may_repeat_a_call_which_keeps_its_request_id() {
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
async fn b133_a_panic_of_an_interceptor_is_the_callers() {
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
async fn b133_the_error_of_each_call_says_that_an_interceptor_refused_it() {
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
async fn b133_errors_name_the_workflow_that_the_call_went_to() {
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
async fn b133_an_eager_start_is_for_the_queue_that_an_interceptor_chose_and_the_workers_own_calls_are_not_intercepted()
{
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

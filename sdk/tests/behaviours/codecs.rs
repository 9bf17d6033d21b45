//! Payload codecs: the form in which a server sees data of workers and clients, and the effect of codecs that fail.
//!
//! All user data in these tests contains the word "secret", so that searching a request's bytes shows if anything was
//! left unencoded. All payloads from the server are encoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use abide::client::{QueryError, StartError};
use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;
use abide::replay::text::update_request;
use abide::workflow::MemoUpdate;
use abide::{NexusOperation, SearchAttributeKey, WorkflowReplayer};
use abide_protos::payload_fields::{Body, Fields, PayloadFields};
use abide_protos::prost::Message;
use abide_protos::temporal::api::common::v1::{Payload, Payloads};
use abide_protos::temporal::api::errordetails::v1::QueryFailedFailure;
use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::query::v1::WorkflowQuery;
use abide_protos::temporal::api::update::v1::{Input, Request};
use abide_protos::temporal::api::workflowservice::v1::*;
use expect_test::expect;
use tokio::sync::Semaphore;

use crate::harness::{FIRST_TASK, after_first_task, parse};
use crate::server::{Server, activity, history_page, run, seconds, sticky_task, task};

type Completed = RespondWorkflowTaskCompletedRequest;
type Failed = RespondWorkflowTaskFailedRequest;

const SEALED: &str = "binary/sealed";

fn flipped(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0x5a).collect()
}

/// A codec that hides all words in payloads. It can be told to fail and to wait.
#[derive(Clone)]
struct Seal {
    /// Number of further calls that fail.
    encode_failures: Arc<AtomicUsize>,
    decode_failures: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    /// Each call to decode takes one.
    turns: Arc<Semaphore>,
    /// Number of bytes added to each encoded payload.
    padding: usize,
}

impl Seal {
    fn new() -> Self {
        Self {
            encode_failures: Arc::default(),
            decode_failures: Arc::default(),
            calls: Arc::default(),
            turns: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            padding: 0,
        }
    }

    async fn client(&self, server: &Server) -> Client {
        self.client_with(server, |converter| converter).await
    }

    async fn client_with(&self, server: &Server, set: fn(DataConverter) -> DataConverter) -> Client {
        let converter = set(DataConverter::new().codec(self.clone()));
        server.client_with(ClientOptions::default().data_converter(converter)).await
    }
}

/// Returns true if this call should fail.
fn fails(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl PayloadCodec for Seal {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if fails(&self.encode_failures) {
            return Err("the key cannot be had".into());
        }
        let seal = |payload: RawPayload| RawPayload {
            metadata: [("encoding".to_string(), SEALED.into()), ("padding".to_string(), vec![0; self.padding])].into(),
            data: flipped(&payload.to_bytes()),
        };
        Ok(payloads.into_iter().map(seal).collect())
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.turns.acquire().await?.forget();
        if fails(&self.decode_failures) {
            return Err("the key cannot be had".into());
        }
        let open = |payload: RawPayload| match payload.encoding() {
            Some(SEALED) => Ok(RawPayload::from_bytes(&flipped(&payload.data))?),
            // In these tests no payload is unencoded or encoded twice.
            other => Err(format!("expected a sealed payload, found {other:?}").into()),
        };
        payloads.into_iter().map(open).collect()
    }
}

/// Changes every payload of a message that codecs transform.
fn each_payload<M: PayloadFields>(message: &mut M, change: impl Fn(&mut Payload)) {
    let mut fields = Fields::payloads(false);
    message.payload_fields(&mut fields);
    fields.payloads.into_iter().for_each(&change);
    for any in fields.bodies {
        let mut body = Body::open(any).unwrap();
        let mut inner = Fields::payloads(false);
        body.payload_fields(&mut inner);
        inner.payloads.into_iter().for_each(&change);
        body.close(any);
    }
}

/// Encodes a message, as the server has it.
fn sealed<M: PayloadFields>(mut message: M) -> M {
    each_payload(&mut message, |payload| {
        let metadata = [("encoding".to_string(), SEALED.into())].into();
        *payload = Payload { metadata, data: flipped(&payload.encode_to_vec()), ..Payload::default() };
    });
    message
}

/// Decodes a message. Each payload must have been encoded once.
fn opened<M: PayloadFields>(mut message: M) -> M {
    each_payload(&mut message, |payload| {
        assert_eq!(String::from_utf8_lossy(&payload.metadata["encoding"]), SEALED);
        *payload = Payload::decode(flipped(&payload.data).as_slice()).unwrap();
        assert_ne!(payload.metadata["encoding"], SEALED.as_bytes(), "sealed twice");
    });
    message
}

fn has(message: &impl Message, word: &str) -> bool {
    message.encode_to_vec().windows(word.len()).any(|part| part == word.as_bytes())
}

fn secrets(message: &impl Message) -> usize {
    message.encode_to_vec().windows(6).filter(|part| part == b"secret").count()
}

fn payloads<const N: usize>(values: [&str; N]) -> Option<Payloads> {
    let payload = |value: &str| Payload {
        metadata: [("encoding".to_string(), b"json/plain".to_vec())].into(),
        data: value.into(),
        ..Payload::default()
    };
    Some(Payloads { payloads: values.into_iter().map(payload).collect() })
}

fn text(payloads: Option<&Payloads>) -> String {
    payloads.iter().flat_map(|all| &all.payloads).map(|one| String::from_utf8_lossy(&one.data)).collect()
}

#[activity]
async fn keep(_secret: String) -> Result<String, ActivityError> {
    Ok("a secret".into())
}

#[workflow]
async fn child(_ctx: &WorkflowContext, secret: String) -> Result<String, WorkflowError> {
    Ok(secret)
}

const CHARGE: NexusOperation<String, String> = NexusOperation::new("Payments", "charge");
const TOPIC: SearchAttributeKey<String> = SearchAttributeKey::keyword("Topic");

/// Sends every kind of user data that a workflow can.
#[workflow(name = "wf")]
#[derive(Default)]
struct Talks {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl Talks {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, secret: String) -> Result<String, WorkflowError> {
        assert_eq!(secret, "input secret");
        let limit = secs(60);
        ctx.local_activity(keep, "local secret".into()).start_to_close_timeout(limit).include_arguments().await?;
        ctx.upsert_memo(MemoUpdate::new().set("note", &"memo secret".to_string()));
        ctx.upsert_search_attributes([TOPIC.set("public".to_string())]);
        let _activity = ctx.activity(keep, "secret".into()).start_to_close_timeout(limit).summary("secret").start();
        let _child = ctx
            .child_workflow(child, "secret".into())
            .memo("m", &"secret".to_string())
            .static_details("secret")
            .start();
        let _nexus = ctx.nexus_operation("endpoint", CHARGE, "secret".into()).start();
        let _timer = ctx.timer(limit).summary("secret").start();
        let signal = ctx.external_workflow("other").signal(Talks::hear, "secret".into());
        let (_, waited) = abide::join!(signal, ctx.wait_until(|| self.heard.with(|heard| heard.len() > 1)));
        waited?;
        Ok("result secret".into())
    }

    #[signal]
    fn hear(&self, secret: String) {
        self.heard.update(|heard| heard.push(secret));
    }

    #[update]
    fn tell(&self, secret: String) -> String {
        self.heard.update(|heard| heard.push(secret));
        "update secret".into()
    }

    #[query]
    fn heard(&self) -> Vec<String> {
        self.heard.get()
    }
}

fn first_task(input: &str) -> PollWorkflowTaskQueueResponse {
    sealed(task(&FIRST_TASK.replace("type=wf", &format!("type=wf input={input}"))))
}

#[tokio::test]
async fn b131_whatever_a_workflow_says_is_encoded_once() {
    let (server, seal) = (Server::new(), Seal::new());
    let client = seal.client(&server).await;
    let worker = server.worker_of(&client).workflow(Talks::run).activities(keep).build().unwrap();
    run(worker, async {
        server.workflow_task(first_task("\"input secret\""));
        let completed: Completed = server.request(1).await;
        assert_eq!(secrets(&completed), 0, "{completed:?}");
        assert!(has(&completed, "public"), "search attributes are for the server");
        assert!(has(&completed, "\"activity_type\":\"keep\""), "what a marker says of its attempt is the SDK's");
        let meant = opened(completed);
        // Marker 2, memo 1, activity 2, child 3, Nexus 1, timer 1, signal 1.
        assert_eq!(secrets(&meant), 11, "{meant:?}");
    })
    .await;
    assert_eq!(server.methods(), ["RespondWorkflowTaskCompleted", "ShutdownWorker"]);
}

/// Receives messages, and sends nothing by itself.
#[workflow(name = "wf")]
#[derive(Default)]
struct Listens {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl Listens {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, secret: String) -> Result<(), WorkflowError> {
        self.heard.update(|heard| heard.push(secret));
        ctx.timer(secs(60)).await?;
        Ok(())
    }

    #[update]
    fn tell(&self, secret: String) -> Result<String, WorkflowError> {
        self.heard.update(|heard| heard.push(secret));
        Ok("update secret".into())
    }

    #[update_validator(tell)]
    fn is_known(&self, secret: &str) -> Result<(), WorkflowError> {
        if secret.starts_with("new") {
            Err(ApplicationFailure::new("no").detail(&"detail secret".to_string())?.into())
        } else {
            Ok(())
        }
    }

    #[query]
    fn heard(&self) -> Vec<String> {
        self.heard.get()
    }
}

#[tokio::test]
async fn b131_messages_are_decoded_and_their_answers_encoded() {
    let (server, seal) = (Server::new(), Seal::new());
    let worker = server.worker_of(&seal.client(&server).await).workflow(Listens::run).build().unwrap();
    run(worker, async {
        let query = WorkflowQuery { query_type: "heard".into(), ..WorkflowQuery::default() };
        let queries = [("q".to_string(), query.clone())].into();
        let ask = |id: &str, text: &str| {
            let input = Some(Input { name: "tell".into(), args: payloads([text]), header: None });
            update_request(&format!("{id}/request"), id, 2, &Request { input, ..Request::default() })
        };
        let messages = vec![ask("u-1", "\"told secret\""), ask("u-2", "\"new secret\"")];
        let first = PollWorkflowTaskQueueResponse { queries, messages, ..task(FIRST_TASK) };
        let with_input = task(&FIRST_TASK.replace("type=wf", "type=wf input=\"secret\""));
        server.workflow_task(sealed(PollWorkflowTaskQueueResponse { history: with_input.history, ..first }));
        let completed: Completed = server.request(1).await;
        assert_eq!(secrets(&completed), 0, "{completed:?}");
        let meant = opened(completed);
        assert_eq!(text(meant.query_results["q"].answer.as_ref()), "[\"told secret\",\"secret\"]");
        // The answer 2; the acceptance and the response 1 each; the rejection, which contains the request, 2.
        assert_eq!(secrets(&meant), 6, "{meant:?}");
        let alone = PollWorkflowTaskQueueResponse { query: Some(query), ..task(FIRST_TASK) };
        server.workflow_task(PollWorkflowTaskQueueResponse { history: None, ..alone });
        let answered: RespondQueryTaskCompletedRequest = server.request(1).await;
        assert_eq!(text(opened(answered).query_result.as_ref()), "[\"told secret\",\"secret\"]");
    })
    .await;
    assert_eq!(server.methods(), ["RespondWorkflowTaskCompleted", "RespondQueryTaskCompleted", "ShutdownWorker"]);
}

#[tokio::test]
async fn b131_pages_of_history_are_decoded_too() {
    #[workflow(name = "wf")]
    async fn wf(ctx: &WorkflowContext, _: String) -> Result<String, WorkflowError> {
        Ok(ctx.activity(keep, "secret".into()).start_to_close_timeout(secs(60)).await?)
    }
    let (server, seal) = (Server::new(), Seal::new());
    let worker = server.worker_of(&seal.client(&server).await).workflow(wf).build().unwrap();
    let history = after_first_task(
        "5 ActivityTaskScheduled type=keep id=1
         6 ActivityTaskStarted scheduled=5
         7 ActivityTaskCompleted scheduled=5 result=\"done\"
         8 WorkflowTaskScheduled
         9 WorkflowTaskStarted",
    );
    let history = history.replacen("type=wf", "type=wf input=\"x\"", 1);
    // Decoding the first page fails at first, which fails the task; then it succeeds.
    server.answer("GetWorkflowExecutionHistory", &sealed(history_page(&history)));
    server.answer("GetWorkflowExecutionHistory", &sealed(history_page(&history)));
    run(worker, async {
        // The worker does not have this run and must fetch its history.
        let late = sealed(sticky_task(3, &history));
        seal.turns.forget_permits(usize::MAX);
        seal.turns.add_permits(1);
        server.workflow_task(late.clone());
        server.request::<GetWorkflowExecutionHistoryRequest>(1).await;
        seal.decode_failures.store(1, Ordering::SeqCst);
        seal.turns.add_permits(100);
        let failed: Failed = server.request(1).await;
        let text = "the payload codec failed to decode 1 payloads: the key cannot be had";
        assert_eq!(failed.failure.unwrap().message, text);
        server.workflow_task(late);
        let completed = opened(server.request::<Completed>(1).await);
        assert!(has(&completed, "\"done\""));
    })
    .await;
}

#[tokio::test]
async fn b131_a_task_that_cannot_be_decoded_or_encoded_fails_and_the_next_one_goes_on() {
    let (server, seal) = (Server::new(), Seal::new());
    let client = seal.client(&server).await;
    let worker = server.worker_of(&client).workflow(child).build().unwrap();
    let begin = || {
        let first = first_task("\"secret\"");
        let workflow_type =
            first.workflow_type.map(|_| abide_protos::temporal::api::common::v1::WorkflowType { name: "child".into() });
        let mut history = first.history.unwrap();
        if let Some(attributes) = &mut history.events[0].attributes {
            use abide_protos::temporal::api::history::v1::history_event::Attributes;
            let Attributes::WorkflowExecutionStartedEventAttributes(started) = attributes else { panic!() };
            started.workflow_type.clone_from(&workflow_type);
        }
        PollWorkflowTaskQueueResponse { workflow_type, history: Some(history), ..first_task("\"secret\"") }
    };
    run(worker, async {
        seal.decode_failures.store(1, Ordering::SeqCst);
        server.workflow_task(begin());
        let failed: Failed = server.request(1).await;
        let text = "the payload codec failed to decode 1 payloads: the key cannot be had";
        assert_eq!(failed.failure.unwrap().message, text);

        seal.encode_failures.store(1, Ordering::SeqCst);
        server.workflow_task(begin());
        let failed: Failed = server.request(2).await;
        let text = "the payload codec failed to encode 1 payloads: the key cannot be had";
        assert_eq!(failed.failure.unwrap().message, text);

        server.workflow_task(begin());
        let completed = opened(server.request::<Completed>(1).await);
        assert!(has(&completed, "\"secret\""));
    })
    .await;
}

#[tokio::test]
async fn b131_a_codec_that_takes_its_time_holds_up_nobody_else() {
    let (server, seal) = (Server::new(), Seal::new());
    let client = seal.client(&server).await;
    let worker = server.worker_of(&client).workflow(Talks::run).activities(keep).build().unwrap();
    seal.turns.forget_permits(usize::MAX);
    run(worker, async {
        for _ in 0..3 {
            server.workflow_task(first_task("\"input secret\""));
        }
        // More tasks are polled while three are being decoded, by the single thread of these tests.
        server.request::<PollWorkflowTaskQueueRequest>(6).await;
        let query = WorkflowQuery { query_type: "heard".into(), ..WorkflowQuery::default() };
        let unsealed = PollWorkflowTaskQueueResponse { query: Some(query), ..task(FIRST_TASK) };
        server.workflow_task(PollWorkflowTaskQueueResponse { history: None, ..unsealed });
        // This task has nothing to decode, and its run is not cached: its history is fetched at once.
        server.request::<GetWorkflowExecutionHistoryRequest>(1).await;
        assert_eq!(server.asked::<Completed>().len(), 0);
        seal.turns.add_permits(100);
        server.request::<Completed>(1).await;
    })
    .await;
}

#[tokio::test]
async fn b131_sizes_are_those_of_what_is_sent() {
    let (server, mut seal) = (Server::new().blob_limit(2000), Seal::new());
    seal.padding = 2000;
    let client = seal.client(&server).await;
    let worker = server.worker_of(&client).workflow(Talks::run).activities(keep).build().unwrap();
    run(worker, async {
        server.workflow_task(first_task("\"input secret\""));
        let failed: Failed = server.request(1).await;
        let text = failed.failure.unwrap().message;
        assert!(text.starts_with("[TMPRL1103]") && text.contains("but the namespace accepts at most 2000"), "{text}");
        server.activity_task(sealed(PollActivityTaskQueueResponse { input: payloads(["\"x\""]), ..activity("keep") }));
        let failed: RespondActivityTaskFailedRequest = server.request(1).await;
        let text = failed.failure.unwrap().message;
        assert!(text.starts_with("[TMPRL1103] the activity's result has"), "{text}");
    })
    .await;
}

/// Reports progress, and ends as its argument says.
#[activity]
async fn obey(ctx: &ActivityContext, what: String) -> Result<String, ActivityError> {
    assert_eq!(ctx.last_heartbeat::<String>()?.as_deref(), Some("earlier secret"));
    ctx.heartbeat(&"progress secret".to_string())?;
    let inner = ApplicationFailure::new("inner").detail(&"inner secret".to_string())?;
    match what.as_str() {
        "fail" => {
            Err(ApplicationFailure::new("outer").error_type("Told").detail(&"secret".to_string())?.cause(inner).into())
        }
        "wait" => {
            ctx.cancelled().await;
            Err(ActivityError::cancelled_with(&"cancelled secret".to_string())?)
        }
        _ => Ok("result secret".into()),
    }
}

fn told(what: &str) -> PollActivityTaskQueueResponse {
    let input = payloads([&format!("{what:?}")]);
    let heartbeat_details = payloads(["\"earlier secret\""]);
    sealed(PollActivityTaskQueueResponse { input, heartbeat_details, ..activity("obey") })
}

#[tokio::test(start_paused = true)]
async fn b131_whatever_an_activity_says_is_encoded() {
    let (server, seal) = (Server::new(), Seal::new());
    let cancel = RecordActivityTaskHeartbeatResponse { cancel_requested: true, ..Default::default() };
    server.answer("RecordActivityTaskHeartbeat", &cancel);
    let worker = server.worker_of(&seal.client(&server).await).activities(obey).build().unwrap();
    run(worker, async {
        server.activity_task(told("wait"));
        let heartbeat: RecordActivityTaskHeartbeatRequest = server.request(1).await;
        assert_eq!(text(opened(heartbeat).details.as_ref()), "\"progress secret\"");
        let cancelled: RespondActivityTaskCanceledRequest = server.request(1).await;
        assert_eq!(text(opened(cancelled).details.as_ref()), "\"cancelled secret\"");
        server.activity_task(told("succeed"));
        let completed: RespondActivityTaskCompletedRequest = server.request(1).await;
        assert_eq!(text(opened(completed).result.as_ref()), "\"result secret\"");
        server.activity_task(told("fail"));
        let failed: RespondActivityTaskFailedRequest = server.request(1).await;
        assert_eq!(secrets(&failed), 0, "{failed:?}");
        assert!(has(&failed, "outer") && has(&failed, "inner"), "messages are for everybody");
        assert_eq!(secrets(&opened(failed)), 3, "details, those of the cause, those of the last heartbeat");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b131_common_attributes_are_encoded_on_demand() {
    let (server, seal) = (Server::new(), Seal::new());
    let client = seal.client_with(&server, DataConverter::encode_common_attributes).await;
    let worker = server.worker_of(&client).activities(obey).build().unwrap();
    run(worker, async {
        server.activity_task(told("fail"));
        let failed: RespondActivityTaskFailedRequest = server.request(1).await;
        assert!(!has(&failed, "outer") && !has(&failed, "inner"), "{failed:?}");
        assert!(has(&failed, "Told"), "retry policies tell failures apart by their types");
        let failure = opened(failed).failure.unwrap();
        assert_eq!((failure.message.as_str(), failure.source.as_str()), ("Encoded failure", "AbideSDK"));
        let attributes = Payloads { payloads: vec![failure.encoded_attributes.unwrap()] };
        assert_eq!(text(Some(&attributes)), r#"{"message":"outer","stack_trace":""}"#);
        let cause = failure.cause.unwrap();
        assert_eq!(cause.message, "Encoded failure");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn b131_an_attempt_that_cannot_be_decoded_or_encoded_fails_and_may_be_repeated() {
    let (server, seal) = (Server::new(), Seal::new());
    let worker = server.worker_of(&seal.client(&server).await).activities(obey).build().unwrap();
    let said = |failed: RespondActivityTaskFailedRequest| {
        let failure = failed.failure.unwrap();
        let Some(FailureInfo::ApplicationFailureInfo(info)) = failure.failure_info else { panic!("{failure:?}") };
        let retried = if info.non_retryable { "final" } else { "retried" };
        format!("{} ({retried}): {}\n", info.r#type, failure.message)
    };
    let mut all = String::new();
    run(worker, async {
        seal.decode_failures.store(1, Ordering::SeqCst);
        server.activity_task(told("succeed"));
        all += &said(server.request(1).await);
        // The heartbeat.
        seal.encode_failures.store(1, Ordering::SeqCst);
        server.activity_task(told("wait"));
        all += &said(server.request(2).await);
        // Everything that it sends.
        seal.encode_failures.store(100, Ordering::SeqCst);
        server.activity_task(told("fail"));
        all += &said(server.request(3).await);
        seal.encode_failures.store(0, Ordering::SeqCst);
        server.activity_task(told("succeed"));
        server.request::<RespondActivityTaskCompletedRequest>(1).await;
    })
    .await;
    expect![[r#"
        PayloadCodecError (retried): the payload codec failed to decode 2 payloads: the key cannot be had
        PayloadCodecError (retried): the payload codec failed to encode 1 payloads: the key cannot be had
        Told (retried): the payload codec failed to encode 2 payloads: the key cannot be had
    "#]]
    .assert_eq(&all);
}

#[tokio::test(start_paused = true)]
async fn b131_whatever_a_client_says_is_encoded_and_what_it_is_told_is_decoded() {
    let (server, seal) = (Server::new(), Seal::new());
    let client = seal.client(&server).await;
    let started = StartWorkflowExecutionResponse { run_id: "run".into(), started: true, ..Default::default() };
    server.answer("StartWorkflowExecution", &started);
    let start = client.start(Talks::run, "secret".into()).task_queue("q").memo("m", &"secret".to_string());
    let start = start.static_summary("secret").search_attributes([TOPIC.set("public".to_string())]);
    let handle = start.await.unwrap();
    let request: StartWorkflowExecutionRequest = server.request(1).await;
    assert!(secrets(&request) == 0 && has(&request, "public"), "{request:?}");
    assert_eq!(secrets(&opened(request)), 3);

    server.answer("SignalWorkflowExecution", &SignalWorkflowExecutionResponse::default());
    handle.signal(Talks::hear, "secret".into()).await.unwrap();
    let request: SignalWorkflowExecutionRequest = server.request(1).await;
    assert_eq!(text(opened(request).input.as_ref()), "\"secret\"");

    let query_result = payloads(["[\"secret\"]"]);
    server.answer("QueryWorkflow", &sealed(QueryWorkflowResponse { query_result, ..Default::default() }));
    assert_eq!(handle.query(Talks::heard, ()).await.unwrap(), ["secret"]);

    let events = parse("9 WorkflowExecutionCompleted result=\"the secret\"");
    let history = Some(abide_protos::temporal::api::history::v1::History { events });
    let closed = sealed(GetWorkflowExecutionHistoryResponse { history, ..Default::default() });
    server.answer("GetWorkflowExecutionHistory", &closed);
    assert_eq!(handle.result().await.unwrap(), "the secret");
    // A history is returned as the server has it.
    server.answer("GetWorkflowExecutionHistory", &closed);
    let fetched = handle.fetch_history().await.unwrap();
    assert!(!fetched.to_json().unwrap().contains("the secret"));

    client.async_activity(b"token".to_vec()).complete(&"secret".to_string()).await.unwrap();
    let request: RespondActivityTaskCompletedRequest = server.request(1).await;
    assert_eq!(text(opened(request).result.as_ref()), "\"secret\"");
}

#[tokio::test(start_paused = true)]
async fn b131_an_updates_arguments_and_outcome_go_through_the_codec() {
    use abide_protos::temporal::api::enums::v1::UpdateWorkflowExecutionLifecycleStage as Stage;
    use abide_protos::temporal::api::update::v1::{Outcome, outcome};
    let (server, seal) = (Server::new(), Seal::new());
    let client = seal.client(&server).await;
    let outcome = Outcome { value: payloads(["\"its secret\""]).map(outcome::Value::Success) };
    let (stage, outcome) = (Stage::Completed as i32, Some(outcome));
    let response = UpdateWorkflowExecutionResponse { stage, outcome, ..Default::default() };
    server.answer("UpdateWorkflowExecution", &sealed(response));
    let told = client.handle(Talks::run, "wf").update(Talks::tell, "secret".into()).await.unwrap();
    assert_eq!(told, "its secret");
    let request: UpdateWorkflowExecutionRequest = server.request(1).await;
    assert_eq!(secrets(&request), 0);
    assert_eq!(secrets(&opened(request)), 1);
}

#[tokio::test(start_paused = true)]
async fn b131_a_clients_call_says_that_the_codec_failed() {
    let (server, seal) = (Server::new(), Seal::new());
    let client = seal.client(&server).await;
    seal.encode_failures.store(1, Ordering::SeqCst);
    let error = client.start(Talks::run, "secret".into()).task_queue("q").await.unwrap_err();
    let StartError::Rpc(failed) = &error else { panic!("{error:?}") };
    assert!(failed.is_codec_failure());
    let text = "StartWorkflowExecution: the payload codec failed to encode 1 payloads: the key cannot be had";
    assert_eq!(error.to_string(), text);
    assert!(server.asked::<StartWorkflowExecutionRequest>().is_empty(), "nothing was sent");

    seal.decode_failures.store(1, Ordering::SeqCst);
    let response = QueryWorkflowResponse { query_result: payloads(["1"]), ..Default::default() };
    server.answer("QueryWorkflow", &sealed(response));
    let error = client.handle(Talks::run, "wf").query(Talks::heard, ()).await.unwrap_err();
    assert!(matches!(&error, QueryError::Rpc(failed) if failed.is_codec_failure()), "{error}");
}

#[tokio::test(start_paused = true)]
async fn b131_the_failure_of_a_query_is_decoded() {
    use abide_protos::Any;
    use abide_protos::google::rpc;
    use abide_protos::prost::Name as _;
    let (server, seal) = (Server::new(), Seal::new());
    let client = seal.client(&server).await;
    let attributes = payloads([r#"{"message":"the text","stack_trace":""}"#]).unwrap().payloads.remove(0);
    let failure = FailureProto {
        message: "Encoded failure".into(),
        encoded_attributes: Some(attributes),
        ..FailureProto::default()
    };
    let detail = sealed(QueryFailedFailure { failure: Some(failure) });
    let type_url = format!("type.googleapis.com/{}", QueryFailedFailure::full_name());
    let details = vec![Any { type_url, value: detail.encode_to_vec() }];
    let status = rpc::Status { code: 3, message: "Encoded failure".into(), details };
    let code = tonic::Code::InvalidArgument;
    server.refuse_with(
        "QueryWorkflow",
        tonic::Status::with_details(code, "Encoded failure", status.encode_to_vec().into()),
    );
    let error = client.handle(Talks::run, "wf").query(Talks::heard, ()).await.unwrap_err();
    assert_eq!(error.to_string(), "query failed: the text");
}

#[tokio::test]
async fn b131_a_replayer_decodes_what_workers_have_written() {
    let history = after_first_task("5 WorkflowExecutionCompleted result=\"secret\"");
    let events = parse(&history.replacen("type=wf", "type=child input=\"secret\"", 1));
    let history = sealed(abide_protos::temporal::api::history::v1::History { events });
    let history = abide::History::from_events(history.events);
    let replayer = WorkflowReplayer::new().workflow(child);
    let error = replayer.replay(&history).unwrap_err().to_string();
    assert!(error.contains("binary/sealed"), "{error}");

    let seal = Seal::new();
    let replayer = replayer.data_converter(DataConverter::new().codec(seal.clone()));
    let replayed = replayer.replay(&history).unwrap();
    assert_eq!((replayed.result::<String>().unwrap().as_deref(), replayed.same_outcome()), (Some("secret"), true));
    seal.decode_failures.store(1, Ordering::SeqCst);
    let error = replayer.replay(&history).unwrap_err().to_string();
    let text = "the history cannot be replayed: the payload codec failed to decode 2 payloads: the key cannot be had";
    assert_eq!(error, text);
}

#[tokio::test(start_paused = true)]
async fn b131_a_codec_gets_the_payloads_of_a_message_together() {
    let (server, seal) = (Server::new(), Seal::new());
    let worker = server.worker_of(&seal.client(&server).await).activities(keep).build().unwrap();
    run(worker, async {
        let input = payloads(["\"one\""]);
        let task = PollActivityTaskQueueResponse { input, heartbeat_details: payloads(["3"]), ..activity("keep") };
        server
            .activity_task(sealed(PollActivityTaskQueueResponse { start_to_close_timeout: Some(seconds(5)), ..task }));
        server.request::<RespondActivityTaskCompletedRequest>(1).await;
    })
    .await;
    assert_eq!(seal.calls.load(Ordering::SeqCst), 2, "one for all that came, one for all that went");
}

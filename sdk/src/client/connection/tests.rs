//! The connection against a scripted service: requests, retries and compression.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use abide_protos::prost::Message;
use abide_protos::temporal::api::common::v1::Payloads;
use abide_protos::temporal::api::history::v1::history_event::Attributes;
use abide_protos::temporal::api::history::v1::*;
use abide_protos::temporal::api::workflowservice::v1::*;
use http_body_util::{BodyExt, Full};
use tonic::codegen::http;
use tonic::{Code, Status};

use super::*;
use crate::client::Client;
use crate::converter::{PayloadReader, PayloadWriter, to_payload};
use crate::{Arguments, WorkflowDefinition};

/// Returns the given answers in order, and records the requests.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

enum Answer {
    Message(Vec<u8>),
    Refusal(Status),
    /// An answer that no Temporal server gives.
    Other(HttpResponse),
}

#[derive(Clone, Debug)]
struct Asked {
    method: String,
    headers: http::HeaderMap,
    /// The gRPC frame: a compression flag (one byte), the length (four bytes), the message.
    frame: Bytes,
}

impl Script {
    fn then<M: Message>(self, answer: M) -> Self {
        self.answers.lock().unwrap().push_back(Answer::Message(answer.encode_to_vec()));
        self
    }

    fn then_fail(self, times: usize, code: Code, message: &str) -> Self {
        self.answers.lock().unwrap().extend((0..times).map(|_| Answer::Refusal(Status::new(code, message))));
        self
    }

    fn then_other(self, response: HttpResponse) -> Self {
        self.answers.lock().unwrap().push_back(Answer::Other(response));
        self
    }

    async fn connect(&self, options: &ClientOptions) -> Connection {
        self.answers.lock().unwrap().push_front(Answer::Message(GetSystemInfoResponse::default().encode_to_vec()));
        Connection::in_process(self.clone(), options).await.unwrap()
    }

    /// Returns all requests but the first, which asks for the server's capabilities.
    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap()[1..].to_vec()
    }
}

impl Asked {
    fn decoded<R: Rpc + Default>(&self) -> R {
        assert_eq!(self.method, R::NAME);
        assert_eq!(self.frame[0], 0, "the request is compressed");
        R::decode(&self.frame[5..]).unwrap()
    }

    #[track_caller]
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name} in {:?}", self.headers)).to_str().unwrap()
    }

    fn is_compressed(&self) -> bool {
        self.frame[0] == 1
    }
}

impl Service<HttpRequest> for Script {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let script = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let frame = body.collect().await.unwrap().to_bytes();
            let method = parts.uri.path().rsplit('/').next().unwrap().to_string();
            script.asked.lock().unwrap().push(Asked { method, headers: parts.headers, frame });
            let answer =
                script.answers.lock().unwrap().pop_front().expect("the script has an answer for every request");
            Ok(match answer {
                Answer::Message(message) => {
                    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
                    let frame = [&[0], &length[..], &message[..]].concat();
                    let ok = http::HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
                    let body = Full::new(Bytes::from(frame)).with_trailers(async move { Some(Ok(ok)) });
                    http::Response::new(tonic::body::Body::new(body))
                }
                Answer::Refusal(status) => status.into_http(),
                Answer::Other(response) => response,
            })
        })
    }
}

fn count(namespace: &str) -> CountWorkflowExecutionsRequest {
    CountWorkflowExecutionsRequest { namespace: namespace.to_string(), ..Default::default() }
}

/// Returns a request larger than the size from which on requests are compressed.
fn large() -> CountWorkflowExecutionsRequest {
    CountWorkflowExecutionsRequest { query: "x".repeat(COMPRESS_FROM_BYTES), ..Default::default() }
}

async fn compressing(script: &Script) -> Connection {
    let connection = script.connect(&ClientOptions::default()).await;
    connection.inner.compression_refused.store(false, Ordering::Relaxed);
    connection
}

#[tokio::test]
async fn every_call_says_who_calls_for_which_namespace_and_for_how_long() {
    let script = Script::default().then(CountWorkflowExecutionsResponse::default());
    let options = ClientOptions::default().namespace("orders").api_key("secret\n").rpc_metadata("x-tenant", "7");
    script.connect(&options).await.call(count("orders")).await.unwrap();

    let asked = script.asked().remove(0);
    assert_eq!(asked.header("client-name"), "abide");
    assert_eq!(asked.header("client-version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(asked.header("supported-features"), "follows-next-run-id");
    assert_eq!(asked.header("temporal-namespace"), "orders");
    assert_eq!(asked.header("authorization"), "Bearer secret");
    assert_eq!(asked.header("x-tenant"), "7");
    assert_eq!(asked.header("grpc-timeout"), "30000000u");
    assert_eq!(asked.decoded::<CountWorkflowExecutionsRequest>(), count("orders"));
}

#[tokio::test]
async fn a_client_with_call_options_adds_its_metadata_and_its_timeout() {
    let script = Script::default()
        .then(CountWorkflowExecutionsResponse::default())
        .then(CountWorkflowExecutionsResponse::default());
    let client = Client::from_connection(script.connect(&ClientOptions::default().rpc_metadata("x-tenant", "7")).await);
    let options = CallOptions::new().timeout(Duration::from_secs(60)).rpc_metadata("x-tenant", "8");
    client.with_call_options(options).count("").await.unwrap();
    client.count("").await.unwrap();

    let asked = script.asked();
    assert_eq!((asked[0].header("x-tenant"), asked[1].header("x-tenant")), ("8", "7"));
    assert_eq!(asked[1].header("grpc-timeout"), "30000000u");
    let timeout: u64 = asked[0].header("grpc-timeout").trim_end_matches('u').parse().unwrap();
    assert!((59_000_000..=60_000_000).contains(&timeout), "{timeout} us");
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_timeout_is_retried_as_long_as_it_lasts() {
    let script = Script::default().then_fail(1_000, Code::Unavailable, "down");
    let client = Client::from_connection(script.connect(&ClientOptions::default()).await);
    let started = Instant::now();
    let patient = client.with_call_options(CallOptions::new().timeout(Duration::from_secs(25)));
    patient.count("").await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(25));

    let before = script.asked().len();
    client.with_call_options(CallOptions::new().without_retries()).count("").await.unwrap_err();
    assert_eq!(script.asked().len() - before, 1);
}

#[tokio::test]
async fn a_call_with_invalid_metadata_is_not_made() {
    let script = Script::default();
    let client = Client::from_connection(script.connect(&ClientOptions::default()).await);
    let client = client.with_call_options(CallOptions::new().rpc_metadata("x-key", "SECRET\n"));
    let error = client.count("").await.unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("x-key"), "{error}");
    assert!(!format!("{error:?} {error} {client:?}").contains("SECRET"));
    assert_eq!(script.asked().len(), 0);
}

#[tokio::test]
async fn a_new_api_key_and_new_metadata_are_those_of_the_next_call() {
    let script = Script::default()
        .then(CountWorkflowExecutionsResponse::default())
        .then(CountWorkflowExecutionsResponse::default());
    let connection = script.connect(&ClientOptions::default().api_key("old")).await;
    let clone = connection.clone();
    clone.call(count("")).await.unwrap();
    connection.set_api_key("new").unwrap();
    connection.set_rpc_metadata("x-tenant", "8").unwrap();
    clone.call(count("")).await.unwrap();

    let asked = script.asked();
    assert_eq!([asked[0].header("authorization"), asked[1].header("authorization")], ["Bearer old", "Bearer new"]);
    assert_eq!(asked[1].header("x-tenant"), "8");
    assert!(connection.set_api_key(" ").unwrap_err().to_string().contains("the API key is empty"));
    assert!(connection.set_rpc_metadata("grpc-x", "8").unwrap_err().to_string().contains("reserves"));
}

#[tokio::test]
async fn an_api_key_is_not_added_to_a_connection_that_others_can_read() {
    let connection = Connection::lazy(&ClientOptions::new("temporal:7233")).unwrap();
    assert!(connection.set_api_key("SECRET").unwrap_err().to_string().contains("is not encrypted"));
    let allowed = Connection::lazy(&ClientOptions::new("temporal:7233").api_key_without_tls("old")).unwrap();
    allowed.set_api_key("new").unwrap();
    assert!(allowed.set_tls(TlsOptions::new()).unwrap_err().to_string().contains("is not encrypted"));
}

#[tokio::test]
async fn a_raw_call_has_the_metadata_of_its_client_and_keeps_its_own() {
    let script = Script::default().then(CountWorkflowExecutionsResponse { count: 5, ..Default::default() });
    let options = ClientOptions::default().api_key("secret").rpc_metadata("x-tenant", "7");
    let client = Client::from_connection(script.connect(&options).await);
    let mut request = tonic::Request::new(count("orders"));
    request.metadata_mut().insert("x-tenant", "9".parse().unwrap());
    let answer = crate::raw::workflow_service(&client).count_workflow_executions(request).await.unwrap();
    assert_eq!(answer.into_inner().count, 5);

    let asked = script.asked().remove(0);
    assert_eq!((asked.header("authorization"), asked.header("x-tenant")), ("Bearer secret", "9"));
    assert_eq!(asked.decoded::<CountWorkflowExecutionsRequest>(), count("orders"));
}

#[tokio::test]
async fn a_long_poll_may_take_70_seconds() {
    let script = Script::default().then(PollWorkflowTaskQueueResponse::default());
    let connection = script.connect(&ClientOptions::default()).await;
    connection.long_poll(PollWorkflowTaskQueueRequest::default()).await.unwrap();
    assert_eq!(script.asked()[0].header("grpc-timeout"), "70000000u");
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_counted_by_its_method_and_status() {
    let metrics = Metrics::default();
    let script = Script::default()
        .then_fail(2, Code::Unavailable, "starting")
        .then(CountWorkflowExecutionsResponse::default())
        .then(PollWorkflowTaskQueueResponse::default())
        .then_fail(1, Code::NotFound, "no such queue");
    let connection = script.connect(&ClientOptions::default().namespace("orders").metrics(metrics.clone())).await;
    connection.call(count("orders")).await.unwrap();
    connection.long_poll(PollWorkflowTaskQueueRequest::default()).await.unwrap();
    connection.long_poll(PollWorkflowTaskQueueRequest::default()).await.unwrap_err();
    // A server that is not there: nothing listens on this port.
    let nowhere = ClientOptions::new("127.0.0.1:1").metrics(metrics.clone());
    Connection::connect(&nowhere).await.unwrap_err();

    let total = |name: &str, labels: &[(&str, &str)]| metrics.total(&format!("temporal_{name}"), labels);
    let call = [("namespace", "orders"), ("operation", "CountWorkflowExecutions")];
    assert_eq!(
        [total("request", &call), total("request_latency", &call), total("request_failure", &call)],
        [3.0, 3.0, 2.0]
    );
    assert_eq!(total("request_failure", &[call[1], ("status_code", "UNAVAILABLE")]), 2.0);
    let poll = [("namespace", "orders"), ("operation", "PollWorkflowTaskQueue")];
    assert_eq!([total("long_request", &poll), total("long_request_latency", &poll)], [2.0, 2.0]);
    assert_eq!(total("long_request_failure", &[poll[1], ("status_code", "NOT_FOUND")]), 1.0);
    assert_eq!(total("request", &poll), 0.0);
    let lost = [("namespace", "default"), ("operation", "GetSystemInfo"), ("status_code", "TRANSPORT_ERROR")];
    assert_eq!(total("request_failure", &lost), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_succeed_later_is_sent_again_unchanged() {
    let script = Script::default()
        .then_fail(3, Code::Unavailable, "starting")
        .then(CountWorkflowExecutionsResponse { count: 5, ..Default::default() });
    let connection = script.connect(&ClientOptions::default()).await;
    assert_eq!(connection.call(count("orders")).await.unwrap().count, 5);

    let asked = script.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|asked| asked.decoded::<CountWorkflowExecutionsRequest>() == count("orders")));
}

#[tokio::test(start_paused = true)]
async fn a_call_gives_up_after_ten_attempts_or_ten_seconds() {
    let script = Script::default().then_fail(20, Code::Unavailable, "down");
    let connection = script.connect(&ClientOptions::default()).await;
    let started = Instant::now();
    let error = connection.call(count("")).await.unwrap_err();
    assert_eq!(error.to_string(), "CountWorkflowExecutions: UNAVAILABLE: down");
    assert!(started.elapsed() <= Duration::from_secs(10), "{:?}", started.elapsed());
    assert!((8..=10).contains(&script.asked().len()), "{} attempts", script.asked().len());
}

#[tokio::test(start_paused = true)]
async fn a_completion_is_sent_until_the_deadline_of_its_task() {
    let script = Script::default().then_fail(1_000, Code::Unavailable, "down");
    let connection = script.connect(&ClientOptions::default()).await;
    let started = Instant::now();
    let minute = Duration::from_secs(60);
    call_within(&connection, RespondWorkflowTaskCompletedRequest::default(), minute).await.unwrap_err();
    assert_eq!(started.elapsed(), minute);
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_nobody_answered_is_sent_again() {
    let hangs = || Script::default().then_fail(1, Code::Cancelled, "Timeout expired");
    let script = hangs().then(RespondActivityTaskCompletedResponse::default());
    let connection = script.connect(&ClientOptions::default()).await;
    let request = RespondActivityTaskCompletedRequest::default();
    call_within(&connection, request, Duration::from_secs(60)).await.unwrap();
    assert_eq!(script.asked().len(), 2);

    let script = hangs();
    let connection = script.connect(&ClientOptions::default()).await;
    let error = connection.call(count("")).await.unwrap_err();
    assert!(error.is_deadline_exceeded(), "somebody waits for this call and can decide: {error}");
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn an_error_that_stays_is_not_tried_again() {
    let script =
        Script::default().then_fail(1, Code::NotFound, "workflow not found").then_fail(1, Code::Internal, "bug");
    let connection = script.connect(&ClientOptions::default()).await;
    assert!(connection.call(count("")).await.unwrap_err().is_not_found());
    assert!(connection.call_once(count("")).await.is_err());
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test]
async fn only_large_requests_are_compressed() {
    let script = Script::default()
        .then(CountWorkflowExecutionsResponse::default())
        .then(CountWorkflowExecutionsResponse::default());
    let connection = compressing(&script).await;
    connection.call(count("orders")).await.unwrap();
    connection.call(large()).await.unwrap();

    let asked = script.asked();
    assert!(!asked[0].is_compressed() && !asked[0].headers.contains_key("grpc-accept-encoding"));
    assert!(asked[1].is_compressed() && asked[1].frame.len() < 1_000, "{} bytes", asked[1].frame.len());
}

#[tokio::test]
async fn a_server_that_does_not_read_gzip_is_not_sent_any_more_of_it() {
    let refused = "grpc: Decompressor is not installed for grpc-encoding \"gzip\"";
    let script = Script::default()
        .then_fail(1, Code::Unimplemented, refused)
        .then(CountWorkflowExecutionsResponse::default())
        .then(CountWorkflowExecutionsResponse::default());
    let connection = compressing(&script).await;
    connection.call(large()).await.unwrap();
    connection.call(large()).await.unwrap();
    assert_eq!(script.asked().iter().map(Asked::is_compressed).collect::<Vec<_>>(), [true, false, false]);
}

#[tokio::test]
async fn a_method_that_the_server_does_not_know_says_nothing_about_gzip() {
    let script = Script::default()
        .then_fail(1, Code::Unimplemented, "unknown method CountWorkflowExecutions")
        .then(CountWorkflowExecutionsResponse::default());
    let connection = compressing(&script).await;
    assert!(connection.call(large()).await.unwrap_err().is_unimplemented());
    connection.call(large()).await.unwrap();
    assert_eq!(script.asked().iter().map(Asked::is_compressed).collect::<Vec<_>>(), [true, true]);
}

#[tokio::test]
async fn a_server_that_does_not_tell_what_it_can_do_is_taken_as_an_old_one() {
    let script = Script::default().then_fail(1, Code::Unimplemented, "unknown method GetSystemInfo");
    let connection = Connection::in_process(script, &ClientOptions::default()).await.unwrap();
    assert!(!connection.capabilities().sdk_metadata);
}

#[tokio::test]
async fn a_client_without_permission_is_told_so_when_it_connects() {
    let script = Script::default().then_fail(1, Code::PermissionDenied, "Request unauthorized.");
    let error = Connection::in_process(script, &ClientOptions::default()).await.unwrap_err();
    assert!(!error.is_unreachable() && error.to_string().contains("check the API key"), "{error}");
}

#[derive(Clone, Copy)]
struct Order;

impl Arguments for Order {
    type Args = ();

    fn write_args(_: &(), _: &mut PayloadWriter) -> Result<(), crate::converter::PayloadError> {
        Ok(())
    }

    fn read_args(_: &mut PayloadReader<'_>) -> Result<(), crate::converter::PayloadError> {
        Ok(())
    }
}

impl WorkflowDefinition for Order {
    type Output = String;
    type Workflow = Self;

    fn name(&self) -> Cow<'static, str> {
        "order".into()
    }
}

fn closing_page(attributes: Attributes) -> GetWorkflowExecutionHistoryResponse {
    let event = HistoryEvent { attributes: Some(attributes), ..Default::default() };
    GetWorkflowExecutionHistoryResponse { history: Some(History { events: vec![event] }), ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_result_outlives_empty_answers_an_outage_and_the_end_of_a_run() {
    let nothing_yet = GetWorkflowExecutionHistoryResponse { next_page_token: b"more".to_vec(), ..Default::default() };
    let continued = WorkflowExecutionContinuedAsNewEventAttributes {
        new_execution_run_id: "run-2".to_string(),
        ..Default::default()
    };
    let result = Some(Payloads { payloads: vec![to_payload(&"done".to_string()).unwrap()] });
    let completed = WorkflowExecutionCompletedEventAttributes { result, ..Default::default() };
    let script = Script::default()
        .then(nothing_yet)
        .then_fail(4, Code::Unavailable, "down")
        .then(closing_page(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(continued)))
        .then(closing_page(Attributes::WorkflowExecutionCompletedEventAttributes(completed)));
    let client = Client::from_connection(script.connect(&ClientOptions::default()).await);
    assert_eq!(client.handle(Order, "order-1").with_run_id("run-1").result().await.unwrap(), "done");

    let asked: Vec<GetWorkflowExecutionHistoryRequest> = script.asked().iter().map(Asked::decoded).collect();
    assert!(asked.iter().all(|request| request.wait_new_event));
    assert_eq!(asked[1].next_page_token, b"more");
    let runs: Vec<_> = asked.iter().map(|request| request.execution.as_ref().unwrap().run_id.as_str()).collect();
    assert_eq!(runs, ["run-1", "run-1", "run-1", "run-1", "run-1", "run-1", "run-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_result_gives_up_after_a_minute_without_a_server() {
    let script = Script::default().then_fail(1_000, Code::Unavailable, "down");
    let client = Client::from_connection(script.connect(&ClientOptions::default()).await);
    let started = Instant::now();
    let error = client.handle(Order, "order-1").result().await.unwrap_err();
    assert_eq!(started.elapsed(), Duration::from_secs(60));
    let text = "the workflow's result could not be fetched, which does not affect the workflow: \
                GetWorkflowExecutionHistory: UNAVAILABLE: down";
    assert_eq!(error.to_string(), text);
}

/// Calls in the way that answers to tasks are sent.
async fn call_within<R: Rpc>(connection: &Connection, request: R, time: Duration) -> Result<R::Response, RpcError> {
    deliver_over(|| connection.clone(), request, time, || false).await
}

/// Returns a damaged gRPC answer.
fn damaged(headers: &[(&'static str, &'static str)], body: &'static [u8]) -> HttpResponse {
    let mut response = http::Response::new(tonic::body::Body::new(Full::new(Bytes::from_static(body))));
    for (name, value) in std::iter::once(&("content-type", "application/grpc")).chain(headers) {
        response.headers_mut().insert(*name, http::HeaderValue::from_static(value));
    }
    response
}

/// Returns a page like those that proxies send.
fn page(status: u16) -> HttpResponse {
    let mut response = damaged(&[("content-type", "text/html")], b"<html>Bad Gateway</html>");
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}

/// Returns all kinds of answers that do not come from a Temporal server, with the decoder's message.
fn broken_answers() -> Vec<(HttpResponse, &'static str)> {
    let html = "expected a gRPC response, found HTTP";
    vec![
        (page(200), html),
        (page(401), html),
        (page(403), html),
        (page(404), html),
        (page(500), html),
        (page(502), html),
        (damaged(&[], b"<html>"), "invalid compression flag"),
        (damaged(&[], b"\x01\0\0\0\x02ab"), "compressed-flag but no grpc-encoding"),
        (damaged(&[("grpc-encoding", "gzip")], b"\x01\0\0\0\x02ab"), "Error decompressing"),
        (damaged(&[], b"\0\0\0\0\x09ab"), "Unexpected EOF"),
        (damaged(&[("grpc-status", "0")], b""), "Missing response message"),
        (damaged(&[], b"\0\0\0\0\x02\xff\xff"), "cannot be decoded"),
        (damaged(&[], b""), "missing grpc-status"),
    ]
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_the_servers_says_nothing_about_the_call() {
    for (response, said) in broken_answers() {
        let script = Script::default().then_other(response).then(CountWorkflowExecutionsResponse::default());
        // Accepts gzip, as after a large request.
        let connection = compressing(&script).await;
        let error = connection.call_once(large()).await.unwrap_err();
        assert!(error.to_string().contains(said), "expected `{said}` in: {error}");
        assert!(error.is_transient(false) && !error.is_verdict(), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxys_limit_is_told_as_what_it_is() {
    let script = Script::default().then_other(page(413));
    let error = deliver(&script.connect(&ClientOptions::default()).await, count("orders")).await.unwrap_err();
    assert!(error.is_message_too_large() && error.is_verdict(), "{error}");
    assert!(error.to_string().contains("found HTTP 413 with `text/html`"), "{error}");
}

async fn deliver(
    connection: &Connection,
    request: CountWorkflowExecutionsRequest,
) -> Result<CountWorkflowExecutionsResponse, RpcError> {
    call_within(connection, request, Duration::from_secs(60)).await
}

#[tokio::test(start_paused = true)]
async fn finished_work_is_delivered_through_everything_but_the_servers_own_verdict() {
    let passing = [
        Code::Cancelled,
        Code::Unknown,
        Code::DeadlineExceeded,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::Aborted,
        Code::OutOfRange,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];
    let mut script = Script::default();
    for code in passing {
        script = script.then_fail(1, code, "passing");
    }
    for (response, _) in broken_answers() {
        script = script.then_other(response);
    }
    let script = script.then(CountWorkflowExecutionsResponse { count: 5, ..Default::default() });
    // Some damage shows only in a compressed answer.
    let connection = compressing(&script).await;
    let answered = call_within(&connection, large(), Duration::from_secs(600)).await;
    assert_eq!(answered.unwrap().count, 5);
    assert_eq!(script.asked().len(), passing.len() + broken_answers().len() + 1);

    let verdicts = [
        (Code::NotFound, ""),
        (Code::InvalidArgument, ""),
        (Code::AlreadyExists, ""),
        (Code::FailedPrecondition, ""),
        (Code::Unimplemented, ""),
        (Code::ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"),
    ];
    for (code, message) in verdicts {
        let script = Script::default().then_fail(1, code, message);
        deliver(&script.connect(&ClientOptions::default()).await, count("orders")).await.unwrap_err();
        assert_eq!(script.asked().len(), 1, "{code:?}");
    }
}

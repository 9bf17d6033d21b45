//! A scripted Temporal server: hands out the given tasks, returns the given answers, and records every request. Real
//! workers use it without a socket.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use abide::client::{Client, ClientOptions, Connection};
use abide::replay::text::{RUN_ID, TASK_QUEUE, WORKFLOW_ID};
use abide::worker::{Worker, WorkerBuilder};
use abide_protos::prost::{Message, Name};
use abide_protos::temporal::api::common::v1::{ActivityType, WorkflowExecution, WorkflowType};
use abide_protos::temporal::api::history::v1::{History, HistoryEvent};
use abide_protos::temporal::api::namespace::v1::{NamespaceInfo, namespace_info};
use abide_protos::temporal::api::workflowservice::v1::get_system_info_response::Capabilities;
use abide_protos::temporal::api::workflowservice::v1::*;
use http_body_util::{BodyExt, Full};
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::codegen::{Service, http};
use tonic::{Code, Status};

use crate::harness::parse;

/// Maximum time that a test waits for its worker. Most clocks are paused here, so seconds pass at once.
const LIMIT: Duration = Duration::from_secs(300);

/// The answer to a request.
enum Answer {
    With(Vec<u8>),
    Refuse(Status),
    /// The request is not answered.
    Silence,
}

/// A request and its time.
struct Asked {
    method: String,
    message: Vec<u8>,
    at: Instant,
}

struct State {
    tasks: BTreeMap<&'static str, VecDeque<Vec<u8>>>,
    answers: BTreeMap<&'static str, VecDeque<Answer>>,
    asked: Vec<Asked>,
    /// Number of polls so far, and the open ones by method and number.
    polls: usize,
    waiting: Vec<(String, usize)>,
    /// Maximum bytes of a payload field.
    blob_limit: i64,
    /// True if polls end, without a task, when their worker shuts down.
    ends_polls: bool,
    /// True if the namespace takes heartbeats of workers.
    takes_heartbeats: bool,
    /// True if the namespace sends commands to workers.
    sends_commands: bool,
    /// True if the namespace suggests numbers of polls.
    suggests_pollers: bool,
    enrols_pollers: bool,
}

/// A scripted server. Clones are the same server.
#[derive(Clone)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    /// Notified when a request arrives or a task is available.
    changed: Arc<Notify>,
    began: Instant,
}

impl Server {
    pub(crate) fn new() -> Self {
        let state = State {
            tasks: BTreeMap::new(),
            answers: BTreeMap::new(),
            asked: Vec::new(),
            polls: 0,
            waiting: Vec::new(),
            blob_limit: 2 * 1024 * 1024,
            ends_polls: true,
            takes_heartbeats: false,
            sends_commands: false,
            suggests_pollers: false,
            enrols_pollers: false,
        };
        Self { state: Arc::new(Mutex::new(state)), changed: Arc::default(), began: Instant::now() }
    }

    pub(crate) fn blob_limit(self, bytes: i64) -> Self {
        self.state().blob_limit = bytes;
        self
    }

    /// Leaves polls open when their worker shuts down, as most servers do.
    pub(crate) fn leaving_polls_open(self) -> Self {
        self.state().ends_polls = false;
        self
    }

    /// Accepts worker heartbeats, as newer servers do.
    pub(crate) fn taking_heartbeats(self) -> Self {
        self.state().takes_heartbeats = true;
        self
    }

    /// Sends commands to workers, as newer servers can.
    pub(crate) fn sending_commands(self) -> Self {
        self.state().sends_commands = true;
        self
    }

    /// Suggests numbers of polls, as newer servers do.
    pub(crate) fn suggesting_pollers(self) -> Self {
        self.state().suggests_pollers = true;
        self
    }

    /// Enables poller autoscaling by default.
    pub(crate) fn enrolling_pollers(self) -> Self {
        self.state().enrols_pollers = true;
        self
    }

    pub(crate) async fn client(&self) -> Client {
        self.client_with(ClientOptions::default()).await
    }

    /// Returns a client of that namespace.
    pub(crate) async fn client_of(&self, namespace: &str) -> Client {
        self.client_with(ClientOptions::default().namespace(namespace)).await
    }

    pub(crate) async fn client_with(&self, options: ClientOptions) -> Client {
        Client::from_connection(Connection::in_process(self.clone(), &options).await.unwrap())
    }

    /// Returns the builder of a worker on the task queue of the text histories.
    pub(crate) async fn worker(&self) -> WorkerBuilder {
        self.worker_of(&self.client().await)
    }

    /// Like [`worker`](Self::worker), with a client that the test keeps.
    pub(crate) fn worker_of(&self, client: &Client) -> WorkerBuilder {
        Worker::builder(client, TASK_QUEUE).worker_threads(1)
    }

    /// Hands a workflow task to the next poll.
    pub(crate) fn workflow_task(&self, task: PollWorkflowTaskQueueResponse) {
        self.hand_out("PollWorkflowTaskQueue", task.encode_to_vec());
    }

    /// Hands an activity task to the next poll.
    pub(crate) fn activity_task(&self, task: PollActivityTaskQueueResponse) {
        self.hand_out("PollActivityTaskQueue", task.encode_to_vec());
    }

    /// Hands a Nexus task to the next poll, on any queue.
    pub(crate) fn nexus_task(&self, task: PollNexusTaskQueueResponse) {
        self.hand_out("PollNexusTaskQueue", task.encode_to_vec());
    }

    fn hand_out(&self, method: &'static str, task: Vec<u8>) {
        self.state().tasks.entry(method).or_default().push_back(task);
        self.changed.notify_waiters();
    }

    /// Sets the answer to the next request of that method that has none yet.
    pub(crate) fn answer<M: Message>(&self, method: &'static str, message: &M) {
        self.provide(method, Answer::With(message.encode_to_vec()));
    }

    pub(crate) fn refuse(&self, method: &'static str, code: Code, text: &str) {
        self.refuse_with(method, Status::new(code, text));
    }

    pub(crate) fn refuse_with(&self, method: &'static str, status: Status) {
        self.provide(method, Answer::Refuse(status));
    }

    pub(crate) fn keep_silent(&self, method: &'static str) {
        self.provide(method, Answer::Silence);
    }

    fn provide(&self, method: &'static str, answer: Answer) {
        self.state().answers.entry(method).or_default().push_back(answer);
    }

    /// Returns all requests of a type, with the second in which they came.
    pub(crate) fn asked<R: Message + Name + Default>(&self) -> Vec<(u64, R)> {
        let method = R::NAME.trim_end_matches("Request");
        let state = self.state();
        let asked = state.asked.iter().filter(|asked| asked.method == method);
        asked.map(|asked| ((asked.at - self.began).as_secs(), R::decode(&*asked.message).unwrap())).collect()
    }

    /// Waits for the request of that type with that number (from 1).
    pub(crate) async fn request<R: Message + Name + Default>(&self, number: usize) -> R {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if let Some((_, request)) = self.asked().into_iter().nth(number - 1) {
                    return request;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(LIMIT, waiting).await;
        waited.unwrap_or_else(|_| panic!("never: {} number {number}; there were {:?}", R::NAME, self.methods()))
    }

    /// Returns the methods of the requests so far, in order, without polls and calls at startup.
    pub(crate) fn methods(&self) -> Vec<String> {
        let boring = |name: &str| name.starts_with("Poll") || ["GetSystemInfo", "DescribeNamespace"].contains(&name);
        self.all_methods().into_iter().filter(|name| !boring(name)).collect()
    }

    /// Returns the methods of all requests so far, in order.
    pub(crate) fn all_methods(&self) -> Vec<String> {
        self.state().asked.iter().map(|one| one.method.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Returns the default answer of a method; `None` for an unknown method.
    fn usual_answer(&self, method: &str) -> Option<Vec<u8>> {
        Some(match method {
            "GetSystemInfo" => GetSystemInfoResponse {
                capabilities: Some(Capabilities {
                    sdk_metadata: true,
                    eager_workflow_start: true,
                    activity_failure_include_heartbeat: true,
                    internal_error_differentiation: true,
                    ..Capabilities::default()
                }),
                ..GetSystemInfoResponse::default()
            }
            .encode_to_vec(),
            "DescribeNamespace" => {
                let limits =
                    namespace_info::Limits { blob_size_limit_error: self.state().blob_limit, ..Default::default() };
                let state = self.state();
                let capabilities = namespace_info::Capabilities {
                    worker_poll_complete_on_shutdown: state.ends_polls,
                    worker_heartbeats: state.takes_heartbeats,
                    worker_commands: state.sends_commands,
                    poller_autoscaling: state.suggests_pollers,
                    poller_autoscaling_auto_enroll: state.enrols_pollers,
                    ..Default::default()
                };
                drop(state);
                let info = NamespaceInfo {
                    limits: Some(limits),
                    capabilities: Some(capabilities),
                    ..NamespaceInfo::default()
                };
                DescribeNamespaceResponse { namespace_info: Some(info), ..DescribeNamespaceResponse::default() }
                    .encode_to_vec()
            }
            // Their responses have no field that matters here.
            name if name.starts_with("Respond") || name.starts_with("Record") || name == "ShutdownWorker" => Vec::new(),
            _ => return None,
        })
    }

    async fn respond(self, method: String, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        let answer = {
            let mut state = self.state();
            state.asked.push(Asked { method: method.clone(), message, at: Instant::now() });
            state.answers.get_mut(&*method).and_then(VecDeque::pop_front)
        };
        self.changed.notify_waiters();
        match answer {
            Some(Answer::With(message)) => return Ok(message),
            Some(Answer::Refuse(status)) => return Err(status),
            Some(Answer::Silence) => std::future::pending().await,
            None => {}
        }
        if !method.starts_with("Poll") {
            return self.usual_answer(&method).ok_or_else(|| Status::unimplemented(method));
        }
        let turn = Turn::new(&self, &method);
        loop {
            let changed = self.changed.notified();
            if let Some(task) = turn.take_task() {
                return Ok(task);
            }
            // The queue of commands is shared by several workers.
            if method != "PollNexusTaskQueue"
                && self.state().ends_polls
                && self.methods().iter().any(|name| name == "ShutdownWorker")
            {
                return Ok(Vec::new());
            }
            changed.await;
        }
    }
}

/// An open poll. The poll that has waited longest gets the next task.
struct Turn<'a> {
    server: &'a Server,
    method: &'a str,
    number: usize,
}

impl<'a> Turn<'a> {
    fn new(server: &'a Server, method: &'a str) -> Self {
        let mut state = server.state();
        state.polls += 1;
        let number = state.polls;
        state.waiting.push((method.to_string(), number));
        Self { server, method, number }
    }

    fn take_task(&self) -> Option<Vec<u8>> {
        let mut state = self.server.state();
        let first = state.waiting.iter().find(|(method, _)| method == self.method)?;
        if first.1 != self.number {
            return None;
        }
        state.tasks.get_mut(self.method)?.pop_front()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.server.state().waiting.retain(|(_, number)| *number != self.number);
        self.server.changed.notify_waiters();
    }
}

type HttpResponse = http::Response<tonic::body::Body>;

impl Service<http::Request<tonic::body::Body>> for Server {
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            // The gRPC frame: a compression flag (one byte), the length (four bytes), the message.
            let frame = body.collect().await.unwrap().to_bytes();
            let method = parts.uri.path().rsplit('/').next().unwrap().to_string();
            Ok(match server.respond(method, frame[5..].to_vec()).await {
                Ok(message) => {
                    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
                    let frame = [&[0], &length[..], &message[..]].concat();
                    let ok = http::HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
                    let body = Full::new(frame.into()).with_trailers(async move { Some(Ok(ok)) });
                    http::Response::new(tonic::body::Body::new(body))
                }
                Err(status) => status.into_http(),
            })
        })
    }
}

/// Runs a worker until the body is done. Fails if either takes too long.
pub(crate) async fn run<T>(worker: Worker, body: impl Future<Output = T>) -> T {
    tokio::time::timeout(2 * LIMIT, worker.run_until(body)).await.expect("the worker ends").unwrap()
}

/// Returns the workflow task at the end of a history written as text, with its whole history.
pub(crate) fn task(history: &str) -> PollWorkflowTaskQueueResponse {
    let events = parse(history);
    let last = events.last().unwrap().event_id;
    PollWorkflowTaskQueueResponse {
        task_token: format!("task at event {last}").into_bytes(),
        workflow_execution: Some(WorkflowExecution { workflow_id: WORKFLOW_ID.into(), run_id: RUN_ID.into() }),
        workflow_type: Some(WorkflowType { name: "wf".into() }),
        previous_started_event_id: 0,
        started_event_id: last,
        attempt: 1,
        history: Some(History { events }),
        ..PollWorkflowTaskQueueResponse::default()
    }
}

/// Like [`task`], with only the events after the task that started at event `previous`, for a worker that has the run.
pub(crate) fn sticky_task(previous: i64, history: &str) -> PollWorkflowTaskQueueResponse {
    let task = task(history);
    let events = task.history.clone().unwrap().events;
    let new: Vec<HistoryEvent> = events.into_iter().filter(|event| event.event_id > previous).collect();
    PollWorkflowTaskQueueResponse {
        previous_started_event_id: previous,
        history: Some(History { events: new }),
        ..task
    }
}

/// Returns a page of history, as a worker fetches it.
pub(crate) fn history_page(history: &str) -> GetWorkflowExecutionHistoryResponse {
    GetWorkflowExecutionHistoryResponse {
        history: Some(History { events: parse(history) }),
        ..GetWorkflowExecutionHistoryResponse::default()
    }
}

/// Returns an attempt of an activity.
pub(crate) fn activity(name: &str) -> PollActivityTaskQueueResponse {
    PollActivityTaskQueueResponse {
        task_token: name.as_bytes().to_vec(),
        workflow_namespace: "default".into(),
        workflow_execution: Some(WorkflowExecution { workflow_id: WORKFLOW_ID.into(), run_id: RUN_ID.into() }),
        activity_id: "1".into(),
        activity_type: Some(ActivityType { name: name.into() }),
        attempt: 1,
        start_to_close_timeout: Some(seconds(60)),
        ..PollActivityTaskQueueResponse::default()
    }
}

pub(crate) fn seconds(seconds: i64) -> abide_protos::Duration {
    abide_protos::Duration { seconds, nanos: 0 }
}

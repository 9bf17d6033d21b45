//! Plugins: what they configure, in which order, and how often.

use std::sync::{Arc, Mutex};

use abide::IntoShared;
use abide::client::{Client, Connection, RpcError};
use abide::converter::{CodecResult, PayloadCodec, RawPayload, SerializationContext};
use abide::interceptor::*;
use abide::plugin::Plugin;
use abide::prelude::*;
use abide::worker::{Registered, Worker, WorkerBuilder};
use abide::{History, WorkflowReplayer};
use abide_protos::temporal::api::workflowservice::v1::*;

use crate::activity_tasks::{Completed, payloads, text};
use crate::server::{Server, activity, run};

#[activity]
async fn plain(value: String) -> Result<String, ActivityError> {
    Ok(value)
}

#[activity]
async fn of_the_plugin() -> Result<(), ActivityError> {
    Ok(())
}

#[workflow(name = "wf")]
async fn of_the_program(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow(name = "plugged")]
async fn workflow_of_the_plugin(_ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    Ok(7)
}

/// Marks payloads.
struct Marks;

impl PayloadCodec for Marks {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let mark = |payload: RawPayload| RawPayload { data: [b"M", &payload.data[..]].concat(), ..payload };
        Ok(payloads.into_iter().map(mark).collect())
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let unmark = |payload: RawPayload| {
            let data = payload.data.strip_prefix(b"M").ok_or("it has no mark")?.to_vec();
            Ok(RawPayload { data, ..payload })
        };
        payloads.into_iter().map(unmark).collect()
    }
}

/// Everything that a plugin can bring along. Notes when it is asked to configure something.
struct Everything {
    name: &'static str,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Everything {
    fn new(name: &'static str) -> (Arc<Self>, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        (Arc::new(Self { name, asked: Arc::clone(&asked) }), asked)
    }

    fn note(&self, what: &str) {
        self.asked.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl Plugin for Everything {
    fn name(&self) -> &str {
        self.name
    }

    fn configure_client(&self, options: ClientOptions) -> ClientOptions {
        self.note("client");
        options.identity("plugged").interceptor(Signs).map_data_converter(|converter| converter.codec(Marks))
    }

    fn configure_worker(&self, worker: WorkerBuilder<Registered>) -> WorkerBuilder<Registered> {
        self.note("worker");
        worker.activities(of_the_plugin).workflow(workflow_of_the_plugin).activity_interceptor(Doubles)
    }

    fn configure_replayer(&self, replayer: WorkflowReplayer) -> WorkflowReplayer {
        self.note("replayer");
        replayer.workflow(workflow_of_the_plugin).map_data_converter(|converter| converter.codec(Marks))
    }
}

struct Signs;

#[async_trait]
impl ClientInterceptor for Signs {
    async fn start_workflow(
        &self,
        mut input: StartWorkflowInput,
        next: ClientNext<'_, StartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        input.headers.set("signed", &true)?;
        next.run(input).await
    }
}

struct Doubles;

#[async_trait]
impl ActivityInterceptor for Doubles {
    async fn execute_activity(
        &self,
        ctx: &ActivityContext,
        mut input: ExecuteActivityInput,
        next: ActivityNext<'_>,
    ) -> Result<RawPayload, ActivityError> {
        if !input.arguments.is_empty() {
            input.arguments.set(0, &input.arguments.get::<String>(0)?.repeat(2))?;
        }
        next.run(ctx, input).await
    }
}

#[tokio::test]
async fn b135_a_plugin_of_a_client_configures_it_and_its_workers() {
    let server = Server::new().taking_heartbeats();
    let (plugin, asked) = Everything::new("example.everything");
    let client = server.client_with(ClientOptions::default().plugin(Arc::clone(&plugin))).await;
    assert_eq!(*asked.lock().unwrap(), ["example.everything client"]);
    // Given once more, it is still one plugin.
    let worker = server.worker_of(&client).activities(plain).plugin(plugin).build().unwrap();
    assert_eq!(asked.lock().unwrap()[1..], ["example.everything worker"]);
    server.answer("StartWorkflowExecution", &StartWorkflowExecutionResponse::default());
    client.start(of_the_program, ()).task_queue("queue").await.unwrap();
    let (_, start) = server.asked::<StartWorkflowExecutionRequest>().remove(0);
    assert_eq!(start.identity, "plugged");
    run(worker, async {
        server.activity_task(PollActivityTaskQueueResponse { input: payloads([r#"M"ab""#]), ..activity("plain") });
        let completed: Completed = server.request(1).await;
        assert_eq!(text(completed.result.as_ref()).as_deref(), Some(r#"M"abab""#), "codec and interceptor");
        server.activity_task(activity("of_the_plugin"));
        server.request::<Completed>(2).await;
        let heartbeat: RecordWorkerHeartbeatRequest = server.request(1).await;
        let names: Vec<String> =
            heartbeat.worker_heartbeat[0].plugins.iter().map(|plugin| plugin.name.clone()).collect();
        assert_eq!(names, ["example.everything"]);
        server.request::<PollWorkflowTaskQueueRequest>(1).await;
    })
    .await;
    assert!(start.header.unwrap().fields["signed"].data == b"true");
}

/// Adds another plugin, and keeps the identity that is set.
struct Bundle(Arc<Everything>);

impl Plugin for Bundle {
    fn name(&self) -> &str {
        "example.bundle"
    }

    fn configure_client(&self, options: ClientOptions) -> ClientOptions {
        options.plugin(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn b135_plugins_are_applied_in_their_order_and_may_add_others() {
    let server = Server::new().taking_heartbeats();
    let (first, asked) = Everything::new("first");
    let second = Arc::new(Everything { name: "second", asked: Arc::clone(&asked) });
    let options = ClientOptions::default().plugin(Bundle(Arc::clone(&first))).plugin(Only("third"));
    let client = server.client_with(options).await;
    let worker = server.worker_of(&client).activities(plain);
    // A second one would register the same activities.
    assert!(worker.plugin(second).build().unwrap_err().to_string().contains("is registered twice"));
    assert_eq!(*asked.lock().unwrap(), ["first client", "first worker", "second worker"]);
    let worker = server.worker_of(&client).activities(plain).build().unwrap();
    run(worker, async {
        let heartbeat: RecordWorkerHeartbeatRequest = server.request(1).await;
        let names: Vec<&str> =
            heartbeat.worker_heartbeat[0].plugins.iter().map(|plugin| plugin.name.as_str()).collect();
        assert_eq!(names, ["example.bundle", "third", "first"]);
    })
    .await;
}

/// Does nothing.
struct Only(&'static str);

impl Plugin for Only {
    fn name(&self) -> &str {
        self.0
    }
}

#[tokio::test]
async fn b135_two_plugins_of_one_name_are_refused_where_they_meet() {
    let server = Server::new();
    let options = ClientOptions::default().plugin(Only("twin")).plugin(Only("twin"));
    let error = Connection::in_process(server.clone(), &options).await.unwrap_err();
    assert!(error.to_string().starts_with("the client has two plugins of the name `twin`"), "{error}");
    let client = server.client_with(ClientOptions::default().plugin(Only("twin"))).await;
    let builder = || Worker::builder(&client, "orders").activities(plain);
    let error = builder().plugin(Only("twin")).build().unwrap_err();
    let text = "the worker of task queue `orders` has two plugins of the name `twin`: expected one plugin of each name";
    assert!(error.to_string().starts_with(text), "{error}");
    assert!(builder().plugin(Only("other")).build().is_ok());
    let replayer = WorkflowReplayer::new().plugin(Only("twin")).plugin(Only("twin"));
    let error = replayer.replay(&History::from_events(Vec::new())).unwrap_err();
    assert!(error.to_string().starts_with("the replayer has two plugins of the name `twin`"), "{error}");
}

#[tokio::test]
async fn b135_a_worker_may_get_all_it_runs_from_a_plugin() {
    let server = Server::new();
    let (plugin, _) = Everything::new("example.everything");
    let client: Client = server.client().await;
    let shared: Arc<dyn Plugin> = plugin;
    let worker = Worker::builder(&client, "queue").plugin(Arc::clone(&shared)).build().unwrap();
    run(worker, async {
        server.activity_task(activity("of_the_plugin"));
        server.request::<Completed>(1).await;
    })
    .await;
    let error = Worker::builder(&client, "queue").plugin(Only("empty")).build().unwrap_err();
    assert!(error.to_string().contains("nor the plugins have a workflow, an activity or a Nexus operation"), "{error}");
    assert_eq!(IntoShared::<dyn Plugin>::into_shared(shared).name(), "example.everything");
}

#[test]
fn b135_a_replayer_gets_workflows_and_codecs_from_a_plugin_once() {
    let (plugin, asked) = Everything::new("example.everything");
    let json = r#"{"events": [
        {"eventId": 1, "eventType": "WorkflowExecutionStarted", "workflowExecutionStartedEventAttributes":
            {"workflowType": {"name": "plugged"}, "taskQueue": {"name": "q"}}},
        {"eventId": 2, "eventType": "WorkflowTaskScheduled", "workflowTaskScheduledEventAttributes": {}},
        {"eventId": 3, "eventType": "WorkflowTaskStarted", "workflowTaskStartedEventAttributes": {"scheduledEventId": 2}},
        {"eventId": 4, "eventType": "WorkflowTaskCompleted", "workflowTaskCompletedEventAttributes": {"scheduledEventId": 2, "startedEventId": 3}},
        {"eventId": 5, "eventType": "WorkflowExecutionCompleted", "workflowExecutionCompletedEventAttributes":
            {"workflowTaskCompletedEventId": 4, "result": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "TTc="}]}}}
    ]}"#;
    let history = History::from_json(json).unwrap().remove(0);
    let replayed = WorkflowReplayer::new().plugin(Arc::clone(&plugin)).plugin(plugin).replay(&history).unwrap();
    assert_eq!(*asked.lock().unwrap(), ["example.everything replayer"]);
    assert!(replayed.same_outcome() && replayed.result::<u32>().unwrap() == Some(7));
}

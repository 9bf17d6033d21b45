//! A server to run a body on, and the comparison of two servers.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use abide::client::{Client, ClientOptions, WorkflowHandle};
use abide::prelude::*;
use abide::worker::{Worker, WorkerBuilder};
use abide::{History, SearchAttributeKey};
use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::workflowservice::v1::ResetWorkflowExecutionRequest;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use abide_testing::server::{TestServer, TestServerBuilder};

use crate::normalize::normalize;

/// A server, with names that are unique on it.
pub(crate) struct Arm {
    pub(crate) client: Client,
    address: String,
    name: String,
}

pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The result of a body: the histories to compare.
pub(crate) type Histories = Result<Vec<History>, Box<dyn std::error::Error>>;

/// Runs a body on both servers and compares the histories that it returns.
pub(crate) async fn compare<F, Fut>(name: &str, body: F) -> Outcome
where
    F: Fn(Arm) -> Fut,
    Fut: Future<Output = Histories>,
{
    compare_on(TestServer::builder(), std::env::var("ABIDE_TEST_SERVER").ok(), name, body).await
}

/// Like [`compare`], on an embedded server with other options, and on this real server if there is one.
pub(crate) async fn compare_on<F, Fut>(
    embedded: TestServerBuilder,
    real: Option<String>,
    name: &str,
    body: F,
) -> Outcome
where
    F: Fn(Arm) -> Fut,
    Fut: Future<Output = Histories>,
{
    let server = start(embedded);
    let address = server.listen("127.0.0.1:0".parse()?).await?;
    let embedded = Box::pin(body(Arm::connect(&address.to_string(), name).await?)).await?;
    let Some(address) = real else {
        eprintln!("{name}: not compared with a real server (none is set that this could be compared with)");
        return Ok(());
    };
    let real = Box::pin(body(Arm::connect(&address, name).await?)).await?;
    assert_eq!(embedded.len(), real.len(), "the body returned another number of histories");
    for (embedded, real) in embedded.iter().zip(&real) {
        let (ours, theirs) = (normalize(embedded), normalize(real));
        assert!(ours == theirs, "{}", difference(&ours, &theirs));
    }
    Ok(())
}

/// Starts an embedded server with the search attributes of the real one: see `.ci/real-server`.
pub(crate) fn start(embedded: TestServerBuilder) -> TestServer {
    let server = embedded.start();
    server.add_search_attribute(&SearchAttributeKey::keyword("TestKeyword"));
    server.add_search_attribute(&SearchAttributeKey::text("TestText"));
    server.add_search_attribute(&SearchAttributeKey::int("TestInt"));
    server.add_search_attribute(&SearchAttributeKey::double("TestDouble"));
    server.add_search_attribute(&SearchAttributeKey::bool("TestBool"));
    server.add_search_attribute(&SearchAttributeKey::datetime("TestDatetime"));
    server.add_search_attribute(&SearchAttributeKey::keyword_list("TestKeywordList"));
    server
}

impl Arm {
    pub(crate) async fn connect(address: &str, name: &str) -> Result<Self, Box<dyn std::error::Error>> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let client = Client::connect(ClientOptions::new(address)).await?;
        let name = format!("{name}-{}-{run}", std::process::id());
        Ok(Self { client, address: address.to_string(), name })
    }

    /// Returns the server's address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the task queue of this body.
    pub(crate) fn queue(&self) -> String {
        self.name.clone()
    }

    /// Returns a workflow id of this body.
    pub(crate) fn id(&self) -> String {
        self.name.clone()
    }

    /// Resets a run of this body's workflow to the end of the workflow task whose completion is this event.
    pub(crate) async fn reset(&self, run_id: &str, workflow_task_finish_event_id: i64) -> Outcome {
        let execution = WorkflowExecution { workflow_id: self.id(), run_id: run_id.into() };
        let request = ResetWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_execution: Some(execution),
            reason: "once more".into(),
            workflow_task_finish_event_id,
            request_id: format!("reset-{}", self.id()),
            ..Default::default()
        };
        let mut client = WorkflowServiceClient::connect(format!("http://{}", self.address)).await?;
        client.reset_workflow_execution(request).await?;
        Ok(())
    }

    /// Returns the builder of a worker on this body's task queue.
    pub(crate) fn worker(&self) -> WorkerBuilder {
        Worker::builder(&self.client, self.queue())
    }
}

/// Asks repeatedly until the answer is true. Fails after half a minute.
pub(crate) async fn until<F, Fut>(what: &str, mut ask: F) -> Outcome
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<bool, Box<dyn std::error::Error>>>,
{
    let mut ticks = tokio::time::interval(millis(20));
    for _ in 0..1500 {
        ticks.tick().await;
        if ask().await? {
            return Ok(());
        }
    }
    Err(format!("waited in vain until {what}").into())
}

/// Waits until the history has this many events of a type.
pub(crate) async fn until_event<W: abide::WorkflowDefinition>(
    handle: &WorkflowHandle<W>,
    event_type: &str,
    count: usize,
) -> Outcome {
    until(&format!("there are {count} {event_type}"), || async {
        let history = normalize(&handle.fetch_history().await?);
        Ok(history.iter().filter(|line| line.contains(event_type)).count() >= count)
    })
    .await
}

/// Returns the first lines that differ, with their context.
fn difference(ours: &[String], theirs: &[String]) -> String {
    let at = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
    let show =
        |lines: &[String]| lines.iter().skip(at.saturating_sub(2)).take(4).cloned().collect::<Vec<_>>().join("\n  ");
    format!(
        "the histories differ at event {}:\nembedded server:\n  {}\nreal server:\n  {}",
        at + 1,
        show(ours),
        show(theirs)
    )
}

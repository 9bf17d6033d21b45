//! Two namespaces of one server: a parent in one, its child in the other, and a namespace that does not exist.

use abide::History;
use abide::client::{Client, ClientOptions};
use abide::prelude::*;
use abide::worker::Worker;
use abide_protos::temporal::api::workflowservice::v1::RegisterNamespaceRequest;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;

use abide_testing::server::TestServer;

use crate::arm::{Arm, Histories, Outcome, compare, compare_on, until, until_event};

/// Returns the signals it receives, with their headers.
#[workflow]
#[derive(Default)]
struct Guest {
    heard: State<Vec<String>>,
}

#[workflow_methods]
impl Guest {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        let parent = ctx.info().parent.as_ref().map_or("", |parent| &parent.namespace);
        let start = format!("of {parent}, trace {:?}", ctx.info().header::<String>("trace")?);
        ctx.wait_until(|| !self.heard.with(Vec::is_empty)).await?;
        ctx.timer(millis(300)).await?;
        self.heard.update(|heard| heard.insert(0, start));
        Ok(self.heard.take())
    }

    #[signal]
    fn hear(&self, ctx: &WorkflowContext, word: String) -> Result<(), WorkflowError> {
        let trace = ctx.message_header::<String>("trace")?;
        self.heard.update(|heard| heard.push(format!("{word}, trace {trace:?}")));
        Ok(())
    }
}

fn theirs(ctx: &WorkflowContext) -> String {
    format!("{}-theirs", ctx.info().workflow_id)
}

/// Has a child in the other namespace that it signals, and one that it cancels.
#[workflow]
async fn hosting(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let id = &ctx.info().workflow_id;
    let call = ctx.child_workflow(Guest::run, ()).id(format!("{id}-guest")).namespace(theirs(ctx));
    let guest = call.header("trace", &"start".to_string()).start().await?;
    ctx.timer(millis(300)).await?;
    guest.signal(Guest::hear, "welcome".into()).header("trace", &"signal".to_string()).await?;
    let mut told = guest.await?;
    let call = ctx.child_workflow(Guest::run, ()).id(format!("{id}-unwanted")).namespace(theirs(ctx));
    let unwanted = call.start().await?;
    ctx.timer(millis(300)).await?;
    unwanted.cancel_with_reason("no room");
    let cancelled = unwanted.await.expect_err("it was cancelled").is_cancelled();
    told.push(format!("cancelled {cancelled}"));
    let stranger = ctx.external_workflow(format!("{id}-guest")).with_namespace(theirs(ctx));
    let gone = stranger.signal(Guest::hear, "goodbye".into()).await.expect_err("it has closed").is_not_found();
    told.push(format!("gone {gone}"));
    Ok(told)
}

/// Returns a client of a namespace created for this body.
async fn other_namespace(arm: &Arm) -> Result<Client, Box<dyn std::error::Error>> {
    let namespace = format!("{}-theirs", arm.id());
    let request = RegisterNamespaceRequest {
        namespace: namespace.clone(),
        workflow_execution_retention_period: Some(abide_protos::Duration { seconds: 86_400, nanos: 0 }),
        ..Default::default()
    };
    let mut raw = WorkflowServiceClient::connect(format!("http://{}", arm.address())).await?;
    raw.register_namespace(request).await?;
    let client = Client::connect(ClientOptions::new(arm.address()).namespace(namespace)).await?;
    // A real server's services learn of the namespace with different delays.
    until("the namespace is known", || async {
        Ok(client.start(Guest::run, ()).id("first").task_queue("nobody").await.is_ok())
    })
    .await?;
    Ok(client)
}

/// Returns true if the real server has `system.enableCrossNamespaceCommands`, which is off by default.
fn allowed_by_the_real_server() -> bool {
    std::env::var("ABIDE_TEST_CROSS_NAMESPACE").is_ok()
}

#[tokio::test]
async fn a_child_runs_in_another_namespace() -> Outcome {
    let real = std::env::var("ABIDE_TEST_SERVER").ok().filter(|_| allowed_by_the_real_server());
    compare_on(TestServer::builder().cross_namespace_commands(), real, "namespaces", |arm| async move {
        let theirs = other_namespace(&arm).await?;
        let guests = Worker::builder(&theirs, arm.queue()).workflow(Guest::run).build()?;
        let hosts = arm.worker().workflow(hosting).build()?;
        let told = Box::pin(async {
            let handle = arm.client.start(hosting, ()).id(arm.id()).task_queue(arm.queue()).await?;
            let told =
                ["of default, trace Some(\"start\")", "welcome, trace Some(\"signal\")", "cancelled true", "gone true"];
            assert_eq!(handle.result().await?, told);
            Ok::<_, Box<dyn std::error::Error>>(vec![
                handle.fetch_history().await?,
                theirs.handle(Guest::run, format!("{}-guest", arm.id())).fetch_history().await?,
                theirs.handle(Guest::run, format!("{}-unwanted", arm.id())).fetch_history().await?,
            ])
        });
        // Boxed, because a worker's future is large.
        let hosts = Box::pin(hosts.run_until(told));
        let histories = Box::pin(guests.run_until(hosts)).await???;
        Ok(histories)
    })
    .await
}

/// Uses another namespace in one of the three commands that can; it never learns the result.
#[workflow]
async fn straying(ctx: &WorkflowContext, way: String, exists: bool) -> Result<(), WorkflowError> {
    // Arguments contain no ids, because these differ from run to run.
    let namespace = if exists { theirs(ctx) } else { "nowhere".to_string() };
    let nobody = ctx.external_workflow("nobody").with_namespace(&*namespace);
    match way.as_str() {
        "child" => drop(ctx.child_workflow(Guest::run, ()).id("nobody").namespace(namespace).await),
        "signal" => drop(nobody.signal(Guest::hear, "hello".into()).await),
        _ => drop(nobody.cancel().reason("enough").await),
    }
    Ok(())
}

/// Returns the history of such a workflow up to the first event of a type; the server retries at its own pace.
async fn strays(arm: &Arm, way: &str, exists: bool, up_to: &str) -> Histories {
    let worker = arm.worker().workflow(straying).build()?;
    let history = worker
        .run_until(async {
            let start = arm.client.start(straying, (way.into(), exists)).id(arm.id()).task_queue(arm.queue());
            let handle = start.task_timeout(secs(1)).await?;
            until_event(&handle, up_to, 1).await?;
            handle.terminate().reason("enough").await?;
            Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
        })
        .await??;
    let events = history.events();
    let last = events.iter().position(|event| event.event_type().as_str_name() == up_to);
    Ok(vec![History::from_events(events[..=last.ok_or("it is not there")?].to_vec())])
}

#[tokio::test]
async fn other_namespaces_are_refused_unless_the_operator_allows_them() -> Outcome {
    for way in ["child", "signal", "cancel"] {
        // A server that allows these commands would not refuse.
        let real = std::env::var("ABIDE_TEST_SERVER").ok().filter(|_| !allowed_by_the_real_server());
        compare_on(TestServer::builder(), real, "namespace-refused", |arm| async move {
            other_namespace(&arm).await?;
            strays(&arm, way, true, "EVENT_TYPE_WORKFLOW_TASK_FAILED").await
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_namespace_that_is_not_there_loses_the_task() -> Outcome {
    for way in ["child", "signal", "cancel"] {
        compare("namespace-unknown", |arm| async move {
            strays(&arm, way, false, "EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT").await
        })
        .await?;
    }
    Ok(())
}

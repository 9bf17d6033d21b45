//! Plugins in a test environment: its client, its workers and its replays have them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abide::converter::{CodecResult, PayloadCodec, RawPayload, SerializationContext};
use abide::interceptor::{
    ActivityInterceptor, ActivityNext, ExecuteActivityInput, ExecuteWorkflowInput, WorkflowInterceptor, WorkflowNext,
    async_trait,
};
use abide::plugin::Plugin;
use abide::prelude::*;
use abide::worker::{Registered, WorkerBuilder};
use abide::{WorkflowReplayer, WorkflowType};
use abide_testing::TestWorkflowEnvironment;

use super::Outcome;

#[activity(start_to_close_timeout = mins(1))]
async fn greet(name: String) -> Result<String, ActivityError> {
    Ok(format!("hello {name}"))
}

#[workflow]
async fn welcome(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    Ok(ctx.activity(greet, name).await?)
}

/// Turns payloads around.
struct Reversed;

fn reversed(payloads: Vec<RawPayload>) -> CodecResult {
    let reverse = |payload: RawPayload| RawPayload { data: payload.data.into_iter().rev().collect(), ..payload };
    Ok(payloads.into_iter().map(reverse).collect())
}

impl PayloadCodec for Reversed {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        reversed(payloads)
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        reversed(payloads)
    }
}

struct Loudly;

#[async_trait]
impl ActivityInterceptor for Loudly {
    async fn execute_activity(
        &self,
        ctx: &ActivityContext,
        input: ExecuteActivityInput,
        next: ActivityNext<'_>,
    ) -> Result<RawPayload, ActivityError> {
        let greeting: String = next.run(ctx, input).await?.to_value()?;
        Ok(RawPayload::from_value(&greeting.to_uppercase())?)
    }
}

/// Waits before each workflow: a replay without it would find another command.
struct Slowly;

#[async_trait(?Send)]
impl WorkflowInterceptor for Slowly {
    async fn execute_workflow(
        &self,
        ctx: &WorkflowContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<ExecuteWorkflowInput>,
    ) -> Result<RawPayload, WorkflowError> {
        ctx.timer(secs(1)).await?;
        next.run(ctx, input).await
    }
}

/// Greets, with a workflow and an activity of its own. Counts the replayers that it has configured.
#[derive(Default)]
struct Greetings(AtomicU32);

impl Plugin for Greetings {
    fn name(&self) -> &str {
        "example.greetings"
    }

    fn configure_client(&self, options: ClientOptions) -> ClientOptions {
        options.map_data_converter(|converter| converter.codec(Reversed))
    }

    fn configure_worker(&self, worker: WorkerBuilder<Registered>) -> WorkerBuilder<Registered> {
        worker.workflow(welcome).activities(greet).activity_interceptor(Loudly).workflow_interceptor(Slowly)
    }

    fn configure_replayer(&self, replayer: WorkflowReplayer) -> WorkflowReplayer {
        self.0.fetch_add(1, Ordering::Relaxed);
        let replayer = replayer.workflow(welcome).interceptor(Slowly);
        replayer.map_data_converter(|converter| converter.codec(Reversed))
    }
}

/// Runs the plugin's workflow.
#[workflow]
async fn visit(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    let welcome = WorkflowType::<fn(String) -> String>::new("welcome");
    Ok(ctx.child_workflow(welcome, name).await?)
}

#[tokio::test]
async fn b135_the_client_the_worker_and_the_replays_have_a_plugin() -> Outcome {
    let plugin = Arc::new(Greetings::default());
    let env = TestWorkflowEnvironment::start_with(ClientOptions::default().plugin(Arc::clone(&plugin))).await?;
    // The same plugin, which counts once.
    let same = Arc::clone(&plugin);
    let worker = env.worker("visits").workflow(visit).options(|worker| worker.plugin(same));
    let visit = env.client().execute(visit, "tom".into()).id("visit").task_queue("visits");
    assert_eq!(env.run(worker, visit).await?, "HELLO TOM");
    assert_eq!(plugin.0.load(Ordering::Relaxed), 1);
    let history = env.client().handle(visit_type(), "visit").fetch_history().await?;
    assert!(history.to_string().contains(r#"input: "mot""#), "the payloads are encoded: {history}");
    assert!(history.to_string().contains("TimerFired"), "the workflow interceptor has run: {history}");
    Ok(())
}

fn visit_type() -> WorkflowType<fn(String) -> String> {
    WorkflowType::new("visit")
}

#[tokio::test]
async fn two_plugins_of_one_name_end_a_test_that_says_so() -> Outcome {
    let options = ClientOptions::default().plugin(Greetings::default()).plugin(Greetings::default());
    let error = TestWorkflowEnvironment::start_with(options).await.expect_err("two have one name");
    assert!(error.to_string().contains("two plugins of the name `example.greetings`"), "{error}");
    Ok(())
}

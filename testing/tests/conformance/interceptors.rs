//! Interceptors of a client and of activities, bundled in a plugin: the server records what they make of each call.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use abide::client::{Client, RpcError, WorkflowFailedError};
use abide::converter::RawPayload;
use abide::interceptor::*;
use abide::plugin::Plugin;
use abide::prelude::*;
use abide::worker::{Registered, Worker, WorkerBuilder};

use crate::arm::{Outcome, compare, until_event};

/// Adds what it hears to a list, and ends with it.
#[workflow]
#[derive(Default)]
struct List {
    heard: State<Vec<String>>,
}

fn tenant(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.message_header::<String>("tenant")?.unwrap_or_default())
}

#[workflow_methods]
impl List {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, first: String) -> Result<Vec<String>, WorkflowError> {
        let start = format!("{first} of {:?}", ctx.info().header::<String>("tenant")?);
        let shouted = ctx.activity(shout, first.clone()).start_to_close_timeout(secs(10));
        let shouted = shouted.retry_policy(RetryPolicy::new().initial_interval(millis(10))).await?;
        let local = ctx.local_activity(shout, "local".into()).start_to_close_timeout(secs(10)).await?;
        ctx.wait_until(|| self.heard.read().iter().any(|heard| heard.starts_with("end"))).await?;
        Ok([vec![start, shouted, local], self.heard.get()].concat())
    }

    #[signal]
    fn hear(&self, ctx: &WorkflowContext, text: String) -> Result<(), WorkflowError> {
        let heard = format!("{text} from {}", tenant(ctx)?);
        self.heard.update(|all| all.push(heard));
        Ok(())
    }

    #[query]
    fn count(&self, _text: String) -> String {
        self.heard.read().len().to_string()
    }

    #[update]
    fn add(&self, ctx: &WorkflowContext, text: String) -> Result<String, WorkflowError> {
        let heard = format!("{text} from {}", tenant(ctx)?);
        self.heard.update(|all| all.push(heard.clone()));
        Ok(heard)
    }
}

/// Returns the text in capitals, with the user from the headers.
#[activity]
async fn shout(ctx: &ActivityContext, text: String) -> Result<String, ActivityError> {
    let user = ctx.info().header::<String>("user")?;
    Ok(format!("{} by {user:?}", text.to_uppercase()))
}

/// Marks every call that it sees.
#[derive(Clone, Default)]
struct Marks {
    refused: Arc<AtomicU32>,
    attempts: Arc<Mutex<Vec<String>>>,
}

fn mark(input: &mut StartWorkflowInput) -> Result<(), RpcError> {
    input.headers.set("tenant", &"acme".to_string())?;
    input.arguments.set(0, &format!("{}!", input.arguments.get::<String>(0)?))?;
    input.workflow_id += "-of-acme";
    input.run_timeout = Some(mins(1));
    Ok(())
}

#[async_trait]
impl ClientInterceptor for Marks {
    async fn start_workflow(
        &self,
        mut input: StartWorkflowInput,
        next: ClientNext<'_, StartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        if input.arguments.get::<String>(0)? == "forbidden" {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(RpcError::refused("this is forbidden"));
        }
        mark(&mut input)?;
        next.run(input).await
    }

    async fn signal_with_start_workflow(
        &self,
        mut input: SignalWithStartWorkflowInput,
        next: ClientNext<'_, SignalWithStartWorkflowInput>,
    ) -> Result<StartedWorkflow, RpcError> {
        mark(&mut input.start)?;
        input.signal_arguments.set(0, &"signalled".to_string())?;
        next.run(input).await
    }

    async fn update_with_start_workflow(
        &self,
        mut input: UpdateWithStartWorkflowInput,
        next: ClientNext<'_, UpdateWithStartWorkflowInput>,
    ) -> Result<StartedUpdateWithStart, RpcError> {
        mark(&mut input.start)?;
        input.update_headers.set("tenant", &"acme".to_string())?;
        next.run(input).await
    }

    async fn signal_workflow(
        &self,
        mut input: SignalWorkflowInput,
        next: ClientNext<'_, SignalWorkflowInput>,
    ) -> Result<(), RpcError> {
        input.headers.set("tenant", &"acme".to_string())?;
        next.run(input).await
    }

    async fn query_workflow(
        &self,
        input: QueryWorkflowInput,
        next: ClientNext<'_, QueryWorkflowInput>,
    ) -> Result<QueryAnswer, RpcError> {
        let QueryAnswer::Answered(answer) = next.run(input).await? else {
            return Err(RpcError::refused("the query was rejected"));
        };
        Ok(QueryAnswer::Answered(RawPayload::from_value(&format!("{} heard", answer.to_value::<String>()?))?))
    }

    async fn start_update(
        &self,
        mut input: StartUpdateInput,
        next: ClientNext<'_, StartUpdateInput>,
    ) -> Result<StartedUpdate, RpcError> {
        input.headers.set("tenant", &"acme".to_string())?;
        input.update_id += "-of-acme";
        next.run(input).await
    }

    async fn workflow_result(
        &self,
        input: WorkflowResultInput,
        next: ClientNext<'_, WorkflowResultInput>,
    ) -> Result<RawPayload, WorkflowFailedError> {
        let mut result: Vec<String> = next.run(input).await?.to_value()?;
        result.push("and this is all".into());
        Ok(RawPayload::from_value(&result)?)
    }

    async fn terminate_workflow(
        &self,
        mut input: TerminateWorkflowInput,
        next: ClientNext<'_, TerminateWorkflowInput>,
    ) -> Result<(), RpcError> {
        input.reason += " by acme";
        next.run(input).await
    }
}

#[async_trait]
impl ActivityInterceptor for Marks {
    async fn execute_activity(
        &self,
        ctx: &ActivityContext,
        mut input: ExecuteActivityInput,
        next: ActivityNext<'_>,
    ) -> Result<RawPayload, ActivityError> {
        let attempt = ctx.info().attempt;
        let text: String = input.arguments.get(0)?;
        self.attempts.lock().expect("nobody panics here").push(format!("{text} {attempt}"));
        assert!(attempt > 1 || ctx.info().is_local, "the first attempt panics in an interceptor");
        input.arguments.set(0, &format!("{text} again"))?;
        input.headers.set("user", &"ada".to_string())?;
        let result: String = next.run(ctx, input).await?.to_value()?;
        Ok(RawPayload::from_value(&format!("{result}."))?)
    }
}

struct Acme(Marks);

impl Plugin for Acme {
    fn name(&self) -> &str {
        "example.acme"
    }

    fn configure_client(&self, options: ClientOptions) -> ClientOptions {
        options.interceptor(self.0.clone())
    }

    fn configure_worker(&self, worker: WorkerBuilder<Registered>) -> WorkerBuilder<Registered> {
        worker.activities(shout).activity_interceptor(self.0.clone())
    }
}

#[tokio::test]
async fn b133_b134_b135_the_server_records_what_interceptors_make_of_a_call() -> Outcome {
    compare("interceptors", |arm| async move {
        let marks = Marks::default();
        let options = ClientOptions::new(arm.address()).plugin(Acme(marks.clone()));
        let client = Client::connect(options).await?;
        let worker = Worker::builder(&client, arm.queue()).workflow(List::run).max_cached_workflows(0).build()?;
        let start = |text: &str, id: &str| {
            client.start(List::run, text.into()).id(format!("{}-{id}", arm.id())).task_queue(arm.queue())
        };
        let histories = worker.run_until(async {
            let refused = start("forbidden", "none").await.expect_err("it is refused");
            assert_eq!(refused.to_string(), "an interceptor of this client refused the call: this is forbidden");
            let first = start("plain", "first").await?;
            assert_eq!(first.workflow_id(), format!("{}-first-of-acme", arm.id()));
            until_event(&first, "EVENT_TYPE_MARKER_RECORDED", 1).await?;
            let updated = first.start_update(List::add, "updated".into()).id("u").await?;
            assert_eq!(updated.id(), "u-of-acme");
            assert_eq!(updated.result().await?, "updated from acme");
            assert_eq!(first.query(List::count, String::new()).await?, "1 heard");
            first.signal(List::hear, "end".into()).await?;
            let all = first.result().await?;
            let start_and_activities =
                ["plain! of Some(\"acme\")", "PLAIN! AGAIN by Some(\"ada\").", "LOCAL AGAIN by Some(\"ada\")."];
            let heard = ["updated from acme", "end from acme", "and this is all"];
            assert_eq!(all, [&start_and_activities[..], &heard].concat());

            let second = start("signal", "second").with_signal(List::hear, "replaced".into()).await?;
            until_event(&second, "EVENT_TYPE_MARKER_RECORDED", 1).await?;
            second.signal(List::hear, "end".into()).await?;
            assert_eq!(second.result().await?[3..], ["signalled from acme", "end from acme", "and this is all"]);

            let (third, update) = start("update", "third").with_update(List::add, "with".into()).await?;
            assert_eq!(update.result().await?, "with from acme");
            third.terminate().reason("ended").await?;
            let error = third.result().await.expect_err("it was terminated");
            assert_eq!(error.to_string(), "the workflow was terminated: ended by acme");
            Ok::<_, Box<dyn std::error::Error>>(vec![first.fetch_history().await?, second.fetch_history().await?])
        });
        let histories = histories.await??;
        assert_eq!(marks.refused.load(Ordering::Relaxed), 1);
        let attempts = marks.attempts.lock().expect("nobody panics here").clone();
        assert_eq!(attempts[..3], ["plain! 1", "plain! 2", "local 1"]);
        Ok(histories)
    })
    .await
}

//! Workflows, activities and messages whose names are not known beforehand, handlers that are set at run time, and
//! contracts.

use std::rc::Rc;

use abide::converter::RawArguments;
use abide::prelude::*;
use abide::{ActivityType, QueryType, SignalType, UpdateType, WorkflowType};

use crate::arm::{Outcome, compare, until_event};

#[activity(dynamic)]
async fn any_activity(ctx: &ActivityContext, args: RawArguments) -> Result<String, ActivityError> {
    Ok(format!("{}({})", ctx.info().activity_type, args.get::<String>(0)?))
}

/// An activity and a local activity of the workflow's name.
#[workflow(dynamic)]
async fn any_workflow(ctx: &WorkflowContext, args: RawArguments) -> Result<[String; 2], WorkflowError> {
    let activity = ActivityType::<fn(RawArguments) -> String>::named(ctx.info().workflow_type.clone());
    let remote = ctx.activity(activity.clone(), args.clone()).start_to_close_timeout(secs(10)).await?;
    let local = ctx.local_activity(activity, args).start_to_close_timeout(secs(10)).await?;
    Ok([remote, local])
}

#[tokio::test]
async fn dynamic_workflows_and_activities_run_every_type() -> Outcome {
    compare("dynamic", |arm| async move {
        let worker = arm.worker().workflow(any_workflow).activities(any_activity).build()?;
        let history = worker
            .run_until(async {
                let anything = WorkflowType::<fn(String) -> [String; 2]>::new("anything");
                let start = arm.client.start(anything, "hello".into()).id(arm.id()).task_queue(arm.queue());
                let handle = start.await?;
                assert_eq!(handle.result().await?, ["anything(hello)", "anything(hello)"]);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

const WRITE: SignalType<fn(String)> = SignalType::new("write");
const CLOSE: UpdateType<fn(String) -> usize> = UpdateType::new("close");

/// Sets its handlers when it begins, after the signal that started it.
#[workflow]
async fn notebook(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let (lines, closed) = (Rc::new(State::new(Vec::new())), Rc::new(State::new(false)));
    let (written, any, shown, closing) = (lines.clone(), lines.clone(), lines.clone(), (lines.clone(), closed.clone()));
    ctx.set_signal_handler(WRITE, async move |_, line| {
        written.write().push(line);
        Ok(())
    });
    ctx.set_dynamic_signal_handler(async move |_, name, args| {
        any.write().push(format!("{name} {}", args.len()));
        Ok(())
    });
    ctx.set_dynamic_query_handler(move |_, name, _| Ok(format!("{name}: {}", shown.read().len())));
    let close = ctx.set_update_handler(CLOSE, async move |ctx, last| {
        ctx.timer(millis(20)).await?;
        closing.0.write().push(last);
        closing.1.set(true);
        Ok(closing.0.read().len())
    });
    close.validator(|_, last| match last.as_str() {
        "" => Err(ApplicationFailure::new("the last line is empty").into()),
        _ => Ok(()),
    });
    close.description("Closes the notebook.");
    ctx.wait_until(|| closed.get() && ctx.all_handlers_finished()).await?;
    Ok(lines.take())
}

#[tokio::test]
async fn handlers_that_are_set_at_run_time_get_all_messages() -> Outcome {
    compare("run-time-handlers", |arm| async move {
        let worker = arm.worker().workflow(notebook).build()?;
        let history = worker
            .run_until(async {
                let start = arm.client.start(notebook, ()).id(arm.id()).task_queue(arm.queue());
                let notes = start.with_signal(WRITE, "first".into()).await?;
                until_event(&notes, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                notes.signal(SignalType::<fn(u32, u32)>::new("other"), (1, 2)).await?;
                until_event(&notes, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                assert_eq!(notes.query(QueryType::<fn() -> String>::new("lines"), ()).await?, "lines: 2");
                let metadata = QueryType::<fn() -> serde_json::Value>::new("__temporal_workflow_metadata");
                let metadata = notes.query(metadata, ()).await?;
                let updates = &metadata["definition"]["updateDefinitions"];
                assert_eq!(updates[0]["description"], "Closes the notebook.", "{metadata}");
                let trace = QueryType::<fn() -> serde_json::Value>::new("__enhanced_stack_trace");
                let trace = notes.query(trace, ()).await?;
                let path = trace["stacks"][0]["locations"][0]["filePath"].as_str().unwrap_or_default();
                assert!(path.ends_with("conformance/dynamic.rs"), "{trace}");
                let refused = notes.update(CLOSE, String::new()).id("empty").await.expect_err("it is empty");
                assert!(refused.to_string().contains("the last line is empty"), "{refused}");
                assert_eq!(notes.update(CLOSE, "last".into()).id("last").await?, 3);
                assert_eq!(notes.result().await?, ["first", "other 2", "last"]);
                Ok::<_, Box<dyn std::error::Error>>(notes.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

/// The workflow as the client of this body knows it.
#[abide::workflow_definition(name = "counter")]
trait Counter {
    #[run]
    fn run(goal: u32) -> u32;
    #[signal]
    fn add(amount: u32);
    #[query]
    fn total() -> u32;
}

#[workflow]
#[derive(Default)]
struct Sum {
    total: State<u32>,
}

#[workflow_methods(implements = Counter)]
impl Sum {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, goal: u32) -> Result<u32, WorkflowError> {
        ctx.wait_until(|| self.total.get() >= goal).await?;
        Ok(self.total.get())
    }

    #[signal]
    fn add(&self, amount: u32) {
        *self.total.write() += amount;
    }

    #[query]
    fn total(&self) -> u32 {
        self.total.get()
    }
}

#[tokio::test]
async fn a_client_needs_only_the_contract() -> Outcome {
    compare("contract", |arm| async move {
        let worker = arm.worker().workflow(Sum::run).build()?;
        let history = worker
            .run_until(async {
                let start = arm.client.start(Counter::run, 5).id(arm.id()).task_queue(arm.queue());
                let counter = start.with_signal(Counter::add, 2).await?;
                until_event(&counter, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                assert_eq!(counter.query(Counter::total, ()).await?, 2);
                counter.signal(Counter::add, 4).await?;
                assert_eq!(counter.result().await?, 6);
                Ok::<_, Box<dyn std::error::Error>>(counter.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

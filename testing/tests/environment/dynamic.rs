//! Dynamic workflows, activities and handlers: what they get as a worker, its replayer and the server see them.

use std::rc::Rc;

use abide::converter::{RawArguments, RawPayload};
use abide::prelude::*;
use abide::{ActivityType, QueryType, SignalType, UpdateType, WorkflowType};
use abide_testing::TestWorkflowEnvironment;

use super::Outcome;

/// Runs activities of all types.
#[activity(dynamic)]
async fn any_activity(ctx: &ActivityContext, args: RawArguments) -> Result<String, ActivityError> {
    Ok(format!("{}({})", ctx.info().activity_type, args.get::<String>(0)?))
}

#[activity]
async fn known(text: String) -> Result<String, ActivityError> {
    Ok(format!("known: {text}"))
}

/// Runs workflows of all types: an activity and a local activity of the workflow's name.
#[workflow(dynamic)]
async fn any_workflow(ctx: &WorkflowContext, args: RawArguments) -> Result<Vec<String>, WorkflowError> {
    let activity = ActivityType::<fn(RawArguments) -> RawPayload>::named(ctx.info().workflow_type.clone());
    let first = ctx.activity(activity.clone(), args.clone()).start_to_close_timeout(secs(5)).await?;
    let second = ctx.local_activity(activity, args).start_to_close_timeout(secs(5)).await?;
    let mut results = RawArguments::new();
    results.push(&first)?;
    results.push(&second)?;
    Ok(vec![results.get(0)?, results.get(1)?])
}

#[tokio::test]
async fn a_dynamic_workflow_and_a_dynamic_activity_run_what_has_no_name_of_its_own() -> Outcome {
    for (name, expected) in [("anything", "anything(hello)"), ("known", "known: hello")] {
        let env = TestWorkflowEnvironment::start().await?;
        let worker = env.worker("any").workflow(any_workflow).activities(any_activity).activities(known);
        let start = WorkflowType::<fn(String) -> Vec<String>>::named(name);
        let results = env.run(worker, env.client().execute(start, "hello".into()).task_queue("any")).await?;
        assert_eq!(results, [expected, expected]);
    }
    Ok(())
}

const WRITE: SignalType<fn(String)> = SignalType::new("write");
const LINES: QueryType<fn() -> usize> = QueryType::new("lines");
const CLOSE: UpdateType<fn(String) -> usize> = UpdateType::new("close");

/// A function with handlers.
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
    ctx.set_query_handler(LINES, move |_, ()| Ok(shown.read().len()));
    ctx.set_update_handler(CLOSE, async move |ctx, last| {
        ctx.timer(secs(1)).await?;
        closing.0.write().push(last);
        closing.1.set(true);
        Ok(closing.0.read().len())
    })
    .validator(|_, last| match last.as_str() {
        "" => Err(ApplicationFailure::new("the last line is empty").into()),
        _ => Ok(()),
    });
    ctx.wait_until(|| closed.get() && ctx.all_handlers_finished()).await?;
    Ok(lines.take())
}

#[tokio::test]
async fn a_function_handles_messages_also_those_that_start_it() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("notes").workflow(notebook);
    let lines = env
        .run(worker, async {
            let start = env.client().start(notebook, ()).id("notes-1").task_queue("notes");
            let notes = start.with_signal(WRITE, "first".into()).await?;
            notes.signal(SignalType::<fn(u32, u32)>::new("other"), (1, 2)).await?;
            assert_eq!(notes.query(LINES, ()).await?, 2);
            let refused = notes.update(CLOSE, String::new()).await.unwrap_err();
            assert!(refused.to_string().contains("the last line is empty"), "{refused}");
            assert_eq!(notes.update(CLOSE, "last".into()).await?, 3);
            Ok::<_, Box<dyn std::error::Error>>(notes.result().await?)
        })
        .await?;
    assert_eq!(lines, ["first", "other 2", "last"]);
    Ok(())
}

#[tokio::test]
async fn an_update_that_starts_a_function_reaches_its_handler() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("notes").workflow(notebook);
    let lines = env
        .run(worker, async {
            let start = env.client().start(notebook, ()).id("notes-2").task_queue("notes");
            let (notes, closed) = start.with_update(CLOSE, "only".into()).await?;
            assert_eq!(closed.result().await?, 1);
            Ok::<_, Box<dyn std::error::Error>>(notes.result().await?)
        })
        .await?;
    assert_eq!(lines, ["only"]);
    Ok(())
}

#[activity(dynamic)]
async fn any_other(_args: RawArguments) -> Result<(), ActivityError> {
    Ok(())
}

#[tokio::test]
async fn a_second_dynamic_activity_is_refused() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("any").activities(any_activity).activities(any_other);
    let run = std::panic::AssertUnwindSafe(env.run(worker, std::future::ready(())));
    let panic = futures_util::FutureExt::catch_unwind(run).await.expect_err("two are one too many");
    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains("any_activity (dynamic)` is registered twice"), "{text}");
    Ok(())
}

//! A worker's log reports blocking activities and payload codecs, failed attempts, and commands that the server
//! refuses.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use abide::SearchAttributeKey;
use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;
use futures_util::FutureExt as _;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::Outcome;

/// Slightly longer than the detection limit.
const BLOCKS: Duration = Duration::from_millis(1100);

#[expect(clippy::disallowed_methods, reason = "that it blocks is what is tested")]
fn block() {
    std::thread::sleep(BLOCKS);
}

#[activity]
async fn resize_image(name: String) -> Result<String, ActivityError> {
    block();
    Ok(name)
}

#[activity]
async fn wait_for_image(name: String) -> Result<String, ActivityError> {
    tokio::task::yield_now().await;
    Ok(name)
}

#[workflow]
async fn makes_thumbnail(ctx: &WorkflowContext, local: bool) -> Result<String, WorkflowError> {
    let name = ctx.activity(wait_for_image, "cat".into()).start_to_close_timeout(mins(1)).await?;
    if local {
        return Ok(ctx.local_activity(resize_image, name).start_to_close_timeout(mins(1)).await?);
    }
    Ok(ctx.activity(resize_image, name).start_to_close_timeout(mins(1)).await?)
}

/// The log of this thread, which runs everything except workflow code.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Keeps the log until both are dropped. With a single subscriber `tracing` would ask the thread that logs something
    /// first whether to log it anywhere, which can be another test's.
    fn kept(&self) -> (DefaultGuard, Dispatch) {
        let second = Dispatch::new(self.clone());
        (tracing::subscriber::set_default(self.clone()), second)
    }

    fn lines_with(&self, text: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn an_activity_that_blocks_the_async_runtime_is_named() -> Outcome {
    for local in [false, true] {
        let log = Log::default();
        let _kept = log.kept();
        let env = TestWorkflowEnvironment::start().await?;
        let worker = env.worker("images").workflow(makes_thumbnail).activities(resize_image).activities(wait_for_image);
        let call = env.client().execute(makes_thumbnail, local).id("cat-7").task_queue("images");
        assert_eq!(env.run(worker, call).await?, "cat");
        let lines = log.lines_with("has blocked a thread of the async runtime");
        let [line] = &*lines else { panic!("local: {local}: {lines:#?}") };
        for part in ["WARN", "activity `resize_image`", "spawn_blocking", "cat-7", "attempt=1"] {
            assert!(line.contains(part), "local: {local}: `{part}` is not in: {line}");
        }
    }
    Ok(())
}

/// Blocks once.
struct Slow(AtomicBool);

impl PayloadCodec for Slow {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        Ok(payloads)
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        if !self.0.swap(true, Ordering::Relaxed) {
            block();
        }
        Ok(payloads)
    }
}

#[tokio::test]
async fn a_payload_codec_that_blocks_is_reported() -> Outcome {
    let log = Log::default();
    let _kept = log.kept();
    let converter = DataConverter::new().codec(Slow(AtomicBool::new(false)));
    let env = TestWorkflowEnvironment::start_with(ClientOptions::default().data_converter(converter)).await?;
    let worker = env.worker("images").workflow(makes_thumbnail).activities(wait_for_image).mock(resize_image, Ok);
    env.run(worker, env.client().execute(makes_thumbnail, false).task_queue("images")).await?;
    let lines = log.lines_with("the payload codec has blocked a thread of the async runtime");
    let [line] = &*lines else { panic!("{lines:#?}") };
    assert!(line.contains("WARN") && line.contains("while it had payloads to decode"), "{line}");
    Ok(())
}

#[activity]
async fn fails_once(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    if ctx.info().attempt == 1 {
        return Err(ApplicationFailure::new("no film").into());
    }
    Ok(ctx.info().attempt)
}

const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");

/// The line on which [`develops`] issues a command that the server refuses.
const REFUSED: u32 = line!() + 6;

#[workflow]
async fn develops(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    let attempts = ctx.activity(fails_once, ()).start_to_close_timeout(mins(1)).await?;
    let timer = ctx.timer(days(1)).start();
    ctx.upsert_search_attributes([CUSTOMER.set("Ada")]);
    timer.await?;
    Ok(attempts)
}

#[tokio::test]
async fn failed_attempts_and_refused_commands_are_logged_with_attempt_and_line() -> Outcome {
    let log = Log::default();
    let _kept = log.kept();
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("images").workflow(develops).activities(fails_once);
    let run = env.run(worker, env.client().execute(develops, ()).id("film-7").task_queue("images"));
    AssertUnwindSafe(run).catch_unwind().await.expect_err("the search attribute is not registered");
    let lines = log.lines_with("an activity failed: no film");
    let [line] = &*lines else { panic!("{lines:#?}") };
    assert!(line.starts_with("WARN") && line.contains(" activity_id=\"1\" attempt=1 "), "{line}");
    let lines = log.lines_with("the server did not accept a workflow task's completion: ");
    let line = lines.first().expect("a refusal");
    let place = format!("; the command is issued at {}:{REFUSED}:", file!());
    for part in ["WARN", "film-7", " workflow_task_attempt=1", "BadSearchAttributes: ", &place] {
        assert!(line.contains(part), "`{part}` is not in: {line}");
    }
    Ok(())
}

#[derive(Debug, ApplicationError)]
enum DarkroomError {
    #[error("still wet", benign, next_retry_delay = secs(1))]
    Wet,
    #[error("torn")]
    Torn,
}

#[activity]
async fn hangs_up(ctx: &ActivityContext) -> Result<(), DarkroomError> {
    match ctx.info().attempt {
        1 => Err(DarkroomError::Wet),
        2 => Err(DarkroomError::Torn),
        _ => Ok(()),
    }
}

#[workflow]
async fn dries(ctx: &WorkflowContext, local: bool) -> Result<(), WorkflowError> {
    if local {
        return Ok(ctx.local_activity(hangs_up, ()).start_to_close_timeout(mins(1)).await?);
    }
    Ok(ctx.activity(hangs_up, ()).start_to_close_timeout(mins(1)).await?)
}

#[tokio::test]
async fn an_expected_failure_of_an_attempt_is_no_warning() -> Outcome {
    for local in [false, true] {
        let log = Log::default();
        let _kept = log.kept();
        let env = TestWorkflowEnvironment::start().await?;
        let worker = env.worker("images").workflow(dries).activities(hangs_up);
        env.run(worker, env.client().execute(dries, local).task_queue("images")).await?;
        let lines = log.lines_with("an activity failed: ");
        let [wet, torn] = &*lines else { panic!("local: {local}: {lines:#?}") };
        assert!(wet.starts_with("DEBUG") && wet.contains("still wet"), "local: {local}: {wet}");
        assert!(torn.starts_with("WARN") && torn.contains("torn"), "local: {local}: {torn}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a task that outlives its activity is what is tested")]
#[activity(start_to_close_timeout = mins(1))]
async fn leaves_a_task_behind(ctx: &ActivityContext) -> Result<(), ActivityError> {
    let ctx = ctx.clone();
    tokio::spawn(async move {
        for _ in 0..3 {
            tokio::task::yield_now().await;
            ctx.heartbeat(&1).expect("a number can be serialized");
        }
    });
    Ok(())
}

#[workflow]
async fn hurries(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(leaves_a_task_behind, ()).await?;
    Ok(ctx.timer(secs(1)).await?)
}

#[tokio::test]
async fn a_heartbeat_after_the_end_of_its_attempt_is_reported_once() -> Outcome {
    let log = Log::default();
    let _kept = log.kept();
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("images").workflow(hurries).activities(leaves_a_task_behind);
    env.run(worker, env.client().execute(hurries, ()).task_queue("images")).await?;
    let lines = log.lines_with("has recorded a heartbeat after its attempt had ended");
    let [line] = &*lines else { panic!("{lines:#?}") };
    assert!(line.starts_with("WARN") && line.contains("activity `leaves_a_task_behind`"), "{line}");
    Ok(())
}

#[workflow]
async fn asks_for_a_missing_local_activity(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let once = RetryPolicy::new().maximum_attempts(1);
    Ok(ctx.local_activity(enlarges, ()).retry_policy(once).await?)
}

#[tokio::test]
async fn a_local_activity_that_is_not_registered_is_named_with_those_that_are() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = abide::Worker::builder(env.client(), "images")
        .workflow(asks_for_a_missing_local_activity)
        .activities(fails_once)
        .build()?;
    let call = env.client().execute(asks_for_a_missing_local_activity, ()).task_queue("images");
    let failed = worker.run_until(call.into_future()).await?.expect_err("it is not registered");
    let text = failed.to_string();
    for part in ["`enlarges` is not registered", "registered: fails_once", "on the worker of its workflow"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    Ok(())
}

#[activity(auto_heartbeat, start_to_close_timeout = mins(1))]
async fn enlarges() -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
async fn prints(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(enlarges, ()).heartbeat_timeout(secs(5)).await?;
    ctx.activity(enlarges, ()).await?;
    ctx.activity(enlarges, ()).await?;
    Ok(ctx.local_activity(enlarges, ()).await?)
}

#[tokio::test]
async fn automatic_heartbeats_without_a_timeout_are_reported_once() -> Outcome {
    let log = Log::default();
    let _kept = log.kept();
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("images").workflow(prints).activities(enlarges);
    env.run(worker, env.client().execute(prints, ()).task_queue("images")).await?;
    let lines = log.lines_with("no heartbeat timeout");
    let [line] = &*lines else { panic!("{lines:#?}") };
    assert!(line.starts_with("WARN") && line.contains("activity `enlarges` has `auto_heartbeat`"), "{line}");
    Ok(())
}

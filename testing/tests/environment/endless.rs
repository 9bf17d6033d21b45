//! A test never waits forever in silence: it fails with a message that names what is awaited, by whom, and what to do.

use std::future::{IntoFuture, pending};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use abide::converter::{CodecResult, DataConverter, PayloadCodec, RawPayload, SerializationContext};
use abide::prelude::*;
use abide::{FailureConverter, RaisedError};
use abide_testing::{TestWorker, TestWorkflowEnvironment};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::{Outcome, real_time};

#[activity]
async fn charge(cents: u64) -> Result<u64, ActivityError> {
    Err(ApplicationFailure::new(format!("no gateway in a test ({cents})")).into())
}

#[activity]
async fn refund(cents: u64) -> Result<u64, ActivityError> {
    Ok(cents)
}

/// The line on which [`pay`] waits.
const PAY: u32 = line!() + 4;

#[workflow]
async fn pay(ctx: &WorkflowContext) -> Result<u64, WorkflowError> {
    Ok(ctx.activity(charge, 995).start_to_close_timeout(mins(1)).await?)
}

#[workflow]
async fn pay_locally(ctx: &WorkflowContext) -> Result<u64, WorkflowError> {
    Ok(ctx.local_activity(charge, 995).start_to_close_timeout(mins(1)).await?)
}

#[workflow]
async fn pay_elsewhere(ctx: &WorkflowContext) -> Result<u64, WorkflowError> {
    Ok(ctx.activity(charge, 995).start_to_close_timeout(mins(1)).task_queue("tills").await?)
}

/// The line on which [`waits`] waits.
const WAITS: u32 = line!() + 4;

#[workflow]
async fn waits(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.wait_until(|| false).await?;
    Ok(())
}

#[workflow]
async fn has_a_child_elsewhere(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let options = abide::workflow::ChildWorkflowOptions::new().task_queue("nursery");
    Ok(ctx.child_workflow(waits, ()).id("child-7").options(&options).await?)
}

#[workflow]
async fn ticks(ctx: &WorkflowContext, times: u64) -> Result<(), WorkflowError> {
    for _ in 0..times {
        ctx.timer(days(1)).await?;
    }
    Err(ctx.continue_as_new(ticks, times).into())
}

/// The end at which a thread could answer [`waits_for_a_thread`].
static THREAD: Mutex<Option<oneshot::Sender<()>>> = Mutex::new(None);

/// The line of the last statement of [`waits_for_a_thread`] that is known.
const BEFORE_THE_THREAD: u32 = line!() + 4;

#[workflow]
async fn waits_for_a_thread(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    let (thread, answer) = oneshot::channel();
    *THREAD.lock().expect("nobody panics with it") = Some(thread);
    let _ = answer.await;
    Ok(())
}

/// Returns an environment with little patience.
async fn environment() -> Result<TestWorkflowEnvironment, Box<dyn std::error::Error>> {
    let env = TestWorkflowEnvironment::start().await?;
    env.set_patience(secs(1));
    Ok(env)
}

/// Runs a test that would wait forever. Returns its failure message.
async fn end_of<F: IntoFuture>(env: &TestWorkflowEnvironment, worker: TestWorker, future: F) -> String {
    let began = real_time();
    let text = text_at_the_end_of(env, worker, future).await;
    assert!(began.elapsed() < secs(30), "{:?}", began.elapsed());
    text
}

/// Like [`end_of`], however long it takes.
async fn text_at_the_end_of<F: IntoFuture>(env: &TestWorkflowEnvironment, worker: TestWorker, future: F) -> String {
    let run = AssertUnwindSafe(env.run(worker, future)).catch_unwind().await;
    let Err(panic) = run else { panic!("the test ended well") };
    panic.downcast_ref::<String>().expect("a panic with text").clone()
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// Checks that the text names the line of this file at which the code of that run waits.
#[track_caller]
fn waits_at(text: &str, run: &str, what: &str, line: u32) {
    let (_, lines) = text.split_once("Where the code waits:").unwrap_or_else(|| panic!("no lines: {text}"));
    let (_, lines) = lines.split_once(&format!("- workflow {run}\n")).unwrap_or_else(|| panic!("no {run}: {text}"));
    let first = lines.lines().next().unwrap_or_default();
    assert!(first.contains(what) && first.contains(&format!(", at {}:{line}:", file!())), "line {line}: {text}");
}

/// A codec that reverses payloads.
struct Reversed;

fn reversed(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    bytes.as_ref().iter().rev().copied().collect()
}

impl PayloadCodec for Reversed {
    async fn encode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        let encoding = || [("encoding".to_string(), b"binary/reversed".to_vec())].into();
        let encoded = |payload: RawPayload| RawPayload { metadata: encoding(), data: reversed(payload.to_bytes()) };
        Ok(payloads.into_iter().map(encoded).collect())
    }

    async fn decode(&self, _: &SerializationContext, payloads: Vec<RawPayload>) -> CodecResult {
        payloads.into_iter().map(|payload| Ok(RawPayload::from_bytes(&reversed(&payload.data))?)).collect()
    }
}

#[tokio::test]
async fn an_activity_that_is_neither_registered_nor_mocked_is_named() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("pay").workflow(pay).activities(refund);
    let text = end_of(&env, worker, env.client().execute(pay, ()).id("order-7").task_queue("pay")).await;
    says(&text, &["activity `charge`", "`order-7` (pay)", "`pay`", ".mock(charge, |..| Ok(..))", "registered: refund"]);
    assert_eq!(env.elapsed(), secs(0));
    waits_at(&text, "`order-7` (pay)", "activity type=charge id=1", PAY);
    Ok(())
}

#[tokio::test]
async fn a_local_activity_that_is_neither_registered_nor_mocked_is_named() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("pay").workflow(pay_locally).activities(refund);
    let text = end_of(&env, worker, env.client().execute(pay_locally, ()).id("order-7").task_queue("pay")).await;
    says(&text, &["activity `charge`", "`order-7` (pay_locally)", ".mock(charge, |..| Ok(..))", "registered: refund"]);
    Ok(())
}

#[tokio::test]
async fn an_activity_of_a_worker_without_activities_is_named() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("pay").workflow(pay);
    let text = end_of(&env, worker, env.client().execute(pay, ()).id("order-7").task_queue("pay")).await;
    says(
        &text,
        &["Awaited: the end of workflow `order-7` (pay)", "activity `charge`", "no worker polls for activities"],
    );
    says(&text, &["register the activity or a mock with the worker of this one"]);
    // A local activity runs on the workflow's worker.
    let env = environment().await?;
    let worker = env.worker("pay").workflow(pay_locally);
    let text = end_of(&env, worker, env.client().execute(pay_locally, ()).id("order-7").task_queue("pay")).await;
    says(&text, &["activity `charge`", ".mock(charge, |..| Ok(..))", "; no activity is registered"]);
    Ok(())
}

#[tokio::test]
async fn a_failed_assertion_in_a_mock_fails_the_test() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("pay").workflow(pay).mock(charge, |cents| {
        assert_eq!(cents, 7, "the wrong price");
        Ok(cents)
    });
    let text = end_of(&env, worker, env.client().execute(pay, ()).task_queue("pay")).await;
    says(&text, &["the mock of activity `charge` panicked", "the wrong price", "995"]);
    Ok(())
}

#[tokio::test]
async fn a_panic_of_a_mock_fails_the_test_even_if_the_workflow_ignores_the_failure() -> Outcome {
    #[workflow]
    async fn never_mind(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let _ = ctx.activity(charge, 995).start_to_close_timeout(mins(1)).await;
        Ok(())
    }
    let env = environment().await?;
    let worker = env.worker("pay").workflow(never_mind).mock(charge, |cents| panic!("not {cents}"));
    let text = end_of(&env, worker, env.client().execute(never_mind, ()).task_queue("pay")).await;
    says(&text, &["the mock of activity `charge` panicked: not 995"]);
    Ok(())
}

#[tokio::test]
async fn an_activity_that_fails_for_ever_is_given_up() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("pay").workflow(pay).activities(charge);
    let text = end_of(&env, worker, env.client().execute(pay, ()).id("order-7").task_queue("pay")).await;
    says(&text, &["activity `charge` (id 1) of workflow `order-7` (pay) has failed", "no gateway in a test (995)"]);
    says(&text, &[".schedule_to_close_timeout(..)", "Awaited: the end of workflow `order-7` (pay)"]);
    Ok(())
}

#[tokio::test]
async fn an_activity_that_fails_as_often_and_is_bounded_is_not_given_up() -> Outcome {
    #[workflow]
    async fn for_two_weeks(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        let policy = RetryPolicy::new().initial_interval(mins(20)).backoff_coefficient(1.0);
        let call = ctx.activity(charge, 995).schedule_to_close_timeout(days(15)).retry_policy(policy);
        Ok(call.await.expect_err("it always fails").to_string())
    }
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("pay").workflow(for_two_weeks).activities(charge);
    let error = env.run(worker, env.client().execute(for_two_weeks, ()).task_queue("pay")).await?;
    assert!(error.contains("no gateway"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_queue_without_a_worker_is_named() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("pay").workflow(pay_elsewhere).mock(charge, Ok);
    let text = end_of(&env, worker, env.client().execute(pay_elsewhere, ()).id("order-7").task_queue("pay")).await;
    says(&text, &["workflow `order-7` (pay_elsewhere) waits for activity `charge` (id 1)", "the task queue `tills`"]);
    says(&text, &["workers poll `pay` for activities", "schedule the activity on another task queue"]);

    let env = environment().await?;
    let worker = env.worker("pay").workflow(has_a_child_elsewhere);
    let call = env.client().execute(has_a_child_elsewhere, ()).id("parent-7").task_queue("pay");
    let text = end_of(&env, worker, call).await;
    says(&text, &["workflow `parent-7` (has_a_child_elsewhere) waits for its child `child-7` (waits)"]);
    says(&text, &["workflow `child-7` (waits) waits for a worker", "the task queue `nursery`"]);
    says(&text, &["- workflow `parent-7` (has_a_child_elsewhere)\n", concat!("at ", file!())]);
    assert!(!text.contains("- workflow `child-7` (waits)\n"), "it has not begun: {text}");
    Ok(())
}

#[tokio::test]
async fn a_workflow_that_is_started_on_the_wrong_queue_is_named() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("pay").workflow(pay).mock(charge, Ok);
    let text = end_of(&env, worker, env.client().execute(pay, ()).id("order-7").task_queue("pya")).await;
    says(&text, &["Awaited: the end of workflow `order-7` (pay)", "its workflow task waits on the task queue `pya`"]);
    says(&text, &["workers poll `pay` for workflow tasks", "start the workflow on another task queue"]);
    Ok(())
}

#[tokio::test]
async fn a_condition_that_nothing_makes_true_is_named() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("waits").workflow(waits);
    let text = end_of(&env, worker, env.client().execute(waits, ()).id("order-7").task_queue("waits")).await;
    says(&text, &["nothing more can happen", "Awaited: the end of workflow `order-7` (waits)"]);
    says(&text, &["a condition that stays false", "env.at(..)"]);
    waits_at(&text, "`order-7` (waits)", "condition", WAITS);
    Ok(())
}

#[tokio::test]
async fn the_line_is_told_also_if_the_values_are_encoded() -> Outcome {
    let converter = DataConverter::new().codec(Reversed);
    let env = TestWorkflowEnvironment::start_with(ClientOptions::default().data_converter(converter)).await?;
    env.set_patience(secs(1));
    let worker = env.worker("waits").workflow(waits);
    let text = end_of(&env, worker, env.client().execute(waits, ()).id("order-7").task_queue("waits")).await;
    waits_at(&text, "`order-7` (waits)", "condition", WAITS);
    Ok(())
}

#[workflow]
async fn panics(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    panic!("a bug in the workflow")
}

/// A failure converter that turns messages around.
struct Backwards;

impl FailureConverter for Backwards {
    fn to_failure(&self, error: RaisedError<'_>) -> Failure {
        let failure = error.default_failure();
        let message = failure.message().chars().rev().chain(['~']).collect::<String>();
        failure.with_message(message)
    }

    fn read_failure(&self, failure: Failure) -> Failure {
        let message = failure.message().strip_suffix('~').map(|message| message.chars().rev().collect::<String>());
        message.map(|message| failure.clone().with_message(message)).unwrap_or(failure)
    }
}

#[tokio::test]
async fn failures_are_told_in_the_words_that_were_encoded() -> Outcome {
    let converters = [
        DataConverter::new().encode_common_attributes(),
        DataConverter::new().codec(Reversed).encode_common_attributes(),
        DataConverter::new().failure_converter(Backwards),
    ];
    for converter in converters {
        let options = ClientOptions::default().data_converter(converter);
        let env = TestWorkflowEnvironment::start_with(options).await?;
        let worker = env.worker("pay").workflow(pay).activities(charge);
        let text = end_of(&env, worker, env.client().execute(pay, ()).task_queue("pay")).await;
        says(&text, &["has failed", "nothing limits its retries: \"no gateway in a test (995)\"", "Open:"]);
        let worker = env.worker("bugs").workflow(panics);
        let text = end_of(&env, worker, env.client().execute(panics, ()).task_queue("bugs")).await;
        says(&text, &["a workflow task failed", "a bug in the workflow", "endless.rs:"]);
        assert!(!text.contains("Encoded failure") && !text.contains('~'), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_by_hand_tells_the_line_to_who_awaits() -> Outcome {
    let env = environment().await?;
    let worker = Worker::builder(env.client(), "waits").workflow(waits).build()?;
    let call = env.client().execute(waits, ()).id("order-7").task_queue("waits");
    let error = worker.run_until(call.into_future()).await?.expect_err("nothing makes it true");
    let text = format!("{error:?} {error}");
    says(&text, &["nothing more can happen", "condition, at "]);
    // The environment continues to work: the next wait has its own message.
    let worker = env.worker("waits").workflow(waits);
    let call = env.client().execute(waits, ()).id("order-8").task_queue("waits");
    waits_at(&end_of(&env, worker, call).await, "`order-8` (waits)", "condition", WAITS);
    Ok(())
}

#[tokio::test]
async fn code_that_does_not_answer_does_not_hold_the_end_up() -> Outcome {
    let env = environment().await?;
    // The worker that ran it is gone, so the workflow cannot be queried.
    let worker = Worker::builder(env.client(), "gone").workflow(waits).build()?;
    let until_it_waits = async {
        env.client().start(waits, ()).id("order-6").task_queue("gone").await?;
        env.sleep(secs(1)).await;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    worker.run_until(until_it_waits).await??;
    let worker = env.worker("waits").workflow(waits);
    let text = end_of(&env, worker, env.client().execute(waits, ()).id("order-7").task_queue("waits")).await;
    says(&text, &["workflow `order-6` (waits) waits"]);
    assert!(!text.contains("- workflow `order-6` (waits)\n"), "{text}");
    waits_at(&text, "`order-7` (waits)", "condition", WAITS);
    Ok(())
}

#[tokio::test]
async fn a_workflow_that_never_ends_is_given_up() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("clock").workflow(ticks);
    let call = env.client().execute(ticks, 400).id("clock-7").task_queue("clock");
    let text = text_at_the_end_of(&env, worker, call).await;
    says(
        &text,
        &["Awaited: the end of workflow `clock-7` (ticks)", "Look for an endless loop", "one timer after another"],
    );
    // A quick machine reaches the time first, which is twelve times the patience, a slow one the number of skips.
    // Both are looked at every 256 skips.
    let (skips, seconds) = skips_told(&text);
    assert!(skips >= 2000 && seconds >= 12, "{skips} skips in {seconds} s");
    assert!(skips <= 2048 || seconds <= 14, "{skips} skips in {seconds} s");
    Ok(())
}

/// Returns the number of skips in a text, and the seconds that they took: 60 for anything longer than a minute.
fn skips_told(text: &str) -> (u32, u32) {
    let told = text.split_once("time was skipped ").and_then(|(_, rest)| rest.split_once("s, and"));
    let (skips, seconds) = told.and_then(|(told, _)| told.split_once(" times in ")).expect("the text has both");
    (skips.parse().expect("a number of skips"), seconds.parse().unwrap_or(60))
}

#[tokio::test]
async fn a_refusal_of_the_server_ends_the_test_at_once() -> Outcome {
    const CUSTOMER: abide::SearchAttributeKey<String> = abide::SearchAttributeKey::keyword("CustomerId");

    const UPSERT: u32 = line!() + 5;

    #[workflow]
    async fn names_its_customer(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.timer(days(1)).await?;
        ctx.upsert_search_attributes([CUSTOMER.set("Ada")]);
        ctx.timer(days(1)).await?;
        Ok(())
    }

    let env = environment().await?;
    let worker = env.worker("orders").workflow(names_its_customer);
    let call = env.client().execute(names_its_customer, ()).id("order-7").task_queue("orders");
    let text = end_of(&env, worker, call).await;
    says(
        &text,
        &[
            "a workflow task failed",
            "the server refuses a workflow task completion of workflow `order-7` (names_its_customer)",
        ],
    );
    let place = format!("; the command is issued at {}:{UPSERT}:", file!());
    says(&text, &["BadSearchAttributes", "CustomerId", &place]);
    assert_eq!(env.elapsed(), days(1));
    Ok(())
}

#[tokio::test]
async fn an_activity_whose_code_does_not_end_is_named() -> Outcome {
    let env = environment().await?;
    env.set_patience(millis(200));
    let worker = env.worker("pay").workflow(pay).mock_async(charge, |_, _| pending());
    let text = end_of(&env, worker, env.client().execute(pay, ()).id("order-7").task_queue("pay")).await;
    says(&text, &["nothing has happened for a long time", "Awaited: the end of workflow `order-7` (pay)"]);
    says(&text, &["activity `charge` (id 1): attempt 1 is running and does not end", "env.advance(..)"]);
    says(&text, &["`std::thread::sleep`", "`tokio::task::spawn_blocking`"]);
    waits_at(&text, "`order-7` (pay)", "activity type=charge id=1", PAY);
    Ok(())
}

#[tokio::test]
async fn an_activity_that_nobody_completes_is_named_with_the_call_that_does() -> Outcome {
    let env = environment().await?;
    env.set_patience(millis(200));
    let worker = env.worker("pay").workflow(pay).mock(charge, |_| Err(ActivityError::will_complete_async()));
    let text = end_of(&env, worker, env.client().execute(pay, ()).id("order-7").task_queue("pay")).await;
    says(&text, &["activity `charge` (id 1): attempt 1 returned `ActivityError::will_complete_async()`"]);
    says(&text, &["nobody has completed the activity", "`env.client().async_activity(task_token).complete(&result)`"]);
    says(&text, &["`.async_activity_by_id(\"order-7\", \"\", \"1\")`", "env.advance(..)"]);
    assert!(!text.contains("does not end"), "{text}");
    waits_at(&text, "`order-7` (pay)", "activity type=charge id=1", PAY);
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Vote {
    closed: State<bool>,
}

#[workflow_methods]
impl Vote {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.closed.get()).await?;
        Ok(())
    }

    #[update]
    async fn count_votes(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.closed.get()).await?;
        Ok(())
    }
}

#[tokio::test]
async fn an_update_without_an_end_is_called_by_its_handlers_name() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("votes").workflow(Vote::run);
    let counted = async {
        let vote = env.client().start(Vote::run, ()).id("vote-7").task_queue("votes").await.unwrap();
        vote.update(Vote::count_votes, ()).id("count-1").await
    };
    let text = end_of(&env, worker, counted).await;
    says(&text, &["Awaited: the outcome of update `count_votes` (id count-1) of workflow `vote-7` (Vote)"]);
    Ok(())
}

#[tokio::test]
async fn a_workflow_that_waits_for_something_from_outside_is_named_with_its_last_statement() -> Outcome {
    for answers in [false, true] {
        let env = environment().await?;
        let worker = env.worker("asks").workflow(waits_for_a_thread);
        let ended = async {
            let asks = env.client().start(waits_for_a_thread, ()).id("asks-7").task_queue("asks").await.unwrap();
            env.sleep(secs(2)).await;
            let thread = THREAD.lock().unwrap().take().expect("the workflow waits");
            if answers {
                thread.send(()).expect("the workflow waits");
                return asks.result().await;
            }
            let ended = asks.result().await;
            drop(thread);
            ended
        };
        let text = end_of(&env, worker, ended).await;
        waits_at(&text, "`asks-7` (waits_for_a_thread)", "outside Temporal", BEFORE_THE_THREAD);
    }
    Ok(())
}

#[workflow]
async fn starts_a_child_that_nobody_has(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.child_workflow(waits, ()).id("child-7").await?)
}

#[tokio::test]
async fn a_child_that_is_neither_registered_nor_mocked_is_named_with_its_parent() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("pay").workflow(starts_a_child_that_nobody_has);
    let call = env.client().execute(starts_a_child_that_nobody_has, ()).id("parent-7").task_queue("pay");
    let text = end_of(&env, worker, call).await;
    says(&text, &["workflow `child-7` (waits) is a child of workflow `parent-7` (starts_a_child_that_nobody_has)"]);
    says(
        &text,
        &["`.mock_child(waits, |..| Ok(..))`", "`.workflow(waits)`", "registered: starts_a_child_that_nobody_has"],
    );
    Ok(())
}

#[tokio::test]
async fn a_test_that_awaits_nothing_of_the_server_is_told_that_time_does_not_pass() -> Outcome {
    let env = environment().await?;
    env.set_patience(millis(200));
    let worker = env.worker("clock").workflow(ticks);
    let future = async {
        env.client().start(ticks, 1).id("clock-7").task_queue("clock").await.unwrap();
        pending::<()>().await;
    };
    let text = end_of(&env, worker, future).await;
    says(&text, &["time passes only while the test awaits an outcome", "Awaited: nothing from this server", "a timer"]);
    Ok(())
}

#[tokio::test]
async fn without_a_worker_who_awaits_gets_an_error() -> Outcome {
    let env = environment().await?;
    let error = env.client().execute(pay, ()).id("order-7").task_queue("pay").await.expect_err("nobody is there");
    says(&format!("{error:?} {error}"), &["the task queue `pay`", "workers poll no task queue for workflow tasks"]);
    Ok(())
}

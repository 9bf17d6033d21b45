//! Polling, failing and nondeterministic workflows, local activities.

use std::panic::AssertUnwindSafe;

use abide::prelude::*;
use abide::worker::{DeploymentOptions, Registered, WorkerBuilder};
use abide::{ActivityType, QueryType, SignalType, UpdateType, WorkflowType};
use abide_testing::{TestWorker, TestWorkflowEnvironment};
use futures_util::FutureExt;

use super::Outcome;

#[activity]
async fn submit_payment(cents: u64) -> Result<String, ActivityError> {
    Err(ApplicationFailure::new(format!("no gateway in a test ({cents})")).into())
}

#[activity]
async fn check_payment_status(tracking_id: String) -> Result<String, ActivityError> {
    Err(ApplicationFailure::new(format!("no gateway in a test ({tracking_id})")).into())
}

/// A common polling pattern: checks every minute, gives up after four hours.
#[workflow]
async fn track_payment(ctx: &WorkflowContext, cents: u64) -> Result<String, WorkflowError> {
    let tracking_id = ctx.activity(submit_payment, cents).start_to_close_timeout(secs(5)).await?;
    let status = ctx
        .activity(check_payment_status, tracking_id)
        .start_to_close_timeout(secs(5))
        .schedule_to_close_timeout(hours(4))
        .retry_policy(RetryPolicy::new().initial_interval(mins(1)).backoff_coefficient(1.0))
        .await?;
    Ok(status)
}

#[tokio::test]
async fn checks_the_payment_every_minute_for_four_hours() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let pending = |_| Err(ApplicationFailure::new("still pending").error_type("Pending").into());
    let worker = env.worker("pay").workflow(track_payment);
    let worker = worker.mock(submit_payment, |_| Ok("tracking-1".into())).mock(check_payment_status, pending);

    let tracked = env.client().execute(track_payment, 995).id("payment").task_queue("pay");
    let error = env.run(worker, tracked).await.expect_err("it stays pending");

    assert!(error.is_retry_timeout(), "{error}");
    let last = error.failure().expect("the workflow failed").root_cause();
    assert_eq!((last.message(), last.error_type()), ("still pending", Some("Pending")));
    // The last attempt that fits starts a minute before the deadline.
    assert_eq!(env.elapsed(), hours(4) - mins(1));
    let history = env.client().handle(track_payment, "payment").fetch_history().await?.to_string();
    assert!(history.contains("ActivityTaskFailed") && history.contains("Timeout"), "{history}");
    Ok(())
}

#[tokio::test]
async fn a_payment_that_goes_through_ends_the_polling() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let polls = std::sync::atomic::AtomicU32::new(0);
    let worker = env.worker("pay").workflow(track_payment).mock(submit_payment, |cents| Ok(format!("id-{cents}")));
    let worker =
        worker.mock(check_payment_status, move |id| match polls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0..90 => Err(ApplicationFailure::new("still pending").into()),
            _ => Ok(format!("{id} paid")),
        });
    let tracked = env.client().execute(track_payment, 7).task_queue("pay");
    assert_eq!(env.run(worker, tracked).await?, "id-7 paid");
    assert_eq!(env.elapsed(), mins(90));
    Ok(())
}

#[workflow]
async fn breaks(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(days(1)).await?;
    panic!("a bug in the workflow");
}

#[workflow]
async fn works(_ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    Ok(1)
}

#[tokio::test]
async fn a_workflow_task_that_fails_ends_the_test_with_its_text() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("bugs").workflow(breaks);
    let run = env.run(worker, env.client().execute(breaks, ()).task_queue("bugs"));
    let panicked = AssertUnwindSafe(run).catch_unwind().await.expect_err("the test must not wait for ever");
    let text = panicked.downcast_ref::<String>().expect("a panic with text");
    assert!(text.contains("a bug in the workflow") && text.contains("basics.rs"), "{text}");

    // The failure was reported; it does not affect another workflow in the same environment.
    let worker = env.worker("sound").workflow(works);
    assert_eq!(env.run(worker, env.client().execute(works, ()).task_queue("sound")).await?, 1);
    Ok(())
}

static RUNS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[workflow]
async fn undecided(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    // Depends on state outside the history: another timer each time the code runs.
    if RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
        ctx.timer(secs(1)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_workflow_that_is_not_deterministic_fails_its_test() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("undecided").workflow(undecided);
    let run = env.run(worker, env.client().execute(undecided, ()).task_queue("undecided"));
    let panicked = AssertUnwindSafe(run).catch_unwind().await.expect_err("the replay must notice");
    let text = panicked.downcast_ref::<String>().expect("a panic with text");
    assert!(text.contains("TMPRL1100") && text.contains("TimerStarted"), "{text}");
    for part in ["`SystemTime::now()` (use `ctx.now()`)", "`rand` (use `ctx.random()`)", "`HashMap`"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    Ok(())
}

#[workflow]
async fn quote_locally(ctx: &WorkflowContext, cents: u64) -> Result<String, WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(hours(1));
    let call = ctx.local_activity(submit_payment, cents).schedule_to_close_timeout(days(1));
    Ok(call.retry_policy(policy).await?)
}

#[tokio::test]
async fn a_local_activity_is_mocked_as_any_activity_and_its_long_intervals_are_skipped() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let tries = std::sync::atomic::AtomicU32::new(0);
    let worker = env.worker("pay").workflow(quote_locally).mock(submit_payment, move |cents| {
        match tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 | 1 => Err(ApplicationFailure::new("busy").into()),
            _ => Ok(format!("paid {cents}")),
        }
    });
    let paid = env.run(worker, env.client().execute(quote_locally, 995).task_queue("pay")).await?;
    assert_eq!(paid, "paid 995");
    // An hour after the first attempt, two hours after the second.
    assert_eq!(env.elapsed(), hours(3));
    Ok(())
}

#[derive(Debug, PartialEq, ApplicationError)]
enum PaymentError {
    #[error("card {card} was declined", non_retryable)]
    Declined { card: String },
    #[error("{0} cents are too much")]
    TooMuch(u64),
}

#[activity]
async fn charge_card(card: String) -> Result<String, ActivityError> {
    Err(PaymentError::Declined { card })?
}

#[workflow]
async fn pay_by_card(ctx: &WorkflowContext, card: String) -> Result<String, WorkflowError> {
    let paid = ctx.activity(charge_card, card).start_to_close_timeout(secs(5)).await;
    let declined = paid.as_ref().expect_err("it fails").application_error();
    assert_eq!(declined, Some(PaymentError::Declined { card: "7".into() }));
    Ok(paid?)
}

#[workflow]
async fn pay_too_much(_ctx: &WorkflowContext, cents: u64) -> Result<(), WorkflowError> {
    Err(PaymentError::TooMuch(cents).into())
}

#[workflow]
async fn buy(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let error = ctx.child_workflow(pay_too_much, 995).await.expect_err("it fails");
    assert_eq!(error.application_error(), Some(PaymentError::TooMuch(995)));
    ctx.child_workflow(pay_by_card, "7".into()).await?;
    Ok(())
}

#[tokio::test]
async fn an_error_of_the_authors_own_reads_back_in_workflows_parents_and_clients() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("pay").workflow(buy).workflow(pay_by_card).workflow(pay_too_much).activities(charge_card);

    let error = env.run(worker, env.client().execute(buy, ()).id("buy").task_queue("pay")).await.expect_err("it fails");

    // A child failed because of an activity, so the error is two causes down.
    assert_eq!(error.application_error(), Some(PaymentError::Declined { card: "7".into() }));
    assert_eq!((error.message(), error.error_type().as_deref()), ("card 7 was declined".into(), Some("Declined")));
    assert!(!error.is_cancelled() && !error.is_timeout());
    Ok(())
}

#[workflow(name = "Bill")]
#[derive(Default)]
struct Bill {
    items: State<Vec<String>>,
    paid: State<bool>,
}

#[workflow_methods]
impl Bill {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, customer: String, cents: u64) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.paid.get()).await?;
        Ok(format!("{customer}: {cents} for {}", self.items.get().join(", ")))
    }

    #[update]
    fn add(&self, item: String) -> usize {
        self.items.update(|items| items.push(item));
        self.items.with(Vec::len)
    }

    #[query]
    fn items(&self) -> Vec<String> {
        self.items.get()
    }

    #[signal]
    fn pay(&self) {
        self.paid.set(true);
    }
}

/// The same definitions for a caller that knows only the names.
const BILL: WorkflowType<fn(String, u64) -> String> = WorkflowType::new("Bill");
const ADD: UpdateType<fn(String) -> usize> = UpdateType::new("add");
const ITEMS: QueryType<fn() -> Vec<String>> = QueryType::new("items");
const PAY: SignalType<fn()> = SignalType::new("pay");
const RATE: ActivityType<fn(String) -> u64> = ActivityType::new("rate");

#[workflow]
async fn bills_by_name(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let cents = ctx.activity(RATE, "EUR".into()).start_to_close_timeout(secs(5)).await?;
    let bill = ctx.child_workflow(BILL, ("Ada".into(), cents)).id("bill-1").start().await?;
    ctx.external_workflow("bill-1").signal(PAY, ()).await?;
    let first = bill.await?;
    let child = ctx.child_workflow(BILL, ("Bob".into(), cents)).id("bill-2").start().await?;
    child.signal(PAY, ()).await?;
    Ok(format!("{first}; {}", child.await?))
}

#[tokio::test]
async fn workflows_activities_and_messages_are_reached_by_name() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("bills").workflow(bills_by_name).workflow(Bill::run);
    let worker = worker.mock(RATE, |currency| Ok(currency.len() as u64));
    let client = env.client().clone();

    let talked = env.run(worker, async {
        let both = client.execute(bills_by_name, ()).id("both").task_queue("bills").await?;
        let bill = client.start(BILL, ("Cy".into(), 7)).id("bill-3").task_queue("bills").await?;
        assert_eq!(bill.update(ADD, "book".into()).await?, 1);
        assert_eq!(client.handle(BILL, "bill-3").query(ITEMS, ()).await?, ["book"]);
        bill.signal(PAY, ()).await?;
        Ok::<_, Box<dyn std::error::Error>>((both, bill.result().await?))
    });

    assert_eq!(talked.await?, ("Ada: 3 for ; Bob: 3 for ".to_string(), "Cy: 7 for book".to_string()));
    Ok(())
}

#[tokio::test]
async fn a_query_at_a_virtual_time_is_answered() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("rounds").workflow(Rounds::run);
    let rounds = env.client().handle(Rounds::run, "rounds");
    env.at(millis(500), async move {
        assert_eq!(rounds.query(Rounds::round, ()).await?, 2);
        Ok::<_, Box<dyn std::error::Error>>(())
    });
    env.run(worker, env.client().execute(Rounds::run, 1).id("rounds").task_queue("rounds")).await?;
    assert_eq!(env.elapsed(), hours(1) + secs(1));
    Ok(())
}

/// The first run ends at once, the next one waits.
#[workflow]
async fn beats(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    if ctx.info().last_completion_result::<u32>()?.is_some() {
        ctx.timer(hours(1)).await?;
    }
    Ok(1)
}

#[workflow]
async fn stops_the_beats(ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
    let child = ctx.child_workflow(beats, ()).id("beats").cron_schedule("@every 1m").start().await?;
    ctx.timer(mins(10)).await?;
    child.cancel();
    Ok(child.await.expect_err("it is cancelled").is_cancelled())
}

#[tokio::test]
async fn cancelling_a_cron_child_reaches_the_run_that_is_open() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("beats").workflow(beats).workflow(stops_the_beats);
    assert!(env.run(worker, env.client().execute(stops_the_beats, ()).task_queue("beats")).await?);
    assert_eq!(env.elapsed(), mins(10));
    Ok(())
}

#[workflow(versioning_behavior = pinned)]
async fn stays(_ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    Ok(1)
}

/// Returns the worker's identity and deployment, as shown in the first task of a run.
async fn shown(worker: fn(TestWorker) -> TestWorker) -> Result<String, Box<dyn std::error::Error>> {
    let env = TestWorkflowEnvironment::start().await?;
    env.run(worker(env.worker("shown")), env.client().execute(stays, ()).id("shown").task_queue("shown")).await?;
    Ok(format!("{:?}", env.client().handle(stays, "shown").fetch_history().await?.events()))
}

fn named(worker: WorkerBuilder<Registered>) -> WorkerBuilder<Registered> {
    worker.identity("somebody").deployment(DeploymentOptions::new("shop", "7").use_worker_versioning())
}

#[tokio::test]
async fn options_of_a_worker_count_in_any_order() -> Outcome {
    let workers: [fn(TestWorker) -> TestWorker; 2] =
        [|worker| worker.options(named).workflow(stays), |worker| worker.workflow(stays).options(named)];
    for worker in workers {
        let history = shown(worker).await?;
        assert!(
            history.contains("identity: \"somebody\"") && history.contains("deployment_name: \"shop\""),
            "{history}"
        );
    }
    // Without a deployment of their own, versioned workflows run together with others.
    let history = shown(|worker| worker.workflow(stays).workflow(works)).await?;
    assert!(history.contains("deployment_name: \"test\""), "{history}");
    Ok(())
}

#[workflow]
async fn tells_its_namespace(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.info().namespace.clone())
}

#[tokio::test]
async fn an_environment_has_the_namespace_of_its_client() -> Outcome {
    let env = TestWorkflowEnvironment::start_with(ClientOptions::default().namespace("shop")).await?;
    let worker = env.worker("shop").workflow(tells_its_namespace);
    let told = env.run(worker, env.client().execute(tells_its_namespace, ()).task_queue("shop")).await?;
    assert_eq!(told, "shop");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn closed_runs_are_kept_under_a_paused_clock_too() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("kept").workflow(works);
    env.run(worker, env.client().execute(works, ()).id("kept").task_queue("kept")).await?;
    env.advance(days(30));
    assert!(!env.client().handle(works, "kept").describe().await?.status().is_open());
    Ok(())
}

/// Two rounds, each a run of its own; the second one waits.
#[workflow]
struct Rounds {
    round: u32,
}

#[workflow_methods]
impl Rounds {
    #[init]
    fn new(round: u32) -> Self {
        Self { round }
    }

    #[run]
    async fn run(&self, ctx: &WorkflowContext, _round: u32) -> Result<(), WorkflowError> {
        if self.round == 1 {
            return Err(ctx.continue_as_new(Rounds::run, 2).into());
        }
        ctx.timer(hours(1)).await?;
        Ok(())
    }

    #[query]
    fn round(&self) -> u32 {
        self.round
    }
}

/// As on a real server the next run starts a second after the previous one; the query lets that second pass.
#[tokio::test]
async fn a_query_right_after_continue_as_new_is_answered() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("rounds").workflow(Rounds::run);
    let asked = async {
        env.client().start(Rounds::run, 1).id("rounds").task_queue("rounds").await?;
        let rounds = env.client().handle(Rounds::run, "rounds");
        while rounds.query(Rounds::round, ()).await? == 1 {}
        Ok::<_, Box<dyn std::error::Error>>(env.elapsed())
    };
    assert_eq!(env.run(worker, asked).await?, secs(1));
    Ok(())
}

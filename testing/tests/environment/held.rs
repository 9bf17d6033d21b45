//! Somebody holds the clock, and others wait for it: a test says who, or lets time pass if nobody else can go on.

use std::future::IntoFuture;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use abide::prelude::*;
use abide_testing::{TestWorker, TestWorkflowEnvironment};
use futures_util::FutureExt;
use tokio::sync::{Notify, oneshot};

use super::{Outcome, real_time};

/// Sends heartbeats for that many milliseconds of real time.
#[activity]
#[expect(clippy::disallowed_methods, reason = "that it sleeps is what is tested")]
async fn watch(ctx: &ActivityContext, millis: u64) -> Result<(), ActivityError> {
    let began = real_time();
    while u128::from(millis) > began.elapsed().as_millis() {
        ctx.heartbeat(&())?;
        tokio::time::sleep(abide::prelude::millis(20)).await;
    }
    Ok(())
}

const FOR_EVER: u64 = u64::MAX;

#[workflow]
async fn watches(ctx: &WorkflowContext, millis: u64) -> Result<(), WorkflowError> {
    Ok(ctx.activity(watch, millis).start_to_close_timeout(days(9)).await?)
}

#[workflow]
async fn watches_locally(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.local_activity(watch, FOR_EVER).start_to_close_timeout(days(9)).await?)
}

/// Stops the activity after an hour.
#[workflow]
async fn watches_for_an_hour(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let watch = ctx.activity(watch, FOR_EVER).start_to_close_timeout(days(9)).start();
    ctx.timer(hours(1)).await?;
    watch.cancel();
    Ok(())
}

/// Leaves the activity open.
#[activity]
async fn approve() -> Result<String, ActivityError> {
    Err(ActivityError::will_complete_async())
}

/// Returns the approval, or that it comes too late, and whether the reminder after a day came before.
#[workflow]
async fn asks_for_approval(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let once = RetryPolicy::new().maximum_attempts(1);
    let reminder = ctx.timer(days(1)).start();
    let approval = ctx.activity(approve, ()).start_to_close_timeout(days(7)).retry_policy(once);
    let approval = approval.await.unwrap_or_else(|_| "too late".into());
    Ok(if reminder.is_done() { format!("{approval}, after a reminder") } else { approval })
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
        ctx.wait_until(|| self.closed.get()).timeout(days(30)).await?;
        Ok(())
    }

    #[update]
    async fn count_votes(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.closed.get()).await?;
        Ok(())
    }

    #[query]
    fn is_closed(&self) -> bool {
        self.closed.get()
    }
}

/// Returns an environment whose limits are a second for silence, and six for signs of life.
async fn environment() -> Result<TestWorkflowEnvironment, Box<dyn std::error::Error>> {
    let env = TestWorkflowEnvironment::start().await?;
    env.set_patience(millis(50));
    Ok(env)
}

fn worker(env: &TestWorkflowEnvironment) -> TestWorker {
    let worker = env.worker("held").workflow(watches).workflow(watches_locally).workflow(watches_for_an_hour);
    worker.workflow(asks_for_approval).workflow(Vote::run).activities(watch).activities(approve)
}

/// Runs a test that would wait forever. Returns its failure message.
async fn end_of<F: IntoFuture>(env: &TestWorkflowEnvironment, future: F) -> String {
    let began = real_time();
    let run = AssertUnwindSafe(env.run(worker(env), future)).catch_unwind().await;
    assert!(began.elapsed() < secs(30), "{:?}", began.elapsed());
    let Err(panic) = run else { panic!("the test ended well") };
    panic.downcast_ref::<String>().expect("a panic with text").clone()
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

const WATCH: &str = "The clock is held by activity `watch` (id 1) of workflow `order-7` (watches), until that ends";

#[tokio::test]
async fn a_moment_that_never_comes_because_an_activity_runs_for_ever_is_named_with_it() -> Outcome {
    let env = environment().await?;
    let order = env.client().handle(watches, "order-7");
    env.at(mins(90), async move { order.cancel().await });
    let text = end_of(&env, env.client().execute(watches, FOR_EVER).id("order-7").task_queue("held")).await;
    says(&text, &["time has stood still for ", "`env.at(..)` at 90m can come only when it passes"]);
    says(&text, &[WATCH, "heartbeats do not change this", "`env.set_patience(..)`"]);
    says(
        &text,
        &["attempt 1 is running, sends heartbeats and does not end", "start_paused", "`env.sleep(..)`", "env.advance"],
    );
    Ok(())
}

#[tokio::test]
async fn so_is_a_sleep_of_the_test() -> Outcome {
    let env = environment().await?;
    let slept = async {
        env.client().start(watches, FOR_EVER).id("order-7").task_queue("held").await.expect("it starts");
        env.sleep(hours(1)).await;
    };
    says(&end_of(&env, slept).await, &["the end of `env.sleep(..)` can come only", WATCH]);
    Ok(())
}

#[tokio::test]
async fn so_is_a_timer() -> Outcome {
    let env = environment().await?;
    let call = env.client().execute(watches_for_an_hour, ()).id("order-7").task_queue("held");
    let text = end_of(&env, call).await;
    says(&text, &["a timer of workflow `order-7` (watches_for_an_hour) can come only when it passes"]);
    says(&text, &["held by activity `watch` (id 1) of workflow `order-7` (watches_for_an_hour)"]);
    Ok(())
}

#[tokio::test]
async fn an_activity_that_sends_heartbeats_may_take_longer_if_nobody_waits_for_the_clock() -> Outcome {
    let env = environment().await?;
    env.run(worker(&env), env.client().execute(watches, 2500).task_queue("held")).await?;
    assert_eq!(env.elapsed(), secs(0));
    Ok(())
}

#[tokio::test]
async fn but_not_for_ever() -> Outcome {
    let env = environment().await?;
    let text = end_of(&env, env.client().execute(watches, FOR_EVER).id("order-7").task_queue("held")).await;
    says(&text, &["no workflow has made progress for ", "only sends heartbeats"]);
    says(&text, &["activity `watch` (id 1): attempt 1 is running"]);
    Ok(())
}

#[tokio::test]
async fn a_local_activity_that_never_ends_is_named_although_its_workflow_task_is_renewed() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    // Twelve times that, in which the workflow task is renewed several times.
    env.set_patience(millis(250));
    let call = env.client().execute(watches_locally, ()).id("order-7").task_queue("held").task_timeout(secs(1));
    let text = end_of(&env, call).await;
    says(&text, &["nothing has happened for a long time", "a local activity does not end"]);
    let history = env.client().handle(watches_locally, "order-7").fetch_history().await?.to_string();
    assert!(history.matches("WorkflowTaskCompleted").count() > 1, "{history}");
    Ok(())
}

#[tokio::test]
async fn a_test_that_asks_and_sleeps_for_ever_is_given_up() -> Outcome {
    let env = environment().await?;
    let asked = async {
        let vote = env.client().start(Vote::run, ()).id("vote-7").task_queue("held").await.expect("it starts");
        // After the thirtieth day it has ended, and still is not closed.
        while !vote.query(Vote::is_closed, ()).await.expect("it answers") {
            env.sleep(hours(1)).await;
        }
    };
    let text = end_of(&env, asked).await;
    says(&text, &["no workflow has made progress for", "a test that only sends queries and updates or sleeps"]);
    Ok(())
}

#[tokio::test]
async fn an_update_that_waits_for_ever_at_a_virtual_time_is_named_as_soon_as_nothing_can_happen() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    env.set_patience(secs(1));
    let vote = env.client().handle(Vote::run, "vote-7");
    env.at(days(1), async move { vote.update(Vote::count_votes, ()).id("count-1").await });
    let began = real_time();
    let text = end_of(&env, env.client().execute(Vote::run, ()).id("vote-7").task_queue("held")).await;
    assert!(began.elapsed() < secs(8), "{:?}: running work would be given 12 s", began.elapsed());
    says(&text, &["nothing more can happen", "The action of `env.at(..)` at 1d has not ended"]);
    says(&text, &["the outcome of update `count_votes` (id count-1)", "`start_update(..)`"]);
    assert_eq!(env.elapsed(), days(1));
    Ok(())
}

#[tokio::test]
async fn what_the_test_waits_for_elsewhere_at_a_virtual_time_is_given_longer() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    env.set_patience(millis(400));
    let vote = env.client().handle(Vote::run, "vote-7");
    let (answer, answered) = oneshot::channel();
    env.at(days(1), answered);
    let answers = async {
        // Longer than the second that it would have if it waited for the server.
        in_real_time(millis(1500)).await;
        answer.send(())
    };
    let call = env.client().execute(Vote::run, ()).id("vote-7").task_queue("held").into_future();
    let (ended, sent) = env.run(worker(&env), async { tokio::join!(call, answers) }).await;
    ended?;
    sent.map_err(|()| "nobody waits for the answer")?;
    assert!(!vote.describe().await?.status().is_open());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "how long the test waits is what is tested")]
async fn in_real_time(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[tokio::test]
async fn an_activity_that_is_left_open_is_completed_at_a_virtual_time() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let approval = env.client().async_activity_by_id("order-7", "", "1");
    env.at(days(2), async move { approval.complete(&"yes".to_owned()).await });
    let began = real_time();
    let call = env.client().execute(asks_for_approval, ()).id("order-7").task_queue("held");
    assert_eq!(env.run(worker(&env), call).await?, "yes, after a reminder");
    assert_eq!(env.elapsed(), days(2));
    assert!(began.elapsed() < secs(5), "{:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn or_after_a_sleep_of_the_test() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let approved = async {
        let order = env.client().start(asks_for_approval, ()).id("order-7").task_queue("held").await?;
        env.sleep(hours(2)).await;
        env.client().async_activity_by_id("order-7", "", "1").complete(&"yes".to_owned()).await?;
        Ok::<_, Box<dyn std::error::Error>>(order.result().await?)
    };
    assert_eq!(env.run(worker(&env), approved).await?, "yes");
    assert_eq!(env.elapsed(), hours(2));
    Ok(())
}

#[tokio::test]
async fn its_timeout_fires_before_a_later_moment() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    env.at(days(8), async {});
    let call = env.client().execute(asks_for_approval, ()).id("order-7").task_queue("held");
    assert_eq!(env.run(worker(&env), call).await?, "too late, after a reminder");
    assert_eq!(env.elapsed(), days(7));
    Ok(())
}

#[tokio::test]
async fn who_completes_it_at_once_comes_before_a_later_moment() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    env.at(days(8), async {});
    let (token, left_open) = oneshot::channel();
    let token = Mutex::new(Some(token));
    let worker = env.worker("held").workflow(asks_for_approval).mock_async(approve, move |ctx, ()| {
        let token = token.lock().expect("nobody panics with it").take();
        let _ = token.map(|token| token.send(ctx.info().task_token.clone()));
        async { Err(ActivityError::will_complete_async()) }
    });
    let completes = async {
        let token = left_open.await?;
        Ok::<_, Box<dyn std::error::Error>>(env.client().async_activity(token).complete(&"yes".to_owned()).await?)
    };
    let call = env.client().execute(asks_for_approval, ()).id("order-7").task_queue("held");
    let (approved, completed) = env.run(worker, async { tokio::join!(call.into_future(), completes) }).await;
    completed?;
    assert_eq!(approved?, "yes");
    assert_eq!(env.elapsed(), secs(0));
    Ok(())
}

#[tokio::test]
async fn without_a_later_moment_it_holds_the_clock_until_nothing_can_happen() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    env.set_patience(secs(1));
    let began = real_time();
    let text = end_of(&env, env.client().execute(asks_for_approval, ()).id("order-7").task_queue("held")).await;
    assert!(began.elapsed() < secs(8), "{:?}: running work would be given 12 s", began.elapsed());
    says(
        &text,
        &["nothing more can happen", "activity `approve` (id 1)", "nobody has completed the activity", "`env.at(..)`"],
    );
    assert_eq!(env.elapsed(), secs(0), "its reminder does not come");
    Ok(())
}

#[activity]
async fn books(cents: u64) -> Result<(), ActivityError> {
    let _ = cents;
    Ok(())
}

#[workflow]
async fn books_once(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.activity(books, 300).start_to_close_timeout(hours(9)).await?)
}

/// Cancels the workflow as soon as its activity runs, which takes that long, and then lets an hour pass. Returns true
/// if the activity has ended by then.
#[expect(clippy::disallowed_methods, reason = "that the activity sleeps is what is tested")]
async fn has_booked(
    env: &TestWorkflowEnvironment,
    takes: Option<Duration>,
) -> Result<bool, Box<dyn std::error::Error>> {
    let (begun, booked) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (begins, books_now) = (Arc::clone(&begun), Arc::clone(&booked));
    let worker = env.worker("held").workflow(books_once).mock_async(books, move |_ctx, _| {
        let (begins, books_now) = (Arc::clone(&begins), Arc::clone(&books_now));
        async move {
            begins.notify_one();
            match takes {
                Some(takes) => tokio::time::sleep(takes).await,
                None => std::future::pending().await,
            }
            books_now.store(true, Ordering::SeqCst);
            Ok(())
        }
    });
    let test = async {
        let handle = env.client().start(books_once, ()).task_queue("held").await?;
        begun.notified().await;
        handle.cancel().await?;
        assert!(handle.result().await.is_err_and(|error| error.is_cancelled()));
        env.sleep(hours(1)).await;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    env.run(worker, test).await?;
    Ok(booked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn an_activity_whose_workflow_has_closed_holds_the_clock_until_it_ends() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    assert!(has_booked(&env, Some(millis(300))).await?);
    assert_eq!(env.elapsed(), hours(1));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn on_a_paused_clock_it_ends_at_its_time() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    assert!(has_booked(&env, Some(mins(20))).await?);
    assert!(env.elapsed() >= hours(1), "{:?}", env.elapsed());
    Ok(())
}

#[tokio::test]
async fn an_activity_without_an_end_does_not_hold_it_for_ever() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    env.set_patience(secs(1));
    assert!(!has_booked(&env, None).await?);
    assert_eq!(env.elapsed(), hours(1));
    Ok(())
}

#[workflow]
#[derive(Default)]
struct WaitsToBeTold {
    is_told: State<bool>,
}

#[workflow_methods]
impl WaitsToBeTold {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.is_told.get()).await?;
        Ok(())
    }

    #[signal]
    fn tell(&self) {
        self.is_told.set(true);
    }

    #[query]
    fn is_told(&self) -> bool {
        self.is_told.get()
    }
}

/// The task waits for the dead worker's sticky queue, on the machine's clock and for longer than the test's patience.
#[tokio::test]
async fn a_task_of_a_dead_worker_goes_to_another_one() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    env.set_patience(millis(300));
    let worker = abide::worker::Worker::builder(env.client(), "held").workflow(WaitsToBeTold::run);
    let worker = worker.sticky_queue_schedule_to_start_timeout(secs(1)).build()?;
    let begun = async {
        let handle = env.client().start(WaitsToBeTold::run, ()).task_queue("held").await?;
        handle.query(WaitsToBeTold::is_told, ()).await?;
        Ok::<_, Box<dyn std::error::Error>>(handle)
    };
    // The worker is dropped as soon as it has the run in its cache.
    let handle = tokio::select! {
        handle = begun => handle?,
        ended = worker.run() => return Ok(ended?),
    };
    let worker = env.worker("held").workflow(WaitsToBeTold::run);
    let told = async {
        handle.signal(WaitsToBeTold::tell, ()).await?;
        Ok::<_, Box<dyn std::error::Error>>(handle.result().await?)
    };
    env.run(worker, told).await
}

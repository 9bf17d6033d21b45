//! Local activities: their markers, retries, timers between attempts, heartbeats and cancellation.

use std::future::Future;

use abide::prelude::*;
use abide::worker::{Registered, WorkerBuilder};
use abide::workflow::ActivityCancellationType::{Abandon, TryCancel, WaitCancellationCompleted};
use abide::workflow::WorkflowImplementation;
use abide::{History, Workflow, WorkflowDefinition, WorkflowReplayer};
use tokio::sync::Notify;

use crate::arm::{Arm, Outcome, compare, until_event};

type Result1<T> = Result<T, Box<dyn std::error::Error>>;
type Options = fn(WorkerBuilder<Registered>) -> WorkerBuilder<Registered>;

/// With and without a cache.
const CACHES: [Options; 2] = [|worker| worker, |worker| worker.max_cached_workflows(0)];

#[activity]
async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

#[activity]
async fn refuse(text: String) -> Result<(), ActivityError> {
    Err(ApplicationFailure::new(text).error_type("Refused").non_retryable().detail(&7_u32)?.into())
}

#[activity]
async fn third_time(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    assert!(ctx.info().is_local);
    let attempt = ctx.info().attempt;
    if attempt < 3 {
        return Err(ApplicationFailure::new(format!("attempt {attempt}")).error_type("NotYet").into());
    }
    Ok(attempt)
}

/// Its first attempt takes longer than any of its timeouts.
#[activity]
async fn hangs_once(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    if ctx.info().attempt == 1 {
        ctx.cancelled().await;
    }
    Ok(ctx.info().attempt)
}

#[activity]
async fn nap(time: u64) -> Result<u64, ActivityError> {
    tokio::time::interval_at(tokio::time::Instant::now() + millis(time), secs(1)).tick().await;
    Ok(time)
}

#[activity]
async fn until_cancelled(ctx: &ActivityContext) -> Result<(), ActivityError> {
    ctx.cancelled().await;
    Err(ActivityError::cancelled())
}

/// Starts a workflow with local activities. Returns its result and its history, which must replay.
async fn run<Kind, W, F>(
    arm: &Arm,
    workflow: W,
    started: impl FnOnce(WorkflowHandle<W::Definition>) -> F,
    options: Options,
) -> Result1<(<W::Definition as WorkflowDefinition>::Output, History)>
where
    W: Workflow<Kind>,
    W::Definition: WorkflowImplementation + WorkflowDefinition<Args = ()>,
    F: Future<Output = Result1<()>>,
{
    let workflow = workflow.definition();
    let worker = arm.worker().workflow(workflow.clone()).activities(echo).activities(refuse).activities(third_time);
    let worker = worker.activities(nap).activities(until_cancelled).activities(until_released);
    let worker = worker.activities(says_when).activities(panics).activities(hangs_once);
    let worker = options(worker).build()?;
    let (result, history) = worker
        .run_until(async {
            let start = arm.client.start(workflow.clone(), ()).id(arm.id()).task_queue(arm.queue());
            let handle = start.task_timeout(secs(2)).await?;
            started(arm.client.handle(workflow.clone(), arm.id())).await?;
            Ok::<_, Box<dyn std::error::Error>>((handle.result().await?, handle.fetch_history().await?))
        })
        .await??;
    replays(workflow, &history)?;
    Ok((result, history))
}

fn replays<W: WorkflowImplementation>(workflow: W, history: &History) -> Outcome {
    let replayed = WorkflowReplayer::new().workflow(workflow).replay(history)?;
    assert!(replayed.same_outcome(), "now: {}\nrecorded: {}", replayed.outcome(), replayed.recorded());
    Ok(())
}

async fn nothing<W: WorkflowDefinition>(_: WorkflowHandle<W>) -> Result1<()> {
    Ok(())
}

#[workflow]
async fn outcomes(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let limit = secs(10);
    let mut all =
        vec![ctx.local_activity(echo, "hello".into()).start_to_close_timeout(limit).summary("says it").await?];
    let refused = ctx.local_activity(refuse, "no".into()).start_to_close_timeout(limit).include_arguments().await;
    all.push(refused.expect_err("it refuses").error_type().unwrap_or_default());
    let policy = RetryPolicy::new().initial_interval(millis(20)).backoff_coefficient(1.0);
    all.push(ctx.local_activity(third_time, ()).start_to_close_timeout(limit).retry_policy(policy).await?.to_string());
    let slow = ctx.local_activity(nap, 5000).start_to_close_timeout(millis(50));
    let slow = slow.retry_policy(RetryPolicy::new().initial_interval(millis(10)).maximum_attempts(2)).await;
    all.push(format!("{:?}", slow.expect_err("it takes too long").timeout_type()));
    let second = ctx.local_activity(hangs_once, ()).start_to_close_timeout(millis(500));
    all.push(second.retry_policy(RetryPolicy::new().initial_interval(millis(10))).await?.to_string());
    let slow = ctx.local_activity(nap, 5000).schedule_to_close_timeout(millis(50)).await;
    all.push(format!("{:?}", slow.expect_err("it takes too long").timeout_type()));
    all.push(ctx.activity(echo, "remote".into()).start_to_close_timeout(limit).await?);
    Ok(all)
}

#[tokio::test]
async fn b074_local_activities_end_in_every_way() -> Outcome {
    for options in CACHES {
        compare("local-outcomes", move |arm| async move {
            let (all, history) = run(&arm, outcomes, nothing, options).await?;
            let expected = ["hello", "Refused", "3", "Some(StartToClose)", "2", "Some(ScheduleToClose)", "remote"];
            let expected = expected.map(String::from);
            assert_eq!(all, expected);
            Ok(vec![history])
        })
        .await?;
    }
    Ok(())
}

#[workflow]
async fn three_at_once(ctx: &WorkflowContext) -> Result<Vec<u64>, WorkflowError> {
    let naps = [300, 100, 200].map(|time| ctx.local_activity(nap, time).start_to_close_timeout(secs(5)));
    futures_util::future::join_all(naps).await.into_iter().map(|slept| Ok(slept?)).collect()
}

#[tokio::test]
async fn three_local_activities_are_recorded_in_the_order_of_their_ends() -> Outcome {
    compare("local-three", |arm| async move {
        let (slept, history) = run(&arm, three_at_once, nothing, |worker| worker).await?;
        assert_eq!(slept, [300, 100, 200]);
        Ok(vec![history])
    })
    .await
}

#[workflow]
async fn backs_off(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    let policy = RetryPolicy::new().initial_interval(millis(1500)).backoff_coefficient(1.0);
    let call = ctx.local_activity(third_time, ()).start_to_close_timeout(secs(5));
    Ok(call.retry_policy(policy).local_retry_threshold(secs(1)).await?)
}

#[tokio::test]
async fn long_intervals_between_attempts_are_timers() -> Outcome {
    compare("local-backoff", |arm| async move {
        let (attempt, history) = run(&arm, backs_off, nothing, |worker| worker).await?;
        assert_eq!(attempt, 3);
        Ok(vec![history])
    })
    .await
}

#[workflow]
async fn long(ctx: &WorkflowContext) -> Result<u64, WorkflowError> {
    Ok(ctx.local_activity(nap, 4000).start_to_close_timeout(secs(15)).await?)
}

#[tokio::test]
async fn a_long_local_activity_spans_several_tasks() -> Outcome {
    for options in CACHES {
        compare("local-heartbeat", move |arm| async move {
            let (slept, history) = run(&arm, long, nothing, options).await?;
            assert_eq!(slept, 4000);
            Ok(vec![history])
        })
        .await?;
    }
    Ok(())
}

static RELEASED: Notify = Notify::const_new();

#[activity]
async fn until_released() -> Result<(), ActivityError> {
    RELEASED.notified().await;
    Ok(())
}

/// Handles signals and queries while a local activity is running.
#[workflow]
#[derive(Default)]
struct Attentive {
    notes: State<Vec<String>>,
}

#[workflow_methods]
impl Attentive {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.local_activity(until_released, ()).start_to_close_timeout(secs(30)).await?;
        Ok(self.notes.get())
    }

    #[signal]
    fn note(&self, text: String) {
        self.notes.update(|notes| notes.push(text));
    }

    #[query]
    fn notes(&self) -> Vec<String> {
        self.notes.get()
    }
}

/// Histories are not compared, because the number of heartbeats depends on timing.
#[tokio::test]
async fn b069_signals_and_queries_are_served_meanwhile() -> Outcome {
    compare("local-attentive", |arm| async move {
        let started = |handle: WorkflowHandle<_>| async move {
            until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
            handle.signal(Attentive::note, "signalled".into()).await?;
            crate::arm::until("the signal is seen", || async {
                Ok(handle.query(Attentive::notes, ()).await? == ["signalled"])
            })
            .await?;
            RELEASED.notify_one();
            Ok(())
        };
        let (notes, _) = run(&arm, Attentive::run, started, |worker| worker).await?;
        assert_eq!(notes, ["signalled"]);
        Ok(Vec::new())
    })
    .await
}

#[workflow]
async fn cancels(ctx: &WorkflowContext) -> Result<Vec<bool>, WorkflowError> {
    let begin = |kind| {
        let call = ctx.local_activity(until_cancelled, ()).start_to_close_timeout(secs(20));
        call.cancellation_type(kind).start()
    };
    // One is cancelled before it starts, which its marker shows, too.
    let unstarted = begin(WaitCancellationCompleted);
    unstarted.cancel();
    let running = [TryCancel, WaitCancellationCompleted, Abandon].map(begin);
    ctx.local_activity(nap, 300).start_to_close_timeout(secs(5)).await?;
    running.iter().for_each(|running| running.cancel());
    let mut cancelled = vec![unstarted.await.is_err_and(|failure| failure.is_cancelled())];
    for running in running {
        cancelled.push(running.await.is_err_and(|failure| failure.is_cancelled()));
    }
    Ok(cancelled)
}

#[tokio::test]
async fn cancellation_has_three_types() -> Outcome {
    compare("local-cancel", |arm| async move {
        let (cancelled, history) = run(&arm, cancels, nothing, |worker| worker).await?;
        assert_eq!(cancelled, [true; 4]);
        Ok(vec![history])
    })
    .await
}

#[activity]
async fn says_when(ctx: &ActivityContext) -> Result<u32, ActivityError> {
    match ctx.info().attempt {
        1 => Err(ApplicationFailure::new("soon").next_retry_delay(millis(10)).into()),
        2 => Err(ApplicationFailure::new("later").next_retry_delay(millis(1200)).into()),
        attempt => Ok(attempt),
    }
}

/// Without the panic hook, because printing a backtrace can take longer than a workflow task may.
#[activity]
async fn panics() -> Result<(), ActivityError> {
    std::panic::resume_unwind(Box::new("a bug in the activity"))
}

#[workflow]
async fn policies(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let limit = secs(5);
    let call = ctx.local_activity(says_when, ()).start_to_close_timeout(limit).local_retry_threshold(secs(1));
    let mut all = vec![call.await?.to_string()];
    let listed = RetryPolicy::new().non_retryable_error_type("NotYet");
    let failure = ctx.local_activity(third_time, ()).start_to_close_timeout(limit).retry_policy(listed).await;
    all.push(format!("{:?}", failure.expect_err("its type is listed").retry_state()));
    let twice = RetryPolicy::new().initial_interval(millis(10)).maximum_attempts(2);
    let failure = ctx.local_activity(panics, ()).start_to_close_timeout(limit).retry_policy(twice).await;
    let failure = failure.expect_err("it panics twice");
    all.push(format!("{:?} {:?}", failure.error_type(), failure.retry_state()));
    Ok(all)
}

#[tokio::test]
async fn b077_b078_delays_and_types_and_panics_follow_the_policy() -> Outcome {
    compare("local-policies", |arm| async move {
        let (all, history) = run(&arm, policies, nothing, |worker| worker).await?;
        assert_eq!(all, ["3", "NonRetryableFailure", "Some(\"Panic\") MaximumAttemptsReached"]);
        Ok(vec![history])
    })
    .await
}

#[workflow]
async fn waits_for_a_slot(ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
    let holds_the_slot = ctx.local_activity(nap, 500).start_to_close_timeout(secs(5)).start();
    let late = ctx.local_activity(nap, 1).start_to_close_timeout(secs(5)).schedule_to_start_timeout(millis(100)).await;
    let mut all = vec![format!("{:?}", late.expect_err("the slot is taken").timeout_type())];
    holds_the_slot.await?;
    // The wait of the current attempt counts, not the time since the first was scheduled.
    let policy = RetryPolicy::new().initial_interval(millis(1200)).backoff_coefficient(1.0);
    let call = ctx.local_activity(third_time, ()).start_to_close_timeout(secs(5)).retry_policy(policy);
    let third = call.local_retry_threshold(secs(1)).schedule_to_start_timeout(secs(1)).await?;
    all.push(third.to_string());
    Ok(all)
}

#[tokio::test]
async fn b075_schedule_to_start_is_the_wait_for_a_slot() -> Outcome {
    compare("local-slots", |arm| async move {
        let one_slot: Options = |worker| worker.max_concurrent_local_activities(1);
        let (all, history) = run(&arm, waits_for_a_slot, nothing, one_slot).await?;
        assert_eq!(all, ["Some(ScheduleToStart)", "3"]);
        Ok(vec![history])
    })
    .await
}

/// Handles updates while a local activity is running.
#[workflow]
#[derive(Default)]
struct Obliging {
    sum: State<u32>,
}

#[workflow_methods]
impl Obliging {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, time: u64) -> Result<u32, WorkflowError> {
        ctx.local_activity(nap, time).start_to_close_timeout(secs(20)).await?;
        Ok(self.sum.get())
    }

    #[update]
    fn add(&self, number: u32) -> u32 {
        self.sum.update(|sum| *sum += number);
        self.sum.get()
    }

    /// Takes several workflow tasks, because its own local activity takes longer than one.
    #[update]
    async fn add_slowly(&self, ctx: &WorkflowContext, number: u32) -> Result<u32, WorkflowError> {
        ctx.local_activity(nap, 2400).start_to_close_timeout(secs(5)).await?;
        Ok(self.add(number))
    }
}

/// The update is in the first task, which a heartbeat completes: it is answered then, long before the local activity
/// ends.
#[tokio::test]
async fn b069_updates_are_served_meanwhile() -> Outcome {
    compare("local-updated", |arm| async move {
        let worker = arm.worker().workflow(Obliging::run).activities(nap).build()?;
        let history = worker
            .run_until(Box::pin(async {
                let start = arm.client.start(Obliging::run, 4000).id(arm.id()).task_queue(arm.queue());
                let start = start.task_timeout(secs(2));
                let (handle, update) = start.with_update(Obliging::add, 5).update_id("first").await?;
                assert_eq!(update.result().await?, 5);
                let status = handle.describe().await?.status();
                assert!(status.is_open(), "the update was answered while the local activity ran");
                assert_eq!(handle.result().await?, 5);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            }))
            .await??;
        replays(Obliging::run, &history)?;
        Ok(vec![history])
    })
    .await
}

/// The update arrives while a heartbeat's task is open. Histories are not compared, because the number of heartbeats
/// until then depends on timing.
#[tokio::test]
async fn b069_updates_that_come_in_between_are_served_meanwhile() -> Outcome {
    compare("local-updated-between", |arm| async move {
        let worker = arm.worker().workflow(Obliging::run).activities(nap).build()?;
        let history = worker
            .run_until(Box::pin(async {
                let start = arm.client.start(Obliging::run, 8000).id(arm.id()).task_queue(arm.queue());
                let handle = start.task_timeout(secs(2)).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                assert_eq!(handle.update(Obliging::add, 5).id("first").await?, 5);
                let status = handle.describe().await?.status();
                assert!(status.is_open(), "the update was answered while the local activity ran");
                assert_eq!(handle.result().await?, 5);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            }))
            .await??;
        replays(Obliging::run, &history)?;
        Ok(Vec::new())
    })
    .await
}

#[tokio::test]
async fn b069_an_updates_own_local_activity_spans_tasks() -> Outcome {
    compare("local-in-update", |arm| async move {
        let worker = arm.worker().workflow(Obliging::run).activities(nap).max_cached_workflows(0).build()?;
        let history = worker
            .run_until(Box::pin(async {
                let start = arm.client.start(Obliging::run, 4000).id(arm.id()).task_queue(arm.queue());
                let start = start.task_timeout(secs(2));
                let (handle, update) = start.with_update(Obliging::add_slowly, 7).update_id("first").await?;
                assert_eq!(update.result().await?, 7);
                assert_eq!(handle.result().await?, 7);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            }))
            .await??;
        replays(Obliging::run, &history)?;
        Ok(vec![history])
    })
    .await
}

#[workflow]
async fn cancels_between_attempts(ctx: &WorkflowContext) -> Result<Vec<bool>, WorkflowError> {
    // The wait is below the threshold above which it would be a timer on the server.
    let policy = RetryPolicy::new().initial_interval(secs(30));
    let waiting = [TryCancel, WaitCancellationCompleted, Abandon].map(|kind| {
        let call = ctx.local_activity(third_time, ()).start_to_close_timeout(secs(20)).retry_policy(policy.clone());
        call.cancellation_type(kind).start()
    });
    ctx.local_activity(nap, 300).start_to_close_timeout(secs(5)).await?;
    waiting.iter().for_each(|waiting| waiting.cancel());
    let mut cancelled = Vec::new();
    for waiting in waiting {
        cancelled.push(waiting.await.is_err_and(|failure| failure.is_cancelled()));
    }
    Ok(cancelled)
}

#[tokio::test]
async fn b079_cancelled_during_a_pause_in_the_process() -> Outcome {
    compare("local-cancel-paused", |arm| async move {
        let (cancelled, history) = run(&arm, cancels_between_attempts, nothing, |worker| worker).await?;
        assert_eq!(cancelled, [true; 3]);
        Ok(vec![history])
    })
    .await
}

#[activity(start_to_close_timeout = secs(10))]
async fn tick() -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
async fn ticks(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    abide::workflow::join_all((0..5).map(|_| ctx.local_activity(tick, ()))).await;
    Ok(())
}

#[tokio::test]
async fn no_more_local_activities_begin_per_second_than_the_worker_may() -> Outcome {
    compare("local-rate", |arm: Arm| async move {
        let worker = arm.worker().workflow(ticks).activities(tick).max_local_activities_per_second(20.0).build()?;
        let began = tokio::time::Instant::now();
        worker.run_until(arm.client.execute(ticks, ()).task_queue(arm.queue())).await??;
        // The first begins at once, and the others one after another.
        assert!(began.elapsed() >= millis(200), "{:?}", began.elapsed());
        Ok(Vec::new())
    })
    .await
}

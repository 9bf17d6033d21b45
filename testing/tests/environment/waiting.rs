//! Code that only waits for the server does not stop the clock: activities that await an outcome or sleep on the
//! environment's clock, and tasks without a worker.

use std::sync::Arc;

use abide::prelude::*;
use abide::workflow::{ActivityCancellationType, ChildWorkflowOptions};
use abide_testing::TestWorkflowEnvironment;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use super::{Outcome, real_time};

#[workflow]
async fn sleeps_an_hour(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    ctx.timer(hours(1)).await?;
    Ok(7)
}

#[workflow]
#[derive(Default)]
struct Slow {
    done: State<bool>,
}

#[workflow_methods]
impl Slow {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.wait_until(|| self.done.get()).await?;
        Ok(())
    }

    #[update]
    async fn finish(&self, ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
        ctx.timer(hours(1)).await?;
        self.done.set(true);
        Ok(8)
    }
}

/// Activities that use the environment.
struct Waiters(Arc<TestWorkflowEnvironment>);

#[activities]
impl Waiters {
    #[activity]
    async fn await_result(&self, id: String) -> Result<u32, ActivityError> {
        let call = self.0.client().execute(sleeps_an_hour, ()).id(id).task_queue("waiting");
        Ok(call.await.map_err(|error| ApplicationFailure::new(error.to_string()))?)
    }

    #[activity]
    async fn await_update(&self) -> Result<u32, ActivityError> {
        let started = self.0.client().start(Slow::run, ()).task_queue("waiting").await?;
        Ok(started.update(Slow::finish, ()).await.map_err(|error| ApplicationFailure::new(error.to_string()))?)
    }

    #[activity]
    async fn sleep(&self, seconds: u64) -> Result<u64, ActivityError> {
        self.0.sleep(secs(seconds)).await;
        Ok(seconds)
    }

    /// Like [`Self::await_result`] and [`Self::sleep`], in spawned tasks and threads.
    #[activity]
    async fn wait_elsewhere(&self, how: String, seconds: u64) -> Result<u64, ActivityError> {
        let env = Arc::clone(&self.0);
        let sleeps = async move { env.sleep(secs(seconds)).await };
        match how.as_str() {
            "task" => spawn(sleeps).await?,
            "task of a task" => spawn(async { spawn(sleeps).await }).await??,
            "thread" => {
                let runtime = Handle::current();
                spawn_blocking(move || runtime.block_on(sleeps)).await?;
            }
            _ => {
                let client = self.0.client().clone();
                let results: JoinSet<_> = ["a", "b", "c"]
                    .map(|id| {
                        let call = client.execute(sleeps_an_hour, ()).id(id).task_queue("waiting");
                        async { call.await.is_ok_and(|result| result == 7) }
                    })
                    .into_iter()
                    .collect();
                assert_eq!(results.join_all().await, [true; 3]);
            }
        }
        Ok(seconds)
    }
}

#[expect(clippy::disallowed_methods, reason = "that activities spawn is what is tested")]
fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> JoinHandle<F::Output> {
    tokio::spawn(future)
}

#[expect(clippy::disallowed_methods, reason = "that activities spawn is what is tested")]
fn spawn_blocking<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(code)
}

#[workflow]
async fn awaits_a_result(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    Ok(ctx.activity(Waiters::await_result, "other".into()).start_to_close_timeout(hours(2)).await?)
}

#[workflow]
async fn awaits_two_results_locally(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    let first = ctx.local_activity(Waiters::await_result, "a".into()).schedule_to_close_timeout(hours(2));
    let second = ctx.local_activity(Waiters::await_result, "b".into()).schedule_to_close_timeout(hours(2));
    let (first, second) = abide::join!(first, second);
    Ok(first? + second?)
}

#[workflow]
async fn awaits_an_update(ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
    Ok(ctx.activity(Waiters::await_update, ()).start_to_close_timeout(hours(2)).await?)
}

/// Returns which came first: a timer of ten minutes, or the end of an activity that sleeps.
#[workflow]
async fn races(ctx: &WorkflowContext, seconds: u64) -> Result<String, WorkflowError> {
    Ok(abide::select! {
        slept = ctx.activity(Waiters::sleep, seconds).start_to_close_timeout(hours(2)) => format!("slept {}", slept?),
        fired = ctx.timer(mins(10)) => { fired?; "the timer".into() }
    })
}

/// Returns the end of an activity that sleeps longer than it may run.
#[workflow]
async fn sleeps_too_long(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let once = RetryPolicy::new().maximum_attempts(1);
    let slept = ctx.activity(Waiters::sleep, 3600).start_to_close_timeout(mins(1)).retry_policy(once).await;
    Ok(slept.expect_err("it takes an hour").to_string())
}

/// Like [`races`], with an activity that waits in a separate task.
#[workflow]
async fn races_elsewhere(ctx: &WorkflowContext, how: String, seconds: u64) -> Result<String, WorkflowError> {
    let call = ctx.activity(Waiters::wait_elsewhere, (how, seconds)).start_to_close_timeout(hours(2));
    Ok(abide::select! {
        slept = call => format!("slept {}", slept?),
        fired = ctx.timer(mins(70)) => { fired?; "the timer".into() }
    })
}

/// Returns an environment with these activities on its task queue `waiting`.
async fn environment() -> Result<Arc<TestWorkflowEnvironment>, Box<dyn std::error::Error>> {
    Ok(Arc::new(TestWorkflowEnvironment::start().await?))
}

fn worker(env: &Arc<TestWorkflowEnvironment>) -> abide_testing::TestWorker {
    let worker = env.worker("waiting").workflow(sleeps_an_hour).workflow(Slow::run).workflow(awaits_a_result);
    let worker = worker.workflow(awaits_two_results_locally).workflow(awaits_an_update).workflow(races);
    worker.workflow(sleeps_too_long).workflow(races_elsewhere).activities(Waiters(Arc::clone(env)))
}

/// Returns a worker made as in production code.
fn worker_by_hand(env: &Arc<TestWorkflowEnvironment>) -> Worker {
    let worker = Worker::builder(env.client(), "waiting").workflow(sleeps_an_hour).workflow(Slow::run);
    let worker = worker.workflow(awaits_a_result).workflow(awaits_two_results_locally).workflow(awaits_an_update);
    let worker = worker.workflow(races).workflow(races_elsewhere).activities(Waiters(Arc::clone(env)));
    worker.build().expect("a worker")
}

#[tokio::test]
async fn an_activity_that_awaits_the_result_of_a_workflow_lets_time_pass() -> Outcome {
    let env = environment().await?;
    let result = env.run(worker(&env), env.client().execute(awaits_a_result, ()).task_queue("waiting")).await?;
    assert_eq!((result, env.elapsed()), (7, hours(1)));
    Ok(())
}

#[tokio::test]
async fn local_activities_that_await_results_let_time_pass() -> Outcome {
    let env = environment().await?;
    let call = env.client().execute(awaits_two_results_locally, ()).task_queue("waiting");
    assert_eq!((env.run(worker(&env), call).await?, env.elapsed()), (14, hours(1)));
    Ok(())
}

#[tokio::test]
async fn an_activity_that_awaits_an_update_lets_time_pass() -> Outcome {
    let env = environment().await?;
    let result = env.run(worker(&env), env.client().execute(awaits_an_update, ()).task_queue("waiting")).await?;
    assert_eq!((result, env.elapsed()), (8, hours(1)));
    Ok(())
}

#[tokio::test]
async fn an_activity_that_sleeps_on_the_environments_clock_takes_its_time_and_no_more() -> Outcome {
    let env = environment().await?;
    let (first, second) = env
        .run(worker(&env), async {
            let client = env.client();
            let first = client.execute(races, 300).task_queue("waiting").await;
            assert_eq!(env.elapsed(), mins(5));
            (first, client.execute(races, 3600).task_queue("waiting").await)
        })
        .await;
    assert_eq!((first?, second?), ("slept 300".into(), "the timer".into()));
    assert_eq!(env.elapsed(), mins(15), "what falls due first happens first");
    Ok(())
}

#[tokio::test]
async fn an_activity_that_sleeps_longer_than_its_timeout_times_out() -> Outcome {
    let env = environment().await?;
    let error = env.run(worker(&env), env.client().execute(sleeps_too_long, ()).task_queue("waiting")).await?;
    assert!(error.contains("StartToClose"), "{error}");
    assert_eq!(env.elapsed(), mins(1));
    Ok(())
}

#[tokio::test]
async fn messages_that_arrive_while_an_activity_sleeps_arrive_at_their_time() -> Outcome {
    let env = environment().await?;
    env.run(worker(&env), async {
        let race = env.client().start(races, 3600).task_queue("waiting").await?;
        // Only the activity awaits an outcome, so time stands still.
        for _ in 0..3 {
            assert!(race.describe().await?.status().is_open());
        }
        assert_eq!(env.elapsed(), secs(0));
        assert_eq!(race.result().await?, "the timer");
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .await
}

#[tokio::test]
async fn an_activity_of_a_worker_by_hand_lets_time_pass_as_well() -> Outcome {
    let env = environment().await?;
    let client = env.client().clone();
    worker_by_hand(&env)
        .run_until(async {
            assert_eq!(client.execute(awaits_a_result, ()).task_queue("waiting").await?, 7);
            assert_eq!(env.elapsed(), hours(1));
            assert_eq!(client.execute(awaits_two_results_locally, ()).task_queue("waiting").await?, 14);
            assert_eq!(env.elapsed(), hours(2));
            assert_eq!(client.execute(awaits_an_update, ()).task_queue("waiting").await?, 8);
            assert_eq!(env.elapsed(), hours(3));
            let race = client.execute(races_elsewhere, ("task".into(), 60)).task_queue("waiting").await?;
            assert_eq!((race.as_str(), env.elapsed()), ("slept 60", hours(3) + mins(1)));
            Ok::<_, Box<dyn std::error::Error>>(())
        })
        .await?
}

/// Checks that activities that wait in other tasks and threads take their time, and lose a race at the right time.
async fn waits_elsewhere(ways: &[&str]) -> Outcome {
    for &how in ways {
        let (env, began) = (environment().await?, real_time());
        let call = |seconds| env.client().execute(races_elsewhere, (how.into(), seconds)).task_queue("waiting");
        let slept = env
            .run(worker(&env), async {
                assert_eq!(call(3600).await?, "slept 3600", "{how}");
                assert_eq!(env.elapsed(), hours(1), "{how}");
                if how != "three tasks" {
                    assert_eq!(call(7200).await?, "the timer", "{how}");
                    assert_eq!(env.elapsed(), mins(60 + 70), "{how}");
                }
                Ok::<_, Box<dyn std::error::Error>>(())
            })
            .await;
        slept?;
        assert!(began.elapsed() < secs(20), "{:?}", began.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn an_activity_that_waits_in_a_task_that_it_spawned_lets_time_pass() -> Outcome {
    waits_elsewhere(&["task", "task of a task", "thread", "three tasks"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activity_that_waits_in_a_task_lets_time_pass_on_a_runtime_with_threads() -> Outcome {
    waits_elsewhere(&["task", "task of a task", "three tasks"]).await
}

#[tokio::test]
async fn a_task_that_an_activity_spawned_does_not_move_the_clock() -> Outcome {
    let env = environment().await?;
    env.run(worker(&env), async {
        let race = env.client().start(races_elsewhere, ("task".into(), 3600)).task_queue("waiting").await?;
        // Only that task awaits an outcome, so time stands still.
        while !env.server().busy().iter().any(|what| what.contains("activity 1 ") && what.contains("is started")) {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            tokio::task::yield_now().await;
            assert!(race.describe().await?.status().is_open());
        }
        assert_eq!(env.elapsed(), secs(0));
        assert_eq!(race.result().await?, "slept 3600");
        Ok::<_, Box<dyn std::error::Error>>(())
    })
    .await
}

/// Returns how three kinds of work end that no worker takes.
#[workflow]
async fn waits_for_nobody(ctx: &WorkflowContext, what: String) -> Result<String, WorkflowError> {
    let call = ctx.activity(Waiters::sleep, 1);
    let ended = match what.as_str() {
        "start" => {
            let call = call.start_to_close_timeout(hours(1)).task_queue("nobody");
            call.schedule_to_start_timeout(secs(10)).await.map(drop).map_err(|error| error.to_string())
        }
        "close" => {
            let call = call.schedule_to_close_timeout(secs(20)).task_queue("nobody");
            call.await.map(drop).map_err(|error| error.to_string())
        }
        _ => {
            let options = ChildWorkflowOptions::new().task_queue("nobody").run_timeout(secs(30));
            let child = ctx.child_workflow(sleeps_an_hour, ()).options(&options);
            child.await.map(drop).map_err(|error| error.to_string())
        }
    };
    Ok(ended.expect_err("nobody is there"))
}

#[tokio::test]
async fn timeouts_of_what_nobody_takes_fire() -> Outcome {
    let began = real_time();
    for (what, error, elapsed) in
        [("start", "ScheduleToStart", 10), ("close", "timed out", 20), ("child", "timed out", 30)]
    {
        let env = environment().await?;
        let worker = env.worker("somebody").workflow(waits_for_nobody);
        let call = env.client().execute(waits_for_nobody, what.into()).task_queue("somebody");
        let ended = env.run(worker, call).await?;
        assert!(ended.contains(error), "{what}: {ended}");
        assert_eq!(env.elapsed(), secs(elapsed), "{what}");
    }
    for execution in [false, true] {
        let env = environment().await?;
        let call = env.client().execute(sleeps_an_hour, ()).task_queue("nobody");
        let call = if execution { call.execution_timeout(secs(40)) } else { call.run_timeout(secs(40)) };
        let worker = env.worker("somebody").workflow(sleeps_an_hour);
        let error = env.run(worker, call).await.expect_err("nobody is there");
        assert!(error.is_timeout(), "{error}");
        assert_eq!(env.elapsed(), secs(40));
    }
    // None of the five takes any real time, apart from load on the machine.
    assert!(began.elapsed() < secs(10), "{:?}", began.elapsed());
    Ok(())
}

/// Two activities for one slot: the first awaits an hour, so the second does not start.
#[workflow]
async fn crowded(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let first = ctx.activity(Waiters::sleep, 3600).start_to_close_timeout(hours(2)).start();
    ctx.timer(secs(1)).await?;
    let second = ctx.activity(Waiters::sleep, 1).start_to_close_timeout(hours(2)).schedule_to_start_timeout(mins(10));
    let second = second.await.expect_err("there is no slot").to_string();
    first.await?;
    Ok(second)
}

#[tokio::test]
async fn a_task_that_waits_behind_one_who_waits_does_not_hold_the_clock() -> Outcome {
    let env = environment().await?;
    let worker = worker(&env).workflow(crowded).options(|worker| worker.max_concurrent_activities(1));
    let ended = env.run(worker, env.client().execute(crowded, ()).task_queue("waiting")).await?;
    assert!(ended.contains("ScheduleToStart"), "{ended}");
    assert_eq!(env.elapsed(), hours(1));
    Ok(())
}

#[activity]
#[expect(clippy::disallowed_methods, reason = "that it sleeps is what is tested")]
async fn sleeps_on_tokios_clock(seconds: u64) -> Result<u64, ActivityError> {
    tokio::time::sleep(secs(seconds)).await;
    Ok(seconds)
}

/// Like [`races`], with an activity that does not know the environment, after a local one.
#[workflow]
async fn races_on_tokios_clock(ctx: &WorkflowContext, seconds: u64) -> Result<String, WorkflowError> {
    ctx.local_activity(sleeps_on_tokios_clock, 3).schedule_to_close_timeout(mins(1)).await?;
    Ok(abide::select! {
        slept = ctx.activity(sleeps_on_tokios_clock, seconds).start_to_close_timeout(hours(2)) => {
            format!("slept {}", slept?)
        }
        fired = ctx.timer(mins(10)) => { fired?; "the timer".into() }
    })
}

#[tokio::test(start_paused = true)]
async fn under_a_paused_clock_what_an_activity_sleeps_shows_as_elapsed() -> Outcome {
    for (seconds, came_first, elapsed) in [(300, "slept 300", mins(5)), (3600, "the timer", mins(10))] {
        let env = TestWorkflowEnvironment::start().await?;
        let worker = env.worker("paused").workflow(races_on_tokios_clock).activities(sleeps_on_tokios_clock);
        let call = env.client().execute(races_on_tokios_clock, seconds).task_queue("paused");
        assert_eq!(env.run(worker, call).await?, came_first);
        // Exactly, although the activity was still sleeping when the timer fired, and had to be stopped.
        assert_eq!(env.elapsed(), elapsed + secs(3));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "that it sleeps is what is tested")]
async fn a_paused_clock_goes_on_after_a_run() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("paused").workflow(sleeps_an_hour);
    env.run(worker, env.client().execute(sleeps_an_hour, ()).task_queue("paused")).await?;
    tokio::time::sleep(mins(1)).await;
    assert_eq!(env.elapsed(), hours(1) + mins(1));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_skips_as_a_standing_one_does() -> Outcome {
    let env = environment().await?;
    let began = real_time();
    let result = env
        .run(worker(&env), async {
            let result = env.client().execute(awaits_a_result, ()).task_queue("waiting").await;
            result.map(|result| (result, env.elapsed()))
        })
        .await?;
    assert_eq!(result, (7, hours(1)));
    assert!(began.elapsed() < secs(10), "{:?}", began.elapsed());
    Ok(())
}

#[activity]
#[expect(clippy::disallowed_methods, reason = "that it blocks is what is tested")]
async fn beats_without_giving_way(ctx: &ActivityContext, times: u32) -> Result<u32, ActivityError> {
    for n in 0..times {
        ctx.heartbeat(&n)?;
        std::thread::sleep(millis(100));
    }
    if ctx.info().attempt == 1 {
        return Err(ApplicationFailure::new("once more").into());
    }
    Ok(ctx.last_heartbeat()?.unwrap_or(0))
}

#[workflow]
async fn has_it_beaten(ctx: &WorkflowContext, times: u32) -> Result<u32, WorkflowError> {
    let call = ctx.activity(beats_without_giving_way, times).start_to_close_timeout(mins(5));
    Ok(call.heartbeat_timeout(secs(1)).await?)
}

#[tokio::test]
async fn heartbeats_of_an_activity_that_never_gives_way_count() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = env.worker("beats").workflow(has_it_beaten).activities(beats_without_giving_way);
    // The second attempt, a second after the first one, sees the first one's progress.
    assert_eq!(env.run(worker, env.client().execute(has_it_beaten, 15).task_queue("beats")).await?, 14);
    assert_eq!(env.elapsed(), secs(1));
    Ok(())
}

#[activity]
async fn until_told(ctx: &ActivityContext) -> Result<String, ActivityError> {
    Ok(format!("{:?}", ctx.cancelled().await))
}

#[workflow]
async fn tells_it(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    let call = ctx.activity(until_told, ()).start_to_close_timeout(hours(1));
    let watched = call.cancellation_type(ActivityCancellationType::WaitCancellationCompleted).start();
    ctx.timer(secs(5)).await?;
    watched.cancel();
    Ok(watched.await?)
}

#[tokio::test]
async fn an_activity_that_waits_for_its_cancellation_does_not_hold_the_clock() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("told").workflow(tells_it).activities(until_told);
    assert_eq!(env.run(worker, env.client().execute(tells_it, ()).task_queue("told")).await?, "Cancelled");
    assert_eq!(env.elapsed(), secs(5), "the clock waits until it has been told");
    Ok(())
}

#[activity]
#[expect(clippy::disallowed_methods, reason = "that it sleeps is what is tested")]
async fn works_until_told(ctx: &ActivityContext) -> Result<String, ActivityError> {
    tokio::select! {
        reason = ctx.cancelled() => Ok(format!("{reason:?}")),
        () = tokio::time::sleep(millis(300)) => Ok("done".into()),
    }
}

#[workflow]
async fn races_with_work(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(abide::select! {
        done = ctx.activity(works_until_told, ()).start_to_close_timeout(hours(1)) => done?,
        fired = ctx.timer(mins(10)) => { fired?; "the timer".into() }
    })
}

#[tokio::test]
async fn an_activity_that_works_while_it_waits_holds_the_clock() -> Outcome {
    let env = environment().await?;
    let worker = env.worker("told").workflow(races_with_work).activities(works_until_told);
    assert_eq!(env.run(worker, env.client().execute(races_with_work, ()).task_queue("told")).await?, "done");
    assert_eq!(env.elapsed(), secs(0));
    Ok(())
}

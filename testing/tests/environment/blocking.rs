//! Activities that block their thread, in an environment of their own and in a worker that shuts down.

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, mpsc};

use abide::activity::ActivityCancelReason;
use abide::prelude::*;
use abide_testing::{ActivityEnvironment, TestWorkflowEnvironment};
use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use super::Outcome;

#[activity(blocking)]
fn until_told(ctx: &ActivityContext) -> Result<String, ActivityError> {
    ctx.heartbeat(&1)?;
    let reason = ctx.block_on(ctx.cancelled());
    assert_ne!(reason, ActivityCancelReason::Reset, "no resets");
    Ok(format!("{reason:?} on {}", std::thread::current().name().unwrap_or_default()))
}

#[tokio::test]
async fn a_single_blocking_activity_does_not_block_its_test() -> Outcome {
    let env = ActivityEnvironment::new();
    let (told, ()) = tokio::join!(env.run(until_told, ()), async { env.cancel(ActivityCancelReason::Paused) });
    assert_eq!(told.unwrap(), "Paused on abide-activity");
    let env = ActivityEnvironment::new().cancel_at_heartbeat(1, ActivityCancelReason::Reset);
    let panic = AssertUnwindSafe(env.run(until_told, ())).catch_unwind().await.expect_err("it panics");
    assert!(panic.downcast_ref::<String>().expect("a text").contains("no resets"));
    Ok(())
}

/// Blocks until the test lets it go, whatever it is told.
struct Stubborn {
    began: Mutex<Option<oneshot::Sender<ActivityContext>>>,
    released: Mutex<mpsc::Receiver<()>>,
}

#[activities]
impl Stubborn {
    #[activity(blocking)]
    fn hold(&self, ctx: &ActivityContext) -> Result<(), ActivityError> {
        if let Some(began) = self.began.lock().expect("nothing panics with it").take() {
            began.send(ctx.clone()).map_err(|_| "the test has ended")?;
            self.released.lock().expect("nothing panics with it").recv()?;
        }
        Ok(())
    }
}

#[workflow]
async fn holds(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.activity(Stubborn::hold, ()).start_to_close_timeout(days(900)).await?)
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_although_code_blocks_its_thread() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let ((began, begins), (release, released)) = (oneshot::channel(), mpsc::channel());
    let stubborn = Stubborn { began: Mutex::new(Some(began)), released: Mutex::new(released) };
    let worker = Worker::builder(env.client(), "stubborn").workflow(holds).activities(stubborn).build()?;
    let shutdown = worker.shutdown_handle();
    env.client().start(holds, ()).id("stubborn").task_queue("stubborn").await?;
    let body = async {
        let attempt = begins.await;
        shutdown.shutdown();
        attempt
    };
    let (ended, attempt) = tokio::join!(worker.run(), body);
    ended?;
    assert_eq!(attempt?.cancel_reason(), Some(ActivityCancelReason::WorkerShutdown));
    let history = env.client().handle(holds, "stubborn").fetch_history().await?.to_string();
    assert!(!history.contains("ActivityTaskCompleted"), "{history}");
    release.send(())?;
    Ok(())
}

#[tokio::test]
async fn code_whose_worker_is_dropped_is_told_to_stop() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let ((began, begins), (_release, released)) = (oneshot::channel(), mpsc::channel());
    let stubborn = Stubborn { began: Mutex::new(Some(began)), released: Mutex::new(released) };
    let worker = Worker::builder(env.client(), "dropped").workflow(holds).activities(stubborn).build()?;
    env.client().start(holds, ()).id("dropped").task_queue("dropped").await?;
    let attempt = tokio::select! {
        ended = worker.run() => panic!("it runs: {ended:?}"),
        attempt = begins => attempt?,
    };
    attempt.cancelled().await;
    Ok(())
}

//! Activities that block their thread: `#[activity(blocking)]`.

use std::sync::Mutex;
use std::sync::mpsc;

use abide::prelude::*;
use abide::workflow::ActivityCancellationType::WaitCancellationCompleted;

use crate::arm::{Arm, Outcome, compare, until};

#[activity(blocking, start_to_close_timeout = secs(20))]
fn checksum(ctx: &ActivityContext, text: String) -> Result<(String, u32), ActivityError> {
    if ctx.info().attempt == 1 {
        panic!("no paper");
    }
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    Ok((thread, text.bytes().map(u32::from).sum()))
}

/// Blocks its threads until both are there.
struct Meeting {
    barrier: std::sync::Barrier,
}

#[activities]
impl Meeting {
    #[activity(blocking, start_to_close_timeout = secs(20))]
    fn meet(&self, ctx: &ActivityContext) -> Result<bool, ActivityError> {
        self.barrier.wait();
        // The worker's client, from a thread that may block.
        let handle = ctx.client().handle(checks, ctx.info().workflow_id.clone().unwrap_or_default());
        Ok(ctx.block_on(handle.describe())?.status().is_open())
    }
}

#[workflow]
async fn checks(ctx: &WorkflowContext) -> Result<(String, u32, bool), WorkflowError> {
    let sum = ctx.activity(checksum, "paper".into()).retry_policy(RetryPolicy::new().initial_interval(millis(1)));
    let (thread, sum) = sum.await?;
    let local = ctx.local_activity(Meeting::meet, ()).start_to_close_timeout(secs(20));
    let (here, there) = abide::join!(local, ctx.activity(Meeting::meet, ()));
    Ok((thread, sum, here? && there?))
}

#[tokio::test]
async fn a_blocking_activity_runs_on_a_thread_of_its_own() -> Outcome {
    compare("blocking", async |arm: Arm| {
        let meeting = Meeting { barrier: std::sync::Barrier::new(2) };
        let worker = arm.worker().workflow(checks).activities(checksum).activities(meeting).build()?;
        let call = arm.client.execute(checks, ()).id(arm.id()).task_queue(arm.queue()).task_timeout(secs(1));
        let told = Box::pin(worker.run_until(call)).await??;
        assert_eq!(told, ("abide-activity".into(), 536, true));
        // Which attempt of the pair ends first is chance, so the histories are not compared.
        Ok(Vec::new())
    })
    .await
}

#[activity(blocking, heartbeat_timeout = secs(1), start_to_close_timeout = secs(50))]
fn until_cancelled(ctx: &ActivityContext) -> Result<(), ActivityError> {
    for beat in 0_u32.. {
        ctx.heartbeat(&beat)?;
        let stops = async { tokio::time::timeout(millis(50), ctx.cancelled()).await };
        if ctx.block_on(stops).is_ok() {
            break;
        }
    }
    Err(ActivityError::cancelled())
}

#[workflow]
async fn cancels(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.activity(until_cancelled, ()).cancellation_type(WaitCancellationCompleted).await?)
}

#[tokio::test]
async fn a_blocking_activity_sends_heartbeats_and_is_cancelled() -> Outcome {
    compare("blocking-cancelled", async |arm: Arm| {
        let worker = arm.worker().workflow(cancels).activities(until_cancelled).build()?;
        let body = async {
            let handle = arm.client.start(cancels, ()).id(arm.id()).task_queue(arm.queue()).await?;
            until("there is a heartbeat", || async {
                let described = handle.describe().await?;
                Ok(described.pending_activities().iter().any(|one| one.last_heartbeat_time().is_some()))
            })
            .await?;
            handle.cancel().await?;
            assert!(handle.result().await.unwrap_err().is_cancelled());
            Ok(vec![handle.fetch_history().await?])
        };
        Box::pin(worker.run_until(body)).await?
    })
    .await
}

/// Blocks until the test lets it go, whatever it is told.
struct Stubborn(Mutex<mpsc::Receiver<()>>);

#[activities]
impl Stubborn {
    #[activity(blocking)]
    fn hold(&self, ctx: &ActivityContext) -> Result<bool, ActivityError> {
        self.0.lock().expect("nothing panics with it").recv()?;
        Ok(ctx.is_cancelled())
    }
}

#[workflow]
async fn holds(ctx: &WorkflowContext) -> Result<bool, WorkflowError> {
    let retries = RetryPolicy::new().maximum_attempts(1);
    let held = ctx.local_activity(Stubborn::hold, ()).start_to_close_timeout(millis(100)).retry_policy(retries);
    let timed_out = matches!(held.await, Err(failure) if failure.is_timeout());
    // There is one slot, and the code above still has it.
    let waits = ctx.local_activity(Stubborn::hold, ()).schedule_to_start_timeout(millis(100));
    let waited = matches!(waits.start_to_close_timeout(secs(5)).await, Err(failure) if failure.is_timeout());
    Ok(timed_out && waited)
}

#[tokio::test]
async fn code_that_ignores_its_timeout_keeps_its_slot() -> Outcome {
    compare("blocking-slot", async |arm: Arm| {
        let (release, released) = mpsc::channel();
        let stubborn = Stubborn(Mutex::new(released));
        let worker = arm.worker().workflow(holds).activities(stubborn).max_concurrent_local_activities(1).build()?;
        let handle = arm.client.start(holds, ()).id(arm.id()).task_queue(arm.queue()).await?;
        assert!(Box::pin(worker.run_until(handle.result())).await??);
        release.send(())?;
        Ok(vec![handle.fetch_history().await?])
    })
    .await
}

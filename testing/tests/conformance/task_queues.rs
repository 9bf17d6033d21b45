//! Several task queues in one worker.

use std::sync::Arc;

use abide::prelude::*;
use abide::worker::Worker;
use tokio::sync::Barrier;

use crate::arm::{Arm, Outcome, compare, until};

/// The activities of both queues; each runs until the other one is there.
struct Pair(Arc<Barrier>);

#[activities]
impl Pair {
    #[activity(start_to_close_timeout = secs(30))]
    async fn meet(&self, ctx: &ActivityContext) -> Result<String, ActivityError> {
        self.0.wait().await;
        Ok(ctx.info().task_queue.clone())
    }

    #[activity(start_to_close_timeout = secs(30))]
    async fn queue(&self, ctx: &ActivityContext) -> Result<String, ActivityError> {
        Ok(ctx.info().task_queue.clone())
    }
}

#[workflow]
async fn inner(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    // The queue of the workflow is the default for its activities.
    Ok(ctx.activity(Pair::queue, ()).await?)
}

#[workflow]
async fn outer(ctx: &WorkflowContext, other: String) -> Result<Vec<String>, WorkflowError> {
    let (here, there) =
        abide::join!(ctx.activity(Pair::meet, ()), ctx.activity(Pair::meet, ()).task_queue(other.clone()));
    let child = ctx.child_workflow(inner, ()).task_queue(other).await?;
    Ok(vec![here?, there?, child])
}

#[tokio::test]
async fn one_worker_serves_several_task_queues() -> Outcome {
    compare("several-queues", async |arm: Arm| {
        let (queue, other) = (arm.queue(), format!("{}-other", arm.queue()));
        let barrier = Arc::new(Barrier::new(2));
        let (pair, theirs) = (Pair(Arc::clone(&barrier)), Pair(barrier));
        let worker = arm.worker().workflow(outer).activities(pair);
        let worker = worker.also_task_queue(&*other, |other| other.workflow(inner).activities(theirs)).build()?;
        let call = arm.client.execute(outer, other.clone()).id(arm.id()).task_queue(&*queue);
        let told = Box::pin(worker.run_until(call)).await??;
        assert_eq!(told, [&*queue, &*other, &*other]);
        // Which activity ends first is chance.
        Ok(Vec::new())
    })
    .await
}

#[activity(start_to_close_timeout = secs(30))]
async fn holds(ctx: &ActivityContext) -> Result<(), ActivityError> {
    ctx.worker_shutting_down().await;
    Ok(())
}

#[workflow]
async fn hold_there(ctx: &WorkflowContext, other: String) -> Result<(), WorkflowError> {
    Ok(ctx.activity(holds, ()).task_queue(other).await?)
}

#[tokio::test]
async fn all_queues_of_a_worker_shut_down_together() -> Outcome {
    compare("queues-shut-down", async |arm: Arm| {
        let other = format!("{}-other", arm.queue());
        let worker = arm.worker().workflow(hold_there).graceful_shutdown_timeout(secs(20));
        let worker = worker.also_task_queue(&*other, |other| other.activities(holds)).build()?;
        let shutdown = worker.shutdown_handle();
        let handle =
            arm.client.start(hold_there, other).id(arm.id()).task_queue(arm.queue()).execution_timeout(mins(1)).await?;
        let body = async {
            let started = || async {
                Ok(handle.describe().await?.pending_activities().iter().any(|one| one.last_started_time().is_some()))
            };
            until("the activity has started", started).await?;
            shutdown.shutdown();
            Outcome::Ok(())
        };
        let (ended, told) = Box::pin(async { tokio::join!(worker.run(), body) }).await;
        ended?;
        told?;
        let history = handle.fetch_history().await?;
        assert!(history.to_string().contains("ActivityTaskCompleted"), "{history}");
        // Whether the workflow ends before its worker is gone is chance.
        Ok(Vec::new())
    })
    .await
}

#[tokio::test]
async fn what_cannot_be_a_further_queue_is_refused() -> Outcome {
    compare("no-further-queue", async |arm: Arm| {
        let worker = || arm.worker().workflow(inner);
        let told = |built: Result<Worker, abide::worker::WorkerError>| built.expect_err("it is refused").to_string();
        let twice = worker().also_task_queue(arm.queue(), |other| other.activities(holds));
        assert!(told(twice.build()).contains("twice"));
        let nested = worker().also_task_queue("a", |a| a.also_task_queue("b", |b| b.activities(holds)));
        assert!(told(nested.build()).contains("`also_task_queue` or `own_queue`"));
        let own = worker().own_queue(|own| own.also_task_queue("b", |b| b.activities(holds)));
        assert!(told(own.build()).contains("within `own_queue`"));
        let few = worker().activities(holds).max_concurrent_activities(1);
        let few = few.also_task_queue("a", |a| a.activities(holds));
        assert!(told(few.build()).contains("2 task queues share 1 slots of the kind `Activity`"));
        let own_slots = worker().activities(holds).max_concurrent_activities(1);
        let _ = own_slots.also_task_queue("a", |a| a.activities(holds).max_concurrent_activities(1)).build()?;
        Ok(Vec::new())
    })
    .await
}

#[tokio::test]
async fn queues_share_the_slots_of_their_worker() -> Outcome {
    compare("shared-slots", async |arm: Arm| {
        let (queue, other) = (arm.queue(), format!("{}-other", arm.queue()));
        let worker = arm.worker().workflow(holds_both).activities(counts).max_concurrent_activities(2);
        let worker = worker.also_task_queue(&*other, |other| other.activities(counts)).build()?;
        let call = arm.client.execute(holds_both, other).id(arm.id()).task_queue(queue);
        let most = Box::pin(worker.run_until(call)).await??;
        assert!(most <= 2, "{most} ran at once");
        Ok(Vec::new())
    })
    .await
}

/// Returns the number of those that run at the same time in this process.
#[activity(start_to_close_timeout = secs(30))]
async fn counts() -> Result<usize, ActivityError> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    let running = RUNNING.fetch_add(1, Ordering::Relaxed) + 1;
    tokio::time::interval_at(tokio::time::Instant::now() + millis(50), secs(1)).tick().await;
    RUNNING.fetch_sub(1, Ordering::Relaxed);
    Ok(running)
}

#[workflow]
async fn holds_both(ctx: &WorkflowContext, other: String) -> Result<usize, WorkflowError> {
    let calls = (0..8).map(|index| {
        let call = ctx.activity(counts, ());
        if index % 2 == 0 { call.task_queue(other.clone()) } else { call }
    });
    let counted = abide::workflow::join_all(calls).await;
    let counted: Result<Vec<usize>, _> = counted.into_iter().collect();
    Ok(counted?.into_iter().max().unwrap_or_default())
}

//! Tuners: suppliers decide how many tasks a worker takes.

use std::collections::BTreeSet;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex, PoisonError};

use abide::interceptor::async_trait;
use abide::prelude::*;
use abide::worker::{ResourceController, SlotRequest, SlotSupplier, SlotTask, WorkerTuner};
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use crate::arm::{Arm, Outcome, compare};

/// As many slots as there are licences. Keeps the names of its tasks, and how many ran at once at most.
struct Licences {
    free: Semaphore,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    running: usize,
    most: usize,
}

impl Licences {
    fn new(licences: usize) -> Arc<Self> {
        Arc::new(Self { free: Semaphore::new(licences), seen: Mutex::default() })
    }

    fn see(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl SlotSupplier for Licences {
    async fn reserve(&self, _: &SlotRequest) {
        self.free.acquire().await.expect("it is never closed").forget();
    }

    fn try_reserve(&self, _: &SlotRequest) -> bool {
        self.free.try_acquire().map(|permit| permit.forget()).is_ok()
    }

    fn began(&self, task: &SlotTask) {
        self.see(|seen| {
            seen.names.insert(task.name.clone());
            seen.running += 1;
            seen.most = seen.most.max(seen.running);
        });
    }

    fn release(&self, task: Option<&SlotTask>) {
        self.free.add_permits(1);
        if task.is_some() {
            self.see(|seen| seen.running -= 1);
        }
    }
}

#[activity(start_to_close_timeout = secs(10))]
async fn transcode() -> Result<(), ActivityError> {
    tokio::task::yield_now().await;
    Ok(())
}

#[workflow]
async fn publish(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(transcode, ()).await?;
    ctx.local_activity(transcode, ()).await?;
    Ok(())
}

#[tokio::test]
async fn a_supplier_of_ones_own_limits_activities_beside_resource_based_slots() -> Outcome {
    compare("tuner", |arm: Arm| async move {
        let licences = Licences::new(2);
        // Targets that any machine stays below, and the minimum is given in any case.
        let resources = ResourceController::new(1.0, 1.0);
        let tuner = WorkerTuner::resource_based(&resources).activities(Arc::clone(&licences));
        let worker = arm.worker().workflow(publish).activities(transcode).tuner(tuner).build()?;
        let queue = arm.queue();
        let all = join_all((0..20).map(|_| arm.client.execute(publish, ()).task_queue(&*queue).into_future()));
        let published = worker.run_until(Box::pin(all)).await?;
        published.into_iter().collect::<Result<Vec<()>, _>>()?;
        licences.see(|seen| {
            assert_eq!(seen.names, ["transcode".to_string()].into());
            assert!(seen.most <= 2 && seen.running == 0, "{} at once, {} left", seen.most, seen.running);
        });
        assert_eq!(licences.free.available_permits(), 2, "each slot was released once");
        Ok(Vec::new())
    })
    .await
}

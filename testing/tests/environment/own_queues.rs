//! Workers with a queue of their own.

use std::sync::Arc;

use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;
use tokio::sync::Notify;

use super::Outcome;

const QUEUE: &str = "hosts";

#[workflow]
async fn hold(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let options = ActivityOptions::with_start_to_close_timeout(hours(1));
    let holding = ctx.on_one_worker(RetryPolicy::new().maximum_attempts(1), &options, async |here| {
        Ok(ctx.activity(Gate::pass, ()).options(&here).await?)
    });
    holding.await
}

/// An activity that ends when it may.
#[derive(Clone, Default)]
struct Gate {
    entered: Arc<Notify>,
    opened: Arc<Notify>,
}

#[activities]
impl Gate {
    #[activity]
    async fn pass(&self, ctx: &ActivityContext) -> Result<(), ActivityError> {
        self.entered.notify_one();
        tokio::select! {
            () = self.opened.notified() => {}
            () = ctx.worker_shutting_down() => {}
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_worker_whose_own_queue_is_full_tells_its_name_later() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let gate = Gate::default();
    let own = gate.clone();
    let worker = env.worker(QUEUE).workflow(hold);
    let worker =
        worker.options(|worker| worker.own_queue(|own_queue| own_queue.activities(own).max_concurrent_activities(1)));
    let story = async {
        let first = env.client().start(hold, ()).id("first").task_queue(QUEUE).await?;
        gate.entered.notified().await;
        let second = env.client().start(hold, ()).id("second").task_queue(QUEUE).await?;
        let refused = loop {
            let described = second.describe().await?;
            if let Some(failure) = described.pending_activities().iter().find_map(|pending| pending.last_failure()) {
                break failure;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(refused.error_type(), Some("OwnQueueFull"));
        gate.opened.notify_one();
        first.result().await?;
        gate.opened.notify_one();
        second.result().await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    env.run(worker, story).await?;
    assert!(env.elapsed() <= secs(2), "it is asked again every second, not with growing pauses: {:?}", env.elapsed());
    Ok(())
}

#[tokio::test]
async fn both_workers_shut_down_together_and_in_order() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let (gate, own) = (Gate::default(), Gate::default());
    let own = Gate { entered: Arc::clone(&gate.entered), ..own };
    let worker = Worker::builder(env.client(), QUEUE).workflow(hold);
    // The worker of the own queue has the graceful period, too, wherever that is set.
    let worker = worker.own_queue(|own_queue| own_queue.activities(own)).graceful_shutdown_timeout(hours(1)).build()?;
    let shutdown = worker.shutdown_handle();
    let held = env.client().start(hold, ()).id("held").task_queue(QUEUE).await?;
    let story = async {
        gate.entered.notified().await;
        shutdown.shutdown();
    };
    let (ended, ()) = tokio::join!(worker.run(), story);
    ended?;
    let history = held.fetch_history().await?.to_string();
    assert!(history.contains("ActivityTaskCompleted(pass)"), "{history}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_an_own_queue_is_refused() -> Outcome {
    let env = TestWorkflowEnvironment::start().await?;
    let worker = || Worker::builder(env.client(), QUEUE).activities(Gate::default());
    let twice =
        worker().own_queue(|own| own.activities(Gate::default())).own_queue(|own| own.activities(Gate::default()));
    assert!(twice.build().unwrap_err().to_string().contains("called twice"));
    let with_workflow = worker().own_queue(|own| own.workflow(hold)).build();
    assert!(with_workflow.unwrap_err().to_string().contains("only for activities"));
    let nested = worker().own_queue(|own| own.own_queue(|own| own.activities(Gate::default()))).build();
    assert!(nested.unwrap_err().to_string().contains("within `own_queue`"));
    Ok(())
}

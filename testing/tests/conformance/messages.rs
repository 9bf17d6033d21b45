//! Signals, queries and cancellation requests.

use abide::prelude::*;

use crate::arm::{Outcome, compare, until_event};

#[activity]
async fn echo(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

/// Collects texts until it is told that there are no more.
#[workflow]
#[derive(Default)]
struct Collector {
    texts: State<Vec<String>>,
    complete: State<bool>,
}

#[workflow_methods]
impl Collector {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<Vec<String>, WorkflowError> {
        ctx.wait_until(|| self.complete.get() && ctx.all_handlers_finished()).await?;
        Ok(self.texts.get())
    }

    #[signal]
    fn add(&self, text: String) {
        self.texts.update(|texts| texts.push(text));
    }

    #[signal]
    async fn add_through_activity(&self, ctx: &WorkflowContext, text: String) -> Result<(), WorkflowError> {
        let text = ctx.activity(echo, text).start_to_close_timeout(secs(5)).await?;
        self.texts.update(|texts| texts.push(text));
        Ok(())
    }

    #[signal]
    fn complete(&self) {
        self.complete.set(true);
    }

    #[query]
    fn texts(&self) -> Vec<String> {
        self.texts.get()
    }
}

#[tokio::test]
async fn signals_before_and_after_the_first_task() -> Outcome {
    compare("signals", |arm| async move {
        let handle = arm.client.start(Collector::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
        handle.signal(Collector::add, "early".into()).await?;
        handle.signal(Collector::add_through_activity, "slowly".into()).await?;
        let worker = arm.worker().workflow(Collector::run).activities(echo).build()?;
        let history = worker
            .run_until(async {
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 2).await?;
                handle.signal(Collector::add, "late".into()).await?;
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 3).await?;
                assert_eq!(handle.query(Collector::texts, ()).await?, ["early", "slowly", "late"]);
                handle.signal(Collector::complete, ()).await?;
                assert_eq!(handle.result().await?, ["early", "slowly", "late"]);
                assert_eq!(handle.query(Collector::texts, ()).await?.len(), 3);
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[tokio::test]
async fn a_query_on_a_worker_without_a_cache_replays() -> Outcome {
    compare("query-replays", |arm| async move {
        let handle = arm.client.start(Collector::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
        handle.signal(Collector::add, "kept".into()).await?;
        let worker = arm.worker().workflow(Collector::run).activities(echo).max_cached_workflows(0).build()?;
        let history = worker
            .run_until(async {
                until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
                assert_eq!(handle.query(Collector::texts, ()).await?, ["kept"]);
                handle.signal(Collector::complete, ()).await?;
                handle.result().await?;
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[workflow]
async fn cleans_up(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    if let Err(cancelled) = ctx.timer(hours(1)).await {
        let clean = ctx.activity(echo, "clean".into()).start_to_close_timeout(secs(5));
        ctx.shielded(clean).await?;
        return Err(cancelled.into());
    }
    Ok(())
}

#[tokio::test]
async fn a_cancelled_workflow_cleans_up_and_ends_as_cancelled() -> Outcome {
    compare("cancel", |arm| async move {
        let worker = arm.worker().workflow(cleans_up).activities(echo).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(cleans_up, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_TIMER_STARTED", 1).await?;
                handle.cancel().reason("enough").await?;
                let error = handle.result().await.expect_err("it was cancelled");
                assert!(error.is_cancelled(), "{error}");
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

#[tokio::test]
async fn a_terminated_workflow_says_why() -> Outcome {
    compare("terminate", |arm| async move {
        let worker = arm.worker().workflow(cleans_up).activities(echo).build()?;
        let history = worker
            .run_until(async {
                let handle = arm.client.start(cleans_up, ()).id(arm.id()).task_queue(arm.queue()).await?;
                until_event(&handle, "EVENT_TYPE_TIMER_STARTED", 1).await?;
                handle.terminate().reason("no more").await?;
                let error = handle.result().await.expect_err("it was terminated");
                assert!(error.is_terminated(), "{error}");
                Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
            })
            .await??;
        Ok(vec![history])
    })
    .await
}

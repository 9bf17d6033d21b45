//! Event groups of updates: events of an update's handler refer to the update, in whichever task they are recorded.

use abide::prelude::*;

use crate::arm::{Arm, Histories, Outcome, compare, until_event};

#[activity]
async fn step() -> Result<(), ActivityError> {
    Ok(())
}

/// Works in the handlers of its updates.
#[workflow]
#[derive(Default)]
struct Workshop {
    done: State<u32>,
}

#[workflow_methods]
impl Workshop {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
        ctx.wait_until(|| self.done.get() == 2).await?;
        Ok(self.done.get())
    }

    /// Takes several tasks: an activity, a timer of a group within the update's, and one that is cancelled.
    #[update]
    async fn mend(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.activity(step, ()).start_to_close_timeout(secs(5)).await?;
        let alarm = ctx.timer(hours(2)).start();
        let inner = ctx.event_group("inner").label("The inner part");
        inner.run(ctx.timer(millis(20))).await?;
        alarm.cancel();
        self.done.update(|done| *done += 1);
        Ok(())
    }

    /// Records no event of its own.
    #[update]
    fn look(&self) -> u32 {
        self.done.get()
    }
}

async fn mended_twice(arm: Arm, cached: usize) -> Histories {
    let worker = arm.worker().workflow(Workshop::run).activities(step).max_cached_workflows(cached).build()?;
    let history = worker
        .run_until(async {
            let handle = arm.client.start(Workshop::run, ()).id(arm.id()).task_queue(arm.queue()).await?;
            // Otherwise the update could arrive with the first task.
            until_event(&handle, "EVENT_TYPE_WORKFLOW_TASK_COMPLETED", 1).await?;
            assert_eq!(handle.update(Workshop::look, ()).id("looks").await?, 0);
            handle.update(Workshop::mend, ()).id("mends").await?;
            handle.update(Workshop::mend, ()).id("mends again").await?;
            handle.result().await?;
            Ok::<_, Box<dyn std::error::Error>>(handle.fetch_history().await?)
        })
        .await??;
    let json = history.to_json()?;
    let carry = |update: &str| json.matches(&format!("\"inboundUpdateId\": \"{update}\"")).count();
    // The activity, both timers, and the cancellation of one; not the update's own acceptance and completion.
    assert_eq!((carry("looks"), carry("mends"), carry("mends again")), (0, 4, 4), "{json}");
    assert_eq!(json.matches("\"inner\"").count(), 2, "{json}");
    Ok(vec![history])
}

#[tokio::test]
async fn operations_of_an_update_handler_carry_the_update() -> Outcome {
    compare("update-groups", |arm| mended_twice(arm, 100)).await
}

#[tokio::test]
async fn operations_of_an_update_handler_carry_the_update_without_a_cache_too() -> Outcome {
    compare("update-groups-replayed", |arm| mended_twice(arm, 0)).await
}

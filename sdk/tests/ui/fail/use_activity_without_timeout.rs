use abide::prelude::*;

#[activity]
async fn charge(amount: u32) -> Result<String, ActivityError> {
    Ok(amount.to_string())
}

/// Its defaults include no limit of an attempt.
#[activity(heartbeat_timeout = secs(30), schedule_to_start_timeout = mins(1))]
async fn ship() -> Result<(), ActivityError> {
    Ok(())
}

const BY_NAME: abide::ActivityType<fn()> = abide::ActivityType::new("ship");

#[workflow]
async fn process_order(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(charge, 7).await?;
    ctx.activity(charge, 7).task_queue("tills").retry_policy(RetryPolicy::new()).await?;
    ctx.local_activity(charge, 7).activity_id("one").await?;
    let _ = ctx.activity(charge, 7).start();
    ctx.local_activity(charge, 7).start().await?;
    ctx.activity(ship, ()).await?;
    ctx.activity(BY_NAME, ()).await?;
    let _ = abide::workflow::ActivityOptions::new().task_queue("tills");
    let _ = abide::workflow::LocalActivityOptions::new();
    Ok(())
}

fn main() {}

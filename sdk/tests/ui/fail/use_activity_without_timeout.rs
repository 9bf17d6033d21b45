use abide::prelude::*;

#[activity]
async fn charge(amount: u32) -> Result<String, ActivityError> {
    Ok(amount.to_string())
}

#[workflow]
async fn process_order(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(charge, 7).await?;
    ctx.activity(charge, 7).task_queue("tills").retry_policy(RetryPolicy::new()).await?;
    ctx.local_activity(charge, 7).activity_id("one").await?;
    let _ = ctx.activity(charge, 7).start();
    ctx.local_activity(charge, 7).start().await?;
    let _ = abide::workflow::ActivityOptions::new().task_queue("tills");
    let _ = abide::workflow::LocalActivityOptions::new();
    Ok(())
}

fn main() {}

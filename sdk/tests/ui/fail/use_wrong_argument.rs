use abide::prelude::*;

#[activity]
async fn charge(amount: u32) -> Result<String, ActivityError> {
    Ok(amount.to_string())
}

#[workflow]
async fn process_order(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(charge, "seven").start_to_close_timeout(mins(1)).await?;
    Ok(())
}

fn main() {}

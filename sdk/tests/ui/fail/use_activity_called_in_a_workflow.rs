use abide::prelude::*;

#[activity]
async fn charge(amount: u32) -> Result<String, ActivityError> {
    Ok(amount.to_string())
}

#[workflow]
async fn awaits_the_code(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(charge(7).await?)
}

#[workflow]
async fn hands_over_a_call(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.activity(charge(7), ()).start_to_close_timeout(mins(1)).await?)
}

fn main() {}

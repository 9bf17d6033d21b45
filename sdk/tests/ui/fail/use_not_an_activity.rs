use abide::prelude::*;

#[activity]
async fn charge(amount: u32) -> Result<String, ActivityError> {
    Ok(amount.to_string())
}

async fn plain(amount: u32) -> Result<u32, ActivityError> {
    Ok(amount)
}

#[workflow]
async fn process_order(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(plain, 7).start_to_close_timeout(mins(1)).await?;
    Ok(())
}

fn main() {}

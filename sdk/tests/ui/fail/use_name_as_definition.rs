use abide::prelude::*;

#[workflow]
async fn process_order(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    let _: u32 = ctx.activity("charge", 7).start_to_close_timeout(mins(1)).await?;
    let _: u32 = ctx.child_workflow("bill", 7).await?;
    Ok(())
}

fn main() {}

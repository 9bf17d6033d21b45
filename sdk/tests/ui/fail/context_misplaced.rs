use abide::prelude::*;

#[activity]
async fn by_value(ctx: ActivityContext) -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn exclusive(ctx: &mut ActivityContext) -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn last(amount: u32, ctx: &ActivityContext) -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn twice(ctx: &ActivityContext, again: &ActivityContext) -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
async fn workflow_by_value(ctx: WorkflowContext, amount: u32) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow]
async fn workflow_last(amount: u32, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

fn main() {}

use abide::prelude::*;

#[activity]
async fn charge(ctx: &WorkflowContext) -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
async fn process_order(ctx: &ActivityContext) -> Result<(), WorkflowError> {
    Ok(())
}

fn main() {}

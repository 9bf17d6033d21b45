use abide::prelude::*;

#[workflow]
fn process_order(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

fn main() {}

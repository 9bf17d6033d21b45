use abide::prelude::*;

#[workflow]
async fn process_order<'a>(ctx: &'a WorkflowContext, amount: u32) -> Result<u32, WorkflowError> {
    Ok(amount)
}

fn main() {}

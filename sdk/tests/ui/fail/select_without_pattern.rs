use abide::prelude::*;

#[workflow]
async fn process_order(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    abide::select! {
        _ = ctx.timer(secs(1)) => {}
        ctx.cancelled() => {}
    }
    Ok(())
}

fn main() {}

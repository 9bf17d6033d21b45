#![deny(unused_must_use)]

use abide::prelude::*;

#[activity]
async fn charge(amount: u32) -> Result<String, ActivityError> {
    Ok(amount.to_string())
}

#[workflow]
async fn process_order(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(secs(1));
    ctx.wait_until(|| true);
    ctx.activity(charge, 7);
    ctx.activity(charge, 7).start_to_close_timeout(mins(1));
    ctx.activity(charge, 7).start_to_close_timeout(mins(1)).start();
    Ok("done".into())
}

#[workflow]
async fn process_bill(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(secs(1))?;
    Ok(ctx.activity(charge, 7).start_to_close_timeout(mins(1))?)
}

fn main() {}

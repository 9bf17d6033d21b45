use abide::prelude::*;

#[activity]
async fn charge(amount: u32) -> Result<String, ActivityError> {
    Ok(amount.to_string())
}

async fn plain(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.timer(secs(1)).await?;
    Ok(())
}

struct Payments;

fn register(client: &abide::Client) {
    let worker = abide::worker::Worker::builder(client, "orders");
    let _ = worker.workflow(plain).workflow(charge).activities(Payments).build();
}

fn main() {}

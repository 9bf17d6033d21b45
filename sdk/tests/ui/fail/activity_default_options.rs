use abide::prelude::*;

#[activity(start_to_close_timeout)]
async fn charge() -> Result<(), ActivityError> {
    Ok(())
}

#[activity(heartbeat_timeout = , retry_policy = RetryPolicy::new(), retry_policy = RetryPolicy::new())]
async fn refund() -> Result<(), ActivityError> {
    Ok(())
}

#[activity(start_to_close_timeout = 5)]
async fn ship() -> Result<(), ActivityError> {
    Ok(())
}

#[activity(auto_heartbeat = true)]
async fn pack() -> Result<(), ActivityError> {
    Ok(())
}

#[activity(auto_heartbeat, auto_heartbeat)]
async fn wrap() -> Result<(), ActivityError> {
    Ok(())
}

struct Shop;

#[activities]
impl Shop {
    #[activity(start_to_close = mins(5), task_queue =)]
    async fn sell(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

#[workflow(auto_heartbeat, task_queue = "orders")]
#[derive(Default)]
struct Order;

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        // A broken option is not reported again where the activity is called.
        ctx.activity(charge, ()).await?;
        Ok(())
    }

    #[query(heartbeat_timeout = secs(5))]
    fn total(&self) -> u32 {
        1
    }
}

fn main() {}

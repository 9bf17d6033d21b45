#![deny(unused_must_use)]

use abide::prelude::*;
use abide::workflow::{CancellationScope, ExternalWorkflow};

#[activity]
async fn charge(cents: u64) -> Result<(), ActivityError> {
    Err(ActivityError::cancelled())
}

#[workflow]
#[derive(Default)]
struct Order {
    is_paid: State<bool>,
}

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        ctx.activity(charge, 5);
        ctx.activity(charge, 5).start_to_close_timeout(secs(5));
        ctx.activity(charge, 5).start_to_close_timeout(secs(5)).start();
        ctx.local_activity(charge, 5);
        ctx.local_activity(charge, 5).start_to_close_timeout(secs(5));
        ctx.local_activity(charge, 5).start_to_close_timeout(secs(5)).start();
        ctx.child_workflow(Order::run, ());
        ctx.child_workflow(Order::run, ()).start();
        ctx.child_workflow(Order::run, ()).start().await?;
        ctx.timer(secs(1));
        ctx.timer(secs(1)).start();
        ctx.wait_until(|| self.is_paid.get());
        ctx.wait_until(|| self.is_paid.get()).timeout(secs(1));
        ctx.spawn(async {});
        ctx.cancellation_scope();
        ctx.event_group("payment");
        ctx.external_workflow("order-1");
        ctx.continue_as_new(Order::run, ());
        charge(5);
        Ok(())
    }

    #[signal]
    fn pay(&self) {
        self.is_paid.set(true);
    }
}

async fn others(other: &ExternalWorkflow, scope: &CancellationScope) {
    other.signal(Order::pay, ());
    other.signal(Order::pay, ()).start();
    other.cancel();
    scope.run(async {});
}

async fn client(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    client.start(Order::run, ());
    client.execute(Order::run, ());
    let order = client.handle(Order::run, "order-1");
    order.result();
    order.signal(Order::pay, ());
    order.cancel();
    order.terminate();
    client.async_activity(b"token");
    client.list("");
    Worker::builder(client, "orders");
    RetryPolicy::new();
    ApplicationFailure::new("declined");
    ActivityError::will_complete_async();
    Ok(())
}

fn main() {}

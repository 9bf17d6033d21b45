//! An order: a payment that needs two attempts, and a child that packs.

use abide::otel::in_span;
use abide::prelude::*;

#[activity(start_to_close_timeout = secs(10))]
pub async fn charge(ctx: &ActivityContext, cents: u64) -> Result<u64, ActivityError> {
    // Libraries that write OpenTelemetry spans write them below this attempt.
    if ctx.info().attempt == 1 {
        return Err(ApplicationFailure::new("the bank does not answer").into());
    }
    Ok(cents)
}

#[activity(start_to_close_timeout = secs(10))]
pub async fn print_label(address: String) -> Result<String, ActivityError> {
    Ok(format!("to {address}"))
}

#[workflow]
pub async fn pack(ctx: &WorkflowContext, address: String) -> Result<String, WorkflowError> {
    Ok(ctx.activity(print_label, address).await?)
}

#[workflow]
#[derive(Default)]
pub struct Order {
    address: State<Option<String>>,
}

#[workflow_methods]
impl Order {
    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, cents: u64) -> Result<String, WorkflowError> {
        ctx.activity(charge, cents).await?;
        ctx.wait_until(|| self.address.with(Option::is_some)).await?;
        // A span of the workflow's own.
        let address = self.address.get().unwrap_or_default();
        Ok(in_span(ctx, "ship", async { ctx.child_workflow(pack, address).await }).await?)
    }

    #[update]
    pub async fn send_to(&self, _ctx: &WorkflowContext, address: String) -> Result<(), WorkflowError> {
        self.address.set(Some(address));
        Ok(())
    }
}

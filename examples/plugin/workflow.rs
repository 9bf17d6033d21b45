//! An order that knows nothing of the plugin.

use abide::prelude::*;

#[activity(start_to_close_timeout = secs(10))]
pub async fn charge(ctx: &ActivityContext, cents: u64) -> Result<String, ActivityError> {
    if ctx.info().attempt == 1 {
        return Err("the card reader is busy".into());
    }
    Ok(format!("charged {cents} cents"))
}

#[workflow]
pub async fn order(ctx: &WorkflowContext, cents: u64) -> Result<String, WorkflowError> {
    let receipt = ctx.activity(charge, cents).await?;
    let started_by: Option<String> = ctx.info().header("started-by")?;
    Ok(format!("{receipt} for {}", started_by.unwrap_or_else(|| "somebody".into())))
}

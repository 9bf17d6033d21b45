//! Four releases of one workflow, which learned to check for fraud while orders were open.

use std::time::Duration;

use abide::prelude::*;

/// Release 1: the old code.
pub mod release_1 {
    use super::*;

    #[workflow]
    pub async fn order(ctx: &WorkflowContext, delivery: Duration) -> Result<String, WorkflowError> {
        let charged = ctx.activity(charge, ()).start_to_close_timeout(mins(1)).await?;
        ctx.timer(delivery).await?;
        Ok(charged)
    }
}

/// Release 2 is patched: an order that release 1 has charged goes on without the check, every other gets it.
pub mod release_2 {
    use super::*;

    #[workflow]
    pub async fn order(ctx: &WorkflowContext, delivery: Duration) -> Result<String, WorkflowError> {
        let mut steps = String::new();
        if ctx.patched("check-fraud-first") {
            steps = ctx.activity(check_fraud, ()).start_to_close_timeout(mins(1)).await?;
        }
        steps += &ctx.activity(charge, ()).start_to_close_timeout(mins(1)).await?;
        ctx.timer(delivery).await?;
        Ok(steps)
    }
}

/// Release 3 deprecates the patch, when no order of release 1 is open any more. The old path is gone.
pub mod release_3 {
    use super::*;

    #[workflow]
    pub async fn order(ctx: &WorkflowContext, delivery: Duration) -> Result<String, WorkflowError> {
        ctx.deprecate_patch("check-fraud-first");
        let mut steps = ctx.activity(check_fraud, ()).start_to_close_timeout(mins(1)).await?;
        steps += &ctx.activity(charge, ()).start_to_close_timeout(mins(1)).await?;
        ctx.timer(delivery).await?;
        Ok(steps)
    }
}

/// Release 4 removes the patch, when no order of release 2 is open any more.
pub mod release_4 {
    use super::*;

    #[workflow]
    pub async fn order(ctx: &WorkflowContext, delivery: Duration) -> Result<String, WorkflowError> {
        let mut steps = ctx.activity(check_fraud, ()).start_to_close_timeout(mins(1)).await?;
        steps += &ctx.activity(charge, ()).start_to_close_timeout(mins(1)).await?;
        ctx.timer(delivery).await?;
        Ok(steps)
    }
}

#[activity]
pub async fn check_fraud() -> Result<String, ActivityError> {
    Ok("checked, ".into())
}

#[activity]
pub async fn charge() -> Result<String, ActivityError> {
    Ok("charged".into())
}

/// With a worker deployment: a short workflow stays on the build that started it, and needs no patches.
#[workflow(versioning_behavior = pinned)]
pub async fn invoice(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    Ok(ctx.activity(charge, ()).start_to_close_timeout(mins(1)).await?)
}

/// With a worker deployment: a workflow that runs for months moves to the current build, and needs patches as above.
#[workflow(versioning_behavior = auto_upgrade)]
pub async fn subscription(ctx: &WorkflowContext) -> Result<String, WorkflowError> {
    ctx.timer(days(30)).await?;
    Ok(ctx.activity(charge, ()).start_to_close_timeout(mins(1)).await?)
}

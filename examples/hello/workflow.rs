//! A workflow that runs one activity.

use abide::prelude::*;

#[activity]
pub async fn greet(name: String) -> Result<String, ActivityError> {
    Ok(format!("Hello, {name}!"))
}

#[workflow]
pub async fn hello(ctx: &WorkflowContext, name: String) -> Result<String, WorkflowError> {
    Ok(ctx.activity(greet, name).start_to_close_timeout(secs(10)).await?)
}

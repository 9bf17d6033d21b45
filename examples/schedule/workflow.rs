//! The workflow that the schedule starts: a report about a region.

use abide::prelude::*;

/// Reports about a region, and counts its reports: each run gets the result of the one before it.
#[workflow]
pub async fn report(ctx: &WorkflowContext, region: String) -> Result<u32, WorkflowError> {
    let before = ctx.info().last_completion_result::<u32>()?.unwrap_or_default();
    ctx.set_current_details(format!("report {} about {region}", before + 1));
    Ok(before + 1)
}

//! A workflow and an activity with metrics of their own.

use abide::prelude::*;

#[activity]
pub async fn brew(ctx: &ActivityContext, drink: String) -> Result<String, ActivityError> {
    if ctx.info().attempt == 1 && drink == "mocha" {
        return Err("out of chocolate".into());
    }
    // The label's values come from a menu, so they are few.
    ctx.metrics().with_label("drink", &drink).counter("brewed", "Drinks that were brewed", "").add(1);
    Ok(format!("a {drink}"))
}

#[workflow]
pub async fn serve(ctx: &WorkflowContext, drinks: Vec<String>) -> Result<Vec<String>, WorkflowError> {
    let served = ctx.metrics().counter("served", "Drinks that were served", "");
    let mut all = Vec::new();
    for drink in drinks {
        all.push(ctx.activity(brew, drink).start_to_close_timeout(secs(10)).await?);
        // Silent while the workflow is replayed: each drink counts once.
        served.add(1);
    }
    Ok(all)
}

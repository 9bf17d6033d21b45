//! A payment whose card number nobody but its workers and clients may read.

use abide::prelude::*;

#[activity]
pub async fn charge(card: String) -> Result<String, ActivityError> {
    if card.starts_with('0') {
        // The message quotes the number, and is encrypted like the rest.
        return Err(ApplicationFailure::new(format!("card {card} was declined")).non_retryable().into());
    }
    Ok(format!("card {card} was charged"))
}

#[workflow]
pub async fn pay(ctx: &WorkflowContext, card: String) -> Result<String, WorkflowError> {
    Ok(ctx.activity(charge, card).start_to_close_timeout(secs(10)).await?)
}

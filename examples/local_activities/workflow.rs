//! The price of an order: two look-ups that take no time, and a payment that may.

use abide::prelude::*;
use abide::workflow::LocalActivityOptions;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    pub article: String,
    pub country: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ApplicationError)]
pub enum OrderError {
    #[error("there is no article `{article}`", non_retryable)]
    NoArticle { article: String },
    #[error("nothing is sold to `{country}`", non_retryable)]
    NoSale { country: String },
}

#[workflow]
pub async fn order(ctx: &WorkflowContext, order: Order) -> Result<String, WorkflowError> {
    let Order { article, country } = order;
    // Both run in this worker, within this workflow task, and leave one event each. The worker retries them, so soon.
    let soon = RetryPolicy::new().initial_interval(millis(50));
    let look_up = LocalActivityOptions::with_start_to_close_timeout(secs(2)).retry_policy(soon);
    let (net, tax) = abide::join!(
        ctx.local_activity(price_of, article).options(&look_up),
        ctx.local_activity(tax_in, country).options(&look_up),
    );
    let (net, tax) = (net?, tax?);
    let total = net + net * tax / 100;
    // A payment may take its time and be retried for a day: the server takes care of it.
    let receipt = ctx.activity(charge, total).start_to_close_timeout(mins(1)).schedule_to_close_timeout(days(1));
    Ok(receipt.await?)
}

#[activity]
pub async fn price_of(article: String) -> Result<u64, OrderError> {
    match article.as_str() {
        "book" => Ok(1_500),
        _ => Err(OrderError::NoArticle { article }),
    }
}

/// Per cent of the price.
#[activity]
pub async fn tax_in(country: String) -> Result<u64, OrderError> {
    match country.as_str() {
        "Austria" => Ok(10),
        "Hungary" => Ok(5),
        _ => Err(OrderError::NoSale { country }),
    }
}

#[activity]
pub async fn charge(cents: u64) -> Result<String, ActivityError> {
    Ok(format!("receipt for {cents} cents"))
}

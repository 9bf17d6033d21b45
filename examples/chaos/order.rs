//! An order with timeouts short enough to see retries.

use abide::prelude::*;
use serde::{Deserialize, Serialize};

use crate::gateway::Gateway;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) cents: u64,
}

/// Charges, waits, ships. The order's id is the idempotency key of both steps.
#[workflow]
pub(crate) async fn process_order(ctx: &WorkflowContext, order: Order) -> Result<u64, WorkflowError> {
    let retry = RetryPolicy::new().initial_interval(millis(200)).backoff_coefficient(1.0);
    ctx.activity(Shop::charge, order.id.clone()).start_to_close_timeout(secs(3)).retry_policy(retry.clone()).await?;
    ctx.timer(secs(1)).await?;
    ctx.activity(Shop::ship, order.id).start_to_close_timeout(secs(3)).retry_policy(retry).await?;
    Ok(order.cents)
}

pub(crate) struct Shop {
    pub(crate) gateway: Gateway,
}

#[activities]
impl Shop {
    #[activity]
    async fn charge(&self, order_id: String) -> Result<(), ActivityError> {
        self.step("charge", &order_id).await
    }

    #[activity]
    async fn ship(&self, order_id: String) -> Result<(), ActivityError> {
        self.step("shipment", &order_id).await
    }
}

impl Shop {
    /// The worker may die before the step, after it, or before reporting it.
    #[expect(clippy::disallowed_methods, reason = "an activity may wait; only workflow code must not")]
    async fn step(&self, step: &str, order_id: &str) -> Result<(), ActivityError> {
        tokio::time::sleep(millis(100)).await;
        self.gateway.once(step, order_id)?;
        tokio::time::sleep(millis(100)).await;
        Ok(())
    }
}

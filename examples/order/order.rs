//! The order process: check inventory, process payment, update inventory.

use abide::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;

/// A customer's order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) items: Vec<Item>,
    pub(crate) payment: Payment,
}

/// An article and its quantity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) count: u32,
}

/// A payment method and an amount.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) card: String,
    pub(crate) cents: u64,
}

/// Processes an order to its end, whatever happens to the process that runs it.
#[workflow]
pub(crate) async fn process_order(ctx: &WorkflowContext, order: Order) -> Result<String, WorkflowError> {
    ctx.activity(Shop::check_inventory, order.items.clone()).start_to_close_timeout(mins(5)).await?;

    ctx.activity(Shop::process_payment, (order.id.clone(), order.payment)).start_to_close_timeout(mins(5)).await?;

    ctx.activity(Shop::update_inventory, order.items)
        // Short for the demonstration: when it is over, an attempt that died with its worker is noticed.
        .start_to_close_timeout(secs(3))
        .await?;

    Ok("Order completed".into())
}

/// Dependencies of the activities: here a ledger, elsewhere a database and a payment gateway.
pub(crate) struct Shop {
    pub(crate) worker: String,
    pub(crate) ledger: Ledger,
}

#[activities]
impl Shop {
    /// Checks that everything is in stock.
    #[activity]
    async fn check_inventory(&self, items: Vec<Item>) -> Result<bool, ActivityError> {
        self.say(&format!("checks the inventory for {} kinds of things", items.len()));
        Ok(true)
    }

    /// Charges the card, at most once per order: an attempt that finds the charge in the ledger does not repeat it.
    #[activity]
    async fn process_payment(&self, order_id: String, payment: Payment) -> Result<String, ActivityError> {
        self.say(&format!("charges {} cents to card {}", payment.cents, payment.card));
        let receipt = self.ledger.charge_once(&order_id, payment.cents)?;
        Ok(receipt)
    }

    /// Takes the items off the shelf, which takes a moment.
    #[activity]
    async fn update_inventory(&self, ctx: &ActivityContext, items: Vec<Item>) -> Result<(), ActivityError> {
        let attempt = ctx.info().attempt;
        self.say(&format!("takes {} kinds of things off the shelf (attempt {attempt})", items.len()));
        crate::stage::pause(secs(1)).await;
        Ok(())
    }
}

impl Shop {
    fn say(&self, what: &str) {
        println!("        {} {what}", self.worker);
    }
}

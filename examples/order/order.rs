//! The order process: check inventory, process payment, update inventory.

use abide::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;

/// What a customer ordered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) items: Vec<Item>,
    pub(crate) payment: Payment,
}

/// Some of one thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) count: u32,
}

/// How it is paid.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) card: String,
    pub(crate) cents: u64,
}

/// Carries an order through, whatever happens to the process that runs it.
#[workflow]
pub(crate) async fn process_order(ctx: &WorkflowContext, order: Order) -> Result<String, WorkflowError> {
    ctx.activity(Shop::check_inventory, order.items.clone()).start_to_close_timeout(mins(5)).await?;

    ctx.activity(Shop::process_payment, (order.id.clone(), order.payment)).start_to_close_timeout(mins(5)).await?;

    ctx.activity(Shop::update_inventory, order.items)
        // Shortened for the show: an attempt that died with its worker is noticed when this time is over.
        .start_to_close_timeout(secs(3))
        .await?;

    Ok("Order completed".into())
}

/// What the activities need: here a ledger, elsewhere a database and a payment gateway.
pub(crate) struct Shop {
    pub(crate) worker: String,
    pub(crate) ledger: Ledger,
}

#[activities]
impl Shop {
    /// Looks whether everything is there.
    #[activity]
    async fn check_inventory(&self, items: Vec<Item>) -> Result<bool, ActivityError> {
        self.say(&format!("checks the inventory for {} kinds of things", items.len()));
        Ok(true)
    }

    /// Charges the card, at most once for each order: an attempt that finds the charge in the ledger leaves it at that.
    #[activity]
    async fn process_payment(&self, order_id: String, payment: Payment) -> Result<String, ActivityError> {
        self.say(&format!("charges {} cents to card {}", payment.cents, payment.card));
        let receipt = self.ledger.charge_once(&order_id, payment.cents)?;
        Ok(receipt)
    }

    /// Takes the things off the shelf, which takes a moment.
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

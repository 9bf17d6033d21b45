//! An order: check the inventory, charge the card, take the items off the shelf.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use abide::prelude::*;
use abide_examples::pause;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct Order {
    pub id: String,
    pub items: Vec<Item>,
    pub payment: Payment,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Item {
    pub name: String,
    pub count: u32,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Payment {
    pub card: String,
    pub cents: u64,
}

/// Processes an order to its end, whatever happens to the processes that run it.
#[workflow]
pub async fn process_order(ctx: &WorkflowContext, order: Order) -> Result<String, WorkflowError> {
    ctx.activity(Shop::check_inventory, order.items.clone()).start_to_close_timeout(mins(5)).await?;
    ctx.activity(Shop::process_payment, (order.id, order.payment)).start_to_close_timeout(mins(5)).await?;
    // Short for the demonstration: after this time, an attempt whose worker has died is repeated.
    ctx.activity(Shop::update_inventory, order.items).start_to_close_timeout(secs(3)).await?;
    Ok("Order completed".into())
}

/// Runs the activities, as the worker of this name.
pub struct Shop {
    pub worker: String,
}

#[activities]
impl Shop {
    #[activity]
    pub async fn check_inventory(&self, items: Vec<Item>) -> Result<bool, ActivityError> {
        self.say(&format!("checks the inventory for {} kinds of things", items.len()));
        Ok(true)
    }

    /// Charges the card, at most once per order: an attempt that finds the charge in the ledger does not repeat it.
    #[activity]
    pub async fn process_payment(&self, order_id: String, payment: Payment) -> Result<String, ActivityError> {
        self.say(&format!("charges {} cents to card {}", payment.cents, payment.card));
        Ok(charge_once(&order_id, payment.cents)?)
    }

    /// Takes the items off the shelf, which takes a moment.
    #[activity]
    pub async fn update_inventory(&self, ctx: &ActivityContext, items: Vec<Item>) -> Result<(), ActivityError> {
        self.say(&format!("takes {} kinds of things off the shelf (attempt {})", items.len(), ctx.info().attempt));
        pause(secs(1)).await;
        Ok(())
    }
}

impl Shop {
    fn say(&self, what: &str) {
        println!("        {} {what}", self.worker);
    }
}

/// Writes a charge into the ledger unless it is there. The order's id is the idempotency key.
fn charge_once(order_id: &str, cents: u64) -> io::Result<String> {
    let charge = format!("{order_id} charged {cents} cents");
    if !charges_of(order_id)?.contains(&charge) {
        writeln!(ledger_of(order_id)?, "{charge}")?;
    }
    Ok(charge)
}

/// Returns the charges of an order.
pub fn charges_of(order_id: &str) -> io::Result<Vec<String>> {
    Ok(io::read_to_string(ledger_of(order_id)?)?.lines().map(str::to_string).collect())
}

/// The ledger is a file that all workers share, in which a second charge would show.
fn ledger_of(order_id: &str) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("abide-ledger-of-{order_id}"));
    OpenOptions::new().create(true).read(true).append(true).open(path)
}

//! A bank that serves a shop: the contract between them, the shop's workflow, and the bank's handlers.

use std::time::Duration;

use abide::client::WorkflowIdConflictPolicy;
use abide::prelude::*;
use abide::{NexusContext, NexusError, NexusStart};
use serde::{Deserialize, Serialize};

/// The operations of the bank, which both sides know. They could be in a crate of their own.
#[abide::nexus_service]
pub trait Bank {
    /// Charges a card, and returns the receipt.
    fn charge(payment: Payment) -> String;
    /// Pays back what was charged, and returns when it did.
    fn refund(receipt: String) -> String;
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payment {
    pub order: String,
    pub cents: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ApplicationError)]
pub enum BankError {
    #[error("the card was declined: {reason}")]
    Declined { reason: String },
}

/// The name that the operator of the server has given to the bank.
pub const ENDPOINT: &str = "bank";

/// The shop's side.
#[workflow]
pub async fn sell(ctx: &WorkflowContext, payment: Payment, comes_back: bool) -> Result<String, WorkflowError> {
    let charging = ctx.nexus_operation(ENDPOINT, Bank::charge, payment).schedule_to_close_timeout(mins(1));
    let receipt = match charging.await {
        Ok(receipt) => receipt,
        Err(error) => match error.application_error() {
            Some(BankError::Declined { reason }) => return Ok(format!("not sold: {reason}")),
            None => return Err(error.into()),
        },
    };
    if !comes_back {
        return Ok(format!("sold, {receipt}"));
    }
    // The bank takes hours. The server reports the end of its workflow to this one.
    let refunded = ctx.nexus_operation(ENDPOINT, Bank::refund, receipt).await?;
    Ok(format!("sold and returned, {refunded}"))
}

/// The bank's side.
pub struct Teller {
    pub limit: u64,
    pub clearing: Duration,
}

#[abide::nexus_handlers(implements = Bank)]
impl Teller {
    #[nexus_operation]
    pub async fn charge(&self, payment: Payment) -> Result<String, NexusError> {
        if payment.order.is_empty() {
            return Err(NexusError::bad_request("expected an order, found none"));
        }
        if payment.cents > self.limit {
            return Err(NexusError::failed(BankError::Declined { reason: format!("more than {} cents", self.limit) }));
        }
        // The server may repeat the request, so the receipt is the same for the same order.
        Ok(format!("receipt of {}", payment.order))
    }

    #[nexus_operation]
    async fn refund(&self, ctx: &NexusContext, receipt: String) -> Result<NexusStart<String>, NexusError> {
        let id = format!("refund of {receipt}");
        // Whoever asks again for the same refund waits for the same workflow.
        let paying = ctx.start_workflow(pay_back, (receipt, self.clearing)).id(id);
        paying.id_conflict_policy(WorkflowIdConflictPolicy::UseExisting).await
    }
}

#[workflow]
pub async fn pay_back(ctx: &WorkflowContext, receipt: String, clearing: Duration) -> Result<String, WorkflowError> {
    ctx.timer(clearing).await?;
    Ok(format!("paid back for the {receipt}"))
}

//! An order that waits for its payment.

use abide::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    AwaitsPayment,
    Paid,
    Shipped,
    Expired,
}

#[workflow]
#[derive(Default)]
pub struct Order {
    status: State<Status>,
}

#[workflow_methods]
impl Order {
    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, article: String) -> Result<Status, WorkflowError> {
        if !ctx.wait_until(|| self.status.get() == Status::Paid).timeout(days(3)).await? {
            self.status.set(Status::Expired);
            return Ok(Status::Expired);
        }
        ctx.activity(ship, article).await?;
        self.status.set(Status::Shipped);
        // The answers to those who paid are under way.
        ctx.wait_until(|| ctx.all_handlers_finished()).await?;
        Ok(Status::Shipped)
    }

    /// A payment that is repeated waits for the same parcel.
    #[update]
    pub async fn pay(&self, ctx: &WorkflowContext) -> Result<Status, WorkflowError> {
        if self.status.get() == Status::AwaitsPayment {
            self.status.set(Status::Paid);
        }
        ctx.wait_until(|| self.status.get() == Status::Shipped).await?;
        Ok(self.status.get())
    }

    #[query]
    pub fn status(&self) -> Status {
        self.status.get()
    }
}

#[activity(start_to_close_timeout = mins(1))]
pub async fn ship(article: String) -> Result<String, ActivityError> {
    Ok(format!("parcel with {article}"))
}

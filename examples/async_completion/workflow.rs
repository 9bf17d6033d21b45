//! An expense that waits for somebody's decision, as an activity that somebody else completes.

use std::time::Duration;

use abide::client::AsyncActivityError;
use abide::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Expense {
    pub what: String,
    pub cents: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ApplicationError)]
pub enum ExpenseError {
    #[error("rejected: {reason}", non_retryable)]
    Rejected { reason: String },
}

#[workflow]
pub async fn reimburse(ctx: &WorkflowContext, expense: Expense, patience: Duration) -> Result<String, WorkflowError> {
    // The activity is open until it is decided, so its timeout is the time that people get.
    let decided = ctx.activity(Desk::decide, expense.clone()).schedule_to_close_timeout(patience).await;
    match decided {
        Ok(name) => {
            ctx.activity(pay, expense.cents).start_to_close_timeout(mins(1)).await?;
            Ok(format!("paid, because {name} approved it"))
        }
        Err(error) if error.is_timeout() => Ok("nobody decided".into()),
        Err(error) => match error.application_error() {
            Some(ExpenseError::Rejected { reason }) => Ok(format!("rejected: {reason}")),
            None => Err(error.into()),
        },
    }
}

#[activity]
pub async fn pay(_cents: u64) -> Result<(), ActivityError> {
    Ok(())
}

/// Where expenses wait. A real one keeps the tokens in a database: they outlive this process.
pub struct Desk {
    inbox: mpsc::UnboundedSender<Ticket>,
}

/// An expense, and the token with which its activity is completed.
pub struct Ticket {
    pub expense: Expense,
    pub task_token: Vec<u8>,
}

#[activities]
impl Desk {
    /// Returns who approved the expense.
    #[activity]
    pub async fn decide(&self, ctx: &ActivityContext, expense: Expense) -> Result<String, ActivityError> {
        self.inbox.send(Ticket { expense, task_token: ctx.info().task_token.clone() })?;
        Err(ActivityError::will_complete_async())
    }
}

impl Desk {
    /// Returns a desk, and the other end of its inbox.
    pub fn open() -> (Self, mpsc::UnboundedReceiver<Ticket>) {
        let (inbox, tickets) = mpsc::unbounded_channel();
        (Self { inbox }, tickets)
    }
}

impl Ticket {
    /// Completes the activity; any process with a client can.
    pub async fn approve(self, client: &Client, name: &str) -> Result<(), AsyncActivityError> {
        client.async_activity(self.task_token).complete(&name.to_string()).await
    }

    pub async fn reject(self, client: &Client, reason: &str) -> Result<(), AsyncActivityError> {
        let rejected = ExpenseError::Rejected { reason: reason.into() };
        client.async_activity(self.task_token).fail(rejected.to_application_failure()).await
    }
}

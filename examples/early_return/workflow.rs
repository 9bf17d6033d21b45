//! A payment whose caller waits only until it is known to be valid.

use abide::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ApplicationError)]
pub enum PaymentError {
    #[error("there is no account `{account}`", non_retryable)]
    NoAccount { account: String },
}

/// Checks the payment, and returns its number.
#[activity]
pub async fn initialise(account: String, cents: u64) -> Result<String, PaymentError> {
    match account.as_str() {
        "nobody" => Err(PaymentError::NoAccount { account }),
        _ => Ok(format!("{account}/{cents}")),
    }
}

/// The slow part: other banks are involved.
#[activity]
pub async fn complete(_number: String) -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
#[derive(Default)]
pub struct Payment {
    initialised: State<Option<Result<String, ActivityFailure>>>,
}

#[workflow_methods]
impl Payment {
    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, account: String, cents: u64) -> Result<String, WorkflowError> {
        // A local activity runs within the first workflow task: the caller waits for no other.
        let checking = ctx.local_activity(initialise, (account, cents)).start_to_close_timeout(secs(5));
        let initialised = checking.await;
        self.initialised.set(Some(initialised.clone()));
        // A workflow that fails at once must not take the answer with it.
        ctx.wait_until(|| ctx.all_handlers_finished()).await?;
        let number = initialised?;
        ctx.activity(complete, number.clone()).start_to_close_timeout(mins(5)).await?;
        Ok(format!("payment {number} is complete"))
    }

    /// Returns the payment's number as soon as it has one.
    #[update]
    pub async fn number(&self, ctx: &WorkflowContext) -> Result<String, WorkflowError> {
        ctx.wait_until(|| self.initialised.read().is_some()).await?;
        let initialised = self.initialised.get().ok_or("the payment is not initialised")?;
        Ok(initialised?)
    }
}

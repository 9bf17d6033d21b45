//! Three ways to wait for a payment gateway that never calls back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use abide::prelude::*;

#[derive(Debug, PartialEq, ApplicationError)]
pub enum PaymentError {
    #[error("the payment `{id}` is pending")]
    Pending { id: String },
    #[error("the payment `{id}` was declined", non_retryable)]
    Declined { id: String },
}

/// Rarely: each look is an attempt of one activity. The history stays small, because the server retries it without an
/// event for each attempt.
#[workflow]
pub async fn track_payment(
    ctx: &WorkflowContext,
    payment: String,
    every: Duration,
    at_most: Duration,
) -> Result<String, WorkflowError> {
    let id = ctx.activity(Gateway::submit, payment).start_to_close_timeout(secs(10)).await?;
    let status = ctx
        .activity(Gateway::check, id)
        .start_to_close_timeout(secs(5))
        .schedule_to_close_timeout(at_most)
        .retry_policy(RetryPolicy::new().initial_interval(every).backoff_coefficient(1.0))
        .await?;
    Ok(status)
}

/// Often: the looks are a loop in one activity. While its heartbeats come, the server knows that its worker lives. If
/// they stop, another worker goes on.
#[workflow]
pub async fn watch_payment(ctx: &WorkflowContext, payment: String, every: Duration) -> Result<String, WorkflowError> {
    let id = ctx.activity(Gateway::submit, payment).start_to_close_timeout(secs(10)).await?;
    let watching = ctx.activity(Gateway::watch, (id, every)).start_to_close_timeout(hours(4));
    Ok(watching.heartbeat_timeout(every * 5).await?)
}

/// For ever: the looks are a loop in a workflow, which may do more between them than wait. After three looks it continues
/// as new, so that no history grows for ever.
#[workflow]
pub async fn follow_payment(
    ctx: &WorkflowContext,
    id: String,
    every: Duration,
    looks_before: u32,
) -> Result<String, WorkflowError> {
    let looks = looks_before + 3;
    for look in looks_before + 1..=looks {
        if ctx.activity(Gateway::is_settled, id.clone()).start_to_close_timeout(secs(5)).await? {
            return Ok(format!("settled at look {look}"));
        }
        ctx.timer(every).await?;
    }
    ctx.continue_as_new(follow_payment, (id, every, looks)).into()
}

/// A gateway at which a payment is settled at the fifth look.
#[derive(Clone, Default)]
pub struct Gateway {
    looks: Arc<Mutex<BTreeMap<String, u32>>>,
}

#[activities]
impl Gateway {
    /// Returns the id of the payment.
    #[activity]
    pub async fn submit(&self, payment: String) -> Result<String, ActivityError> {
        Ok(format!("id of {payment}"))
    }

    #[activity]
    pub async fn is_settled(&self, id: String) -> Result<bool, PaymentError> {
        self.look(&id)
    }

    /// Fails while the payment is pending, so that it is retried.
    #[activity]
    pub async fn check(&self, id: String) -> Result<String, PaymentError> {
        if self.look(&id)? { Ok("settled".into()) } else { Err(PaymentError::Pending { id }) }
    }

    #[activity]
    pub async fn watch(&self, ctx: &ActivityContext, id: String, every: Duration) -> Result<String, ActivityError> {
        // An earlier attempt, perhaps on another worker, has told how often it looked.
        for look in ctx.last_heartbeat()?.unwrap_or(0) + 1.. {
            if self.look(&id)? {
                return Ok(format!("settled at look {look}"));
            }
            ctx.heartbeat(&look)?;
            if tokio::time::timeout(every, ctx.cancelled()).await.is_ok() {
                break;
            }
        }
        Err(ActivityError::cancelled())
    }
}

impl Gateway {
    fn look(&self, id: &str) -> Result<bool, PaymentError> {
        if id.ends_with("stolen card") {
            return Err(PaymentError::Declined { id: id.into() });
        }
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = looks.entry(id.into()).or_default();
        *looks += 1;
        Ok(*looks >= 5)
    }
}

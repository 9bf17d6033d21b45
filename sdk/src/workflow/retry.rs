//! Retries of a part of a workflow.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use super::context::WorkflowContext;
use super::timer::TimerHandle;
use crate::failure::{Failure, TemporalFailure, WorkflowError};
use crate::retry_policy::RetryPolicy;

impl WorkflowContext {
    /// Runs a part of the workflow again while it fails, with timers between the attempts as the policy says. `attempt`
    /// gets the number of the attempt, from 1.
    ///
    /// A single activity needs no such help: [its own policy](crate::workflow::ActivityCall::retry_policy) makes the
    /// server retry it without an event for each attempt. Here every attempt adds its events to the history, so set
    /// [`maximum_attempts`](RetryPolicy::maximum_attempts).
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[activity] async fn reserve(car: String) -> Result<String, ActivityError> { Ok("r-1".into()) }
    /// # #[activity] async fn confirm(reservation: String) -> Result<(), ActivityError> { Ok(()) }
    /// #[workflow]
    /// async fn book(ctx: &WorkflowContext, car: String) -> Result<(), WorkflowError> {
    ///     let three_times = RetryPolicy::new().initial_interval(mins(10)).maximum_attempts(3);
    ///     let booking = ctx.retry(three_times, async |_attempt| {
    ///         let reservation = ctx.activity(reserve, car.clone()).start_to_close_timeout(mins(1)).await?;
    ///         ctx.activity(confirm, reservation).start_to_close_timeout(mins(1)).await?;
    ///         Ok(())
    ///     });
    ///     booking.await
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// Returns the error of the last attempt. These errors end the retries: a cancellation, an application failure that
    /// is [non-retryable](crate::ApplicationFailure::non_retryable) or has a type that the policy names (also as the
    /// cause of an activity's or a child's failure), and continue-as-new. A failure's
    /// [`next_retry_delay`](crate::ApplicationFailure::next_retry_delay) replaces the policy's interval.
    #[track_caller]
    pub fn retry<T>(
        &self,
        policy: RetryPolicy,
        attempt: impl AsyncFnMut(u32) -> Result<T, WorkflowError>,
    ) -> impl Future<Output = Result<T, WorkflowError>> {
        self.retry_if(|_| true, policy, Location::caller(), attempt)
    }

    /// Like [`retry`](Self::retry), for the failures that `is_retryable` accepts. All others are final.
    pub(super) fn retry_if<T>(
        &self,
        is_retryable: fn(&Failure) -> bool,
        policy: RetryPolicy,
        location: &'static Location<'static>,
        mut attempt: impl AsyncFnMut(u32) -> Result<T, WorkflowError>,
    ) -> impl Future<Output = Result<T, WorkflowError>> {
        let ctx = self.clone();
        async move {
            let mut number = 1;
            loop {
                let error = match attempt(number).await {
                    Ok(value) => return Ok(value),
                    Err(error) => error,
                };
                let Some(delay) = delay_after(&policy, is_retryable, number, &error) else { return Err(error) };
                TimerHandle::start(ctx.shared.clone(), delay, Some(format!("retry {number}")), location).await?;
                number += 1;
            }
        }
    }
}

/// Returns the time until the next attempt; `None` if the error is final. The type of an activity's or a child's
/// failure, and the delay that it asks for, are those of its causes.
fn delay_after(
    policy: &RetryPolicy,
    is_retryable: fn(&Failure) -> bool,
    attempt: u32,
    error: &WorkflowError,
) -> Option<Duration> {
    // A workflow that continues as new has no failure.
    let failure = error.to_failure()?;
    if failure.is_cancelled() || !is_retryable(&failure) {
        return None;
    }
    let mut asked_for = None;
    for failure in std::iter::successors(Some(failure), Failure::cause) {
        if failure.is_non_retryable() || failure.error_type().is_some_and(|name| !policy.retries_type(name)) {
            return None;
        }
        asked_for = asked_for.or(failure.next_retry_delay());
    }
    let delay = policy.delay_after(attempt)?;
    Some(asked_for.unwrap_or(delay))
}

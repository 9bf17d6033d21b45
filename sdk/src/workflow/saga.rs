//! Sagas: steps whose compensations run if a later step fails.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::concurrency::join_all;
use super::context::WorkflowContext;
use crate::failure::{ApplicationFailure, WorkflowError, WorkflowErrorKind};

/// Steps that happen together or not at all. Made by [`WorkflowContext::saga`].
///
/// A compensation is the future of a call that undoes a step. It is registered before the step, and is awaited only if
/// the saga fails.
#[must_use = "a saga does nothing until it runs its steps"]
pub struct Saga<'a> {
    ctx: WorkflowContext,
    order: Order,
    compensations: RefCell<Vec<Compensation<'a>>>,
}

type Compensation<'a> = Pin<Box<dyn Future<Output = Result<(), WorkflowError>> + 'a>>;

#[derive(Clone, Copy)]
enum Order {
    Reverse,
    Parallel,
}

/// The error of a saga: the step that failed, and the compensations that failed after it.
///
/// `?` turns it into a [`WorkflowError`]. If all compensations succeeded, that is the error of the step. If not, it is
/// an [`ApplicationFailure`] with the type `CompensationFailed`, which is not retried. Its message lists each failure,
/// and its cause is the error of the step.
#[must_use = "a failed saga that is ignored looks like one that succeeded"]
pub struct SagaError {
    cause: WorkflowError,
    compensations: usize,
    failures: Vec<WorkflowError>,
}

impl WorkflowContext {
    /// Creates a saga without compensations. They run one after the other, the last one first;
    /// [`parallel`](Saga::parallel) runs all at once.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[activity] async fn debit(booking: String, cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// # #[activity] async fn reverse(booking: String) -> Result<(), ActivityError> { Ok(()) }
    /// # #[activity] async fn credit(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// #[workflow]
    /// async fn transfer(ctx: &WorkflowContext, cents: u64) -> Result<(), WorkflowError> {
    ///     let booking = ctx.uuid4();
    ///     let saga = ctx.saga();
    ///     let steps = saga.run(async {
    ///         // First, because a debit that times out or is cancelled may have been booked.
    ///         saga.compensate_with(ctx.activity(reverse, booking.clone()).start_to_close_timeout(mins(1)));
    ///         ctx.activity(debit, (booking, cents)).start_to_close_timeout(mins(1)).await?;
    ///         ctx.activity(credit, cents).start_to_close_timeout(mins(1)).await?;
    ///         Ok(())
    ///     });
    ///     Ok(steps.await?)
    /// }
    /// # fn main() {}
    /// ```
    pub fn saga<'a>(&self) -> Saga<'a> {
        Saga { ctx: self.clone(), order: Order::Reverse, compensations: RefCell::default() }
    }
}

impl<'a> Saga<'a> {
    /// Runs the compensations at the same time.
    pub fn parallel(mut self) -> Self {
        self.order = Order::Parallel;
        self
    }

    /// Registers the compensation of a step: a call that was not started, or an `async move` block. It does nothing unless
    /// the saga fails.
    ///
    /// Register it before the step. A step that fails, times out or is cancelled may still have had its effect, or have it
    /// later, so its compensation must run too. Let the workflow choose an id for the effect, so that the compensation can
    /// name it, and let the compensation do nothing if there was no effect, and prevent one that comes later. Register
    /// it after the step only if a step that fails has certainly changed nothing.
    pub fn compensate_with<T, E>(&self, compensation: impl Future<Output = Result<T, E>> + 'a)
    where
        E: Into<WorkflowError>,
    {
        let compensation = async move { compensation.await.map(drop).map_err(Into::into) };
        self.compensations.borrow_mut().push(Box::pin(compensation));
    }

    /// Runs the steps. If they return an error, runs the compensations that are registered, also if the error is a
    /// cancellation: they are [shielded](WorkflowContext::shielded). A compensation that fails does not stop the others.
    ///
    /// No compensation runs if the steps continue as new, or if this future is dropped.
    ///
    /// # Errors
    /// [`SagaError`]: a step failed.
    pub async fn run<T>(&self, steps: impl Future<Output = Result<T, WorkflowError>>) -> Result<T, SagaError> {
        let cause = match steps.await {
            Ok(value) => {
                self.compensations.borrow_mut().clear();
                return Ok(value);
            }
            Err(cause) => cause,
        };
        let compensations = self.compensations.take();
        match cause.kind() {
            WorkflowErrorKind::Error { .. } => {}
            WorkflowErrorKind::ContinueAsNew(_) | WorkflowErrorKind::TaskFailure(_) => {
                return Err(SagaError { cause, compensations: 0, failures: Vec::new() });
            }
        }
        let count = compensations.len();
        let failures = self.ctx.shielded(compensate(self.order, compensations)).await;
        Err(SagaError { cause, compensations: count, failures })
    }
}

/// Runs the compensations, and returns the errors of those that failed.
async fn compensate(order: Order, compensations: Vec<Compensation<'_>>) -> Vec<WorkflowError> {
    let mut results = Vec::new();
    let reversed = compensations.into_iter().rev();
    match order {
        Order::Reverse => {
            for compensation in reversed {
                results.push(compensation.await);
            }
        }
        Order::Parallel => results = join_all(reversed).await,
    }
    results.into_iter().filter_map(Result::err).collect()
}

impl SagaError {
    /// Returns the error of the step that failed.
    pub fn cause(&self) -> &WorkflowError {
        &self.cause
    }

    /// Returns the errors of the compensations that failed, in the order in which they ran; empty if all succeeded.
    pub fn compensation_failures(&self) -> &[WorkflowError] {
        &self.failures
    }

    /// Returns true if all compensations succeeded: the steps that had succeeded are undone.
    pub fn is_compensated(&self) -> bool {
        self.failures.is_empty()
    }
}

impl From<SagaError> for WorkflowError {
    #[track_caller]
    fn from(error: SagaError) -> Self {
        if error.is_compensated() {
            return error.cause;
        }
        let failure = ApplicationFailure::new(error.to_string()).error_type("CompensationFailed").non_retryable();
        match error.cause.into_kind() {
            WorkflowErrorKind::Error { error, .. } => failure.cause(error).into(),
            WorkflowErrorKind::ContinueAsNew(_) | WorkflowErrorKind::TaskFailure(_) => failure.into(),
        }
    }
}

impl fmt::Display for SagaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_compensated() {
            return write!(f, "{}", self.cause);
        }
        write!(f, "{} of {} compensations failed: ", self.failures.len(), self.compensations)?;
        for (index, failure) in self.failures.iter().enumerate() {
            write!(f, "{}{failure}", if index == 0 { "" } else { "; " })?;
        }
        write!(f, " (they ran because a step failed: {})", self.cause)
    }
}

impl fmt::Debug for SagaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SagaError({self})")
    }
}

impl fmt::Debug for Saga<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compensations = self.compensations.try_borrow().map(|registered| registered.len()).ok();
        f.debug_struct("Saga").field("compensations", &compensations).finish_non_exhaustive()
    }
}

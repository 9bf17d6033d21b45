//! Limits for single types of activities.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep_until;

use super::rate::Rate;
use crate::activity::{ActivityCancelReason, ActivityCancellation};
use crate::failure::ActivityError;
use crate::worker::shutdown::{Phase, Phases};

/// Limits for one type of activity on one worker. A task beyond them waits on the worker: it keeps its slot, and its
/// timeouts run.
///
/// ```
/// use abide::worker::ActivityLimits;
///
/// // The payment provider takes ten calls a second, two at a time.
/// let limits = ActivityLimits::new().max_concurrent(2).max_per_second(10.0);
/// # let _ = limits;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "limits do nothing until a worker takes them with `.activity_limits(..)`"]
pub struct ActivityLimits {
    concurrent: Option<usize>,
    per_second: Option<f64>,
}

impl ActivityLimits {
    /// Creates limits that limit nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum number of attempts that run at the same time; 1 or more. Default: no limit.
    pub fn max_concurrent(mut self, attempts: usize) -> Self {
        self.concurrent = Some(attempts);
        self
    }

    /// Sets the maximum number of attempts that start per second; above 0. Default: no limit.
    pub fn max_per_second(mut self, rate: f64) -> Self {
        self.per_second = Some(rate);
        self
    }

    /// Returns what is wrong with the limits of this type.
    pub(crate) fn mistake(&self, activity_type: &str) -> Option<String> {
        if self.concurrent == Some(0) {
            return Some(format!("`max_concurrent` of activity `{activity_type}` is 0: expected 1 or more"));
        }
        let rate = self.per_second.filter(|rate| !(rate.is_finite() && *rate > 0.0))?;
        Some(format!("`max_per_second` of activity `{activity_type}` is {rate}: expected a number above 0"))
    }
}

/// The limits of a running worker, by activity type.
#[derive(Debug, Default)]
pub(super) struct TypeLimits(BTreeMap<String, Arc<TypeLimit>>);

#[derive(Debug)]
pub(super) struct TypeLimit {
    free: Option<Arc<Semaphore>>,
    rate: Rate,
}

impl TypeLimits {
    pub(super) fn new(limits: &BTreeMap<String, ActivityLimits>) -> Self {
        let limit = |limits: &ActivityLimits| TypeLimit {
            free: limits.concurrent.map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))),
            rate: Rate::new(limits.per_second),
        };
        Self(limits.iter().map(|(name, limits)| (name.clone(), Arc::new(limit(limits)))).collect())
    }

    /// Returns the limit of this type, if it has one.
    pub(super) fn of(&self, activity_type: &str) -> Option<Arc<TypeLimit>> {
        self.0.get(activity_type).cloned()
    }
}

/// Waits until an attempt may start. It holds what is returned while it runs.
///
/// # Errors
/// Returns an error if the attempt was cancelled before.
pub(super) async fn admitted(
    limit: Option<&TypeLimit>,
    cancellation: &ActivityCancellation,
    phases: &Phases,
) -> Result<Option<Admitted>, ActivityError> {
    let Some(limit) = limit else { return Ok(None) };
    tokio::select! {
        biased;
        _ = cancellation.cancelled() => Err(ActivityError::cancelled()),
        admitted = limit.turn() => {
            // The attempt before it may have ended because of the shutdown, of which this one is told a moment later.
            if phases.has_reached(Phase::ActivitiesCancelled) {
                cancellation.cancel(ActivityCancelReason::WorkerShutdown);
                return Err(ActivityError::cancelled());
            }
            Ok(Some(admitted))
        }
    }
}

impl TypeLimit {
    async fn turn(&self) -> Admitted {
        let permit = match &self.free {
            // The semaphore is never closed.
            Some(free) => Arc::clone(free).acquire_owned().await.ok(),
            None => None,
        };
        if let Some(turn) = self.rate.take_turn() {
            sleep_until(turn).await;
        }
        Admitted(permit)
    }
}

/// The right to run an attempt, until it is dropped.
#[must_use = "an attempt may run only while this is held"]
pub(super) struct Admitted(#[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>);

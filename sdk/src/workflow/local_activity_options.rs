//! Options of a local activity call, given at the call or shared by several.

use std::time::Duration;

use super::activity_options::{ActivityCancellationType, fill};
use crate::activity_defaults::ActivityDefaults;
use crate::retry_policy::RetryPolicy;

/// Default for the longest interval between attempts without a timer.
pub(super) const DEFAULT_LOCAL_RETRY_THRESHOLD: Duration = Duration::from_secs(60);

/// Options for several local activity calls, with at least one of the two timeouts that a call needs.
///
/// ```
/// # use abide::prelude::*;
/// use abide::workflow::LocalActivityOptions;
/// # #[activity] async fn look_up(id: u64) -> Result<String, ActivityError> { Ok(id.to_string()) }
/// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
/// let short = LocalActivityOptions::with_start_to_close_timeout(secs(2)).local_retry_threshold(secs(5));
/// ctx.local_activity(look_up, 100).options(&short).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a call takes them with `.options(..)`"]
#[non_exhaustive]
pub struct LocalActivityOptions {
    /// Limit of all attempts together, including waiting and retries; `None` is no limit.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Limit of the time that the activity waits for a free slot; `None` is no limit.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Limit of one attempt; `None` is the schedule-to-close timeout.
    pub start_to_close_timeout: Option<Duration>,
    /// Policy of retries; `None` leaves it to the server.
    pub retry_policy: Option<RetryPolicy>,
    /// Longest interval between attempts that is not left to a timer of the workflow; `None` is the default.
    pub local_retry_threshold: Option<Duration>,
    /// Effect of cancelling it; `None` is the default.
    pub cancellation_type: Option<ActivityCancellationType>,
}

/// The two timeouts, of which one is required. For the options themselves and for a call that holds some.
macro_rules! local_activity_timeouts {
    ($this:ident => $options:expr) => {
        /// Limits the time of one attempt, from its start to its end. An attempt that takes longer is dropped at the
        /// await at which it waits, and retried. Default: the schedule-to-close timeout.
        pub fn start_to_close_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.start_to_close_timeout = Some(timeout);
            $this
        }

        /// Limits the time of all attempts together, including the time between them. Default: none.
        pub fn schedule_to_close_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.schedule_to_close_timeout = Some(timeout);
            $this
        }
    };
}
pub(super) use local_activity_timeouts;

/// The other option methods. For the options themselves and for a call that holds some, with or without a timeout.
macro_rules! local_activity_options {
    ($this:ident => $options:expr) => {
        /// Limits the time that an attempt waits for a free slot of the worker. Default: none.
        pub fn schedule_to_start_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.schedule_to_start_timeout = Some(timeout);
            $this
        }

        /// Sets the policy by which the worker retries. Default: 1 s after the first failure, doubling up to 100 s,
        /// unlimited attempts.
        pub fn retry_policy(mut $this, policy: crate::retry_policy::RetryPolicy) -> Self {
            $options.retry_policy = Some(policy);
            $this
        }

        /// Sets the longest interval between two attempts for which the worker itself waits, with the workflow task
        /// kept open. For a longer one the workflow waits with a timer, and the next attempt is a new local activity.
        /// Default: 60 s.
        pub fn local_retry_threshold(mut $this, threshold: std::time::Duration) -> Self {
            $options.local_retry_threshold = Some(threshold);
            $this
        }

        /// Sets the effect of cancelling the local activity. Default:
        /// [`ActivityCancellationType::WaitCancellationCompleted`](crate::workflow::ActivityCancellationType).
        pub fn cancellation_type(
            mut $this,
            cancellation_type: crate::workflow::ActivityCancellationType,
        ) -> Self {
            $options.cancellation_type = Some(cancellation_type);
            $this
        }
    };
}
pub(super) use local_activity_options;

impl LocalActivityOptions {
    /// Creates options that limit each attempt to `timeout`.
    pub fn with_start_to_close_timeout(timeout: Duration) -> Self {
        Self::none().start_to_close_timeout(timeout)
    }

    /// Creates options that limit all attempts together to `timeout`.
    pub fn with_schedule_to_close_timeout(timeout: Duration) -> Self {
        Self::none().schedule_to_close_timeout(timeout)
    }

    local_activity_timeouts!(self => self);
    local_activity_options!(self => self);

    /// Creates options without a timeout, for a call that does not have one yet.
    pub(super) fn none() -> Self {
        Self {
            schedule_to_close_timeout: None,
            schedule_to_start_timeout: None,
            start_to_close_timeout: None,
            retry_policy: None,
            local_retry_threshold: None,
            cancellation_type: None,
        }
    }

    /// Fills options that are not set here from `shared`.
    pub(super) fn fill(&mut self, shared: &Self) {
        fill(&mut self.schedule_to_close_timeout, &shared.schedule_to_close_timeout);
        fill(&mut self.schedule_to_start_timeout, &shared.schedule_to_start_timeout);
        fill(&mut self.start_to_close_timeout, &shared.start_to_close_timeout);
        fill(&mut self.retry_policy, &shared.retry_policy);
        fill(&mut self.local_retry_threshold, &shared.local_retry_threshold);
        fill(&mut self.cancellation_type, &shared.cancellation_type);
    }

    /// Fills options that are not set here from the definition's defaults, as far as a local activity has them.
    pub(super) fn fill_defaults(&mut self, defaults: ActivityDefaults) {
        self.fill(&Self {
            schedule_to_close_timeout: defaults.schedule_to_close_timeout,
            schedule_to_start_timeout: defaults.schedule_to_start_timeout,
            start_to_close_timeout: defaults.start_to_close_timeout,
            retry_policy: defaults.retry_policy,
            ..Self::none()
        });
    }
}

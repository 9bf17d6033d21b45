//! Options of an activity call, given at the call or shared by several.

use std::time::Duration;

use crate::activity_defaults::ActivityDefaults;
use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;
use crate::versioning::VersioningIntent;

/// Effect of cancelling an activity (Temporal's activity cancellation types).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActivityCancellationType {
    /// Requests cancellation of the activity and yields the cancellation at once.
    #[default]
    TryCancel,
    /// Requests cancellation of the activity and waits for its outcome.
    WaitCancellationCompleted,
    /// Lets the activity continue and yields the cancellation at once.
    Abandon,
}

/// Options that several activity calls share. They include `start_to_close_timeout` or `schedule_to_close_timeout`,
/// because every call needs at least one of the two.
///
/// ```
/// # use abide::prelude::*;
/// use abide::workflow::ActivityOptions;
/// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
/// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
/// let patient = ActivityOptions::with_schedule_to_close_timeout(days(1)).heartbeat_timeout(mins(1));
/// ctx.activity(charge, 100).options(&patient).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a call takes them with `.options(..)`"]
#[non_exhaustive]
pub struct ActivityOptions {
    /// Limit of all attempts together, including waiting and retries; `None` is no limit.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Limit of the time that the activity waits for a worker; `None` is no limit.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Limit of one attempt; `None` is the schedule-to-close timeout.
    pub start_to_close_timeout: Option<Duration>,
    /// Limit of the time between two heartbeats; `None` is no limit.
    pub heartbeat_timeout: Option<Duration>,
    /// Policy of retries; `None` leaves it to the server.
    pub retry_policy: Option<RetryPolicy>,
    /// Task queue whose workers run it; `None` is the workflow's own.
    pub task_queue: Option<String>,
    /// Effect of cancelling it; `None` is the default.
    pub cancellation_type: Option<ActivityCancellationType>,
    /// Priority among waiting tasks; `None` is the workflow's own.
    pub priority: Option<Priority>,
    /// Choice between workers of this workflow's build and others; `None` is the default.
    pub versioning_intent: Option<VersioningIntent>,
}

/// The two timeouts, of which one is required. For the options themselves and for a call that holds some.
macro_rules! activity_timeouts {
    ($this:ident => $options:expr) => {
        /// Limits the time of one attempt, from its start on a worker to its end. Default: the schedule-to-close
        /// timeout.
        pub fn start_to_close_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.start_to_close_timeout = Some(timeout);
            $this
        }

        /// Limits the time of all attempts together, including waiting and retries. Default: none.
        pub fn schedule_to_close_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.schedule_to_close_timeout = Some(timeout);
            $this
        }
    };
}
pub(super) use activity_timeouts;

/// The other option methods. For the options themselves and for a call that holds some, with or without a timeout.
macro_rules! activity_options {
    ($this:ident => $options:expr) => {
        /// Limits the time that the activity waits for a worker. Default: none.
        pub fn schedule_to_start_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.schedule_to_start_timeout = Some(timeout);
            $this
        }

        /// Limits the time between two heartbeats. Without it, the server notices a lost worker only at the end of the
        /// attempt. Default: none.
        pub fn heartbeat_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.heartbeat_timeout = Some(timeout);
            $this
        }

        /// Sets the policy by which the server retries the activity. Default: the server's policy (1 s, doubling,
        /// unlimited attempts).
        pub fn retry_policy(mut $this, policy: crate::retry_policy::RetryPolicy) -> Self {
            $options.retry_policy = Some(policy);
            $this
        }

        /// Sets the task queue whose workers run the activity. Default: the workflow's own.
        pub fn task_queue(mut $this, task_queue: impl Into<String>) -> Self {
            $options.task_queue = Some(task_queue.into());
            $this
        }

        /// Sets the effect of cancelling the activity. Default: [`ActivityCancellationType::TryCancel`].
        pub fn cancellation_type(
            mut $this,
            cancellation_type: crate::workflow::ActivityCancellationType,
        ) -> Self {
            $options.cancellation_type = Some(cancellation_type);
            $this
        }

        /// Sets the priority among waiting activities. Default: the workflow's own priority.
        pub fn priority(mut $this, priority: crate::priority::Priority) -> Self {
            $options.priority = Some(priority);
            $this
        }

        /// Decides whether the activity goes to workers of this workflow's build. Applies to build ids without
        /// deployments. Default: [`VersioningIntent::Unspecified`](crate::VersioningIntent::Unspecified).
        pub fn versioning_intent(mut $this, intent: crate::VersioningIntent) -> Self {
            $options.versioning_intent = Some(intent);
            $this
        }
    };
}
pub(super) use activity_options;

impl ActivityOptions {
    /// Creates options that limit each attempt to `timeout`.
    pub fn with_start_to_close_timeout(timeout: Duration) -> Self {
        Self::none().start_to_close_timeout(timeout)
    }

    /// Creates options that limit all attempts together to `timeout`.
    pub fn with_schedule_to_close_timeout(timeout: Duration) -> Self {
        Self::none().schedule_to_close_timeout(timeout)
    }

    activity_timeouts!(self => self);
    activity_options!(self => self);

    /// Creates options without a timeout, for a call that does not have one yet.
    pub(super) fn none() -> Self {
        Self {
            schedule_to_close_timeout: None,
            schedule_to_start_timeout: None,
            start_to_close_timeout: None,
            heartbeat_timeout: None,
            retry_policy: None,
            task_queue: None,
            cancellation_type: None,
            priority: None,
            versioning_intent: None,
        }
    }

    /// Fills options that are not set here from `shared`.
    pub(super) fn fill(&mut self, shared: &Self) {
        fill(&mut self.schedule_to_close_timeout, &shared.schedule_to_close_timeout);
        fill(&mut self.schedule_to_start_timeout, &shared.schedule_to_start_timeout);
        fill(&mut self.start_to_close_timeout, &shared.start_to_close_timeout);
        fill(&mut self.heartbeat_timeout, &shared.heartbeat_timeout);
        fill(&mut self.retry_policy, &shared.retry_policy);
        fill(&mut self.task_queue, &shared.task_queue);
        fill(&mut self.cancellation_type, &shared.cancellation_type);
        fill(&mut self.priority, &shared.priority);
        fill(&mut self.versioning_intent, &shared.versioning_intent);
    }

    /// Fills options that are not set here from the definition's defaults.
    pub(super) fn fill_defaults(&mut self, defaults: ActivityDefaults) {
        self.fill(&Self {
            schedule_to_close_timeout: defaults.schedule_to_close_timeout,
            schedule_to_start_timeout: defaults.schedule_to_start_timeout,
            start_to_close_timeout: defaults.start_to_close_timeout,
            heartbeat_timeout: defaults.heartbeat_timeout,
            retry_policy: defaults.retry_policy,
            task_queue: defaults.task_queue,
            priority: defaults.priority,
            ..Self::none()
        });
    }
}

/// Copies a shared option if it was not set at the call.
pub(super) fn fill<T: Clone>(own: &mut Option<T>, shared: &Option<T>) {
    if own.is_none() {
        own.clone_from(shared);
    }
}

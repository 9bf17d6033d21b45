//! The options that the calls of an activity type have by default. A definition brings them along.

use std::time::Duration;

use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;

/// The options that calls of an activity have by default: the options of `#[activity(..)]`.
///
/// A call uses a default if neither the call itself nor its shared options (`.options(..)`) set that option. Only a
/// definition with code can have defaults. [`ActivityType`](crate::ActivityType) has none. The attribute writes them;
/// implement [`ActivityDefinition::defaults`](crate::ActivityDefinition::defaults) only for a definition that you write
/// by hand.
///
/// ```
/// use abide::prelude::*;
/// use abide::{Activity, ActivityDefinition};
///
/// #[activity(start_to_close_timeout = mins(5), retry_policy = RetryPolicy::new().maximum_attempts(3))]
/// async fn charge(cents: u64) -> Result<String, ActivityError> {
///     Ok(format!("receipt for {cents}"))
/// }
///
/// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
/// ctx.activity(charge, 995).await?; // 5 minutes for each of 3 attempts.
/// ctx.activity(charge, 995).start_to_close_timeout(secs(10)).await?; // 10 seconds for each of 3 attempts.
/// # Ok(()) }
/// println!("{:?}", charge.definition().defaults());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "default options do nothing until a definition returns them"]
#[non_exhaustive]
pub struct ActivityDefaults {
    /// The limit of all attempts together.
    pub schedule_to_close_timeout: Option<Duration>,
    /// The limit of the wait for a worker (of a local activity: for a free slot).
    pub schedule_to_start_timeout: Option<Duration>,
    /// The limit of one attempt.
    pub start_to_close_timeout: Option<Duration>,
    /// The limit of the time between two heartbeats. A local activity does not use it.
    pub heartbeat_timeout: Option<Duration>,
    /// The policy for retries.
    pub retry_policy: Option<RetryPolicy>,
    /// The task queue whose workers run the activity. A local activity does not use it.
    pub task_queue: Option<String>,
    /// The priority among waiting activities. A local activity does not use it.
    pub priority: Option<Priority>,
}

impl ActivityDefaults {
    /// Creates defaults that set nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limit of all attempts together, including waiting and retries.
    pub fn schedule_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.schedule_to_close_timeout = Some(timeout);
        self
    }

    /// Sets the limit of the time that the activity waits for a worker.
    pub fn schedule_to_start_timeout(mut self, timeout: Duration) -> Self {
        self.schedule_to_start_timeout = Some(timeout);
        self
    }

    /// Sets the limit of one attempt.
    pub fn start_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.start_to_close_timeout = Some(timeout);
        self
    }

    /// Sets the limit of the time between two heartbeats.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat_timeout = Some(timeout);
        self
    }

    /// Sets the policy for retries.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = Some(policy);
        self
    }

    /// Sets the task queue whose workers run the activity.
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.task_queue = Some(task_queue.into());
        self
    }

    /// Sets the priority among waiting activities.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }
}

/// Implemented by definitions whose defaults include a timeout, so that their calls need none of their own. Written by
/// `#[activity]`. The compiler shows this message if a call without a timeout is awaited or started.
#[diagnostic::on_unimplemented(
    message = "this activity call has no timeout, so it can be neither awaited nor started",
    label = "set one first: `.start_to_close_timeout(..)`, the limit of one attempt, or \
             `.schedule_to_close_timeout(..)`, the limit of all attempts together",
    note = "shared options have a timeout too: `.options(&ActivityOptions::with_start_to_close_timeout(..))`",
    note = "a definition can have one for all its calls: `#[activity(start_to_close_timeout = mins(5))]`"
)]
pub trait HasDefaultTimeout {}

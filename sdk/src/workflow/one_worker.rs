//! Activities that belong together and run on one worker, because they share its disk, memory or device.

use std::future::Future;
use std::iter::successors;
use std::panic::Location;
use std::time::Duration;

use super::activity_options::ActivityOptions;
use super::context::WorkflowContext;
use crate::by_name::ActivityType;
use crate::failure::{Failure, FailureKind, TimeoutType, WorkflowError};
use crate::retry_policy::RetryPolicy;

/// The activity that answers with the name of a queue that only the answering worker serves.
/// [`WorkerBuilder::own_queue`](crate::worker::WorkerBuilder::own_queue) registers it, and
/// [`WorkflowContext::on_one_worker`] calls it. Tests may mock it. A worker in another language may have an activity of
/// this name, `abide_own_queue`, too.
pub const OWN_QUEUE: ActivityType<fn() -> String> = ActivityType::new("abide_own_queue");

/// Limit of an attempt to learn the name: the worker answers at once.
const TELLS_WITHIN: Duration = Duration::from_secs(10);

/// Time after which a worker that takes no activity is taken for gone.
const GONE_AFTER: Duration = Duration::from_secs(60);

impl WorkflowContext {
    /// Runs several activities on the same worker, and all of them again on another worker if that one is gone (the
    /// purpose of sessions in Temporal's Go SDK).
    ///
    /// A worker with a [queue of its own](crate::worker::WorkerBuilder::own_queue) is asked for the queue's name. It is
    /// one of the workers of `options`' task queue (default: the workflow's). `steps` gets the `options` with the name of
    /// the worker's own queue instead, and passes them to each of its activities.
    ///
    /// A worker counts as gone if an activity with these options waits for longer than their
    /// [`schedule_to_start_timeout`](ActivityOptions::schedule_to_start_timeout) (default: 1 min), or loses its
    /// heartbeats in its last attempt. Then `policy` says when and how often the steps begin again, each time
    /// with some worker's queue. Every attempt adds its events to the history, so set
    /// [`maximum_attempts`](RetryPolicy::maximum_attempts). A worker that is busy for so long cannot be told from one that
    /// is gone.
    ///
    /// ```
    /// # use abide::prelude::*;
    /// # #[activity] async fn download(url: String) -> Result<String, ActivityError> { Ok(url) }
    /// # #[activity] async fn upload(file: String) -> Result<(), ActivityError> { Ok(()) }
    /// #[workflow]
    /// async fn process_file(ctx: &WorkflowContext, url: String) -> Result<(), WorkflowError> {
    ///     let five_workers = RetryPolicy::new().maximum_attempts(5);
    ///     let options = ActivityOptions::with_start_to_close_timeout(mins(10)).heartbeat_timeout(mins(1));
    ///     let processing = ctx.on_one_worker(five_workers, &options, async |here| {
    ///         let file = ctx.activity(download, url.clone()).options(&here).await?;
    ///         Ok(ctx.activity(upload, file).options(&here).await?)
    ///     });
    ///     processing.await
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// Returns the error of the steps, if it does not say that their worker is gone, or that of the last attempt. What
    /// ends a [`retry`](Self::retry) ends this, too.
    #[track_caller]
    pub fn on_one_worker<T>(
        &self,
        policy: RetryPolicy,
        options: &ActivityOptions,
        mut steps: impl AsyncFnMut(ActivityOptions) -> Result<T, WorkflowError>,
    ) -> impl Future<Output = Result<T, WorkflowError>> {
        let (ctx, location) = (self.clone(), Location::caller());
        let ask = ActivityOptions {
            task_queue: options.task_queue.clone(),
            priority: options.priority.clone(),
            versioning_intent: options.versioning_intent,
            ..ActivityOptions::with_start_to_close_timeout(TELLS_WITHIN)
        };
        let mut here = options.clone();
        here.schedule_to_start_timeout.get_or_insert(GONE_AFTER);
        self.retry_if(is_worker_gone, policy, location, async move |_attempt| {
            let queue = ctx.activity_at(location, OWN_QUEUE, ()).options(&ask).await?;
            steps(here.clone().task_queue(queue)).await
        })
    }
}

/// Returns true if an activity found no worker, or its worker fell silent. Activities of children do not count, because
/// they have queues of their own.
fn is_worker_gone(failure: &Failure) -> bool {
    let own = |failure: &Failure| !matches!(failure.kind(), FailureKind::ChildWorkflow | FailureKind::NexusOperation);
    let mut chain = successors(Some(failure.clone()), Failure::cause).take_while(own);
    if !chain.any(|failure| failure.kind() == FailureKind::Activity) {
        return false;
    }
    // The timeout that ended the activity, and those of earlier attempts that it was waiting after.
    let mut timeouts = chain.map_while(|failure| failure.timeout_type());
    timeouts.any(|timeout| matches!(timeout, TimeoutType::ScheduleToStart | TimeoutType::Heartbeat))
}

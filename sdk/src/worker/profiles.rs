//! Options for a situation: serverless functions, a debugger, a deployment whose patches are not active yet.

use std::ffi::OsStr;
use std::time::Duration;

use super::builder::WorkerBuilder;
use super::polling::PollerBehavior;
use super::tuner::SlotKind;
use crate::workflow::WorkflowInfo;

/// The variable that turns debug mode on, as in other SDKs.
pub(super) const DEBUG_VARIABLE: &str = "TEMPORAL_DEBUG";

/// Returns true if the variable has a value that turns debug mode on.
pub(super) fn turns_debug_on(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

impl<State> WorkerBuilder<State> {
    /// Sets options for a worker in a serverless function, such as AWS Lambda, which lives for minutes and has little
    /// memory. Options set afterwards override them:
    ///
    /// | option | value |
    /// | --- | --- |
    /// | `max_concurrent_workflow_tasks` | 10 |
    /// | `max_concurrent_activities`, `max_concurrent_local_activities` | 2 |
    /// | `max_concurrent_nexus_tasks` | 5 |
    /// | `max_cached_workflows` | 30 |
    /// | pollers of workflow tasks, activities, Nexus requests | 2, 1, 1 |
    /// | `graceful_shutdown_timeout` | 5 s |
    /// | eager activities | disabled |
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # use abide::worker::WorkerError;
    /// # #[workflow] async fn order(ctx: &WorkflowContext) -> Result<(), WorkflowError> { Ok(()) }
    /// # async fn handle(client: &Client) -> Result<(), WorkerError> {
    /// let worker = Worker::builder(client, "orders").workflow(order).serverless().build()?;
    /// let shutdown = worker.shutdown_handle();
    /// // Ends before the function's own limit of a minute.
    /// let ends = async {
    ///     tokio::time::sleep(secs(40)).await;
    ///     shutdown.shutdown();
    /// };
    /// tokio::join!(worker.run(), ends).0
    /// # }
    /// # fn main() {}
    /// ```
    pub fn serverless(mut self) -> Self {
        let options = &mut self.options;
        options.max_concurrent_workflow_tasks = 10;
        options.max_concurrent_activities = 2;
        options.max_concurrent_local_activities = 2;
        options.max_concurrent_nexus_tasks = 5;
        for kind in [SlotKind::WorkflowTask, SlotKind::Activity, SlotKind::LocalActivity, SlotKind::NexusTask] {
            options.shared_slots.remove(kind);
        }
        options.max_cached_workflows = 30;
        options.workflow_task_pollers = Some(PollerBehavior::SimpleMaximum(2));
        options.activity_task_pollers = Some(PollerBehavior::SimpleMaximum(1));
        options.nexus_task_pollers = Some(PollerBehavior::SimpleMaximum(1));
        options.graceful_shutdown_timeout = Duration::from_secs(5);
        options.disable_eager_activity_execution = true;
        self
    }

    /// Sets a function that decides whether a run takes the new path of a patch. It gets the run's information and the
    /// id of the patch, and is asked when live code calls [`patched`](crate::WorkflowContext::patched) for the first time
    /// in a run. If it returns false, the run keeps the old path, and nothing is recorded. It is not asked in a replay,
    /// nor for `deprecate_patch` and versions. It must not block. Default: every patch is active.
    ///
    /// Use it to deploy a change before it is active: first to all workers, which can then replay the new path; then
    /// turn the patch on.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # use abide::worker::WorkerError;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// # #[workflow] async fn order(ctx: &WorkflowContext) -> Result<(), WorkflowError> { Ok(()) }
    /// # async fn start(client: &Client, fraud_check_is_on: Arc<AtomicBool>) -> Result<(), WorkerError> {
    /// let worker = Worker::builder(client, "orders").workflow(order).patch_activation(move |_, patch_id| {
    ///     patch_id != "check-fraud-first" || fraud_check_is_on.load(Ordering::Relaxed)
    /// });
    /// worker.build()?.run().await
    /// # }
    /// # fn main() {}
    /// ```
    pub fn patch_activation(mut self, activates: impl Fn(&WorkflowInfo, &str) -> bool + Send + Sync + 'static) -> Self {
        self.workflows.set_patch_activation(activates);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_mode_is_turned_on_by_any_value() {
        assert!(turns_debug_on(Some(OsStr::new("1"))));
        assert!(!turns_debug_on(Some(OsStr::new(""))) && !turns_debug_on(None));
    }
}

//! The queue of a worker's own (Temporal's worker-specific task queue): the second worker that serves it, and the
//! activity that tells its name.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use abide_protos::temporal::api::common::v1::Payload;

use super::builder::{Registered, WorkerBuilder};
use super::error::WorkerError;
use super::options::Options;
use crate::activity::{ActivityContext, ActivityFuture, ActivityRegistry, RegisteredActivity};
use crate::converter::to_payload;
use crate::definition::ActivityDefinition;
use crate::failure::{ActivityError, ApplicationFailure, ErrorCategory};
use crate::workflow::OWN_QUEUE;

/// Registers the activities of the second worker and changes its options.
pub(super) type Configure = Box<dyn FnOnce(WorkerBuilder) -> WorkerBuilder<Registered> + Send>;

/// Time after which a workflow that found this worker full asks again, maybe another worker.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Returns the configuration, if there is one.
///
/// # Errors
/// Returns an error if there are several.
pub(super) fn only(mut configured: Vec<Configure>) -> Result<Option<Configure>, WorkerError> {
    let only = configured.pop();
    if !configured.is_empty() {
        return Err(WorkerError::new(
            "`own_queue` is called twice: a worker has one queue of its own; register all of its activities in one call",
        ));
    }
    Ok(only)
}

/// Returns a name that no other worker has. It tells people which worker that is.
pub(super) fn name(task_queue: &str, identity: &str) -> String {
    format!("{task_queue}-{identity}-{}", uuid::Uuid::new_v4().simple())
}

/// Returns the options of the second worker, before its configuration.
pub(super) fn options(of_worker: &Options) -> Options {
    // A deployment version keeps the names of its task queues and takes only some (100 by default). After as many
    // restarts, the server would refuse the polls. A queue without a deployment takes activities of any version.
    // And its activities are polled in any case.
    Options { deployment: None, no_remote_activities: false, ..of_worker.clone() }
}

/// Checks what the second worker would have to run.
///
/// # Errors
/// Returns an error if it is more than activities.
pub(super) fn check(own: &WorkerBuilder<Registered>) -> Result<(), WorkerError> {
    if !own.workflows.is_empty() {
        return Err(WorkerError::new(
            "a workflow is registered in `own_queue`, whose queue is only for activities: register it with the worker \
             itself",
        ));
    }
    if !own.nexus.is_empty() {
        return Err(WorkerError::new(
            "a Nexus handler is registered in `own_queue`, to which no endpoint leads: register it with the worker itself",
        ));
    }
    if !own.own_queues.is_empty() {
        return Err(WorkerError::new("`own_queue` is called within `own_queue`: call it once, on the worker itself"));
    }
    if !own.further_queues.is_empty() {
        return Err(WorkerError::new("`also_task_queue` is called within `own_queue`: call it on the worker itself"));
    }
    Ok(())
}

/// Registers the activity that tells the queue's name while there is room. `own` are the activities of the queue.
pub(super) fn connect(queue: &str, options: &Options, own: &mut ActivityRegistry, common: &mut ActivityRegistry) {
    let running = Arc::default();
    *own = own.wrapped(|activity| Arc::new(Counted { activity, running: Arc::clone(&running) }));
    let maximum = options.max_concurrent_activities;
    common.insert(OWN_QUEUE.name(), Arc::new(TellsQueue { queue: queue.to_string(), running, maximum }));
}

/// The activity [`OWN_QUEUE`].
struct TellsQueue {
    queue: String,
    running: Arc<AtomicUsize>,
    maximum: usize,
}

impl RegisteredActivity for TellsQueue {
    fn run(&self, _ctx: ActivityContext, _input: Vec<Payload>) -> ActivityFuture<Payload> {
        let told = if self.running.load(Ordering::Relaxed) < self.maximum {
            to_payload(&self.queue).map_err(ActivityError::from)
        } else {
            let text = format!("this worker runs {} activities on its own queue, its maximum", self.maximum);
            let full = ApplicationFailure::new(text).error_type("OwnQueueFull").next_retry_delay(ASK_AGAIN);
            Err(full.category(ErrorCategory::Benign).into())
        };
        Box::pin(ready(told))
    }
}

/// An activity that is counted while it runs.
struct Counted {
    activity: Arc<dyn RegisteredActivity>,
    running: Arc<AtomicUsize>,
}

impl RegisteredActivity for Counted {
    fn run(&self, ctx: ActivityContext, input: Vec<Payload>) -> ActivityFuture<Payload> {
        let counted = Running::new(&self.running);
        let attempt = self.activity.run(ctx, input);
        Box::pin(async move {
            let _counted = counted;
            attempt.await
        })
    }
}

/// Counts an attempt until it ends or is dropped.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_after_its_worker_and_only_once() {
        let [first, second] = [(), ()].map(|()| name("files", "7@host"));
        assert!(first.starts_with("files-7@host-"), "{first}");
        assert_ne!(first, second);
    }

    #[test]
    fn a_deployment_is_not_inherited() {
        let deployment = Some(crate::worker::DeploymentOptions::new("files", "1"));
        let inherited = options(&Options { deployment, max_concurrent_activities: 7, ..Default::default() });
        assert!(inherited.deployment.is_none());
        assert_eq!(inherited.max_concurrent_activities, 7);
    }
}

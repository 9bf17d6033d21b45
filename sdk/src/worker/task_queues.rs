//! Several task queues in one worker: each has a worker of its own behind it; they share slots and lifetime.

use std::sync::Arc;

use super::Worker;
use super::builder::{Registered, WorkerBuilder};
use super::current_client::CurrentClient;
use super::error::WorkerError;
use super::own_queue::Configure;
use super::tuner::SlotKind;

/// A further task queue of a worker, before the worker is built.
pub(super) struct FurtherQueue {
    pub(super) name: String,
    pub(super) configure: Configure,
}

impl<State> WorkerBuilder<State> {
    /// Serves another task queue, too. `configure` gets the builder of that queue: it registers what the queue's tasks
    /// need, and may change options, such as the queue's rates.
    ///
    /// The queues run and shut down together. They share the worker's slots: `max_concurrent_..` counts the tasks of all
    /// queues, unless `configure` sets that option, which gives the queue slots of its own of this kind. Each queue has
    /// pollers, rates and a cache of its own, with the worker's options and interceptors as defaults. What plugins
    /// register belongs to the worker's first queue only. May be called several times. Default: one queue.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # use abide::worker::WorkerError;
    /// # #[workflow] async fn order(ctx: &WorkflowContext) -> Result<(), WorkflowError> { Ok(()) }
    /// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// # #[activity] async fn print_invoice(order: String) -> Result<(), ActivityError> { Ok(()) }
    /// # async fn start(client: &Client) -> Result<(), WorkerError> {
    /// Worker::builder(client, "orders")
    ///     .workflow(order)
    ///     .activities(charge)
    ///     .also_task_queue("printers", |printers| {
    ///         printers.activities(print_invoice).max_task_queue_activities_per_second(2.0)
    ///     })
    ///     .build()?
    ///     .run()
    ///     .await
    /// # }
    /// # fn main() {}
    /// ```
    pub fn also_task_queue(
        mut self,
        name: impl Into<String>,
        configure: impl FnOnce(WorkerBuilder) -> WorkerBuilder<Registered> + Send + 'static,
    ) -> WorkerBuilder<Registered> {
        self.further_queues.push(FurtherQueue { name: name.into(), configure: Box::new(configure) });
        self.registered()
    }
}

impl WorkerBuilder<Registered> {
    /// Builds the workers of the further queues. From then on, this one shares its slots with them.
    pub(super) fn build_further(&mut self, client: &Arc<CurrentClient>) -> Result<Vec<Worker>, WorkerError> {
        let further = std::mem::take(&mut self.further_queues);
        if further.is_empty() {
            return Ok(Vec::new());
        }
        self.options.share_slots(further.len() + 1);
        let mut names = vec![self.task_queue.clone()];
        let mut workers = Vec::new();
        for queue in further {
            if names.contains(&queue.name) {
                return Err(WorkerError::new(format!(
                    "the worker serves the task queue `{}` twice: register everything for it in one place",
                    queue.name
                )));
            }
            names.push(queue.name.clone());
            workers.push(self.build_queue(queue, client)?);
        }
        self.check_shared(&workers)?;
        Ok(workers)
    }

    /// Checks that idle polls of the other queues leave each queue a slot.
    fn check_shared(&self, workers: &[Worker]) -> Result<(), WorkerError> {
        let sharing = |kind, is_polled: bool, polled: &dyn Fn(&Worker) -> bool| {
            let others = workers.iter().filter(|worker| worker.options.shared_slots.supplier(kind).is_some());
            (kind, usize::from(is_polled) + others.filter(|worker| polled(worker)).count())
        };
        let kinds = [
            sharing(SlotKind::Activity, !self.activities.is_empty(), &|worker| !worker.activities.is_empty()),
            sharing(SlotKind::NexusTask, !self.nexus.is_empty(), &|worker| !worker.nexus.is_empty()),
            sharing(SlotKind::WorkflowTask, !self.workflows.is_empty(), &|worker| !worker.workflows.is_empty()),
        ];
        let tuner = &self.options.tuner;
        let short = |(kind, queues): &(SlotKind, usize)| *queues > self.options.fixed_slots(*kind);
        match kinds.iter().filter(|(kind, _)| tuner.supplier(*kind).is_none()).find(|kind| short(kind)) {
            None => Ok(()),
            Some((kind, queues)) => Err(WorkerError::new(format!(
                "{queues} task queues share {} slots of the kind `{kind:?}`: expected at least one for each queue, because \
                 each is polled; raise the worker's `max_concurrent_..`, or set it for a queue",
                self.options.fixed_slots(*kind)
            ))),
        }
    }

    fn build_queue(&self, queue: FurtherQueue, client: &Arc<CurrentClient>) -> Result<Worker, WorkerError> {
        let mut builder = self.of_same_worker(queue.name);
        // It says which activities this queue runs, so it is not inherited.
        builder.options.no_remote_activities = false;
        let configured = (queue.configure)(builder);
        if !configured.further_queues.is_empty() || !configured.own_queues.is_empty() {
            return Err(WorkerError::new(format!(
                "`also_task_queue` or `own_queue` is called within the configuration of the task queue `{}`: call it on \
                 the worker itself",
                configured.task_queue
            )));
        }
        let mut worker = configured.build()?;
        // So that `Worker::client_handle` replaces the client of all queues.
        worker.client = Arc::clone(client);
        Ok(worker)
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::options::Options;
    use crate::worker::tuner::SlotKind;

    #[test]
    fn idle_polls_of_one_queue_leave_slots_for_the_others() {
        let mut options = Options { max_concurrent_activities: 9, ..Options::default() };
        options.share_slots(3);
        assert_eq!(options.slots(SlotKind::Activity), 3);
        assert_eq!(options.activity_pollers().initial(), 3);
        let shared = options.supplier(SlotKind::Activity).expect("it is shared");
        assert_eq!((shared.available(), shared.kind()), (Some(9), "Fixed"));
        options.shared_slots.remove(SlotKind::Activity);
        assert_eq!((options.slots(SlotKind::Activity), options.activity_pollers().initial()), (9, 5));
    }
}

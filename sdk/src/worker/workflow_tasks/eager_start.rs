//! Eager workflow starts, worker side: first workflow tasks that come with the answer to a start from the same process.

use std::sync::Arc;

use super::WorkflowWorker;
use crate::client::eager::{EagerWorker, Reservation};
use crate::worker::shutdown::Phase;

impl EagerWorker for WorkflowWorker {
    fn reserve(self: Arc<Self>, task_queue: &str, workflow_type: &str) -> Option<Reservation> {
        let fits = task_queue == self.shared.task_queue && self.registry.get(workflow_type).is_some();
        if !fits || !self.is_wanted() || self.shared.phases.has_reached(Phase::Draining) {
            return None;
        }
        let slot = self.slots.try_take()?;
        let deployment_options = self.shared.deployment_options();
        // The caller that waits for the server's answer must not keep the worker alive. If the worker is gone, the task
        // times out.
        let worker = Arc::downgrade(&self);
        let hand_over = Box::new(move |task| {
            if let Some(worker) = worker.upgrade() {
                worker.accept(task, slot);
            }
        });
        Some(Reservation { deployment_options, hand_over })
    }
}

//! Eager starts: the first workflow task of a run comes with the answer to its start, for a worker of the same
//! connection.
//!
//! This saves the round trip through the task queue. The client only knows that some workers may take such a task; the
//! layer above defines workers. References to workers are weak, so a client keeps none alive.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use abide_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
use abide_protos::temporal::api::workflowservice::v1::PollWorkflowTaskQueueResponse;

/// A worker that may take first workflow tasks.
pub(crate) trait EagerWorker: Send + Sync {
    /// Reserves a slot for the first task of such a workflow; `None` if this worker would not take it now.
    fn reserve(self: Arc<Self>, task_queue: &str, workflow_type: &str) -> Option<Reservation>;
}

/// A reserved slot of a worker; freed when dropped.
pub(crate) struct Reservation {
    /// The worker's deployment, which the server needs to know.
    pub(crate) deployment_options: Option<WorkerDeploymentOptions>,
    /// Takes the task, with the slot.
    pub(crate) hand_over: Box<dyn FnOnce(PollWorkflowTaskQueueResponse) + Send>,
}

/// The workers that poll over one connection, and so in one namespace.
#[derive(Default)]
pub(crate) struct EagerWorkers {
    workers: Mutex<Vec<Weak<dyn EagerWorker>>>,
}

impl EagerWorkers {
    /// Adds a worker that has started to poll.
    pub(crate) fn add(&self, worker: Weak<dyn EagerWorker>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|known| known.strong_count() > 0);
        workers.push(worker);
    }

    /// Removes a worker that now polls over another connection.
    pub(crate) fn remove(&self, worker: &Weak<dyn EagerWorker>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        // Compares only the addresses of the workers, because one worker may have several vtables.
        workers.retain(|known| !std::ptr::addr_eq(known.as_ptr(), worker.as_ptr()));
    }

    /// Reserves a slot of the first worker that has one.
    pub(super) fn reserve(&self, task_queue: &str, workflow_type: &str) -> Option<Reservation> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workers.iter().filter_map(Weak::upgrade).find_map(|worker| worker.reserve(task_queue, workflow_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Free;

    impl EagerWorker for Free {
        fn reserve(self: Arc<Self>, _: &str, _: &str) -> Option<Reservation> {
            Some(Reservation { deployment_options: None, hand_over: Box::new(drop) })
        }
    }

    #[test]
    fn b127_a_client_keeps_no_worker_alive() {
        let workers = EagerWorkers::default();
        let worker = Arc::new(Free);
        let known: Weak<dyn EagerWorker> = Arc::downgrade(&worker) as _;
        workers.add(known);
        assert!(workers.reserve("queue", "wf").is_some());
        assert_eq!(Arc::strong_count(&worker), 1);
        drop(worker);
        assert!(workers.reserve("queue", "wf").is_none());
        let worker = Arc::new(Free);
        let known: Weak<dyn EagerWorker> = Arc::downgrade(&worker) as _;
        workers.add(known);
        assert_eq!(workers.workers.lock().unwrap().len(), 1, "those that are gone are forgotten");
    }
}

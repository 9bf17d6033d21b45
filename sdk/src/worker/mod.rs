//! The worker: polls a task queue and runs the workflows and activities registered with it.
//!
//! Only this part of Abide starts threads and tasks. Workflow code runs on *lanes*, threads outside tokio. Each lane
//! owns the runs whose id hashes to it. Activities run on the tokio runtime that runs the worker. Tasks flow as
//! follows:
//!
//! ```text
//! poller -- slot, poll --> lane -- verdict --> task: answer (and the next task, if the server sends one along)
//! lane -- local activities --> tasks: attempts -- outcome, heartbeat --> lane (while the workflow task is open)
//! poller -- slot, poll --> task: activity, heartbeats, answer
//! poller -- slot, poll --> task: Nexus handler, answer
//! poller of commands -- command --> the activity that is to stop
//! ```

mod activity_tasks;
mod build_id;
mod builder;
mod coding;
mod context;
mod current_client;
mod deployment;
mod error;
mod fatal;
mod host_load;
mod lanes;
mod limits;
mod local_activities;
mod metrics;
mod nexus_tasks;
mod options;
mod own_queue;
mod polling;
mod profiles;
mod running;
mod shutdown;
mod task_failure;
mod task_queues;
mod tuner;
mod watch;
mod worker_heartbeat;
mod workflow_tasks;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::sync::Arc;

pub use self::activity_tasks::ActivityLimits;
pub use self::polling::PollerBehavior;
pub use builder::{NothingRegistered, Registered, SomethingRegistered, WorkerBuilder};
pub use current_client::ClientHandle;
pub use deployment::DeploymentOptions;
pub use error::WorkerError;
pub use shutdown::ShutdownHandle;
pub use tuner::{ResourceBasedSlots, ResourceController, SlotKind, SlotRequest, SlotSupplier, SlotTask, WorkerTuner};
#[doc(hidden)]
pub use watch::{WorkerWatch, watch_workers};

use futures_util::future::join_all;

use self::current_client::CurrentClient;
use self::options::Options;
use self::running::RunningWorker;
use self::shutdown::{Phase, Phases};
use crate::activity::ActivityRegistry;
use crate::client::Client;
use crate::nexus::NexusRegistry;
#[doc(inline)]
pub use crate::runtime::WorkflowErrorType;
use crate::runtime::WorkflowRegistry;

/// Polls a task queue and runs the workflows and activities registered with it.
///
/// You can stop or kill a worker at any time. Other workers continue its work from the history that the server keeps.
/// Run any number of workers on the same task queue, in any number of processes.
///
/// ```no_run
/// use abide::client::{Client, ClientOptions};
/// use abide::worker::Worker;
/// # async fn start(workflow: impl abide::workflow::WorkflowImplementation) -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::connect(ClientOptions::default()).await?;
/// Worker::builder(&client, "orders").workflow(workflow).build()?.run().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a worker does nothing until `.run()` is awaited"]
pub struct Worker {
    client: Arc<CurrentClient>,
    task_queue: String,
    workflows: WorkflowRegistry,
    activities: ActivityRegistry,
    nexus: NexusRegistry,
    options: Options,
    phases: Arc<Phases>,
    /// The workers behind its other task queues: the own queue, further queues.
    others: Vec<Worker>,
}

impl Worker {
    /// Returns a builder for a worker of this task queue, in the client's namespace.
    pub fn builder(client: &Client, task_queue: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder::new(client, task_queue)
    }

    /// Returns a handle that shuts this worker down from other code.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        ShutdownHandle::new(Arc::clone(&self.phases))
    }

    /// Returns a handle that replaces this worker's client while it runs.
    pub fn client_handle(&self) -> ClientHandle {
        ClientHandle::new(Arc::clone(&self.client))
    }

    /// Runs until the worker is shut down through its [`shutdown_handle`](Self::shutdown_handle).
    ///
    /// If the server becomes unreachable, the worker waits for it indefinitely. Await this future in a tokio runtime.
    /// If you drop it, the worker ends at once, without waiting for its tasks.
    ///
    /// # Errors
    /// Returns an error if the namespace does not exist, if the server cannot be reached at the start, or if the server
    /// refuses polls (missing permission, unknown namespace) for a minute.
    pub async fn run(self) -> Result<(), WorkerError> {
        let hook = self.options.fatal_hook.clone();
        hook.told(self.work(std::future::pending::<()>()).await).map(drop)
    }

    /// Runs until a future completes, then shuts down and returns the future's output. A client's call is taken as it is:
    /// `worker.run_until(client.execute(order, 7).task_queue("orders"))`.
    ///
    /// # Errors
    /// Like [`run`](Self::run); also returns an error if the worker is shut down before the future completes.
    pub async fn run_until<F: IntoFuture>(self, future: F) -> Result<F::Output, WorkerError> {
        // Boxed, because it is a part of the caller's future, which would be large.
        let running = Box::pin(async move {
            let hook = self.options.fatal_hook.clone();
            hook.told(self.work(future.into_future()).await)
        });
        let value = running.await?;
        value
            .ok_or_else(|| WorkerError::new("the worker was shut down before the future given to `run_until` was done"))
    }

    /// Works until the future completes (`Some`) or the worker is shut down (`None`).
    async fn work<T>(mut self, until: impl Future<Output = T>) -> Result<Option<T>, WorkerError> {
        // Boxed, because it is a part of several futures here and may be large.
        let until = Box::pin(until);
        // First, so that the own queue is served when this worker tells its name.
        let mut others = Vec::new();
        for other in std::mem::take(&mut self.others) {
            others.push(Box::pin(RunningWorker::start(other)).await?);
        }
        let phases = Arc::clone(&self.phases);
        let working = RunningWorker::start(self).await?.until(until);
        if others.is_empty() {
            return working.await;
        }
        let serving = others.into_iter().map(|other| {
            let phases = &phases;
            Box::pin(async move {
                let served = other.until(phases.reached(Phase::Draining)).await;
                // If it ended by itself, all end.
                phases.advance(Phase::Draining);
                served
            })
        });
        match tokio::join!(working, join_all(serving)) {
            (Ok(None), served) => served.into_iter().find_map(Result::err).map_or(Ok(None), Err),
            (worked, _) => worked,
        }
    }

    /// Returns true if the worker was asked to shut down.
    pub fn is_shutting_down(&self) -> bool {
        self.phases.has_reached(Phase::Draining)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("task_queue", &self.task_queue)
            .field("workflows", &self.workflows)
            .field("activities", &self.activities)
            .field("nexus", &self.nexus)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

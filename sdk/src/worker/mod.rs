//! The worker: polls a task queue, and runs the workflows and activities that are registered with it.
//!
//! It is the only part of Abide that starts threads and tasks. Workflow code runs on *lanes*, threads outside tokio,
//! each with the runs whose id hashes to it; activities run on the tokio runtime that runs the worker. Tasks flow so:
//!
//! ```text
//! poller -- slot, poll --> lane -- verdict --> task: answer (and the next task, if the server sends one along)
//! lane -- local activities --> tasks: attempts -- outcome, heartbeat --> lane (while the workflow task is open)
//! poller -- slot, poll --> task: activity, heartbeats, answer
//! poller of commands -- command --> the activity that is to stop
//! ```

mod activity_tasks;
mod build_id;
mod builder;
mod coding;
mod current_client;
mod deployment;
mod error;
mod lanes;
mod limits;
mod local_activities;
mod options;
mod polling;
mod running;
mod shared;
mod shutdown;
mod watch;
mod worker_heartbeat;
mod workflow_tasks;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

pub use self::polling::PollerBehavior;
pub use builder::{NothingRegistered, Registered, SomethingRegistered, WorkerBuilder};
pub use current_client::ClientHandle;
pub use deployment::DeploymentOptions;
pub use error::WorkerError;
pub use shutdown::ShutdownHandle;
#[doc(hidden)]
pub use watch::{ActivityWatch, watch_activities};

use self::current_client::CurrentClient;
use self::options::Options;
use self::running::Running;
use self::shutdown::{Phase, Phases};
use crate::activity::ActivityRegistry;
use crate::client::Client;
pub use crate::runtime::WorkflowErrorType;
use crate::runtime::WorkflowRegistry;

/// Polls a task queue, and runs the workflows and activities that are registered with it.
///
/// A worker may be stopped at any time, even killed: what it was doing goes on elsewhere, from the history that the
/// server keeps. Run as many workers of the same task queue as you like, in as many processes.
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
    options: Options,
    phases: Arc<Phases>,
}

impl Worker {
    /// Begins a worker of that task queue, in the client's namespace.
    pub fn builder(client: &Client, task_queue: impl Into<String>) -> WorkerBuilder {
        WorkerBuilder::new(client, task_queue)
    }

    /// What ends this worker from elsewhere.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        ShutdownHandle::new(Arc::clone(&self.phases))
    }

    /// What replaces the client of this worker while it runs.
    pub fn client_handle(&self) -> ClientHandle {
        ClientHandle::new(Arc::clone(&self.client))
    }

    /// Runs until the worker is shut down through its [`shutdown_handle`](Self::shutdown_handle).
    ///
    /// A server that cannot be reached is waited for, for ever. Must be awaited in a tokio runtime. Dropping the
    /// future ends the worker at once, without waiting for what it has in hand.
    ///
    /// # Errors
    /// Returns an error if the namespace is not there, the server cannot be reached at the start, or it refuses polls
    /// (no permission, no such namespace) for a minute.
    pub async fn run(self) -> Result<(), WorkerError> {
        Running::start(self).await?.until(std::future::pending::<()>()).await.map(drop)
    }

    /// Runs until a future is done, then shuts down and gives back what it yielded.
    ///
    /// # Errors
    /// As [`run`](Self::run), and when the worker is shut down before the future is done.
    pub async fn run_until<F: Future>(self, future: F) -> Result<F::Output, WorkerError> {
        let value = Running::start(self).await?.until(future).await?;
        value
            .ok_or_else(|| WorkerError::new("the worker was shut down before the future given to `run_until` was done"))
    }

    /// Returns true if the worker was asked to end.
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
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

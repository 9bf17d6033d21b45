//! Tuners: how many tasks of each kind a worker works on at the same time.

mod resource_based;
mod shared;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::resource_based::{ResourceBasedSlots, ResourceController};
pub(super) use self::shared::SharedSlots;
use crate::into_shared::{IntoShared, into_shared};
use crate::metrics::Meter;

/// Decides how many tasks of each kind a worker works on at the same time (Temporal's worker tuner).
///
/// Each kind has a [`SlotSupplier`]. A kind without one has a fixed number of slots:
/// [`max_concurrent_workflow_tasks`](super::WorkerBuilder::max_concurrent_workflow_tasks) and so on. So a tuner may
/// combine fixed slots, [resource-based](ResourceController) slots and slots of your own.
///
/// ```no_run
/// # use abide::client::Client;
/// # use abide::prelude::*;
/// # use abide::worker::WorkerError;
/// use abide::worker::{ResourceController, WorkerTuner};
///
/// # #[workflow] async fn order(ctx: &WorkflowContext) -> Result<(), WorkflowError> { Ok(()) }
/// # #[activity] async fn resize(image: String) -> Result<(), ActivityError> { Ok(()) }
/// # fn build(client: &Client) -> Result<Worker, WorkerError> {
/// let resources = ResourceController::new(0.8, 0.9);
/// let tuner = WorkerTuner::new().activities(resources.slots().maximum(500));
/// Worker::builder(client, "images").workflow(order).activities(resize).tuner(tuner).build()
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "a tuner does nothing until a worker takes it with `.tuner(..)`"]
pub struct WorkerTuner {
    workflow_tasks: Option<Arc<dyn SlotSupplier>>,
    activities: Option<Arc<dyn SlotSupplier>>,
    local_activities: Option<Arc<dyn SlotSupplier>>,
    nexus_tasks: Option<Arc<dyn SlotSupplier>>,
}

impl WorkerTuner {
    /// Creates a tuner that changes nothing: all kinds have fixed slots.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a tuner whose slots all depend on the use of memory and CPU: 5 to 1000 workflow tasks, and 1 to 10,000
    /// tasks of each other kind, at most one more every 50 ms.
    pub fn resource_based(resources: &ResourceController) -> Self {
        let workflow_tasks = resources.slots().minimum(5).maximum(1000).ramp_throttle(std::time::Duration::ZERO);
        Self::new()
            .workflow_tasks(workflow_tasks)
            .activities(resources.slots())
            .local_activities(resources.slots())
            .nexus_tasks(resources.slots())
    }

    /// Sets the supplier of slots for workflow tasks. It must give at least two slots to a worker with a cache, because
    /// such a worker polls two queues.
    pub fn workflow_tasks(mut self, supplier: impl IntoShared<dyn SlotSupplier>) -> Self {
        self.workflow_tasks = Some(supplier.into_shared());
        self
    }

    /// Sets the supplier of slots for activities.
    pub fn activities(mut self, supplier: impl IntoShared<dyn SlotSupplier>) -> Self {
        self.activities = Some(supplier.into_shared());
        self
    }

    /// Sets the supplier of slots for local activities.
    pub fn local_activities(mut self, supplier: impl IntoShared<dyn SlotSupplier>) -> Self {
        self.local_activities = Some(supplier.into_shared());
        self
    }

    /// Sets the supplier of slots for Nexus tasks.
    pub fn nexus_tasks(mut self, supplier: impl IntoShared<dyn SlotSupplier>) -> Self {
        self.nexus_tasks = Some(supplier.into_shared());
        self
    }

    /// Removes the supplier of that kind.
    pub(super) fn remove(&mut self, kind: SlotKind) {
        match kind {
            SlotKind::WorkflowTask => self.workflow_tasks = None,
            SlotKind::Activity => self.activities = None,
            SlotKind::LocalActivity => self.local_activities = None,
            SlotKind::NexusTask => self.nexus_tasks = None,
        }
    }

    pub(super) fn supplier(&self, kind: SlotKind) -> Option<&Arc<dyn SlotSupplier>> {
        match kind {
            SlotKind::WorkflowTask => self.workflow_tasks.as_ref(),
            SlotKind::Activity => self.activities.as_ref(),
            SlotKind::LocalActivity => self.local_activities.as_ref(),
            SlotKind::NexusTask => self.nexus_tasks.as_ref(),
        }
    }
}

impl fmt::Debug for WorkerTuner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |supplier: &Option<Arc<dyn SlotSupplier>>| match supplier {
            None => "Fixed".to_string(),
            Some(supplier) => supplier.kind().to_string(),
        };
        f.debug_struct("WorkerTuner")
            .field("workflow_tasks", &kind(&self.workflow_tasks))
            .field("activities", &kind(&self.activities))
            .field("local_activities", &kind(&self.local_activities))
            .field("nexus_tasks", &kind(&self.nexus_tasks))
            .finish()
    }
}

/// Gives slots: each is the right to work on one task (Temporal's slot supplier).
///
/// A worker reserves a slot before it polls, so a slot may be held by a poll for a long time. Every slot that was given is
/// [released](Self::release) once. Methods may be called from several threads at the same time. A panic is logged; it does
/// not end the worker.
///
/// This one has as many slots as there are licences:
///
/// ```
/// use abide::interceptor::async_trait;
/// use abide::worker::{SlotRequest, SlotSupplier, SlotTask};
/// use tokio::sync::Semaphore;
///
/// struct Licences(Semaphore);
///
/// #[async_trait]
/// impl SlotSupplier for Licences {
///     async fn reserve(&self, _: &SlotRequest) {
///         self.0.acquire().await.expect("it is never closed").forget();
///     }
///
///     fn try_reserve(&self, _: &SlotRequest) -> bool {
///         self.0.try_acquire().map(|permit| permit.forget()).is_ok()
///     }
///
///     fn release(&self, _: Option<&SlotTask>) {
///         self.0.add_permits(1);
///     }
/// }
///
/// let tuner = abide::worker::WorkerTuner::new().activities(Licences(Semaphore::new(3)));
/// # let _ = tuner;
/// ```
#[async_trait]
pub trait SlotSupplier: Send + Sync + 'static {
    /// Waits until the worker may take one more task. If the future is dropped before it is ready, no slot was given.
    async fn reserve(&self, request: &SlotRequest);

    /// Gives a slot if there is one now, for a task that comes without a poll. Returns true if it was given.
    fn try_reserve(&self, request: &SlotRequest) -> bool;

    /// Called when a slot gets its task. By default, does nothing.
    fn began(&self, task: &SlotTask) {
        let _ = task;
    }

    /// Called when a slot is free again, with the task that it had; `None` if its poll brought none.
    fn release(&self, task: Option<&SlotTask>);

    /// Called when a worker starts with this supplier. The meter has the labels of the worker and of the slots, for gauges
    /// of your own. By default, does nothing.
    fn worker_started(&self, kind: SlotKind, meter: &Meter) {
        let _ = (kind, meter);
    }

    /// Returns the number of slots that could be given now, for the worker's heartbeat; `None` if it is not known, which is
    /// the default.
    fn available(&self) -> Option<usize> {
        None
    }

    /// Returns the name of this kind of supplier, which the worker's heartbeat has. Default: `Custom`.
    fn kind(&self) -> &str {
        "Custom"
    }
}

into_shared!(SlotSupplier);

/// Kind of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlotKind {
    /// Workflow tasks, queries included.
    WorkflowTask,
    /// Attempts of activities.
    Activity,
    /// Attempts of local activities.
    LocalActivity,
    /// Requests of Nexus operations.
    NexusTask,
}

impl SlotKind {
    /// Returns Core's name for it, the metrics' label `worker_type`.
    pub(super) fn worker_type(self) -> &'static str {
        match self {
            Self::WorkflowTask => "WorkflowWorker",
            Self::Activity => "ActivityWorker",
            Self::LocalActivity => "LocalActivityWorker",
            Self::NexusTask => "NexusWorker",
        }
    }
}

/// A request for a slot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SlotRequest {
    /// The kind of slot.
    pub kind: SlotKind,
    /// Number of slots of this kind that the worker holds, polls included.
    pub held: usize,
}

impl SlotRequest {
    /// Creates a request, for tests of a supplier.
    pub fn new(kind: SlotKind, held: usize) -> Self {
        Self { kind, held }
    }
}

/// The task of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotTask {
    /// The kind of slot.
    pub kind: SlotKind,
    /// Name of the workflow type or activity type, or `service/operation` of a Nexus task.
    pub name: String,
}

impl SlotTask {
    /// Creates a task, for tests of a supplier.
    pub fn new(kind: SlotKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

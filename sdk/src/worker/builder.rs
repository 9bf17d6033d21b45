//! Makes workers: what they poll, what they can run, how much at a time.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use super::current_client::CurrentClient;
use super::deployment::{self, DeploymentOptions};
use super::error::WorkerError;
use super::options::Options;
use super::polling::PollerBehavior;
use super::shutdown::Phases;
use crate::activity::{Activities, ActivityRegistry};
use crate::client::{Client, Connection};
use crate::definition::{Workflow, WorkflowDefinition};
use crate::runtime::{WorkflowErrorType, WorkflowRegistry};
use crate::workflow::WorkflowImplementation;

/// Makes a [`Worker`]; [`Worker::builder`] gives one.
///
/// ```no_run
/// use std::time::Duration;
/// use abide::worker::{Worker, WorkerError};
/// # use abide::client::Client;
/// # async fn start(client: &Client, workflow: impl abide::workflow::WorkflowImplementation) -> Result<(), WorkerError> {
/// let worker = Worker::builder(client, "orders")
///     .workflow(workflow)
///     .max_concurrent_activities(20)
///     .graceful_shutdown_timeout(Duration::from_secs(30))
///     .build()?;
/// worker.run().await
/// # }
/// ```
#[must_use = "a builder does nothing until `.build()`"]
pub struct WorkerBuilder<State = NothingRegistered> {
    connection: Connection,
    task_queue: String,
    workflows: WorkflowRegistry,
    activities: ActivityRegistry,
    options: Options,
    state: PhantomData<State>,
}

/// State of a [`WorkerBuilder`] that can run nothing yet.
#[derive(Debug)]
pub struct NothingRegistered;

/// State of a [`WorkerBuilder`] that can run something.
#[derive(Debug)]
pub struct Registered;

/// A state in which a [`WorkerBuilder`] can be built. A worker without anything to run does not compile:
///
/// ```compile_fail,E0277
/// # use abide::client::Client;
/// # use abide::worker::{Worker, WorkerError};
/// # fn forgets_to_register(client: &Client) -> Result<Worker, WorkerError> {
/// Worker::builder(client, "orders").max_cached_workflows(10).build()
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "nothing is registered with this worker",
    label = "this worker could not run anything",
    note = "before `.build()`, register what it runs: `.workflow(process_order)` or `.activities(charge_card)`"
)]
pub trait SomethingRegistered {}

impl SomethingRegistered for Registered {}

impl WorkerBuilder {
    pub(super) fn new(client: &Client, task_queue: impl Into<String>) -> Self {
        Self {
            connection: client.connection().clone(),
            task_queue: task_queue.into(),
            workflows: WorkflowRegistry::default(),
            activities: ActivityRegistry::default(),
            options: Options::default(),
            state: PhantomData,
        }
    }
}

impl<State> WorkerBuilder<State> {
    /// Registers a workflow: a function with `#[workflow]`, or `Type::run` of a struct with `#[workflow]`.
    pub fn workflow<Kind, W>(mut self, workflow: W) -> WorkerBuilder<Registered>
    where
        W: Workflow<Kind>,
        W::Definition: WorkflowImplementation,
    {
        self.workflows.add(workflow);
        self.registered()
    }

    /// Registers activities: a function with `#[activity]`, or a value whose impl block has `#[activities]`.
    pub fn activities<Kind, A: Activities<Kind>>(mut self, activities: A) -> WorkerBuilder<Registered> {
        activities.register(&mut self.activities);
        self.registered()
    }

    /// Lets errors of these kinds fail the workflow, where they would fail its workflow task only: for all workflows of
    /// this worker. Default: none, so that a workflow waits for its code to be mended.
    pub fn workflow_failure_errors(mut self, errors: impl IntoIterator<Item = WorkflowErrorType>) -> Self {
        self.workflows.fail_workflow_on(None, errors);
        self
    }

    /// As [`workflow_failure_errors`](Self::workflow_failure_errors), for one workflow type; errors given for all
    /// workflows count besides.
    pub fn workflow_failure_errors_of<Kind, W: Workflow<Kind>>(
        mut self,
        workflow: W,
        errors: impl IntoIterator<Item = WorkflowErrorType>,
    ) -> Self {
        self.workflows.fail_workflow_on(Some(workflow.definition().name()), errors);
        self
    }

    /// How many idle workflow runs are kept in memory, so that they need not be rebuilt from history; the one that was
    /// not used for the longest time goes first. 0 keeps none. Default: 1000.
    pub fn max_cached_workflows(mut self, runs: usize) -> Self {
        self.options.max_cached_workflows = runs;
        self
    }

    /// How many workflow tasks are in hand at a time, polls included. Default: 100.
    pub fn max_concurrent_workflow_tasks(mut self, tasks: usize) -> Self {
        self.options.max_concurrent_workflow_tasks = tasks;
        self
    }

    /// How many activities run at a time, polls included. Default: 100.
    pub fn max_concurrent_activities(mut self, activities: usize) -> Self {
        self.options.max_concurrent_activities = activities;
        self
    }

    /// How many local activities run at a time; more of them wait. Default: 100.
    pub fn max_concurrent_local_activities(mut self, activities: usize) -> Self {
        self.options.max_concurrent_local_activities = activities;
        self
    }

    /// How many of the activities that one workflow task schedules this worker may start at once, without the way over
    /// the task queue. They take slots of `max_concurrent_activities`, and only such as are free. Default: 3.
    pub fn max_eager_activity_reservations_per_workflow_task(mut self, activities: usize) -> Self {
        self.options.max_eager_activity_reservations_per_workflow_task = activities;
        self
    }

    /// Sends all activities over the task queue, so that any worker may get them. Default: some are started at
    /// once, see [`max_eager_activity_reservations_per_workflow_task`](Self::max_eager_activity_reservations_per_workflow_task).
    pub fn disable_eager_activity_execution(mut self) -> Self {
        self.options.disable_eager_activity_execution = true;
        self
    }

    /// How many polls for workflow tasks are open at a time: always as many, or as the server suggests. Never more than
    /// `max_concurrent_workflow_tasks`. Default: a simple maximum of 5; [`PollerBehavior::autoscaling`] if the namespace
    /// wants that by default (`poller_autoscaling_auto_enroll`).
    pub fn workflow_task_poller_behavior(mut self, behavior: PollerBehavior) -> Self {
        self.options.workflow_task_pollers = Some(behavior);
        self
    }

    /// As [`workflow_task_poller_behavior`](Self::workflow_task_poller_behavior), for activities; never more than
    /// `max_concurrent_activities`.
    pub fn activity_task_poller_behavior(mut self, behavior: PollerBehavior) -> Self {
        self.options.activity_task_pollers = Some(behavior);
        self
    }

    /// Which part of the workflow task pollers looks for runs that are not cached here, above 0 and up to 1. For a simple
    /// maximum of pollers. Default: 0.2.
    pub fn nonsticky_to_sticky_poll_ratio(mut self, ratio: f64) -> Self {
        self.options.nonsticky_to_sticky_poll_ratio = ratio;
        self
    }

    /// How long the task of a cached run waits for this worker, before any worker may take it. Default: 10 s.
    pub fn sticky_queue_schedule_to_start_timeout(mut self, timeout: Duration) -> Self {
        self.options.sticky_queue_schedule_to_start_timeout = timeout;
        self
    }

    /// How long activities may go on after [`ShutdownHandle::shutdown`](super::ShutdownHandle::shutdown), before
    /// they are told to stop. Those that do not stop within 10 s after that are dropped and fail. Default: 0.
    pub fn graceful_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.options.graceful_shutdown_timeout = timeout;
        self
    }

    /// Longest time between two heartbeats that are sent to the server. Default: 60 s.
    pub fn max_heartbeat_throttle_interval(mut self, interval: Duration) -> Self {
        self.options.max_heartbeat_throttle_interval = interval;
        self
    }

    /// Time between two heartbeats that are sent for an activity without a heartbeat timeout; with one, it is 0.8 of
    /// that. Default: 30 s.
    pub fn default_heartbeat_throttle_interval(mut self, interval: Duration) -> Self {
        self.options.default_heartbeat_throttle_interval = interval;
        self
    }

    /// Time between two heartbeats of the worker itself, which tell the server what it polls, what it has in hand and
    /// how it fares. Not sent where the namespace does not take them. Default: 60 s.
    pub fn worker_heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.worker_heartbeat_interval = Some(interval);
        self
    }

    /// Sends no heartbeats of the worker itself. Default: they are sent.
    pub fn disable_worker_heartbeats(mut self) -> Self {
        self.options.worker_heartbeat_interval = None;
        self
    }

    /// How many activities this worker begins per second at most; above 0. Default: no limit.
    pub fn max_activities_per_second(mut self, rate: f64) -> Self {
        self.options.max_activities_per_second = Some(rate);
        self
    }

    /// How many activities per second the server hands out from the task queue at most, to all its workers together;
    /// above 0. The server keeps what it was told last, by whichever worker polled. This worker then starts no activity
    /// eagerly. Default: no limit.
    pub fn max_task_queue_activities_per_second(mut self, rate: f64) -> Self {
        self.options.max_task_queue_activities_per_second = Some(rate);
        self
    }

    /// How long workflow code may go on without yielding, before its task fails. Default: 2 s.
    pub fn deadlock_detection_timeout(mut self, timeout: Duration) -> Self {
        self.options.deadlock_detection_timeout = timeout;
        self
    }

    /// Turns deadlock detection off, to step through workflow code with a debugger. Default: it is on.
    pub fn debug_mode(mut self) -> Self {
        self.options.debug_mode = true;
        self
    }

    /// Sends payloads above the namespace's limit all the same: what then happens is up to the server, which by default
    /// ends the workflow. Default: the workflow task or the activity attempt fails, and is tried again.
    pub fn disable_payload_error_limit(mut self) -> Self {
        self.options.disable_payload_error_limit = true;
        self
    }

    /// How many threads run workflow code. Default: the parallelism that the system makes available.
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.options.worker_threads = threads;
        self
    }

    /// Who the worker is, as histories show it. Default: the client's identity, `pid@host`.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.options.identity = Some(identity.into());
        self
    }

    /// Which build of the code runs, as histories show it. With a [`deployment`](Self::deployment) its build id counts.
    ///
    /// Default: the id that the linker wrote into the executable (on Linux what `readelf -n` shows as its build ID, on
    /// macOS its UUID), or a checksum where it wrote none; `in-process` on the embedded server in this process.
    pub fn build_id(mut self, build_id: impl Into<String>) -> Self {
        self.options.build_id = Some(build_id.into());
        self
    }

    /// As which version of which program the worker takes tasks. Default: none, and no worker versioning.
    pub fn deployment(mut self, deployment: DeploymentOptions) -> Self {
        self.options.deployment = Some(deployment);
        self
    }

    /// Returns true if [`deployment`](Self::deployment) was called. Test environments set their own otherwise.
    #[doc(hidden)]
    pub fn has_deployment(&self) -> bool {
        self.options.deployment.is_some()
    }

    /// Makes the worker. It polls once [`Worker::run`] is awaited.
    ///
    /// # Errors
    /// Returns an error if a name is registered twice, an option means nothing, or a workflow type and the worker do
    /// not agree about worker versioning.
    pub fn build(self) -> Result<Worker, WorkerError>
    where
        State: SomethingRegistered,
    {
        if self.task_queue.is_empty() {
            return Err(WorkerError::new("the task queue has no name: expected the one that workflows are started on"));
        }
        check_duplicates("workflow", self.workflows.duplicates())?;
        check_duplicates("activity", self.activities.duplicates())?;
        self.options.check()?;
        deployment::check(self.options.deployment.as_ref(), &self.workflows)?;
        if self.workflows.names().next().is_none() && self.activities.names().next().is_none() {
            return Err(WorkerError::new(
                "nothing is registered with this worker: the values given to `.activities(..)` have no activity",
            ));
        }
        Ok(Worker {
            client: Arc::new(CurrentClient::new(self.connection)),
            task_queue: self.task_queue,
            workflows: self.workflows,
            activities: self.activities,
            options: self.options,
            phases: Arc::new(Phases::new()),
        })
    }

    fn registered(self) -> WorkerBuilder<Registered> {
        WorkerBuilder {
            connection: self.connection,
            task_queue: self.task_queue,
            workflows: self.workflows,
            activities: self.activities,
            options: self.options,
            state: PhantomData,
        }
    }
}

impl<State> std::fmt::Debug for WorkerBuilder<State> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("task_queue", &self.task_queue)
            .field("workflows", &self.workflows)
            .field("activities", &self.activities)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

fn check_duplicates<'a>(kind: &str, mut duplicates: impl Iterator<Item = &'a str>) -> Result<(), WorkerError> {
    match duplicates.next() {
        None => Ok(()),
        Some(name) => Err(WorkerError::new(format!(
            "the {kind} `{name}` is registered twice: remove one, or give one of them another name with `name = \"..\"` \
             in its attribute"
        ))),
    }
}

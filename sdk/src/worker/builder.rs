//! The worker builder: task queue, registered workflows and activities, limits and timeouts.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use super::activity_tasks::ActivityLimits;
use super::current_client::CurrentClient;
use super::deployment::{self, DeploymentOptions};
use super::error::WorkerError;
use super::options::Options;
use super::own_queue::{self, Configure};
use super::polling::PollerBehavior;
use super::profiles::{DEBUG_VARIABLE, turns_debug_on};
use super::shutdown::Phases;
use super::task_queues::FurtherQueue;
use super::tuner::{SlotKind, WorkerTuner};
use crate::activity::{Activities, ActivityRegistry};
use crate::client::{Client, Connection};
use crate::definition::{Activity, ActivityDefinition as _, Workflow, WorkflowDefinition};
use crate::interceptor::activity::ActivityInterceptor;
use crate::interceptor::nexus::NexusInterceptor;
use crate::interceptor::workflow::WorkflowInterceptor;
use crate::into_shared::IntoShared;
use crate::nexus::{NexusHandlers, NexusRegistry};
use crate::plugin::{Plugin, Plugins};
use crate::runtime::{WorkflowErrorType, WorkflowRegistry};
use crate::workflow::WorkflowImplementation;

/// Builds a [`Worker`]. Created by [`Worker::builder`].
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
    pub(super) task_queue: String,
    pub(super) workflows: WorkflowRegistry,
    pub(super) activities: ActivityRegistry,
    activity_interceptors: Vec<Arc<dyn ActivityInterceptor>>,
    pub(super) nexus: NexusRegistry,
    plugins: Plugins,
    pub(super) options: Options,
    /// The configurations of the second worker; more than one is refused.
    pub(super) own_queues: Vec<Configure>,
    pub(super) further_queues: Vec<FurtherQueue>,
    state: PhantomData<State>,
}

/// State of a [`WorkerBuilder`] with nothing registered yet.
#[derive(Debug)]
pub struct NothingRegistered;

/// State of a [`WorkerBuilder`] with at least one workflow, activity or Nexus handler registered.
#[derive(Debug)]
pub struct Registered;

/// A state in which a [`WorkerBuilder`] can build its worker. A program that registers nothing does not compile:
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
    label = "this worker has nothing to run",
    note = "before `.build()`, register what it runs: `.workflow(process_order)`, `.activities(charge_card)` or \
            `.nexus_handlers(bank)`"
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
            activity_interceptors: Vec::new(),
            nexus: NexusRegistry::default(),
            plugins: client.connection().plugins().clone(),
            options: Options::default(),
            own_queues: Vec::new(),
            further_queues: Vec::new(),
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

    /// Runs an interceptor around all workflows of this worker. The first that is added is the outermost. Replay
    /// histories with the same interceptors. Default: none.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # use abide::worker::WorkerError;
    /// use abide::interceptor::{StartTimerInput, WorkflowInterceptor, async_trait};
    ///
    /// /// Says in each timer who started it.
    /// struct Labels;
    ///
    /// #[async_trait(?Send)]
    /// impl WorkflowInterceptor for Labels {
    ///     fn start_timer(&self, ctx: &WorkflowContext, input: &mut StartTimerInput) {
    ///         input.summary.get_or_insert_with(|| ctx.info().workflow_type.clone());
    ///     }
    /// }
    ///
    /// # #[workflow] async fn remind(ctx: &WorkflowContext) -> Result<(), WorkflowError> { Ok(ctx.timer(days(1)).await?) }
    /// # async fn start(client: &Client) -> Result<(), WorkerError> {
    /// Worker::builder(client, "reminders").workflow(remind).workflow_interceptor(Labels).build()?.run().await
    /// # }
    /// # fn main() {}
    /// ```
    pub fn workflow_interceptor(mut self, interceptor: impl IntoShared<dyn WorkflowInterceptor>) -> Self {
        self.workflows.add_interceptor(interceptor);
        self
    }

    /// Registers activities: a function with `#[activity]`, or a value whose impl block has `#[activities]`.
    pub fn activities<Kind, A: Activities<Kind>>(mut self, activities: A) -> WorkerBuilder<Registered> {
        activities.register(&mut self.activities);
        self.registered()
    }

    /// Adds an interceptor of this worker's activities, local ones included. The first one is the outermost. Default:
    /// none.
    pub fn activity_interceptor(mut self, interceptor: impl IntoShared<dyn ActivityInterceptor>) -> Self {
        self.activity_interceptors.push(interceptor.into_shared());
        self
    }

    /// Registers the handlers of a Nexus service: a value whose impl block has
    /// [`nexus_handlers`](macro@crate::nexus_handlers).
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # use abide::worker::WorkerError;
    /// use abide::{NexusContext, NexusError};
    ///
    /// #[abide::nexus_service]
    /// pub trait Payments {
    ///     fn charge(cents: u64) -> String;
    /// }
    ///
    /// struct Bank;
    ///
    /// #[abide::nexus_handlers(implements = Payments)]
    /// impl Bank {
    ///     #[nexus_operation]
    ///     async fn charge(&self, cents: u64) -> Result<String, NexusError> {
    ///         Ok(format!("{cents} cents"))
    ///     }
    /// }
    ///
    /// # async fn start(client: &Client) -> Result<(), WorkerError> {
    /// // An endpoint of the server leads to this task queue.
    /// Worker::builder(client, "payments").nexus_handlers(Bank).build()?.run().await
    /// # }
    /// # fn main() {}
    /// ```
    pub fn nexus_handlers(mut self, handlers: impl NexusHandlers) -> WorkerBuilder<Registered> {
        handlers.register(&mut self.nexus);
        self.registered()
    }

    /// Adds an interceptor of this worker's Nexus handlers. The first one is the outermost. Default: none.
    pub fn nexus_interceptor(mut self, interceptor: impl IntoShared<dyn NexusInterceptor>) -> Self {
        self.nexus.add_interceptor(interceptor);
        self
    }

    /// Adds a plugin, as a value or as an `Arc`. It configures this worker when it is built, after the plugins of the
    /// client. A plugin that the client has, too, is applied once. Two plugins must not have the same name. Default:
    /// those of the [client](crate::ClientOptions::plugin).
    pub fn plugin(mut self, plugin: impl IntoShared<dyn Plugin>) -> WorkerBuilder<Registered> {
        self.plugins.add(plugin.into_shared());
        self.registered()
    }

    /// Returns the plugins that will configure this worker. Test environments replay with them.
    #[doc(hidden)]
    pub fn plugins(&self) -> Vec<Arc<dyn Plugin>> {
        self.plugins.iter().cloned().collect()
    }

    /// Makes the program serve a queue that no other worker has, too (Temporal's worker-specific task queue), for
    /// activities that must run on the same host: see
    /// [`WorkflowContext::on_one_worker`](crate::WorkflowContext::on_one_worker).
    ///
    /// `configure` gets the builder of a second worker and registers its activities. That worker has the options of this
    /// one, except for its deployment, unless `configure` changes them. The two run and shut down together. This worker
    /// answers the activity [`OWN_QUEUE`](crate::workflow::OWN_QUEUE) with the name of the queue. While as many
    /// activities are running on the queue as [`max_concurrent_activities`](Self::max_concurrent_activities) allows,
    /// it leaves that activity to other workers.
    ///
    /// Each worker that is built has a queue with a new name, so a program that was restarted is another worker.
    /// Default: no such queue.
    ///
    /// ```no_run
    /// # use abide::prelude::*;
    /// # use abide::worker::WorkerError;
    /// # #[workflow] async fn process_file(ctx: &WorkflowContext, url: String) -> Result<(), WorkflowError> { Ok(()) }
    /// # struct Disk;
    /// # #[activities] impl Disk { #[activity] async fn read(&self) -> Result<(), ActivityError> { Ok(()) } }
    /// # async fn start(client: &Client, disk: Disk) -> Result<(), WorkerError> {
    /// Worker::builder(client, "files")
    ///     .workflow(process_file)
    ///     .own_queue(|own| own.activities(disk).max_concurrent_activities(5))
    ///     .graceful_shutdown_timeout(secs(30))
    ///     .build()?
    ///     .run()
    ///     .await
    /// # }
    /// # fn main() {}
    /// ```
    pub fn own_queue(
        mut self,
        configure: impl FnOnce(WorkerBuilder) -> WorkerBuilder<Registered> + Send + 'static,
    ) -> WorkerBuilder<Registered> {
        self.own_queues.push(Box::new(configure));
        self.registered()
    }

    /// Makes errors of these kinds fail the workflow instead of only its workflow task. Applies to all workflows of
    /// this worker. Default: none, so a workflow waits until its code is fixed.
    pub fn workflow_failure_errors(mut self, errors: impl IntoIterator<Item = WorkflowErrorType>) -> Self {
        self.workflows.fail_workflow_on(None, errors);
        self
    }

    /// Like [`workflow_failure_errors`](Self::workflow_failure_errors), for one workflow type, in addition to the
    /// errors given for all workflows.
    pub fn workflow_failure_errors_of<Kind, W: Workflow<Kind>>(
        mut self,
        workflow: W,
        errors: impl IntoIterator<Item = WorkflowErrorType>,
    ) -> Self {
        self.workflows.fail_workflow_on(Some(workflow.definition().name()), errors);
        self
    }

    /// Maximum number of idle workflow runs in the cache. The worker need not rebuild a cached run from its history. It
    /// evicts the least recently used run first. 0 disables the cache. Default: 1000.
    pub fn max_cached_workflows(mut self, runs: usize) -> Self {
        self.options.max_cached_workflows = runs;
        self
    }

    /// Sets who decides how many tasks of each kind the worker works on at the same time. Kinds without a
    /// [`SlotSupplier`](super::SlotSupplier) have the fixed numbers of `max_concurrent_..`. Default: all kinds.
    pub fn tuner(mut self, tuner: WorkerTuner) -> Self {
        self.options.tuner = tuner;
        self
    }

    /// Maximum concurrent workflow tasks, polls included. Default: 100.
    pub fn max_concurrent_workflow_tasks(mut self, tasks: usize) -> Self {
        self.options.max_concurrent_workflow_tasks = tasks;
        self.options.shared_slots.remove(SlotKind::WorkflowTask);
        self
    }

    /// Maximum concurrent activities, polls included. Default: 100.
    pub fn max_concurrent_activities(mut self, activities: usize) -> Self {
        self.options.max_concurrent_activities = activities;
        self.options.shared_slots.remove(SlotKind::Activity);
        self
    }

    /// Maximum concurrent local activities. Further ones wait. Default: 100.
    pub fn max_concurrent_local_activities(mut self, activities: usize) -> Self {
        self.options.max_concurrent_local_activities = activities;
        self.options.shared_slots.remove(SlotKind::LocalActivity);
        self
    }

    /// Maximum concurrent Nexus requests, polls included. Default: 100.
    pub fn max_concurrent_nexus_tasks(mut self, tasks: usize) -> Self {
        self.options.max_concurrent_nexus_tasks = tasks;
        self.options.shared_slots.remove(SlotKind::NexusTask);
        self
    }

    /// Maximum eager activities per workflow task. The worker starts an eager activity at once, without going through
    /// the task queue. They use only free slots of `max_concurrent_activities`. Default: 3.
    pub fn max_eager_activity_reservations_per_workflow_task(mut self, activities: usize) -> Self {
        self.options.max_eager_activity_reservations_per_workflow_task = activities;
        self
    }

    /// Disables eager activities. All activities then go through the task queue, so that any worker can run them.
    /// Default: enabled, see
    /// [`max_eager_activity_reservations_per_workflow_task`](Self::max_eager_activity_reservations_per_workflow_task).
    pub fn disable_eager_activity_execution(mut self) -> Self {
        self.options.disable_eager_activity_execution = true;
        self
    }

    /// Number of open polls for workflow tasks. It is fixed, or follows the server's suggestions. It never exceeds
    /// `max_concurrent_workflow_tasks`. Default: a simple maximum of 5, or [`PollerBehavior::autoscaling`] if the
    /// namespace enables it by default (`poller_autoscaling_auto_enroll`).
    pub fn workflow_task_poller_behavior(mut self, behavior: PollerBehavior) -> Self {
        self.options.workflow_task_pollers = Some(behavior);
        self
    }

    /// Like [`workflow_task_poller_behavior`](Self::workflow_task_poller_behavior), for activities. The number never
    /// exceeds `max_concurrent_activities`.
    pub fn activity_task_poller_behavior(mut self, behavior: PollerBehavior) -> Self {
        self.options.activity_task_pollers = Some(behavior);
        self
    }

    /// Like [`workflow_task_poller_behavior`](Self::workflow_task_poller_behavior), for Nexus requests. The number never
    /// exceeds `max_concurrent_nexus_tasks`.
    pub fn nexus_task_poller_behavior(mut self, behavior: PollerBehavior) -> Self {
        self.options.nexus_task_pollers = Some(behavior);
        self
    }

    /// Share of the workflow task pollers that poll the normal queue, for runs not cached here: above 0, at most 1.
    /// Applies to a simple maximum of pollers. Default: 0.2.
    pub fn nonsticky_to_sticky_poll_ratio(mut self, ratio: f64) -> Self {
        self.options.nonsticky_to_sticky_poll_ratio = ratio;
        self
    }

    /// Time that a cached run's task waits for this worker before any worker may take it: more than zero. Default: 10 s.
    pub fn sticky_queue_schedule_to_start_timeout(mut self, timeout: Duration) -> Self {
        self.options.sticky_queue_schedule_to_start_timeout = timeout;
        self
    }

    /// Time that activities and Nexus handlers may continue after
    /// [`ShutdownHandle::shutdown`](super::ShutdownHandle::shutdown) before they are cancelled. An activity that has not
    /// stopped 10 s after that is dropped, and its attempt fails. A handler is dropped, too, and the server repeats the
    /// request. Default: 0.
    pub fn graceful_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.options.graceful_shutdown_timeout = timeout;
        self
    }

    /// Maximum time between two heartbeats sent to the server. Default: 60 s.
    pub fn max_heartbeat_throttle_interval(mut self, interval: Duration) -> Self {
        self.options.max_heartbeat_throttle_interval = interval;
        self
    }

    /// Time between two heartbeats sent for an activity without a heartbeat timeout. With a heartbeat timeout, the
    /// interval is 80 % of it. Default: 30 s.
    pub fn default_heartbeat_throttle_interval(mut self, interval: Duration) -> Self {
        self.options.default_heartbeat_throttle_interval = interval;
        self
    }

    /// Interval of the worker's own heartbeats, which report its pollers, slots and status. The worker does not send
    /// them if the namespace does not support them. Default: 60 s.
    pub fn worker_heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.worker_heartbeat_interval = Some(interval);
        self
    }

    /// Disables the worker's own heartbeats. Default: enabled.
    pub fn disable_worker_heartbeats(mut self) -> Self {
        self.options.worker_heartbeat_interval = None;
        self
    }

    /// Maximum activities that this worker starts per second; above 0. Default: no limit.
    pub fn max_activities_per_second(mut self, rate: f64) -> Self {
        self.options.max_activities_per_second = Some(rate);
        self
    }

    /// Maximum local activities that this worker starts per second; above 0. Attempts beyond it wait, and their timeouts
    /// run. Default: no limit.
    pub fn max_local_activities_per_second(mut self, rate: f64) -> Self {
        self.options.max_local_activities_per_second = Some(rate);
        self
    }

    /// Limits one type of activity on this worker, beside the limits of all. Local activities are not limited. Default: no
    /// limits.
    ///
    /// ```no_run
    /// # use abide::client::Client;
    /// # use abide::prelude::*;
    /// # use abide::worker::WorkerError;
    /// use abide::worker::ActivityLimits;
    ///
    /// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// # fn build(client: &Client) -> Result<Worker, WorkerError> {
    /// let limits = ActivityLimits::new().max_concurrent(2).max_per_second(10.0);
    /// Worker::builder(client, "payments").activities(charge).activity_limits(charge, limits).build()
    /// # }
    /// ```
    pub fn activity_limits<Kind, A: Activity<Kind>>(mut self, activity: A, limits: ActivityLimits) -> Self {
        self.options.activity_limits.insert(activity.definition().name().into_owned(), limits);
        self
    }

    /// Maximum activities per second that the server dispatches from the task queue, for all its workers together;
    /// above 0. The server uses the value of the most recent poll, whichever worker sent it. Setting it disables eager
    /// activities on this worker. Default: no limit.
    pub fn max_task_queue_activities_per_second(mut self, rate: f64) -> Self {
        self.options.max_task_queue_activities_per_second = Some(rate);
        self
    }

    /// Time that workflow code may run without yielding before its task fails. Default: 2 s.
    pub fn deadlock_detection_timeout(mut self, timeout: Duration) -> Self {
        self.options.deadlock_detection_timeout = timeout;
        self
    }

    /// Disables deadlock detection, to step through workflow code in a debugger. The environment variable
    /// `TEMPORAL_DEBUG` does the same if it is not empty. Default: enabled.
    pub fn debug_mode(mut self) -> Self {
        self.options.debug_mode = true;
        self
    }

    /// Polls no activity tasks: the activities of this worker run only as local activities. Activities that its workflows
    /// schedule are left to other workers of the task queue. Default: polled if an activity is registered.
    pub fn no_remote_activities(mut self) -> Self {
        self.options.no_remote_activities = true;
        self
    }

    /// Sends payloads above the namespace's size limit instead of failing the task. The server then decides. By default
    /// it terminates the workflow. Default: the workflow task or the activity attempt fails and is retried.
    pub fn disable_payload_error_limit(mut self) -> Self {
        self.options.disable_payload_error_limit = true;
        self
    }

    /// Number of threads that run workflow code. Default: the available parallelism.
    pub fn worker_threads(mut self, threads: usize) -> Self {
        self.options.worker_threads = threads;
        self
    }

    /// Identity of the worker, as shown in histories. Default: the client's identity, `pid@host`.
    pub fn identity(mut self, identity: impl Into<String>) -> Self {
        self.options.identity = Some(identity.into());
        self
    }

    /// Identifier of the worker's code, as shown in histories. A [`deployment`](Self::deployment)'s build id takes
    /// precedence.
    ///
    /// Default: the id that the linker wrote into the executable (on Linux the build ID that `readelf -n` shows, on
    /// macOS the UUID), or a checksum if there is none; `in-process` on the embedded server in this process.
    pub fn build_id(mut self, build_id: impl Into<String>) -> Self {
        self.options.build_id = Some(build_id.into());
        self
    }

    /// Deployment version under which the worker takes tasks. Default: none, which disables worker versioning.
    pub fn deployment(mut self, deployment: DeploymentOptions) -> Self {
        self.options.deployment = Some(deployment);
        self
    }

    /// Returns true if [`deployment`](Self::deployment) was called. If not, test environments set their own.
    #[doc(hidden)]
    pub fn has_deployment(&self) -> bool {
        self.options.deployment.is_some()
    }

    /// Builds the worker. It starts polling when [`Worker::run`] is awaited.
    ///
    /// # Errors
    /// Returns an error if a name is registered twice or reserved by Temporal, an option has an invalid value or names an
    /// unregistered workflow, the worker versioning of a workflow type does not fit that of the worker, its
    /// [own queue](Self::own_queue) has workflows, or two plugins have the same name.
    pub fn build(self) -> Result<Worker, WorkerError>
    where
        State: SomethingRegistered,
    {
        self.registered().with_plugins()?.build_configured()
    }

    pub(super) fn registered(self) -> WorkerBuilder<Registered> {
        WorkerBuilder {
            connection: self.connection,
            task_queue: self.task_queue,
            workflows: self.workflows,
            activities: self.activities,
            activity_interceptors: self.activity_interceptors,
            nexus: self.nexus,
            plugins: self.plugins,
            options: self.options,
            own_queues: self.own_queues,
            further_queues: self.further_queues,
            state: PhantomData,
        }
    }
}

impl WorkerBuilder<Registered> {
    /// Lets the plugins configure the worker.
    fn with_plugins(mut self) -> Result<Self, WorkerError> {
        let mut plugins = std::mem::take(&mut self.plugins);
        let mut applied = 0;
        loop {
            let of = format!("the worker of task queue `{}`", self.task_queue);
            plugins.check(&of).map_err(WorkerError::new)?;
            let Some(plugin) = plugins.at(applied) else { break };
            self = plugin.configure_worker(self);
            // A plugin may add others.
            plugins.extend(std::mem::take(&mut self.plugins));
            applied += 1;
        }
        self.options.plugins.extend(plugins.names().map(str::to_owned));
        Ok(self)
    }

    fn build_configured(mut self) -> Result<Worker, WorkerError> {
        if self.task_queue.is_empty() {
            return Err(WorkerError::new(
                "the task queue has no name: expected the name of the task queue on which workflows are started",
            ));
        }
        if self.task_queue.starts_with("__temporal_") {
            return Err(WorkerError::new(format!(
                "the name of the task queue `{}` begins with `__temporal_`, which Temporal reserves: choose another name",
                self.task_queue
            )));
        }
        self.options.debug_mode |= turns_debug_on(std::env::var_os(DEBUG_VARIABLE).as_deref());
        // Before the activity of the own queue is added, which is Abide's.
        self.activities = self.activities.intercepted(&self.activity_interceptors);
        let client = Arc::new(CurrentClient::new(self.connection.clone()));
        let mut others = Vec::new();
        if self.options.no_remote_activities && !self.own_queues.is_empty() {
            return Err(WorkerError::new(
                "`own_queue` and `no_remote_activities` are both set: the activity that tells the name of the own queue has \
                 to be polled; remove one of them",
            ));
        }
        if let Some(configure) = own_queue::only(std::mem::take(&mut self.own_queues))? {
            others.push(self.build_own(configure, &client)?);
        }
        others.extend(self.build_further(&client)?);
        check_duplicates("workflow", self.workflows.duplicates())?;
        check_duplicates("activity", self.activities.duplicates())?;
        if let Some(name) = self.nexus.duplicates().next() {
            return Err(WorkerError::new(format!(
                "the Nexus operation `{name}` is registered twice: a worker serves a service with one value; remove the \
                 other, or give its contract another name with `#[nexus_service(name = \"..\")]`"
            )));
        }
        self.options.check()?;
        deployment::check(self.options.deployment.as_ref(), &self.workflows)?;
        if let Some(name) = self.workflows.failure_errors_of_unknown() {
            return Err(WorkerError::new(format!(
                "`workflow_failure_errors_of` names the workflow `{name}`, which is not registered with this worker: add \
                 it with `.workflow({name})`, or remove the option"
            )));
        }
        if self.options.no_remote_activities && self.workflows.is_empty() && !self.activities.is_empty() {
            return Err(WorkerError::new(
                "`no_remote_activities` is set, and no workflow is registered that could run the activities of this worker \
                 as local ones: register the workflow, or remove the option",
            ));
        }
        if self.workflows.is_empty() && self.activities.is_empty() && self.nexus.is_empty() {
            return Err(WorkerError::new(
                "nothing is registered with this worker: neither the values given to `.activities(..)` nor the plugins \
                 have a workflow, an activity or a Nexus operation",
            ));
        }
        Ok(Worker {
            client,
            task_queue: self.task_queue,
            workflows: self.workflows,
            activities: self.activities,
            nexus: self.nexus,
            options: self.options,
            phases: Arc::new(Phases::new()),
            others,
        })
    }

    /// Returns the builder of another task queue of this worker, with its interceptors and options, and nothing registered.
    pub(super) fn of_same_worker(&self, task_queue: String) -> WorkerBuilder {
        WorkerBuilder {
            connection: self.connection.clone(),
            task_queue,
            workflows: self.workflows.without_workflows(),
            activities: ActivityRegistry::default(),
            activity_interceptors: self.activity_interceptors.clone(),
            nexus: self.nexus.without_operations(),
            // They have set the interceptors and options that the queue inherits.
            plugins: Plugins::default(),
            options: self.options.clone(),
            own_queues: Vec::new(),
            further_queues: Vec::new(),
            state: PhantomData,
        }
    }

    /// Builds the worker of the own queue, and registers the activity that tells the queue's name.
    fn build_own(&mut self, configure: Configure, client: &Arc<CurrentClient>) -> Result<Worker, WorkerError> {
        let identity = self.options.identity.clone().unwrap_or_else(|| self.connection.identity().to_string());
        let mut builder = self.of_same_worker(own_queue::name(&self.task_queue, &identity));
        builder.options = own_queue::options(&self.options);
        let mut own = configure(builder);
        own_queue::check(&own)?;
        own_queue::connect(&own.task_queue, &own.options, &mut own.activities, &mut self.activities);
        let mut own = own.build()?;
        // So that `Worker::client_handle` replaces the client of both.
        own.client = Arc::clone(client);
        Ok(own)
    }
}

impl<State> std::fmt::Debug for WorkerBuilder<State> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("task_queue", &self.task_queue)
            .field("workflows", &self.workflows)
            .field("activities", &self.activities)
            .field("nexus", &self.nexus)
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

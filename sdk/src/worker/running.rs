//! A worker from start to end: checks the namespace, starts pollers, and shuts down in order.

use std::future::Future;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::enums::v1::{TaskQueueType, WorkerStatus};
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeNamespaceRequest, DescribeNamespaceResponse, ShutdownWorkerRequest,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::activity_tasks::cancel_commands;
use super::activity_tasks::{ActivityTaskSource, ActivityWorker, BlockingThreads};
use super::context::WorkerContext;
use super::error::WorkerError;
use super::limits::Limits;
use super::metrics::WorkerMetrics;
use super::nexus_tasks::{NexusTaskSource, NexusWorker};
use super::polling::{
    Outage, PollKind, PollerBehavior, Pollers, Polls, Slots, TaskSource, WantedPolls, poller_panicked,
};
use super::shutdown::{Phase, Phases};
use super::watch::watched;
use super::worker_heartbeat::{Before, WorkerHeartbeats};
use super::workflow_tasks::{WorkflowTaskSource, WorkflowWorker};
use super::{Worker, build_id};
use crate::client::eager::EagerWorker;
use crate::client::worker_commands::CommandedWorker;
use crate::nexus::NexusRegistry;

/// Maximum time for the server to end the polls of a worker that shuts down.
const POLLS_END: Duration = Duration::from_secs(5);
/// Time that the last polls may still bring a task before they are cut. Each task restarts it, up to `POLLS_END` in
/// all.
const LAST_TASKS: Duration = Duration::from_secs(1);
/// The same for cached runs, whose polls continue in the meantime: tasks waiting in their queue come at once.
const LAST_STICKY_TASKS: Duration = Duration::from_millis(250);
/// Maximum time for the polls for cached runs to end after the server was told to send these tasks elsewhere.
const STICKY_POLLS_END: Duration = Duration::from_millis(500);
/// Maximum time for open workflow tasks at the end: the server's default workflow task timeout.
const WORKFLOW_TASKS_END: Duration = Duration::from_secs(10);
/// Maximum time for cancelled activities to stop.
const ACTIVITIES_END: Duration = Duration::from_secs(10);
/// Maximum time to report the activities that were dropped.
const REPORTS_END: Duration = Duration::from_secs(5);

/// A worker that is polling.
pub(super) struct RunningWorker {
    shared: Arc<WorkerContext>,
    workflows: Option<Arc<WorkflowWorker>>,
    activities: Option<Arc<ActivityWorker>>,
    nexus: Option<Arc<NexusWorker>>,
    pollers: JoinSet<Result<(), WorkerError>>,
    watchdog: JoinSet<()>,
    polls: Arc<Polls>,
    heartbeats: Option<Arc<WorkerHeartbeats>>,
    _guard: Guard,
}

/// Ends detached tasks when the worker's future is dropped.
struct Guard(Arc<Phases>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.advance(Phase::Aborting);
    }
}

impl RunningWorker {
    /// Checks that the namespace exists, and starts polling.
    ///
    /// # Errors
    /// Returns an error if the namespace does not exist, the server cannot be reached, or a thread cannot be started.
    pub(super) async fn start(mut worker: Worker) -> Result<Self, WorkerError> {
        worker.activities = watched(&worker.client.now(), worker.activities);
        let guard = Guard(Arc::clone(&worker.phases));
        let namespace = worker.client.namespace().to_string();
        let request = DescribeNamespaceRequest { namespace: namespace.clone(), ..Default::default() };
        let described = worker.client.call(request).await.map_err(|error| {
            let queue = &worker.task_queue;
            let text = format!("the worker of task queue `{queue}` cannot start in namespace `{namespace}`");
            WorkerError::from_rpc(text, error)
        })?;
        let shared = Arc::new(shared(&worker, described));
        shared.metrics.worker_started();
        let polls = Arc::new(Polls::new(shared.metrics.polls()));
        let mut this = Self {
            shared,
            workflows: None,
            activities: None,
            nexus: None,
            pollers: JoinSet::new(),
            watchdog: JoinSet::new(),
            polls,
            heartbeats: None,
            _guard: guard,
        };
        let outage = Arc::new(Outage::default());
        this.start_nexus(std::mem::take(&mut worker.nexus), &outage);
        if !worker.workflows.is_empty() {
            this.start_workflows(worker, &outage)?;
        } else {
            this.start_activities(worker, &outage);
        }
        this.start_heartbeats();
        tracing::info!(
            namespace,
            task_queue = this.shared.task_queue,
            identity = this.shared.identity,
            build_id = this.shared.build_id,
            "the worker has started"
        );
        Ok(this)
    }

    fn start_workflows(&mut self, worker: Worker, outage: &Arc<Outage>) -> Result<(), WorkerError> {
        let (registry, activities) = (worker.workflows.clone(), worker.activities.clone());
        let workflows = WorkflowWorker::start(Arc::clone(&self.shared), registry, activities)?;
        let pollers = self.shared.options.workflow_pollers();
        let sticky = pollers.sticky.map(|behavior| (workflows.sticky_queue.clone(), behavior));
        for (sticky_queue, behavior) in std::iter::once((None, pollers.normal)).chain(sticky) {
            let worker = Arc::clone(&workflows);
            let source = move || {
                let (worker, route) = (Arc::clone(&worker), worker.shared.client.route());
                WorkflowTaskSource { worker, sticky_queue: sticky_queue.clone(), route }
            };
            self.start_pollers(source, behavior, &workflows.slots, outage);
        }
        if !self.shared.options.debug_mode {
            self.watchdog.spawn(Arc::clone(&workflows).watch_for_deadlocks());
        }
        let known: Weak<dyn EagerWorker> = Arc::downgrade(&workflows) as _;
        self.shared.client.add_eager_worker(known);
        self.workflows = Some(workflows);
        self.start_activities(worker, outage);
        Ok(())
    }

    fn start_activities(&mut self, worker: Worker, outage: &Arc<Outage>) {
        if worker.activities.is_empty() || self.shared.options.no_remote_activities {
            return;
        }
        let activities = ActivityWorker::new(Arc::clone(&self.shared), worker.activities);
        let worker = Arc::clone(&activities);
        let source = move || ActivityTaskSource { worker: Arc::clone(&worker), route: worker.route() };
        self.start_pollers(source, self.shared.options.activity_pollers(), activities.slots(), outage);
        if let Some(workflows) = &self.workflows {
            // Cannot be set already: a worker starts its activities once.
            let _ = workflows.activities.set(Arc::clone(&activities));
        }
        if !self.shared.control_task_queue.is_empty() {
            let known: Weak<dyn CommandedWorker> = Arc::downgrade(&activities) as _;
            self.shared.commands.add(known);
            self.watchdog.spawn(cancel_commands::poll(Arc::clone(&self.shared)));
        }
        self.activities = Some(activities);
    }

    fn start_nexus(&mut self, registry: NexusRegistry, outage: &Arc<Outage>) {
        if registry.is_empty() {
            return;
        }
        let nexus = NexusWorker::new(Arc::clone(&self.shared), registry);
        let worker = Arc::clone(&nexus);
        let source = move || NexusTaskSource::new(&worker);
        self.start_pollers(source, self.shared.options.nexus_pollers(), nexus.slots(), outage);
        self.nexus = Some(nexus);
    }

    #[expect(clippy::disallowed_methods, reason = "the server is told the time of this machine")]
    fn start_heartbeats(&mut self) {
        let wanted = self.shared.options.worker_heartbeat_interval;
        let Some(interval) = wanted.filter(|_| self.shared.takes_worker_heartbeats) else { return };
        let heartbeats = Arc::new(WorkerHeartbeats {
            shared: Arc::clone(&self.shared),
            workflows: self.workflows.clone(),
            activities: self.activities.clone(),
            nexus: self.nexus.clone(),
            polls: Arc::clone(&self.polls),
            started: SystemTime::now(),
            before: Mutex::new(Before::begin()),
        });
        self.watchdog.spawn(Arc::clone(&heartbeats).run(interval));
        self.heartbeats = Some(heartbeats);
    }

    fn start_pollers<S: TaskSource>(
        &mut self,
        source: impl Fn() -> S + Send + Sync + 'static,
        behavior: PollerBehavior,
        slots: &Arc<Slots>,
        outage: &Arc<Outage>,
    ) {
        let pollers = Pollers {
            source,
            slots: Arc::clone(slots),
            phases: Arc::clone(&self.shared.phases),
            outage: Arc::clone(outage),
            polls: Arc::clone(&self.polls),
            wanted: WantedPolls::new(behavior, self.shared.suggests_pollers),
        };
        self.pollers.spawn(pollers.run());
    }

    /// Works until the future completes, the worker is shut down, or a poller gives up; then shuts down in order.
    /// Returns `None` if the worker was shut down first.
    ///
    /// # Errors
    /// Returns an error if a poller gave up.
    pub(super) async fn until<T>(mut self, until: impl Future<Output = T>) -> Result<Option<T>, WorkerError> {
        let phases = Arc::clone(&self.shared.phases);
        let reason = tokio::select! {
            value = until => Ok(Some(value)),
            () = phases.reached(Phase::Draining) => Ok(None),
            error = gave_up(&mut self.pollers) => {
                self.shared.options.fatal_hook.tell(&error);
                Err(error)
            }
        };
        match (reason, self.end().await) {
            (Ok(None), Some(error)) => Err(error),
            (reason, _) => reason,
        }
    }

    /// Shuts down in order. Returns the pollers' error if they ended by themselves.
    async fn end(mut self) -> Option<WorkerError> {
        let mut failure = None;
        let (task_queue, phases) = (self.shared.task_queue.clone(), Arc::clone(&self.shared.phases));
        phases.advance(Phase::Draining);
        tracing::info!(task_queue, "the worker is shutting down");
        // A poll that is cut, here or by the server, may lose a task that was just handed out. So wait for the last
        // ones.
        self.last_tasks().await;
        phases.advance(Phase::Leaving);
        self.tell_server().await;
        if self.shared.server_ends_polls {
            let _ = timeout(POLLS_END, join_all(&mut self.pollers, &mut failure)).await;
        } else if timeout(STICKY_POLLS_END, self.polls.none_open(PollKind::StickyWorkflow)).await.is_err() {
            // Some servers end only the polls for cached runs. A poll that arrived later would look like a worker that
            // is there.
            phases.advance(Phase::PollsCut);
            self.tell_server().await;
        }
        phases.advance(Phase::PollsCut);
        join_all(&mut self.pollers, &mut failure).await;
        tokio::join!(self.workflow_tasks_end(), self.activities_and_nexus_tasks_end());
        phases.advance(Phase::Aborting);
        self.watchdog.shutdown().await;
        tracing::info!(task_queue, "the worker has shut down");
        failure
    }

    /// Waits until the last polls have brought nothing for a while, or none is open.
    async fn last_tasks(&self) {
        if self.shared.polls_end_between_tasks {
            return;
        }
        let quiet = async {
            tokio::join!(
                self.polls.quiet(PollKind::Workflow, LAST_TASKS),
                self.polls.quiet(PollKind::Activity, LAST_TASKS),
                self.polls.quiet(PollKind::Nexus, LAST_TASKS),
            );
            // These come last: with each answer to another task, one run fewer comes back to this worker.
            self.polls.quiet(PollKind::StickyWorkflow, LAST_STICKY_TASKS).await;
        };
        let _ = timeout(POLLS_END, quiet).await;
    }

    /// Tells the server to hand out no more tasks, and to send those of cached runs elsewhere. Tried only once: without
    /// it, timeouts have the same effect.
    async fn tell_server(&self) {
        let shared = &self.shared;
        let mut types = Vec::new();
        if self.workflows.is_some() {
            types.push(TaskQueueType::Workflow as i32);
        }
        if self.activities.is_some() {
            types.push(TaskQueueType::Activity as i32);
        }
        if self.nexus.is_some() {
            types.push(TaskQueueType::Nexus as i32);
        }
        let sticky_queue = self.workflows.as_ref().and_then(|workflows| workflows.sticky_queue.clone());
        let request = ShutdownWorkerRequest {
            namespace: shared.namespace(),
            sticky_task_queue: sticky_queue.unwrap_or_default(),
            identity: shared.identity.clone(),
            reason: "graceful shutdown".to_string(),
            worker_instance_key: shared.instance_key.clone(),
            task_queue: shared.task_queue.clone(),
            task_queue_types: types,
            worker_heartbeat: self.heartbeats.as_ref().map(|heartbeats| heartbeats.now(WorkerStatus::ShuttingDown)),
        };
        match timeout(POLLS_END, shared.client.call_once(request)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!("the server was not told that the worker is shutting down: {error}"),
            Err(_) => tracing::debug!("the server did not answer when it was told that the worker is shutting down"),
        }
    }

    async fn workflow_tasks_end(&self) {
        let Some(workflows) = &self.workflows else { return };
        // Tasks that wait for local activities count too.
        if timeout(self.shared.options.graceful_shutdown_timeout, workflows.slots.all_free()).await.is_ok() {
            return;
        }
        workflows.local_activities.stop();
        if timeout(WORKFLOW_TASKS_END, workflows.slots.all_free()).await.is_ok() {
            return;
        }
        workflows.local_activities.abort();
        if timeout(REPORTS_END, workflows.slots.all_free()).await.is_err() {
            let left = workflows.slots.taken();
            tracing::warn!(left, "open workflow tasks were not completed in time; other workers will get them");
        }
    }

    /// Both run code of their authors on the tokio runtime, so they end in the same steps.
    async fn activities_and_nexus_tasks_end(&self) {
        let activities = self.activities.as_ref().map(|activities| activities.slots());
        let nexus = self.nexus.as_ref().map(|nexus| nexus.slots());
        let all_free = || async {
            for slots in activities.into_iter().chain(nexus) {
                slots.all_free().await;
            }
        };
        let left = |slots: Option<&Arc<Slots>>| slots.map_or(0, |slots| slots.taken());
        if timeout(self.shared.options.graceful_shutdown_timeout, all_free()).await.is_ok() {
            return;
        }
        self.shared.phases.advance(Phase::ActivitiesCancelled);
        if timeout(ACTIVITIES_END, all_free()).await.is_ok() {
            return;
        }
        if left(activities) > 0 {
            let left = left(activities);
            tracing::warn!(left, "activities that did not stop in time are dropped; their attempts fail");
        }
        if left(nexus) > 0 {
            let left = left(nexus);
            tracing::warn!(
                left,
                "Nexus handlers that did not stop in time are dropped; the server repeats the requests"
            );
        }
        self.shared.phases.advance(Phase::Aborting);
        if timeout(REPORTS_END, all_free()).await.is_err() {
            tracing::warn!(
                left = left(activities) + left(nexus),
                "activities or Nexus handlers block their threads or could not be reported; the server will time them out"
            );
        }
    }
}

pub(super) fn shared(worker: &Worker, described: DescribeNamespaceResponse) -> WorkerContext {
    let info = described.namespace_info.unwrap_or_default();
    let capabilities = info.capabilities.unwrap_or_default();
    let options = worker.options.clone().with_pollers(capabilities.poller_autoscaling_auto_enroll);
    let limits = Limits::of(info.limits.as_ref());
    let limits = if options.disable_payload_error_limit { limits.without_errors() } else { limits };
    let identity = options.identity.clone().unwrap_or_else(|| worker.client.now().identity().to_string());
    let deployed = options.deployment.as_ref().map(|deployment| deployment.version().build_id.clone());
    let build_id = deployed.filter(|build_id| !build_id.is_empty()).or_else(|| options.build_id.clone());
    // A fixed id for the embedded server: tests need not read the executable, and histories do not change with each
    // build.
    let default = || if worker.client.now().is_in_process() { "in-process" } else { build_id::of_this_executable() };
    let build_id = build_id.unwrap_or_else(|| default().to_string());
    // So far all commands concern activities.
    let polls_activities = !worker.activities.is_empty() && !options.no_remote_activities;
    let takes_commands = capabilities.worker_commands && polls_activities;
    let commands = Arc::clone(worker.client.now().worker_commands());
    let metrics = WorkerMetrics::new(worker.client.now().metrics(), worker.client.namespace(), &worker.task_queue);
    let queue = takes_commands.then(|| commands.task_queue(worker.client.namespace()));
    WorkerContext {
        client: Arc::clone(&worker.client),
        data_converter: worker.client.now().data_converter().clone(),
        task_queue: worker.task_queue.clone(),
        identity,
        build_id,
        instance_key: uuid::Uuid::new_v4().to_string(),
        commands,
        control_task_queue: queue.unwrap_or_default(),
        options,
        phases: Arc::clone(&worker.phases),
        limits,
        metrics,
        blocking_threads: BlockingThreads::new(),
        paginates_completions: capabilities.workflow_task_completion_pagination,
        takes_worker_heartbeats: capabilities.worker_heartbeats,
        has_update_callbacks: capabilities.workflow_update_callbacks,
        suggests_pollers: capabilities.poller_autoscaling,
        server_ends_polls: capabilities.worker_poll_complete_on_shutdown,
        polls_end_between_tasks: capabilities.worker_poll_complete_on_shutdown && worker.client.now().is_in_process(),
    }
}

/// Waits for the first poller that gives up; forever if none does.
async fn gave_up(pollers: &mut JoinSet<Result<(), WorkerError>>) -> WorkerError {
    while let Some(ended) = pollers.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(error) => return poller_panicked(&error),
        }
    }
    std::future::pending().await
}

async fn join_all(pollers: &mut JoinSet<Result<(), WorkerError>>, failure: &mut Option<WorkerError>) {
    while let Some(ended) = pollers.join_next().await {
        if let Ok(Err(error)) = ended {
            failure.get_or_insert(error);
        }
    }
}

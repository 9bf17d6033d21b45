//! Workflow tasks between the server and the lanes: polled tasks go to their lane, verdicts become answers.
//!
//! A poller only hands tasks over. Each verdict is carried out in a task of its own, spawned from the lane. So a
//! workflow task costs one message to the lane and one spawn, and no poller waits for workflow code.

mod completion_pages;
mod eager_activities;
mod eager_start;
mod history_pages;
mod refused;
mod repeated;
mod respond;
mod slow_task;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use abide_protos::payload_owners::Owner;
use abide_protos::temporal::api::enums::v1::{EventType, TaskQueueKind};
use abide_protos::temporal::api::history::v1::{HistoryEvent, history_event};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::{
    GetSystemInfoRequest, PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse,
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use self::repeated::FailingRuns;
use super::activity_tasks::{ActivityWorker, LONGEST_TIMEOUT};
use super::coding::decode_by;
use super::context::WorkerContext;
use super::current_client::Route;
use super::error::WorkerError;
use super::lanes::Lanes;
use super::lanes::{Ticket, Verdict};
use super::local_activities::LocalActivityWorker;
use super::local_activities::TaskClock;
use super::local_activities::{LocalRun, RunFactory};
use super::polling::{PollKind, Polled, Slot, Slots, TaskSource, sleep};
use super::shutdown::Phase;
use super::task_failure::task_failure;
use super::tuner::SlotKind;
use crate::activity::ActivityRegistry;
use crate::client::{LONG_POLL_TIMEOUT, RpcError};
use crate::duration::{from_proto, time_from_proto, time_to_proto};
use crate::replay::{HistoryPage, Until, WorkflowTask};
use crate::runtime::{RunOptions, WorkflowRegistry};
use crate::versioning::VersioningBehavior;

/// Stands for the types that only the dynamic workflow runs.
const DYNAMIC: &str = "";

/// Workflow task timeout if the task's history does not contain it.
const DEFAULT_TASK_TIMEOUT: Duration = Duration::from_secs(10);
/// Share of a task's timeout after which it is completed with a request for a new one, while local activities continue.
const HEARTBEAT_RATIO: f64 = 0.8;
/// Number of threads stuck in workflow code at which polling for workflow tasks stops.
const MAX_ABANDONED_THREADS: usize = 8;

/// The workflow side of a worker.
pub(super) struct WorkflowWorker {
    pub(super) shared: Arc<WorkerContext>,
    pub(super) slots: Arc<Slots>,
    /// The sticky queue: receives the tasks of runs cached on this worker. `None` without a cache.
    pub(super) sticky_queue: Option<String>,
    pub(super) registry: Arc<WorkflowRegistry>,
    /// Declared versioning behaviours by workflow type; empty without worker versioning.
    behaviors: BTreeMap<String, VersioningBehavior>,
    pub(super) local_activities: Arc<LocalActivityWorker>,
    lanes: OnceLock<Lanes<LocalRun>>,
    /// Starts eager activities; not set if this worker runs no activities.
    pub(super) activities: OnceLock<Arc<ActivityWorker>>,
    runtime: Handle,
    /// The runs whose failures the log has lately told.
    pub(super) failing_runs: FailingRuns,
    /// True while workflow tasks are polled: false when too many threads are stuck.
    wanted: watch::Sender<bool>,
}

impl WorkflowWorker {
    /// Starts the lanes. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Returns an error if a thread cannot be started.
    pub(super) fn start(
        shared: Arc<WorkerContext>,
        registry: WorkflowRegistry,
        activities: ActivityRegistry,
    ) -> Result<Arc<Self>, WorkerError> {
        let options = &shared.options;
        let run_options = RunOptions {
            namespace: shared.client.namespace().into(),
            task_queue: shared.task_queue.as_str().into(),
            sdk_metadata: shared.client.capabilities().sdk_metadata,
            deployment_version: shared.deployment_version().map(Arc::new),
            order: None,
            data_converter: shared.data_converter().clone(),
            metrics: shared.metrics.metrics().clone(),
        };
        let (threads, capacity) = (options.worker_threads, options.max_cached_workflows);
        let slots = Arc::new(shared.slots(SlotKind::WorkflowTask));
        let cache_metrics = shared.metrics.cache();
        let sticky_queue = (capacity > 0).then(|| format!("{}-{}", shared.identity, uuid::Uuid::new_v4().simple()));
        let behaviors = options.deployment.as_ref().map(|deployment| {
            let behavior = |(name, own): (&str, _)| Some((name.to_owned(), deployment.behavior(own)?));
            let dynamic = registry.dynamic().map(|(_, own)| (DYNAMIC, own));
            registry.versioning_behaviors().chain(dynamic).filter_map(behavior).collect()
        });
        let local_activities = LocalActivityWorker::new(Arc::clone(&shared), activities);
        let registry = Arc::new(registry);
        let worker = Arc::new(Self {
            behaviors: behaviors.unwrap_or_default(),
            shared,
            registry: Arc::clone(&registry),
            local_activities: Arc::clone(&local_activities),
            slots,
            sticky_queue,
            lanes: OnceLock::new(),
            activities: OnceLock::new(),
            runtime: Handle::current(),
            failing_runs: FailingRuns::default(),
            wanted: watch::Sender::new(true),
        });
        // Weak, because lanes may outlive their worker if one is stuck.
        let weak = Arc::downgrade(&worker);
        let of_sink = Weak::clone(&weak);
        let sink = Box::new(move |ticket, verdict| {
            if let Some(worker) = of_sink.upgrade() {
                worker.take_verdict(ticket, verdict);
            }
        });
        local_activities.connect(move |run_id, message| {
            if let Some(worker) = weak.upgrade() {
                worker.lanes().send(run_id, message);
            }
        });
        let factory = RunFactory { registry, options: Arc::new(run_options), local_activities };
        let lanes = Lanes::start(threads, capacity, factory, sink, cache_metrics).map_err(|error| {
            WorkerError::new(format!(
                "a thread for workflow code could not be started (`worker_threads` is {threads}): {error}"
            ))
        })?;
        // Cannot be set already: the worker was just made.
        let _ = worker.lanes.set(lanes);
        Ok(worker)
    }

    /// Returns the versioning behaviour to report in completions of a workflow type.
    pub(super) fn versioning_behavior(&self, workflow_type: &str) -> i32 {
        self.behaviors
            .get(workflow_type)
            .or_else(|| self.behaviors.get(DYNAMIC))
            .map_or(0, |behavior| behavior.to_proto() as i32)
    }

    pub(super) fn lanes(&self) -> &Lanes<LocalRun> {
        self.lanes.get().expect("`start` sets the lanes before it returns")
    }

    /// Sends a polled task to its lane, decoded first if there is a codec. Neither the poller nor the lane waits for
    /// decoding.
    pub(super) fn accept(self: &Arc<Self>, response: PollWorkflowTaskQueueResponse, mut slot: Slot) {
        if response.task_token.is_empty() {
            return;
        }
        slot.begin_task(|| response.workflow_type.as_ref().map_or_else(String::new, |it| it.name.clone()));
        let received = Instant::now();
        if self.shared.data_converter().has_codecs() {
            let this = Arc::clone(self);
            self.runtime.spawn(async move { this.decode_and_accept(response, slot, received).await });
            return;
        }
        let (ticket, task) = unpack(response, slot, received);
        self.lanes().send_task(ticket, task);
    }

    async fn decode_and_accept(&self, mut response: PollWorkflowTaskQueueResponse, slot: Slot, received: Instant) {
        let timeout = response.history.as_ref().map_or(DEFAULT_TASK_TIMEOUT, |history| task_timeout(&history.events));
        // The task names its workflow itself.
        let whose = self.shared.of(&Owner::Unknown);
        let decoded = decode_by(self.shared.data_converter(), &mut response, whose, received + timeout).await;
        let (ticket, task) = unpack(response, slot, received);
        match decoded {
            Ok(()) => self.lanes().send_task(ticket, task),
            Err(error) => {
                // A cached run has not seen these events; the next task has them again, with the rest of the history.
                self.evict(&ticket);
                self.fail(&ticket, *task_failure(&error.to_string())).await;
            }
        }
    }

    fn take_verdict(self: Arc<Self>, ticket: Box<Ticket>, verdict: Verdict) {
        // Done on the lane, not in a spawned task: results must not overtake the ticket.
        if let Verdict::LocalActivities { start, cancel } = verdict {
            return self.local_activities.wait(ticket, start, &cancel);
        }
        let runtime = self.runtime.clone();
        // The future of the answer is large and lives for one call, so it is created on the thread that polls it.
        // Created here, on the lane, it would leave holes in the heap between the long-lived runs that nothing fits
        // into.
        runtime.spawn(async move { Box::pin(self.perform(ticket, verdict)).await });
    }

    async fn perform(self: Arc<Self>, ticket: Box<Ticket>, verdict: Verdict) {
        match verdict {
            Verdict::Complete(completion) => self.complete(ticket, completion).await,
            Verdict::Fail(failure) => self.fail(&ticket, *failure).await,
            Verdict::Answer(answer) => self.answer_query(&ticket, *answer).await,
            Verdict::NeedHistory { next_page_token } => Box::pin(self.fetch_page(ticket, next_page_token)).await,
            Verdict::CacheMiss(task) => Box::pin(self.fetch_from_the_beginning(ticket, task)).await,
            // Handled before anything is spawned.
            Verdict::LocalActivities { start, cancel } => self.local_activities.wait(ticket, start, &cancel),
            Verdict::Lost => self.fail_lost(&ticket).await,
        }
    }

    /// Watches for workflow code that does not return, until polls are cut. Never returns; dropped with the worker.
    pub(super) async fn watch_for_deadlocks(self: Arc<Self>) {
        let limit = self.shared.options.deadlock_detection_timeout;
        let tick = limit / 4;
        let mut told = false;
        loop {
            sleep(tick).await;
            #[expect(clippy::disallowed_methods, reason = "the deadlock watchdog measures real time")]
            let now = std::time::Instant::now();
            let replaced = self.lanes().replace_stuck(now, tick, limit);
            let news = !std::mem::replace(&mut told, replaced.is_err());
            if let Some(error) = replaced.err().filter(|_| news) {
                tracing::error!(
                    task_queue = self.shared.task_queue,
                    "a thread to replace one that is stuck in workflow code could not be started, which is tried again: \
                     {error}"
                );
            }
            let wanted = self.lanes().abandoned() < MAX_ABANDONED_THREADS;
            if self.wanted.send_if_modified(|before| std::mem::replace(before, wanted) != wanted) {
                self.report_wanted(wanted);
            }
        }
    }

    fn report_wanted(&self, wanted: bool) {
        let task_queue = self.shared.task_queue.as_str();
        if wanted {
            tracing::warn!(task_queue, "the worker polls for workflow tasks again: a stuck thread has returned");
        } else {
            tracing::error!(
                task_queue,
                "{MAX_ABANDONED_THREADS} threads are stuck in workflow code: the worker does not poll for workflow \
                 tasks until one returns; find the workflows in the TMPRL1101 errors above, fix their code and restart \
                 the worker"
            );
        }
    }
}

/// One of the two queues on which workflow tasks are polled.
pub(super) struct WorkflowTaskSource {
    pub(super) worker: Arc<WorkflowWorker>,
    /// Name of the sticky queue; `None` for the normal queue.
    pub(super) sticky_queue: Option<String>,
    pub(super) route: Route,
}

impl TaskSource for WorkflowTaskSource {
    type Response = PollWorkflowTaskQueueResponse;

    #[expect(deprecated, reason = "the build id of a worker without a deployment has no other field")]
    async fn poll(&self, within: Option<Duration>) -> Result<PollWorkflowTaskQueueResponse, RpcError> {
        let shared = &self.worker.shared;
        let task_queue = match &self.sticky_queue {
            Some(name) => sticky_queue(name, &shared.task_queue),
            None => shared.normal_queue(),
        };
        let request = PollWorkflowTaskQueueRequest {
            namespace: shared.namespace(),
            task_queue: Some(task_queue),
            identity: shared.identity.clone(),
            worker_instance_key: shared.instance_key.clone(),
            worker_control_task_queue: shared.control_task_queue.clone(),
            worker_version_capabilities: shared.version_capabilities(),
            deployment_options: shared.deployment_options(),
            ..Default::default()
        };
        self.route.connection.long_poll_within(request, within.unwrap_or(LONG_POLL_TIMEOUT)).await
    }

    fn brought(&self, response: &PollWorkflowTaskQueueResponse) -> Polled {
        let suggestion = response.poller_scaling_decision.map(|decision| decision.poll_request_delta_suggestion);
        Polled::Answer { has_task: !response.task_token.is_empty(), suggestion }
    }

    async fn refuse(&self, task_token: Vec<u8>, error: &RpcError) {
        self.worker.refuse(task_token, error).await;
    }

    fn accept(&self, response: PollWorkflowTaskQueueResponse, slot: Slot) {
        self.worker.shared.metrics.workflow_tasks().polled(&response);
        self.worker.accept(response, slot);
    }

    async fn replaced(&self) {
        self.route.replaced().await;
    }

    async fn wanted(&self) {
        // The sender lives as long as the worker.
        let _ = self.worker.wanted.subscribe().wait_for(|wanted| *wanted).await;
    }

    async fn probe(&self) -> Result<(), RpcError> {
        self.route.connection.call_once(GetSystemInfoRequest {}).await.map(drop)
    }

    fn is_transient(&self, error: &RpcError) -> bool {
        self.route.connection.is_transient(error)
    }

    fn kind(&self) -> PollKind {
        if self.sticky_queue.is_some() { PollKind::StickyWorkflow } else { PollKind::Workflow }
    }

    /// Tasks of cached runs come to this worker until an answer or the worker's shutdown sends them elsewhere.
    fn last_poll(&self) -> Phase {
        if self.sticky_queue.is_some() { Phase::Leaving } else { Phase::Draining }
    }

    fn task_queue(&self) -> &str {
        &self.worker.shared.task_queue
    }
}

pub(super) fn sticky_queue(name: &str, normal_name: &str) -> TaskQueue {
    TaskQueue { name: name.to_string(), kind: TaskQueueKind::Sticky as i32, normal_name: normal_name.to_string() }
}

/// Splits a polled task into the part for workflow code and the part for its answer.
fn unpack(response: PollWorkflowTaskQueueResponse, slot: Slot, received: Instant) -> (Box<Ticket>, Box<WorkflowTask>) {
    let execution = response.workflow_execution.unwrap_or_default();
    let events = response.history.map(|history| history.events).unwrap_or_default();
    let mut queries: Vec<_> = response.queries.into_iter().collect();
    queries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (timeout, clock) = (task_timeout(&events), TaskClock::new(task_started(&events), received));
    let ticket = Ticket {
        task_token: response.task_token,
        workflow_id: execution.workflow_id,
        run_id: execution.run_id,
        workflow_type: response.workflow_type.unwrap_or_default().name,
        attempt: response.attempt.max(1),
        received,
        deadline: received + timeout.min(LONGEST_TIMEOUT),
        heartbeat_at: received + timeout.mul_f64(HEARTBEAT_RATIO),
        clock,
        is_query: response.query.is_some(),
        started_event_id: response.started_event_id,
        polled_events: Vec::new(),
        fetched_up_to: 0,
        slot,
    };
    let task = WorkflowTask {
        previous_started_event_id: response.previous_started_event_id,
        // A query may come at any event, and waits for none.
        until: if response.query.is_some() { Until::End } else { Until::Started(response.started_event_id) },
        attempt: response.attempt.max(1),
        history: HistoryPage { events, next_page_token: response.next_page_token },
        messages: response.messages,
        queries,
        query: response.query,
        wall_time: Some(time_to_proto(clock.now())),
    };
    (Box::new(ticket), Box::new(task))
}

/// Returns the timeout of the task that these events end with.
fn task_timeout(events: &[HistoryEvent]) -> Duration {
    // The task's own Scheduled event precedes its Started event, with other events between them. The first page of a
    // long history may lack it; then any other task of the run is used, which has the same timeout.
    let scheduled = events.iter().rev().find_map(|event| match &event.attributes {
        Some(history_event::Attributes::WorkflowTaskScheduledEventAttributes(scheduled)) => Some(scheduled),
        _ => None,
    });
    let timeout = scheduled.and_then(|scheduled| scheduled.start_to_close_timeout.as_ref()).map(from_proto);
    timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(DEFAULT_TASK_TIMEOUT)
}

/// Returns the start time of the task that these events end with; if they do not contain it, this machine's time.
#[expect(clippy::disallowed_methods, reason = "the polled events may not reach up to the task's beginning")]
fn task_started(events: &[HistoryEvent]) -> SystemTime {
    let started = events.last().filter(|event| event.event_type() == EventType::WorkflowTaskStarted);
    let time = started.and_then(|event| event.event_time.as_ref());
    time.map_or_else(SystemTime::now, time_from_proto)
}

impl WorkflowWorker {
    /// Returns true if the server may send the run's next task along with the answer to a completion.
    ///
    /// A run with local activities takes its next task for as long as local activities may continue.
    pub(super) fn takes_another_task(&self, local_activities_go_on: bool) -> bool {
        if local_activities_go_on {
            return !self.local_activities.is_stopping();
        }
        self.sticky_queue.is_some() && !self.shared.phases.has_reached(Phase::Draining) && self.is_wanted()
    }

    /// Returns true if workflow tasks are wanted: false while too many threads are stuck.
    pub(super) fn is_wanted(&self) -> bool {
        *self.wanted.borrow()
    }
}

#[cfg(test)]
mod tests {
    use abide_protos::temporal::api::common::v1::WorkflowExecution;
    use abide_protos::temporal::api::history::v1::{History, WorkflowTaskScheduledEventAttributes};
    use abide_protos::temporal::api::query::v1::WorkflowQuery;

    use super::*;
    use crate::duration::to_proto;

    fn scheduled(timeout: Duration) -> HistoryEvent {
        let attributes = WorkflowTaskScheduledEventAttributes {
            start_to_close_timeout: Some(to_proto(timeout)),
            ..Default::default()
        };
        let attributes = history_event::Attributes::WorkflowTaskScheduledEventAttributes(attributes);
        HistoryEvent { event_id: 2, attributes: Some(attributes), ..Default::default() }
    }

    #[tokio::test]
    async fn a_polled_task_is_split_without_losing_anything() {
        let slot = Slots::new(1, Default::default()).take().await;
        let query = |name: &str| WorkflowQuery { query_type: name.into(), ..Default::default() };
        let response = PollWorkflowTaskQueueResponse {
            task_token: b"token".into(),
            workflow_execution: Some(WorkflowExecution { workflow_id: "w".into(), run_id: "r".into() }),
            previous_started_event_id: 3,
            started_event_id: 7,
            attempt: 2,
            history: Some(History { events: vec![HistoryEvent::default(), scheduled(Duration::from_secs(3))] }),
            next_page_token: b"more".into(),
            queries: [("b".to_string(), query("second")), ("a".to_string(), query("first"))].into(),
            ..Default::default()
        };
        let before = Instant::now();
        let (ticket, task) = unpack(response, slot, before);
        assert_eq!((ticket.workflow_id.as_str(), ticket.run_id.as_str(), ticket.attempt), ("w", "r", 2));
        assert_eq!(ticket.task_token, b"token");
        assert!(ticket.deadline - before < Duration::from_secs(4), "the task's own timeout counts");
        assert_eq!((task.previous_started_event_id, task.until, task.attempt), (3, Until::Started(7), 2));
        assert_eq!((task.history.events.len(), task.history.next_page_token.as_slice()), (2, &b"more"[..]));
        let ids: Vec<_> = task.queries.iter().map(|(id, query)| (id.as_str(), query.query_type.as_str())).collect();
        assert_eq!(ids, [("a", "first"), ("b", "second")], "sorted by id");
    }

    #[test]
    fn a_task_without_its_scheduled_event_has_ten_seconds() {
        assert_eq!(task_timeout(&[]), Duration::from_secs(10));
        assert_eq!(task_timeout(&[scheduled(Duration::ZERO)]), Duration::from_secs(10));
    }
}

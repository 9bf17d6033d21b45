//! The options of a worker, with Temporal's names and Core's defaults.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use super::activity_tasks::ActivityLimits;
use super::deployment::DeploymentOptions;
use super::error::WorkerError;
use super::fatal::FatalHook;
use super::polling::PollerBehavior;
use super::tuner::{SharedSlots, SlotKind, SlotSupplier, WorkerTuner};

/// A worker's options, set and documented by [`WorkerBuilder`](super::WorkerBuilder)'s methods.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) max_cached_workflows: usize,
    /// The suppliers of slots, by kind. A kind without a supplier has the number below.
    pub(super) tuner: WorkerTuner,
    /// The fixed slots that the task queues of one worker share, by kind. A queue with slots of its own has none here.
    pub(super) shared_slots: WorkerTuner,
    /// Number of task queues that share them.
    pub(super) task_queues: usize,
    pub(super) max_concurrent_workflow_tasks: usize,
    pub(super) max_concurrent_activities: usize,
    pub(super) max_concurrent_local_activities: usize,
    pub(super) max_concurrent_nexus_tasks: usize,
    pub(super) max_eager_activity_reservations_per_workflow_task: usize,
    pub(super) disable_eager_activity_execution: bool,
    /// Always set once the worker has started: the default depends on the namespace.
    pub(super) workflow_task_pollers: Option<PollerBehavior>,
    pub(super) activity_task_pollers: Option<PollerBehavior>,
    pub(super) nexus_task_pollers: Option<PollerBehavior>,
    pub(super) nonsticky_to_sticky_poll_ratio: f64,
    pub(super) sticky_queue_schedule_to_start_timeout: Duration,
    pub(super) graceful_shutdown_timeout: Duration,
    pub(super) max_heartbeat_throttle_interval: Duration,
    pub(super) default_heartbeat_throttle_interval: Duration,
    pub(super) worker_heartbeat_interval: Option<Duration>,
    pub(super) max_activities_per_second: Option<f64>,
    pub(super) max_local_activities_per_second: Option<f64>,
    /// By activity type.
    pub(super) activity_limits: BTreeMap<String, ActivityLimits>,
    pub(super) max_task_queue_activities_per_second: Option<f64>,
    pub(super) deadlock_detection_timeout: Duration,
    pub(super) debug_mode: bool,
    pub(super) disable_payload_error_limit: bool,
    pub(super) no_remote_activities: bool,
    pub(super) fatal_hook: FatalHook,
    pub(super) worker_threads: usize,
    pub(super) identity: Option<String>,
    pub(super) build_id: Option<String>,
    pub(super) deployment: Option<DeploymentOptions>,
    /// The names of the plugins that have configured the worker.
    pub(super) plugins: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_cached_workflows: 1000,
            tuner: WorkerTuner::new(),
            shared_slots: WorkerTuner::new(),
            task_queues: 1,
            max_concurrent_workflow_tasks: 100,
            max_concurrent_activities: 100,
            max_concurrent_local_activities: 100,
            max_concurrent_nexus_tasks: 100,
            max_eager_activity_reservations_per_workflow_task: 3,
            disable_eager_activity_execution: false,
            workflow_task_pollers: None,
            activity_task_pollers: None,
            nexus_task_pollers: None,
            nonsticky_to_sticky_poll_ratio: 0.2,
            sticky_queue_schedule_to_start_timeout: Duration::from_secs(10),
            graceful_shutdown_timeout: Duration::ZERO,
            max_heartbeat_throttle_interval: Duration::from_secs(60),
            default_heartbeat_throttle_interval: Duration::from_secs(30),
            worker_heartbeat_interval: Some(Duration::from_secs(60)),
            max_activities_per_second: None,
            max_local_activities_per_second: None,
            activity_limits: BTreeMap::new(),
            max_task_queue_activities_per_second: None,
            deadlock_detection_timeout: Duration::from_secs(2),
            debug_mode: false,
            disable_payload_error_limit: false,
            no_remote_activities: false,
            fatal_hook: FatalHook::default(),
            worker_threads: available_parallelism().map_or(1, NonZeroUsize::get),
            identity: None,
            build_id: None,
            deployment: None,
            plugins: Vec::new(),
        }
    }
}

/// The default pollers, if the namespace does not enable autoscaling.
const DEFAULT_POLLERS: PollerBehavior = PollerBehavior::SimpleMaximum(5);

/// The pollers of the two workflow task queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkflowPollers {
    pub(super) normal: PollerBehavior,
    /// `None` without a cache.
    pub(super) sticky: Option<PollerBehavior>,
}

impl Options {
    /// Checks the options' values.
    ///
    /// # Errors
    /// Returns the first invalid value and what is expected.
    pub(super) fn check(&self) -> Result<(), WorkerError> {
        let positive = [
            ("max_concurrent_workflow_tasks", self.max_concurrent_workflow_tasks),
            ("max_concurrent_activities", self.max_concurrent_activities),
            ("max_concurrent_local_activities", self.max_concurrent_local_activities),
            ("max_concurrent_nexus_tasks", self.max_concurrent_nexus_tasks),
            ("worker_threads", self.worker_threads),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(WorkerError::new(format!("`{name}` is 0: expected 1 or more")));
        }
        let pollers = [
            ("workflow_task_poller_behavior", self.workflow_task_pollers),
            ("activity_task_poller_behavior", self.activity_task_pollers),
            ("nexus_task_poller_behavior", self.nexus_task_pollers),
        ];
        for (name, behavior) in pollers {
            behavior.map_or(Ok(()), |behavior| behavior.check(name))?;
        }
        let rates = [
            ("max_activities_per_second", self.max_activities_per_second),
            ("max_local_activities_per_second", self.max_local_activities_per_second),
            ("max_task_queue_activities_per_second", self.max_task_queue_activities_per_second),
        ];
        for (name, rate) in rates {
            if let Some(rate) = rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
                return Err(WorkerError::new(format!("`{name}` is {rate}: expected a number above 0")));
            }
        }
        if let Some(mistake) = self.activity_limits.iter().find_map(|(name, limits)| limits.mistake(name)) {
            return Err(WorkerError::new(mistake));
        }
        let ratio = self.nonsticky_to_sticky_poll_ratio;
        if !(ratio > 0.0 && ratio <= 1.0) {
            return Err(WorkerError::new(format!(
                "`nonsticky_to_sticky_poll_ratio` is {ratio}: expected more than 0 and at most 1"
            )));
        }
        if self.max_cached_workflows > 0 && self.slots(SlotKind::WorkflowTask) == 1 {
            return Err(WorkerError::new(
                "`max_concurrent_workflow_tasks` is 1 for a task queue: expected 2 or more, because a worker with a cache \
                 polls two queues; to work without a cache, set `max_cached_workflows(0)`",
            ));
        }
        if self.sticky_queue_schedule_to_start_timeout.is_zero() {
            return Err(WorkerError::new(
                "`sticky_queue_schedule_to_start_timeout` is 0: expected more, because the server reads 0 as no timeout \
                 and would wait for this worker even if it is gone; to work without a cache, set \
                 `max_cached_workflows(0)`",
            ));
        }
        if self.identity.as_ref().is_some_and(String::is_empty) {
            return Err(WorkerError::new(
                "`identity` is empty: expected a name for histories; leave it out to use the client's",
            ));
        }
        let interval = self.worker_heartbeat_interval.filter(|interval| interval.is_zero());
        if interval.is_some() {
            return Err(WorkerError::new(
                "`worker_heartbeat_interval` is 0: expected more; to turn off worker heartbeats, call \
                 `disable_worker_heartbeats()`",
            ));
        }
        if self.deadlock_detection_timeout.is_zero() && !self.debug_mode {
            return Err(WorkerError::new(
                "`deadlock_detection_timeout` is 0: expected more; to turn off the check, call `debug_mode()`",
            ));
        }
        Ok(())
    }

    /// Sets the pollers that the author left open. A namespace may enable autoscaling by default.
    pub(super) fn with_pollers(mut self, autoscaling_by_default: bool) -> Self {
        let default = if autoscaling_by_default { PollerBehavior::autoscaling() } else { DEFAULT_POLLERS };
        self.workflow_task_pollers.get_or_insert(default);
        self.activity_task_pollers.get_or_insert(default);
        self.nexus_task_pollers.get_or_insert(default);
        self
    }

    /// Maximum number of slots of that kind for this task queue's polls. A supplier may give any number. Queues that
    /// share slots have an equal part each, so that the idle polls of one never hold the slots of another.
    pub(super) fn slots(&self, kind: SlotKind) -> usize {
        match (self.tuner.supplier(kind), self.shared_slots.supplier(kind)) {
            (Some(_), _) => usize::MAX,
            (None, Some(_)) => (self.fixed_slots(kind) / self.task_queues).max(1),
            (None, None) => self.fixed_slots(kind),
        }
    }

    /// Returns who decides about slots of that kind; `None` if their number is fixed and not shared.
    pub(super) fn supplier(&self, kind: SlotKind) -> Option<&Arc<dyn SlotSupplier>> {
        self.tuner.supplier(kind).or(self.shared_slots.supplier(kind))
    }

    /// Lets this many task queues share the fixed slots.
    pub(super) fn share_slots(&mut self, task_queues: usize) {
        let shared = |kind| SharedSlots::new(self.fixed_slots(kind));
        self.shared_slots = WorkerTuner::new()
            .workflow_tasks(shared(SlotKind::WorkflowTask))
            .activities(shared(SlotKind::Activity))
            .local_activities(shared(SlotKind::LocalActivity))
            .nexus_tasks(shared(SlotKind::NexusTask));
        self.task_queues = task_queues;
    }

    pub(super) fn fixed_slots(&self, kind: SlotKind) -> usize {
        match kind {
            SlotKind::WorkflowTask => self.max_concurrent_workflow_tasks,
            SlotKind::Activity => self.max_concurrent_activities,
            SlotKind::LocalActivity => self.max_concurrent_local_activities,
            SlotKind::NexusTask => self.max_concurrent_nexus_tasks,
        }
    }

    /// Splits the pollers between the two queues. There are never more pollers than slots: idle polls could otherwise
    /// hold all slots and starve the other queue.
    pub(super) fn workflow_pollers(&self) -> WorkflowPollers {
        let slots = self.slots(SlotKind::WorkflowTask);
        let all = self.workflow_task_pollers.unwrap_or(DEFAULT_POLLERS).at_most(slots);
        if self.max_cached_workflows == 0 {
            return WorkflowPollers { normal: all, sticky: None };
        }
        let PollerBehavior::SimpleMaximum(all) = all else {
            // One slot is reserved for a first poll of the other queue, at any scale.
            let each = all.at_most(slots.saturating_sub(1));
            return WorkflowPollers { normal: each, sticky: Some(each) };
        };
        let all = all.max(2);
        let normal = (all as f64 * self.nonsticky_to_sticky_poll_ratio).round() as usize;
        let normal = normal.clamp(1, all - 1);
        WorkflowPollers {
            normal: PollerBehavior::SimpleMaximum(normal),
            sticky: Some(PollerBehavior::SimpleMaximum(all - normal)),
        }
    }

    pub(super) fn activity_pollers(&self) -> PollerBehavior {
        self.activity_task_pollers.unwrap_or(DEFAULT_POLLERS).at_most(self.slots(SlotKind::Activity))
    }

    pub(super) fn nexus_pollers(&self) -> PollerBehavior {
        self.nexus_task_pollers.unwrap_or(DEFAULT_POLLERS).at_most(self.slots(SlotKind::NexusTask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pollers(options: Options) -> (usize, usize) {
        options.check().unwrap();
        let pollers = options.workflow_pollers();
        (pollers.normal.initial(), pollers.sticky.map_or(0, PollerBehavior::initial))
    }

    #[test]
    fn one_of_five_pollers_looks_for_new_workflows() {
        assert_eq!(pollers(Options::default()), (1, 4));
    }

    #[test]
    fn without_a_cache_there_is_no_sticky_queue() {
        assert_eq!(pollers(Options { max_cached_workflows: 0, ..Default::default() }), (5, 0));
        let one = Options { max_cached_workflows: 0, max_concurrent_workflow_tasks: 1, ..Default::default() };
        assert_eq!(pollers(one), (1, 0));
    }

    #[test]
    fn both_queues_are_polled_however_few_pollers_there_are() {
        let one = Some(PollerBehavior::SimpleMaximum(1));
        assert_eq!(pollers(Options { workflow_task_pollers: one, ..Default::default() }), (1, 1));
        assert_eq!(pollers(Options { nonsticky_to_sticky_poll_ratio: 1.0, ..Default::default() }), (4, 1));
    }

    #[test]
    fn idle_polls_never_hold_all_slots() {
        assert_eq!(pollers(Options { max_concurrent_workflow_tasks: 2, ..Default::default() }), (1, 1));
        let options = Options { max_concurrent_activities: 3, ..Default::default() };
        assert_eq!(options.activity_pollers(), PollerBehavior::SimpleMaximum(3));
        let scaled = Options {
            max_concurrent_workflow_tasks: 4,
            workflow_task_pollers: Some(PollerBehavior::autoscaling()),
            ..Default::default()
        };
        let each = PollerBehavior::Autoscaling { minimum: 1, maximum: 3, initial: 3 };
        assert_eq!(scaled.workflow_pollers(), WorkflowPollers { normal: each, sticky: Some(each) });
    }

    #[test]
    fn b126_pollers_are_scaled_by_default_where_the_namespace_wants_it() {
        let resolved = |options: Options, by_default| {
            let options = options.with_pollers(by_default);
            (options.workflow_pollers().normal, options.activity_pollers())
        };
        let scaled = PollerBehavior::autoscaling();
        let fixed = PollerBehavior::SimpleMaximum;
        assert_eq!(resolved(Options::default(), false), (fixed(1), fixed(5)));
        assert_eq!(resolved(Options::default(), true), (scaled.at_most(99), scaled));
        let told = Options { activity_task_pollers: Some(fixed(7)), ..Default::default() };
        assert_eq!(resolved(told, true), (scaled.at_most(99), fixed(7)), "what the author said counts");
    }

    #[test]
    fn values_that_mean_nothing_are_named() {
        let refused = |options: Options| options.check().unwrap_err().to_string();
        assert!(refused(Options { worker_threads: 0, ..Default::default() }).contains("`worker_threads` is 0"));
        let ratio = Options { nonsticky_to_sticky_poll_ratio: f64::NAN, ..Default::default() };
        assert!(refused(ratio).contains("nonsticky_to_sticky_poll_ratio"));
        let rate = Options { max_activities_per_second: Some(0.0), ..Default::default() };
        assert!(refused(rate).contains("`max_activities_per_second` is 0"));
        let slots = Options { max_concurrent_nexus_tasks: 0, ..Default::default() };
        assert!(refused(slots).contains("`max_concurrent_nexus_tasks` is 0"));
        let heartbeats = Options { worker_heartbeat_interval: Some(Duration::ZERO), ..Default::default() };
        assert!(refused(heartbeats).contains("`worker_heartbeat_interval` is 0"));
        let pollers = Options { workflow_task_pollers: Some(PollerBehavior::SimpleMaximum(0)), ..Default::default() };
        assert!(refused(pollers).contains("`workflow_task_poller_behavior` is 0"));
        let sticky = Options { sticky_queue_schedule_to_start_timeout: Duration::ZERO, ..Default::default() };
        assert!(refused(sticky).contains("`sticky_queue_schedule_to_start_timeout` is 0"));
        assert!(
            refused(Options { identity: Some(String::new()), ..Default::default() }).contains("`identity` is empty")
        );
        let one_slot = Options { max_concurrent_workflow_tasks: 1, ..Default::default() };
        assert!(refused(one_slot).contains("max_cached_workflows(0)"));
    }
}

//! The metrics of a worker, with the names and labels of Temporal's Core.
//!
//! All series have the labels `namespace` and `task_queue`, so workers of one task queue that share a client share them,
//! and a gauge is their sum. The worker's heartbeat reports this worker alone: [`OwnCounter`] counts for both.
//!
//! Handles are resolved once for each worker, and once for each type of workflow and activity. Only a failure, which is
//! rare, looks up its series.

mod activities;
mod by_type;
mod nexus;
mod workflow_tasks;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use abide_protos::Timestamp;

pub(super) use self::activities::{ActivityMetrics, Delivery, LocalActivityMetrics, LocalAttemptMetrics};
pub(super) use self::nexus::NexusMetrics;
pub(super) use self::workflow_tasks::{Closing, WorkflowTaskMetrics};
use super::polling::PollKind;
use crate::metrics::temporal::{
    CACHE_EVICTION, CACHE_HIT, CACHE_MISS, CACHE_SIZE, NUM_POLLERS, SLOTS_AVAILABLE, SLOTS_USED, TemporalMeter,
    WORKER_START,
};
use crate::metrics::{Counter, Gauge, Meter, Metrics};
use crate::presence;

const FAILURE_REASON: &str = "failure_reason";

/// The metrics of one worker. Those of a part appear when the part is used first.
#[derive(Debug)]
pub(super) struct WorkerMetrics {
    metrics: Metrics,
    meter: TemporalMeter,
    workflow_tasks: OnceLock<WorkflowTaskMetrics>,
    activities: OnceLock<ActivityMetrics>,
    local_activities: OnceLock<LocalActivityMetrics>,
    nexus: OnceLock<NexusMetrics>,
}

impl WorkerMetrics {
    pub(super) fn new(metrics: &Metrics, namespace: &str, task_queue: &str) -> Self {
        Self {
            metrics: metrics.clone(),
            meter: metrics.temporal().with("namespace", namespace).with("task_queue", task_queue),
            workflow_tasks: OnceLock::new(),
            activities: OnceLock::new(),
            local_activities: OnceLock::new(),
            nexus: OnceLock::new(),
        }
    }

    /// Returns the metrics of the worker's client, for users' own.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(super) fn worker_started(&self) {
        self.meter.counter(&WORKER_START).add(1);
    }

    pub(super) fn workflow_tasks(&self) -> &WorkflowTaskMetrics {
        self.workflow_tasks.get_or_init(|| WorkflowTaskMetrics::new(&self.meter))
    }

    pub(super) fn activities(&self) -> &ActivityMetrics {
        self.activities.get_or_init(|| ActivityMetrics::new(&self.meter))
    }

    pub(super) fn local_activities(&self) -> &LocalActivityMetrics {
        self.local_activities.get_or_init(|| LocalActivityMetrics::new(&self.meter))
    }

    pub(super) fn nexus(&self) -> &NexusMetrics {
        self.nexus.get_or_init(|| NexusMetrics::new(&self.meter))
    }

    pub(super) fn cache(&self) -> CacheMetrics {
        CacheMetrics::new(&self.meter)
    }

    /// Returns the metrics of slots; `worker_type` is Core's name for their kind.
    pub(super) fn slots(&self, worker_type: &str) -> SlotMetrics {
        SlotMetrics::new(self.meter.with("worker_type", worker_type))
    }

    pub(super) fn polls(&self) -> PollMetrics {
        PollMetrics {
            meter: self.meter.clone(),
            workflow: OnceLock::new(),
            sticky: OnceLock::new(),
            activity: OnceLock::new(),
            nexus: OnceLock::new(),
        }
    }
}

/// A counter whose series may be shared with other workers, with the count of this worker beside it.
#[derive(Debug)]
pub(super) struct OwnCounter {
    shared: Counter,
    own: AtomicUsize,
}

impl OwnCounter {
    fn new(shared: Counter) -> Self {
        Self { shared, own: AtomicUsize::new(0) }
    }

    pub(super) fn count(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
        self.shared.add(1);
    }

    pub(super) fn own(&self) -> usize {
        self.own.load(Ordering::Relaxed)
    }
}

/// Metrics of the cached runs.
#[derive(Debug)]
pub(super) struct CacheMetrics {
    pub(super) hits: OwnCounter,
    pub(super) misses: OwnCounter,
    /// Idle runs of all workers that share the series.
    pub(super) size: Gauge,
    pub(super) evictions: Counter,
}

impl CacheMetrics {
    fn new(meter: &TemporalMeter) -> Self {
        Self {
            hits: OwnCounter::new(meter.counter(&CACHE_HIT)),
            misses: OwnCounter::new(meter.counter(&CACHE_MISS)),
            size: meter.gauge(&CACHE_SIZE),
            evictions: meter.counter(&CACHE_EVICTION),
        }
    }
}

/// Metrics of the slots for one kind of task.
#[derive(Debug)]
pub(super) struct SlotMetrics {
    /// Made when it is used first: a number that nobody knows must not appear as 0.
    available: OnceLock<Gauge>,
    pub(super) used: Gauge,
    meter: TemporalMeter,
}

impl SlotMetrics {
    fn new(meter: TemporalMeter) -> Self {
        Self { available: OnceLock::new(), used: meter.gauge(&SLOTS_USED), meter }
    }

    pub(super) fn available(&self) -> &Gauge {
        self.available.get_or_init(|| self.meter.gauge(&SLOTS_AVAILABLE))
    }

    /// Returns a meter with the labels of these slots.
    pub(super) fn meter(&self) -> Meter {
        self.meter.of_users()
    }
}

/// Metrics of the open polls, by kind.
#[derive(Debug)]
pub(super) struct PollMetrics {
    meter: TemporalMeter,
    workflow: OnceLock<Gauge>,
    sticky: OnceLock<Gauge>,
    activity: OnceLock<Gauge>,
    nexus: OnceLock<Gauge>,
}

impl PollMetrics {
    pub(super) fn open(&self, kind: PollKind) -> &Gauge {
        let (gauge, poller_type) = match kind {
            PollKind::Workflow => (&self.workflow, "workflow_task"),
            PollKind::StickyWorkflow => (&self.sticky, "sticky_workflow_task"),
            PollKind::Activity => (&self.activity, "activity_task"),
            PollKind::Nexus => (&self.nexus, "nexus_task"),
        };
        gauge.get_or_init(|| self.meter.with("poller_type", poller_type).gauge(&NUM_POLLERS))
    }
}

/// For tests: metrics that nobody reads.
#[cfg(test)]
mod for_tests {
    use super::*;

    impl WorkerMetrics {
        pub(crate) fn for_test() -> Self {
            Self::new(&Metrics::default(), "default", "queue")
        }
    }

    impl Default for CacheMetrics {
        fn default() -> Self {
            WorkerMetrics::for_test().cache()
        }
    }

    impl Default for SlotMetrics {
        fn default() -> Self {
            WorkerMetrics::for_test().slots("WorkflowWorker")
        }
    }

    impl Default for PollMetrics {
        fn default() -> Self {
            WorkerMetrics::for_test().polls()
        }
    }
}

/// Returns the time between two times of the server; `None` if one is missing.
fn between(earlier: Option<&Timestamp>, later: Option<&Timestamp>) -> Option<Duration> {
    presence::time(later)?.duration_since(presence::time(earlier)?).ok()
}

#[cfg(test)]
mod tests;

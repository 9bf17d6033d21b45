//! The metrics of clients and workers: names, units and descriptions. Names and labels are those of Temporal's Core, so
//! that its dashboards fit.

#[cfg(feature = "worker")]
use super::instruments::Gauge;
use super::instruments::{Counter, Histogram};
use super::labels::Labels;
#[cfg(feature = "worker")]
use super::meter::Meter;
use super::naming::DURATION;
use super::{MetricKind, Metrics};

/// A metric without its prefix.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) kind: MetricKind,
    description: &'static str,
}

macro_rules! definitions {
    ($($constant:ident = $kind:ident $name:literal: $description:literal;)*) => {
        $(pub(crate) const $constant: Definition =
            Definition { name: $name, kind: MetricKind::$kind, description: $description };)*
        /// All of them.
        #[cfg(test)]
        pub(crate) const ALL: &[&Definition] = &[$(&$constant),*];
    };
}

// All histograms are durations.
definitions! {
    REQUEST = Counter "request": "Requests of clients and workers to the server";
    REQUEST_FAILURE = Counter "request_failure": "Requests that failed";
    REQUEST_LATENCY = Histogram "request_latency": "Time from a request to its answer";
    LONG_REQUEST = Counter "long_request": "Long polls: requests that the server answers when there is news";
    LONG_REQUEST_FAILURE = Counter "long_request_failure": "Long polls that failed";
    LONG_REQUEST_LATENCY = Histogram "long_request_latency": "Time from a long poll to its answer";
}

#[cfg(feature = "worker")]
pub(crate) use of_workers::*;

#[cfg(feature = "worker")]
mod of_workers {
    use super::{Definition, MetricKind};

    definitions! {
        WORKER_START = Counter "worker_start": "Workers that started";
        NUM_POLLERS = Gauge "num_pollers": "Open polls";
        SLOTS_AVAILABLE = Gauge "worker_task_slots_available": "Free slots for tasks";
        SLOTS_USED = Gauge "worker_task_slots_used": "Slots taken by tasks";
        RESOURCE_MEMORY_USAGE = Gauge "resource_slots_mem_usage": "Memory in use, in percent";
        RESOURCE_CPU_USAGE = Gauge "resource_slots_cpu_usage": "CPU in use, in percent";
        RESOURCE_MEMORY_OUTPUT = Gauge "resource_slots_mem_pid_output": "Output of the controller for memory";
        RESOURCE_CPU_OUTPUT = Gauge "resource_slots_cpu_pid_output": "Output of the controller for the CPU";

        CACHE_HIT = Counter "sticky_cache_hit": "Workflow tasks whose run was in memory";
        CACHE_MISS = Counter "sticky_cache_miss": "Workflow tasks whose run should have been in memory but was not";
        CACHE_SIZE = Gauge "sticky_cache_size": "Runs in memory";
        CACHE_EVICTION = Counter "sticky_cache_total_forced_eviction": "Open runs that were dropped from memory";

        WORKFLOW_COMPLETED = Counter "workflow_completed": "Workflows that completed";
        WORKFLOW_CANCELED = Counter "workflow_canceled": "Workflows that ended as cancelled";
        WORKFLOW_FAILED = Counter "workflow_failed": "Workflows that failed";
        WORKFLOW_CONTINUE_AS_NEW = Counter "workflow_continue_as_new": "Workflows that continued as new";
        WORKFLOW_ENDTOEND_LATENCY = Histogram "workflow_endtoend_latency": "Time from the start of a run to its end";

        WORKFLOW_TASK_POLL_SUCCEED = Counter "workflow_task_queue_poll_succeed": "Polls that brought a workflow task";
        WORKFLOW_TASK_POLL_EMPTY = Counter "workflow_task_queue_poll_empty": "Polls that brought no workflow task";
        WORKFLOW_TASK_SCHEDULE_TO_START_LATENCY = Histogram "workflow_task_schedule_to_start_latency":
            "Time that a workflow task waited for a worker";
        WORKFLOW_TASK_EXECUTION_LATENCY = Histogram "workflow_task_execution_latency":
            "Time from the arrival of a workflow task to its answer";
        WORKFLOW_TASK_EXECUTION_FAILED = Counter "workflow_task_execution_failed": "Attempts of workflow tasks that failed";
        WORKFLOW_TASK_REPLAY_LATENCY = Histogram "workflow_task_replay_latency": "Time to rebuild a run from its history";

        ACTIVITY_POLL_NO_TASK = Counter "activity_poll_no_task": "Polls that brought no activity task";
        ACTIVITY_TASK_RECEIVED = Counter "activity_task_received": "Activity tasks that arrived";
        ACTIVITY_SCHEDULE_TO_START_LATENCY = Histogram "activity_schedule_to_start_latency":
            "Time that an attempt of an activity waited for a worker";
        ACTIVITY_EXECUTION_LATENCY = Histogram "activity_execution_latency": "Time that the code of an attempt took";
        ACTIVITY_EXECUTION_FAILED = Counter "activity_execution_failed": "Attempts of activities that failed";
        ACTIVITY_SUCCEED_ENDTOEND_LATENCY = Histogram "activity_succeed_endtoend_latency":
            "Time from the scheduling of an activity to its success, with all attempts";

        LOCAL_ACTIVITY_TOTAL = Counter "local_activity_total": "Attempts of local activities that began";
        LOCAL_ACTIVITY_EXECUTION_LATENCY = Histogram "local_activity_execution_latency":
            "Time that the code of an attempt of a local activity took";
        LOCAL_ACTIVITY_EXECUTION_FAILED = Counter "local_activity_execution_failed":
            "Attempts of local activities that failed";
        LOCAL_ACTIVITY_EXECUTION_CANCELLED = Counter "local_activity_execution_cancelled":
            "Attempts of local activities that ended as cancelled";
        LOCAL_ACTIVITY_SUCCEED_ENDTOEND_LATENCY = Histogram "local_activity_succeed_endtoend_latency":
            "Time from the scheduling of a local activity to its success, with all attempts";

        NEXUS_POLL_NO_TASK = Counter "nexus_poll_no_task": "Polls that brought no Nexus task";
        NEXUS_TASK_SCHEDULE_TO_START_LATENCY = Histogram "nexus_task_schedule_to_start_latency":
            "Time that a Nexus request waited for a worker";
        NEXUS_TASK_EXECUTION_LATENCY = Histogram "nexus_task_execution_latency":
            "Time that the handler of a Nexus request took";
        NEXUS_TASK_EXECUTION_FAILED = Counter "nexus_task_execution_failed":
            "Nexus requests that ended with an error, in time or too late";
        NEXUS_TASK_ENDTOEND_LATENCY = Histogram "nexus_task_endtoend_latency":
            "Time from a Nexus request to the delivery of its answer";
    }
}

/// Makes Temporal's metrics, with common labels.
#[derive(Clone, Debug)]
pub(crate) struct TemporalMeter {
    pub(super) metrics: Metrics,
    pub(super) labels: Labels,
}

impl TemporalMeter {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, labels: Labels::default() }
    }

    /// Returns a meter with one more label.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        Self { metrics: self.metrics.clone(), labels: self.labels.with(name, value) }
    }

    pub(crate) fn counter(&self, definition: &Definition) -> Counter {
        Counter { series: self.family(definition, "").counter(&self.labels) }
    }

    pub(crate) fn histogram(&self, definition: &Definition) -> Histogram {
        Histogram { series: self.family(definition, DURATION).histogram(&self.labels) }
    }

    /// Returns a meter with these labels for metrics of users' own.
    #[cfg(feature = "worker")]
    pub(crate) fn of_users(&self) -> Meter {
        Meter { metrics: self.metrics.clone(), labels: self.labels.clone() }
    }

    #[cfg(feature = "worker")]
    pub(crate) fn gauge(&self, definition: &Definition) -> Gauge {
        Gauge { series: self.family(definition, "").gauge(&self.labels) }
    }

    fn family(&self, definition: &Definition, unit: &str) -> std::sync::Arc<super::registry::Family> {
        let registry = self.metrics.registry();
        let name = format!("{}{}", registry.options().prefix, definition.name);
        registry.family(&name, definition.kind, unit, definition.description)
    }
}

#[cfg(all(test, feature = "worker"))]
mod tests {
    use super::*;

    /// The table of the guide: name, kind, labels, meaning.
    #[test]
    fn the_guide_lists_every_metric_with_its_kind() {
        let page = include_str!("../../docs/guide/metrics.md");
        let rows: Vec<Vec<&str>> = page.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        let mut listed = Vec::new();
        for row in rows.iter().filter(|row| row.len() == 6) {
            let names = row[1].split(", ").filter_map(|name| name.strip_prefix('`')?.strip_suffix('`'));
            listed.extend(names.map(|name| (name, row[2])));
        }
        for definition in ALL.iter().chain(of_workers::ALL) {
            let kind = match definition.kind {
                MetricKind::Counter => "C",
                MetricKind::Gauge => "G",
                MetricKind::Histogram => "H",
            };
            let name = definition.name;
            assert!(
                listed.contains(&(name, kind)),
                "the table of sdk/docs/guide/metrics.md has no `{name}` of kind {kind}"
            );
        }
        assert_eq!(listed.len(), ALL.len() + of_workers::ALL.len(), "the table has others: {listed:?}");
    }
}

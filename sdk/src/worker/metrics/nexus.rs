//! Metrics of Nexus tasks.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::FAILURE_REASON;
use super::by_type::ByType;
use crate::metrics::temporal::{
    NEXUS_POLL_NO_TASK, NEXUS_TASK_ENDTOEND_LATENCY, NEXUS_TASK_EXECUTION_FAILED, NEXUS_TASK_EXECUTION_LATENCY,
    NEXUS_TASK_SCHEDULE_TO_START_LATENCY, TemporalMeter,
};
use crate::metrics::{Counter, Histogram};

#[derive(Debug)]
pub(in crate::worker) struct NexusMetrics {
    meter: TemporalMeter,
    poll_no_task: Counter,
    schedule_to_start_latency: Histogram,
    operations: ByType<ByType<OperationMetrics>>,
}

/// Handles for one operation of one service.
#[derive(Debug)]
pub(in crate::worker) struct OperationMetrics {
    meter: TemporalMeter,
    execution_latency: Histogram,
    endtoend_latency: Histogram,
}

impl NexusMetrics {
    pub(super) fn new(meter: &TemporalMeter) -> Self {
        Self {
            poll_no_task: meter.counter(&NEXUS_POLL_NO_TASK),
            schedule_to_start_latency: meter.histogram(&NEXUS_TASK_SCHEDULE_TO_START_LATENCY),
            meter: meter.clone(),
            operations: ByType::new(),
        }
    }

    pub(in crate::worker) fn no_task(&self) {
        self.poll_no_task.add(1);
    }

    /// Records that a request has arrived. A task has no other time of the server, so the clock of this machine counts.
    pub(in crate::worker) fn received(&self, scheduled: Option<SystemTime>, arrived: SystemTime) {
        if let Some(waited) = scheduled.and_then(|scheduled| arrived.duration_since(scheduled).ok()) {
            self.schedule_to_start_latency.record_duration(waited);
        }
    }

    pub(in crate::worker) fn of_operation(&self, service: &str, operation: &str) -> Arc<OperationMetrics> {
        self.operations.get(service, ByType::new).get(operation, || {
            let meter = self.meter.with("nexus_service", service).with("nexus_operation", operation);
            OperationMetrics {
                execution_latency: meter.histogram(&NEXUS_TASK_EXECUTION_LATENCY),
                endtoend_latency: meter.histogram(&NEXUS_TASK_ENDTOEND_LATENCY),
                meter,
            }
        })
    }
}

impl OperationMetrics {
    /// Records that the code of a handler has ended, and the reason if it counts as failed.
    pub(in crate::worker) fn ended(&self, taken: Duration, failure_reason: Option<&str>) {
        self.execution_latency.record_duration(taken);
        if let Some(reason) = failure_reason {
            self.meter.with(FAILURE_REASON, reason).counter(&NEXUS_TASK_EXECUTION_FAILED).add(1);
        }
    }

    /// Records that the server has got the answer.
    pub(in crate::worker) fn answered(&self, scheduled: Option<SystemTime>, now: SystemTime) {
        if let Some(taken) = scheduled.and_then(|scheduled| now.duration_since(scheduled).ok()) {
            self.endtoend_latency.record_duration(taken);
        }
    }
}

//! Metrics of activities and of local activities.

use std::sync::Arc;
use std::time::Duration;

use abide_protos::temporal::api::failure::v1::Failure as FailureProto;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::workflowservice::v1::PollActivityTaskQueueResponse;

use super::by_type::ByType;
use super::{FAILURE_REASON, between};
use crate::activity::ActivityInfo;
use crate::failure::{error_type, is_benign};
use crate::metrics::temporal::{
    ACTIVITY_EXECUTION_FAILED, ACTIVITY_EXECUTION_LATENCY, ACTIVITY_POLL_NO_TASK, ACTIVITY_SCHEDULE_TO_START_LATENCY,
    ACTIVITY_SUCCEED_ENDTOEND_LATENCY, ACTIVITY_TASK_RECEIVED, LOCAL_ACTIVITY_EXECUTION_CANCELLED,
    LOCAL_ACTIVITY_EXECUTION_FAILED, LOCAL_ACTIVITY_EXECUTION_LATENCY, LOCAL_ACTIVITY_SUCCEED_ENDTOEND_LATENCY,
    LOCAL_ACTIVITY_TOTAL, TemporalMeter,
};
use crate::metrics::{Counter, Histogram};

/// The way in which an attempt came to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Delivery {
    /// By a poll.
    Polled,
    /// With the answer to the workflow task that scheduled it.
    Eager,
}

#[derive(Debug)]
pub(in crate::worker) struct ActivityMetrics {
    meter: TemporalMeter,
    poll_no_task: Counter,
    schedule_to_start_latency: Histogram,
    types: ByTypes<AttemptMetrics>,
}

/// Handles for one type of activity called by one type of workflow.
#[derive(Debug)]
pub(in crate::worker) struct AttemptMetrics {
    meter: TemporalMeter,
    polled: Counter,
    eager: Counter,
    execution_latency: Histogram,
    succeed_endtoend_latency: Histogram,
}

impl ActivityMetrics {
    pub(super) fn new(meter: &TemporalMeter) -> Self {
        Self {
            poll_no_task: meter.counter(&ACTIVITY_POLL_NO_TASK),
            schedule_to_start_latency: meter.histogram(&ACTIVITY_SCHEDULE_TO_START_LATENCY),
            meter: meter.clone(),
            types: ByType::new(),
        }
    }

    pub(in crate::worker) fn no_task(&self) {
        self.poll_no_task.add(1);
    }

    /// Records that an attempt has arrived.
    pub(in crate::worker) fn received(&self, task: &PollActivityTaskQueueResponse, delivery: Delivery) {
        let activity_type = task.activity_type.as_ref().map(|it| it.name.as_str()).unwrap_or_default();
        let workflow_type = task.workflow_type.as_ref().map(|it| it.name.as_str()).unwrap_or_default();
        let of_type = self.of_type(activity_type, workflow_type);
        match delivery {
            Delivery::Polled => of_type.polled.add(1),
            Delivery::Eager => of_type.eager.add(1),
        }
        if let Some(waited) = between(task.current_attempt_scheduled_time.as_ref(), task.started_time.as_ref()) {
            self.schedule_to_start_latency.record_duration(waited);
        }
    }

    pub(in crate::worker) fn of_type(&self, activity_type: &str, workflow_type: &str) -> Arc<AttemptMetrics> {
        of_types(&self.types, activity_type, workflow_type, || {
            let meter = self.meter.with("activity_type", activity_type).with("workflow_type", workflow_type);
            AttemptMetrics {
                polled: meter.with("eager", "false").counter(&ACTIVITY_TASK_RECEIVED),
                eager: meter.with("eager", "true").counter(&ACTIVITY_TASK_RECEIVED),
                execution_latency: meter.histogram(&ACTIVITY_EXECUTION_LATENCY),
                succeed_endtoend_latency: meter.histogram(&ACTIVITY_SUCCEED_ENDTOEND_LATENCY),
                meter,
            }
        })
    }
}

impl AttemptMetrics {
    /// Records that the code of an attempt has ended, however it did.
    pub(in crate::worker) fn ended(&self, taken: Duration) {
        self.execution_latency.record_duration(taken);
    }

    /// Records a success. `since_start` is the time since the worker got the attempt.
    ///
    /// The server's times are compared with each other only, because this machine's clock may be wrong.
    pub(in crate::worker) fn succeeded(&self, info: &ActivityInfo, since_start: Duration) {
        if let (Some(scheduled), Some(started)) = (info.scheduled_time, info.started_time) {
            let before = started.duration_since(scheduled).unwrap_or_default();
            self.succeed_endtoend_latency.record_duration(before + since_start);
        }
    }

    /// Records a failure, unless its author expected it, or the worker shut down.
    pub(in crate::worker) fn failed(&self, failure: &FailureProto) {
        let reason = match error_type(failure) {
            _ if is_benign(failure) => return,
            Some("WorkerShutdown") => return,
            Some("PayloadsTooLarge") => "PayloadsTooLarge",
            _ => "ActivityError",
        };
        self.meter.with(FAILURE_REASON, reason).counter(&ACTIVITY_EXECUTION_FAILED).add(1);
    }
}

#[derive(Debug)]
pub(in crate::worker) struct LocalActivityMetrics {
    meter: TemporalMeter,
    types: ByTypes<LocalAttemptMetrics>,
}

/// Handles for one type of local activity called by one type of workflow.
#[derive(Debug)]
pub(in crate::worker) struct LocalAttemptMetrics {
    meter: TemporalMeter,
    total: Counter,
    cancelled: Counter,
    execution_latency: Histogram,
    succeed_endtoend_latency: Histogram,
}

impl LocalActivityMetrics {
    pub(super) fn new(meter: &TemporalMeter) -> Self {
        Self { meter: meter.clone(), types: ByType::new() }
    }

    pub(in crate::worker) fn of_type(&self, activity_type: &str, workflow_type: &str) -> Arc<LocalAttemptMetrics> {
        of_types(&self.types, activity_type, workflow_type, || {
            let meter = self.meter.with("activity_type", activity_type).with("workflow_type", workflow_type);
            LocalAttemptMetrics {
                total: meter.counter(&LOCAL_ACTIVITY_TOTAL),
                cancelled: meter.counter(&LOCAL_ACTIVITY_EXECUTION_CANCELLED),
                execution_latency: meter.histogram(&LOCAL_ACTIVITY_EXECUTION_LATENCY),
                succeed_endtoend_latency: meter.histogram(&LOCAL_ACTIVITY_SUCCEED_ENDTOEND_LATENCY),
                meter,
            }
        })
    }
}

impl LocalAttemptMetrics {
    pub(in crate::worker) fn began(&self) {
        self.total.add(1);
    }

    pub(in crate::worker) fn ended(&self, taken: Duration) {
        self.execution_latency.record_duration(taken);
    }

    /// Records a success. `since_scheduled` is the time since the first attempt was scheduled, if it is known.
    pub(in crate::worker) fn succeeded(&self, since_scheduled: Option<Duration>) {
        if let Some(time) = since_scheduled {
            self.succeed_endtoend_latency.record_duration(time);
        }
    }

    pub(in crate::worker) fn cancelled(&self) {
        self.cancelled.add(1);
    }

    /// Records a failure, unless its author expected it.
    pub(in crate::worker) fn failed(&self, failure: &FailureProto) {
        let reason = match &failure.failure_info {
            Some(FailureInfo::TimeoutFailureInfo(_)) => "timeout",
            _ if is_benign(failure) => return,
            _ if error_type(failure) == Some("PayloadsTooLarge") => "PayloadsTooLarge",
            _ => "ActivityError",
        };
        self.meter.with(FAILURE_REASON, reason).counter(&LOCAL_ACTIVITY_EXECUTION_FAILED).add(1);
    }
}

/// By the type of the activity, and then of the workflow that called it.
type ByTypes<T> = ByType<ByType<T>>;

fn of_types<T>(types: &ByTypes<T>, activity_type: &str, workflow_type: &str, make: impl FnOnce() -> T) -> Arc<T> {
    types.get(activity_type, ByType::new).get(workflow_type, make)
}

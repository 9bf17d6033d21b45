//! Metrics of workflow tasks and of the ends of workflows.

use std::time::Duration;

use abide_protos::temporal::api::command::v1::Command;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::enums::v1::WorkflowTaskFailedCause;
use abide_protos::temporal::api::workflowservice::v1::PollWorkflowTaskQueueResponse;

use super::by_type::ByType;
use super::{FAILURE_REASON, between};
use crate::failure::is_benign;
use crate::metrics::temporal::{
    TemporalMeter, WORKFLOW_CANCELED, WORKFLOW_COMPLETED, WORKFLOW_CONTINUE_AS_NEW, WORKFLOW_ENDTOEND_LATENCY,
    WORKFLOW_FAILED, WORKFLOW_TASK_EXECUTION_FAILED, WORKFLOW_TASK_EXECUTION_LATENCY, WORKFLOW_TASK_POLL_EMPTY,
    WORKFLOW_TASK_POLL_SUCCEED, WORKFLOW_TASK_REPLAY_LATENCY, WORKFLOW_TASK_SCHEDULE_TO_START_LATENCY,
};
use crate::metrics::{Counter, Histogram};

#[derive(Debug)]
pub(in crate::worker) struct WorkflowTaskMetrics {
    meter: TemporalMeter,
    poll_succeed: Counter,
    poll_empty: Counter,
    schedule_to_start_latency: Histogram,
    types: ByType<OfWorkflowType>,
}

#[derive(Debug)]
struct OfWorkflowType {
    meter: TemporalMeter,
    completed: Counter,
    canceled: Counter,
    failed: Counter,
    continued_as_new: Counter,
    endtoend_latency: Histogram,
    execution_latency: Histogram,
    replay_latency: Histogram,
}

/// The end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Closing {
    Completed,
    Canceled,
    Failed,
    /// Failed as its author expected, which is not counted as a failure.
    FailedBenignly,
    ContinuedAsNew,
}

impl Closing {
    /// Returns the end that these commands bring about; `None` if the run stays open.
    pub(in crate::worker) fn of(commands: &[Command]) -> Option<Self> {
        commands.iter().rev().find_map(|command| match command.attributes.as_ref()? {
            Attributes::CompleteWorkflowExecutionCommandAttributes(_) => Some(Self::Completed),
            Attributes::CancelWorkflowExecutionCommandAttributes(_) => Some(Self::Canceled),
            Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(_) => Some(Self::ContinuedAsNew),
            Attributes::FailWorkflowExecutionCommandAttributes(failed) => {
                let benign = failed.failure.as_ref().is_some_and(is_benign);
                Some(if benign { Self::FailedBenignly } else { Self::Failed })
            }
            _ => None,
        })
    }
}

impl WorkflowTaskMetrics {
    pub(super) fn new(meter: &TemporalMeter) -> Self {
        Self {
            poll_succeed: meter.counter(&WORKFLOW_TASK_POLL_SUCCEED),
            poll_empty: meter.counter(&WORKFLOW_TASK_POLL_EMPTY),
            schedule_to_start_latency: meter.histogram(&WORKFLOW_TASK_SCHEDULE_TO_START_LATENCY),
            meter: meter.clone(),
            types: ByType::new(),
        }
    }

    /// Records the answer to a poll.
    pub(in crate::worker) fn polled(&self, response: &PollWorkflowTaskQueueResponse) {
        if response.task_token.is_empty() {
            return self.poll_empty.add(1);
        }
        self.poll_succeed.add(1);
        if let Some(waited) = between(response.scheduled_time.as_ref(), response.started_time.as_ref()) {
            self.schedule_to_start_latency.record_duration(waited);
        }
    }

    /// Records that the worker has an answer to a task, of whatever kind.
    pub(in crate::worker) fn task_ended(&self, workflow_type: &str, taken: Duration) {
        self.of_type(workflow_type).execution_latency.record_duration(taken);
    }

    pub(in crate::worker) fn task_failed(&self, workflow_type: &str, cause: WorkflowTaskFailedCause) {
        let reason = match cause {
            WorkflowTaskFailedCause::NonDeterministicError => "NonDeterminismError",
            WorkflowTaskFailedCause::GrpcMessageTooLarge => "GrpcMessageTooLarge",
            WorkflowTaskFailedCause::PayloadsTooLarge => "PayloadsTooLarge",
            WorkflowTaskFailedCause::RequestTooLarge => "RequestTooLarge",
            _ => "WorkflowError",
        };
        let meter = self.of_type(workflow_type).meter.with(FAILURE_REASON, reason);
        meter.counter(&WORKFLOW_TASK_EXECUTION_FAILED).add(1);
    }

    /// Records that a run was rebuilt from its history.
    pub(in crate::worker) fn replayed(&self, workflow_type: &str, taken: Duration) {
        self.of_type(workflow_type).replay_latency.record_duration(taken);
    }

    /// Records that the server has accepted the end of a run. `lasted` is the run's duration, if it is known.
    pub(in crate::worker) fn closed(&self, workflow_type: &str, closing: Closing, lasted: Option<Duration>) {
        let of_type = self.of_type(workflow_type);
        match closing {
            Closing::Completed => of_type.completed.add(1),
            Closing::Canceled => of_type.canceled.add(1),
            Closing::Failed => of_type.failed.add(1),
            Closing::FailedBenignly => {}
            Closing::ContinuedAsNew => of_type.continued_as_new.add(1),
        }
        if let Some(lasted) = lasted {
            of_type.endtoend_latency.record_duration(lasted);
        }
    }

    fn of_type(&self, workflow_type: &str) -> std::sync::Arc<OfWorkflowType> {
        self.types.get(workflow_type, || {
            let meter = self.meter.with("workflow_type", workflow_type);
            OfWorkflowType {
                completed: meter.counter(&WORKFLOW_COMPLETED),
                canceled: meter.counter(&WORKFLOW_CANCELED),
                failed: meter.counter(&WORKFLOW_FAILED),
                continued_as_new: meter.counter(&WORKFLOW_CONTINUE_AS_NEW),
                endtoend_latency: meter.histogram(&WORKFLOW_ENDTOEND_LATENCY),
                execution_latency: meter.histogram(&WORKFLOW_TASK_EXECUTION_LATENCY),
                replay_latency: meter.histogram(&WORKFLOW_TASK_REPLAY_LATENCY),
                meter,
            }
        })
    }
}

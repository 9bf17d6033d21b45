//! SCHEDULE_ACTIVITY_TASK.

use std::time::Duration;

use super::super::api::{command, enums::WorkflowTaskFailedCause, history};
use super::super::limits;
use super::super::retry;
use super::super::time;
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::activities::{ActivityTimeouts, timeout_proto};
use crate::engine::history::Extras;
use crate::engine::workflow::normal_queue;

const PENDING_LIMIT: usize = 2000;

#[expect(deprecated, reason = "SDKs still send use_workflow_build_id and the real server still copies it")]
pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &mut Completion,
    attributes: command::ScheduleActivityTaskCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let timeouts = validate(transaction, &attributes)?;
    limits::check_command(attributes.input.as_ref(), "ScheduleActivityTaskCommandAttributes.Input")?;
    let eager = attributes.request_eager_execution && completion.eager_activities_allowed;
    let queue = attributes.task_queue.map(|queue| queue.name).unwrap_or_default();
    let event = history::ActivityTaskScheduledEventAttributes {
        activity_id: attributes.activity_id,
        activity_type: attributes.activity_type,
        task_queue: Some(normal_queue(&queue)),
        header: attributes.header,
        input: attributes.input,
        schedule_to_close_timeout: timeout_proto(timeouts.schedule_to_close),
        schedule_to_start_timeout: timeout_proto(timeouts.schedule_to_start),
        start_to_close_timeout: timeout_proto(timeouts.start_to_close),
        heartbeat_timeout: timeout_proto(timeouts.heartbeat),
        workflow_task_completed_event_id: completion.completed_event_id,
        retry_policy: Some(retry::with_defaults(attributes.retry_policy)),
        use_workflow_build_id: attributes.use_workflow_build_id,
        priority: attributes.priority,
    };
    let scheduled_event_id = transaction.schedule_activity(event, timeouts, extras);
    if eager {
        completion.eager_activities.push(scheduled_event_id);
    } else {
        transaction.dispatch_activity(scheduled_event_id);
    }
    Ok(())
}

fn validate(
    transaction: &Transaction<'_>,
    attributes: &command::ScheduleActivityTaskCommandAttributes,
) -> Result<ActivityTimeouts, Refusal> {
    let bad = |text: String| Refusal::new(WorkflowTaskFailedCause::BadScheduleActivityAttributes, text);
    let id = &attributes.activity_id;
    if attributes.task_queue.as_ref().is_none_or(|queue| queue.name.is_empty()) {
        return Err(bad("taskQueue is not set".to_owned()));
    }
    let name = attributes.activity_type.as_ref().map_or("", |kind| kind.name.as_str());
    if id.is_empty() {
        return Err(bad("activityId is not set".to_owned()));
    }
    if name.is_empty() {
        return Err(bad("activityType is not set".to_owned()));
    }
    if let Some(policy) = &attributes.retry_policy {
        retry::validate(policy).map_err(|error| bad(error.message))?;
    }
    let timeouts = timeouts(attributes, run_timeout(transaction)).map_err(bad)?;
    if transaction.execution.activity_by_id(id).is_some() {
        let text =
            format!("invalid history builder state for action: add-activitytask-scheduled-event, ActivityID: {id}");
        return Err(Refusal::new(WorkflowTaskFailedCause::ScheduleActivityDuplicateId, text));
    }
    if transaction.execution.state.activities.len() >= PENDING_LIMIT {
        let text = format!(
            "the number of pending activities, {PENDING_LIMIT}, has reached the per-workflow limit of {PENDING_LIMIT}"
        );
        return Err(Refusal::new(WorkflowTaskFailedCause::PendingActivitiesLimitExceeded, text));
    }
    Ok(timeouts)
}

fn run_timeout(transaction: &Transaction<'_>) -> Option<Duration> {
    time::stored(transaction.execution.state.start.workflow_run_timeout.as_ref())
}

/// Derives missing timeouts from the others; none is longer than the run's timeout.
fn timeouts(
    attributes: &command::ScheduleActivityTaskCommandAttributes,
    run_timeout: Option<Duration>,
) -> Result<ActivityTimeouts, String> {
    let read = |field: &Option<abide_protos::Duration>, name: &str| {
        time::positive(field.as_ref(), name).map_err(|_| format!("invalid {name}: negative duration"))
    };
    let to_close = read(&attributes.schedule_to_close_timeout, "ScheduleToCloseTimeout")?;
    let to_start = read(&attributes.schedule_to_start_timeout, "ScheduleToStartTimeout")?;
    let start_to_close = read(&attributes.start_to_close_timeout, "StartToCloseTimeout")?;
    let heartbeat = read(&attributes.heartbeat_timeout, "HeartbeatTimeout")?;
    let mut all = match (to_close, start_to_close) {
        (Some(limit), _) => ActivityTimeouts {
            schedule_to_close: Some(limit),
            schedule_to_start: Some(to_start.unwrap_or(limit).min(limit)),
            start_to_close: Some(start_to_close.unwrap_or(limit).min(limit)),
            heartbeat,
        },
        (None, Some(_)) => ActivityTimeouts {
            schedule_to_close: run_timeout,
            schedule_to_start: to_start.or(run_timeout),
            start_to_close,
            heartbeat,
        },
        (None, None) => {
            let text = "a valid StartToCloseTimeout or ScheduleToCloseTimeout must be set on the activity.";
            let name = attributes.activity_type.as_ref().map_or("", |kind| kind.name.as_str());
            return Err(format!("{text} ActivityId={} ActivityType={name}", attributes.activity_id));
        }
    };
    if run_timeout.is_some() {
        all.schedule_to_close = time::shorter(all.schedule_to_close, run_timeout);
        all.schedule_to_start = time::shorter(all.schedule_to_start, run_timeout);
        all.start_to_close = time::shorter(all.start_to_close, run_timeout);
    }
    all.heartbeat = all.heartbeat.map(|heartbeat| all.start_to_close.map_or(heartbeat, |limit| heartbeat.min(limit)));
    Ok(all)
}

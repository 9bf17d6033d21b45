//! Prints events on one line each, with the details that matter in a spec.

use super::super::api::{Attributes, HistoryEvent, common, enums, failure, failure::failure::FailureInfo, update};

/// `6 ActivityTaskStarted of 5, attempt 2`.
pub(super) fn event(event: &HistoryEvent) -> String {
    let name = format!("{:?}", event.event_type());
    let about = event.attributes.as_ref().map(attributes).unwrap_or_default();
    let separator = if about.is_empty() { "" } else { " " };
    format!("{} {name}{separator}{about}", event.event_id)
}

fn attributes(attributes: &Attributes) -> String {
    use Attributes::*;
    match attributes {
        WorkflowExecutionStartedEventAttributes(a) => {
            let initiator = match a.initiator() {
                enums::ContinueAsNewInitiator::Unspecified => String::new(),
                initiator => format!(", by {initiator:?}"),
            };
            let parent = a.parent_workflow_execution.as_ref();
            let parent = parent.map(|parent| format!(", child of {}", parent.workflow_id)).unwrap_or_default();
            let wait = a.first_workflow_task_backoff.as_ref().map_or(0, |wait| wait.seconds);
            let wait = if wait == 0 { String::new() } else { format!(", in {wait}s") };
            let result = payloads(a.last_completion_result.as_ref());
            let result = if result.is_empty() { result } else { format!(", last result {result}") };
            let failed = a.continued_failure.as_ref();
            let failed = failed.map(|last| format!(", after {}", failure(last))).unwrap_or_default();
            format!("attempt {}{initiator}{parent}{wait}{result}{failed}", a.attempt)
        }
        WorkflowTaskScheduledEventAttributes(a) => {
            let queue = a.task_queue.as_ref().map_or("", |queue| queue.name.as_str());
            format!("on {queue}, attempt {}", a.attempt)
        }
        WorkflowTaskStartedEventAttributes(a) => format!("of {}", a.scheduled_event_id),
        WorkflowTaskCompletedEventAttributes(a) => format!("of {}, {}", a.scheduled_event_id, a.started_event_id),
        WorkflowTaskTimedOutEventAttributes(a) => {
            format!("of {}, {}: {:?}", a.scheduled_event_id, a.started_event_id, a.timeout_type())
        }
        WorkflowTaskFailedEventAttributes(a) => {
            let text = a.failure.as_ref().map(|failure| format!(", {}", failure.message)).unwrap_or_default();
            format!("of {}, {}: {:?}{text}", a.scheduled_event_id, a.started_event_id, a.cause())
        }
        ActivityTaskScheduledEventAttributes(a) => a.activity_id.clone(),
        ActivityTaskStartedEventAttributes(a) => {
            let last = a.last_failure.as_ref().map(|last| format!(", after {}", failure(last))).unwrap_or_default();
            format!("of {}, attempt {}{last}", a.scheduled_event_id, a.attempt)
        }
        ActivityTaskCompletedEventAttributes(a) => format!("of {}, {}", a.scheduled_event_id, a.started_event_id),
        ActivityTaskFailedEventAttributes(a) => {
            format!("of {}, {}: {:?}", a.scheduled_event_id, a.started_event_id, a.retry_state())
        }
        ActivityTaskTimedOutEventAttributes(a) => {
            let failure = a.failure.as_ref().map(failure).unwrap_or_default();
            format!("of {}, {}: {:?}, {failure}", a.scheduled_event_id, a.started_event_id, a.retry_state())
        }
        ActivityTaskCancelRequestedEventAttributes(a) => format!("of {}", a.scheduled_event_id),
        ActivityTaskCanceledEventAttributes(a) => {
            let details = payloads(a.details.as_ref());
            let requested = a.latest_cancel_requested_event_id;
            format!("of {}, {}: requested by {requested} {details}", a.scheduled_event_id, a.started_event_id)
                .trim_end()
                .to_owned()
        }
        TimerStartedEventAttributes(a) => a.timer_id.clone(),
        TimerFiredEventAttributes(a) => format!("{} of {}", a.timer_id, a.started_event_id),
        TimerCanceledEventAttributes(a) => format!("{} of {}", a.timer_id, a.started_event_id),
        MarkerRecordedEventAttributes(a) => a.marker_name.clone(),
        WorkflowExecutionSignaledEventAttributes(a) => {
            let from = a.external_workflow_execution.as_ref();
            format!("{}{}", a.signal_name, from.map(|from| format!(" from {}", from.workflow_id)).unwrap_or_default())
        }
        WorkflowExecutionCancelRequestedEventAttributes(a) => {
            let from = a.external_workflow_execution.as_ref();
            from.map(|from| format!("{} from {}", a.cause, from.workflow_id).trim_start().to_owned())
                .unwrap_or_default()
        }
        WorkflowExecutionTerminatedEventAttributes(a) => a.reason.clone(),
        WorkflowExecutionCompletedEventAttributes(a) => payloads(a.result.as_ref()),
        WorkflowExecutionFailedEventAttributes(a) => format!("{:?}", a.retry_state()),
        WorkflowExecutionTimedOutEventAttributes(a) => format!("{:?}", a.retry_state()),
        _ => of_other_workflows(attributes),
    }
}

/// Updates.
fn of_updates(attributes: &Attributes) -> String {
    use Attributes::*;
    match attributes {
        WorkflowExecutionUpdateAdmittedEventAttributes(a) => {
            let meta = a.request.as_ref().and_then(|request| request.meta.as_ref());
            meta.map_or("", |meta| &meta.update_id).to_owned()
        }
        WorkflowExecutionUpdateAcceptedEventAttributes(a) => {
            let request = if a.accepted_request.is_some() { "" } else { ", its request is elsewhere" };
            format!("{} after {}{request}", a.protocol_instance_id, a.accepted_request_sequencing_event_id)
        }
        WorkflowExecutionUpdateCompletedEventAttributes(a) => {
            let id = a.meta.as_ref().map_or("", |meta| &meta.update_id);
            format!("{id} of {}: {}", a.accepted_event_id, a.outcome.as_ref().map(outcome).unwrap_or_default())
        }
        _ => String::new(),
    }
}

/// Children, and messages to other workflows.
fn of_other_workflows(attributes: &Attributes) -> String {
    use Attributes::*;
    match attributes {
        StartChildWorkflowExecutionInitiatedEventAttributes(a) => {
            format!("{} {:?}", a.workflow_id, a.parent_close_policy())
        }
        StartChildWorkflowExecutionFailedEventAttributes(a) => format!("of {}: {:?}", a.initiated_event_id, a.cause()),
        ChildWorkflowExecutionStartedEventAttributes(a) => format!("of {}", a.initiated_event_id),
        ChildWorkflowExecutionCompletedEventAttributes(a) => {
            let result = payloads(a.result.as_ref());
            format!("of {}, {} {result}", a.initiated_event_id, a.started_event_id).trim_end().to_owned()
        }
        ChildWorkflowExecutionFailedEventAttributes(a) => {
            format!("of {}, {}: {:?}", a.initiated_event_id, a.started_event_id, a.retry_state())
        }
        ChildWorkflowExecutionTimedOutEventAttributes(a) => {
            format!("of {}, {}: {:?}", a.initiated_event_id, a.started_event_id, a.retry_state())
        }
        ChildWorkflowExecutionCanceledEventAttributes(a) => {
            format!("of {}, {}", a.initiated_event_id, a.started_event_id)
        }
        ChildWorkflowExecutionTerminatedEventAttributes(a) => {
            format!("of {}, {}", a.initiated_event_id, a.started_event_id)
        }
        SignalExternalWorkflowExecutionInitiatedEventAttributes(a) => {
            format!("{} to {}", a.signal_name, a.workflow_execution.as_ref().map_or("", |to| &to.workflow_id))
        }
        SignalExternalWorkflowExecutionFailedEventAttributes(a) => {
            format!("of {}: {:?}", a.initiated_event_id, a.cause())
        }
        ExternalWorkflowExecutionSignaledEventAttributes(a) => format!("of {}", a.initiated_event_id),
        RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a) => {
            format!("{}: {}", a.workflow_execution.as_ref().map_or("", |to| &to.workflow_id), a.reason)
        }
        RequestCancelExternalWorkflowExecutionFailedEventAttributes(a) => {
            format!("of {}: {:?}", a.initiated_event_id, a.cause())
        }
        ExternalWorkflowExecutionCancelRequestedEventAttributes(a) => format!("of {}", a.initiated_event_id),
        NexusOperationScheduledEventAttributes(a) => {
            let duration = |name: &str, timeout: Option<&abide_protos::Duration>| {
                timeout.map(|timeout| format!(" {name}={}s", timeout.seconds)).unwrap_or_default()
            };
            let timeouts = [
                duration("s2c", a.schedule_to_close_timeout.as_ref()),
                duration("s2s", a.schedule_to_start_timeout.as_ref()),
                duration("stc", a.start_to_close_timeout.as_ref()),
            ];
            format!("{}{}", a.operation, timeouts.concat())
        }
        NexusOperationStartedEventAttributes(a) => format!("of {}: {}", a.scheduled_event_id, a.operation_token),
        NexusOperationCompletedEventAttributes(a) => {
            let result = a.result.as_ref().map(|result| String::from_utf8_lossy(&result.data).into_owned());
            format!("of {}: {}", a.scheduled_event_id, result.unwrap_or_default())
        }
        NexusOperationFailedEventAttributes(a) => of_nexus(a.scheduled_event_id, a.failure.as_ref()),
        NexusOperationCanceledEventAttributes(a) => of_nexus(a.scheduled_event_id, a.failure.as_ref()),
        NexusOperationTimedOutEventAttributes(a) => of_nexus(a.scheduled_event_id, a.failure.as_ref()),
        NexusOperationCancelRequestedEventAttributes(a) => format!("of {}", a.scheduled_event_id),
        NexusOperationCancelRequestCompletedEventAttributes(a) => {
            format!("of {}, requested by {}", a.scheduled_event_id, a.requested_event_id)
        }
        NexusOperationCancelRequestFailedEventAttributes(a) => {
            let failure = a.failure.as_ref().map(failure).unwrap_or_default();
            format!("of {}, requested by {}: {failure}", a.scheduled_event_id, a.requested_event_id)
        }
        _ => of_updates(attributes),
    }
}

/// Describes the result of a Nexus operation by its cause, because the failure around it is always the same.
fn of_nexus(scheduled_event_id: i64, outer: Option<&failure::Failure>) -> String {
    let cause = outer.and_then(|outer| outer.cause.as_deref()).map(failure).unwrap_or_default();
    format!("of {scheduled_event_id}: {cause}")
}

/// Describes the outcome of an update.
pub(super) fn outcome(outcome: &update::Outcome) -> String {
    match &outcome.value {
        Some(update::outcome::Value::Success(result)) => payloads(Some(result)),
        Some(update::outcome::Value::Failure(failure)) => format!("failed: {}", failure.message),
        None => String::new(),
    }
}

/// Returns the texts in payloads.
pub(super) fn payloads(payloads: Option<&common::Payloads>) -> String {
    let payloads = payloads.map(|payloads| payloads.payloads.as_slice()).unwrap_or_default();
    let texts: Vec<_> = payloads.iter().map(|payload| String::from_utf8_lossy(&payload.data)).collect();
    texts.join(" ")
}

pub(super) fn text_payloads(text: &str) -> common::Payloads {
    common::Payloads { payloads: vec![common::Payload { data: text.as_bytes().to_vec(), ..Default::default() }] }
}

fn failure(failure: &failure::Failure) -> String {
    let details = match &failure.failure_info {
        Some(FailureInfo::TimeoutFailureInfo(info)) => {
            let details = payloads(info.last_heartbeat_details.as_ref());
            let details = if details.is_empty() { details } else { format!(" heartbeat {details}") };
            format!(" ({:?}{details})", info.timeout_type())
        }
        Some(FailureInfo::NexusHandlerFailureInfo(info)) => format!(" ({})", info.r#type),
        _ => String::new(),
    };
    let cause = failure.cause.as_ref().map(|cause| format!(" because {}", self::failure(cause))).unwrap_or_default();
    format!("{:?}{details}{cause}", failure.message)
}

//! SCHEDULE_NEXUS_OPERATION.

use std::collections::HashMap;

use super::super::api::{command, enums::WorkflowTaskFailedCause, history};
use super::super::limits;
use super::super::time;
use super::super::transaction::Transaction;
use super::{Completion, Refusal};
use crate::engine::history::Extras;
use crate::engine::nexus::{NexusTimeouts, timeout_proto};

const PENDING_LIMIT: usize = 30;
const NAME_LIMIT: usize = 1000;

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    completion: &mut Completion,
    attributes: command::ScheduleNexusOperationCommandAttributes,
    extras: Extras,
) -> Result<(), Refusal> {
    let endpoint_id = transaction.endpoints.id_of(&attributes.endpoint).map(str::to_owned);
    let endpoint_id = endpoint_id.ok_or_else(|| bad(format!("endpoint {:?} not found", attributes.endpoint)))?;
    for (name, text) in [("Service", &attributes.service), ("Operation", &attributes.operation)] {
        if text.len() > NAME_LIMIT {
            let text = format!("ScheduleNexusOperationCommandAttributes.{name} exceeds length limit of {NAME_LIMIT}");
            return Err(bad(text));
        }
    }
    let timeouts = timeouts(transaction, &attributes)?;
    if attributes.input.as_ref().is_some_and(limits::is_too_large) {
        let text = "ScheduleNexusOperationCommandAttributes.Input exceeds size limit";
        return Err(Refusal { ends_workflow: true, ..bad(text.to_owned()) });
    }
    if transaction.execution.state.nexus_operations.len() >= PENDING_LIMIT {
        let text =
            format!("workflow has reached the pending nexus operation limit of {PENDING_LIMIT} for this namespace");
        return Err(Refusal::new(WorkflowTaskFailedCause::PendingNexusOperationsLimitExceeded, text));
    }
    let headers: HashMap<String, String> =
        attributes.nexus_header.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    let event = history::NexusOperationScheduledEventAttributes {
        endpoint: attributes.endpoint,
        service: attributes.service,
        operation: attributes.operation,
        input: attributes.input,
        schedule_to_close_timeout: timeout_proto(timeouts.schedule_to_close),
        nexus_header: headers,
        workflow_task_completed_event_id: completion.completed_event_id,
        request_id: transaction.ids.v4(),
        endpoint_id,
        schedule_to_start_timeout: timeout_proto(timeouts.schedule_to_start),
        start_to_close_timeout: timeout_proto(timeouts.start_to_close),
    };
    transaction.schedule_nexus_operation(event, timeouts, extras);
    Ok(())
}

fn bad(text: String) -> Refusal {
    Refusal::new(WorkflowTaskFailedCause::BadScheduleNexusOperationAttributes, text)
}

/// Limits the timeouts to the run's timeout.
fn timeouts(
    transaction: &Transaction<'_>,
    attributes: &command::ScheduleNexusOperationCommandAttributes,
) -> Result<NexusTimeouts, Refusal> {
    let read = |field: &Option<abide_protos::Duration>, name: &str| {
        let text = || format!("ScheduleNexusOperationCommandAttributes.{name} is invalid: negative duration");
        time::positive(field.as_ref(), name).map_err(|_| bad(text()))
    };
    let to_close = read(&attributes.schedule_to_close_timeout, "ScheduleToCloseTimeout")?;
    let to_start = read(&attributes.schedule_to_start_timeout, "ScheduleToStartTimeout")?;
    let started = read(&attributes.start_to_close_timeout, "StartToCloseTimeout")?;
    let run = time::stored(transaction.execution.state.start.workflow_run_timeout.as_ref());
    let schedule_to_close = time::shorter(to_close, run);
    let capped = |timeout: Option<std::time::Duration>| timeout.and(time::shorter(timeout, schedule_to_close));
    Ok(NexusTimeouts { schedule_to_close, schedule_to_start: capped(to_start), start_to_close: capped(started) })
}

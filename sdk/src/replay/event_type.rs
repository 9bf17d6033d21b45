//! What kinds of events there are, and what they are called.

use abide_protos::temporal::api::enums::v1::EventType;

/// Whether the event exists because of a workflow's command.
pub(crate) fn is_command_event(event_type: EventType) -> bool {
    use EventType as E;
    matches!(
        event_type,
        E::ActivityTaskScheduled
            | E::ActivityTaskCancelRequested
            | E::MarkerRecorded
            | E::RequestCancelExternalWorkflowExecutionInitiated
            | E::SignalExternalWorkflowExecutionInitiated
            | E::StartChildWorkflowExecutionInitiated
            | E::TimerStarted
            | E::TimerCanceled
            | E::UpsertWorkflowSearchAttributes
            | E::WorkflowPropertiesModified
            | E::NexusOperationScheduled
            | E::NexusOperationCancelRequested
            | E::WorkflowExecutionCanceled
            | E::WorkflowExecutionCompleted
            | E::WorkflowExecutionContinuedAsNew
            | E::WorkflowExecutionFailed
            | E::WorkflowExecutionUpdateAccepted
            | E::WorkflowExecutionUpdateRejected
            | E::WorkflowExecutionUpdateCompleted
    )
}

/// Whether no event can follow.
pub(crate) fn closes_workflow(event_type: EventType) -> bool {
    use EventType as E;
    matches!(
        event_type,
        E::WorkflowExecutionCompleted
            | E::WorkflowExecutionFailed
            | E::WorkflowExecutionTimedOut
            | E::WorkflowExecutionCanceled
            | E::WorkflowExecutionTerminated
            | E::WorkflowExecutionContinuedAsNew
    )
}

/// The name people know: `ActivityTaskScheduled`; a number for types that this version does not know.
pub(crate) fn event_type_name(event_type: i32) -> String {
    let Ok(known) = EventType::try_from(event_type) else { return format!("event type {event_type}") };
    let name = known.as_str_name().trim_start_matches("EVENT_TYPE_");
    let mut camel = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next());
        camel.extend(letters.map(|letter| letter.to_ascii_lowercase()));
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_are_named_as_people_know_them() {
        assert_eq!(event_type_name(EventType::ActivityTaskScheduled as i32), "ActivityTaskScheduled");
        assert_eq!(event_type_name(EventType::WorkflowExecutionContinuedAsNew as i32), "WorkflowExecutionContinuedAsNew");
        assert_eq!(event_type_name(9999), "event type 9999");
    }
}

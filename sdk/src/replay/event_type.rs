//! Kinds of events.

use abide_protos::temporal::api::enums::v1::EventType;

/// Returns true if the event is caused by a workflow's command.
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

/// Returns true if no event can follow this one.
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

//! What the payloads of a message belong to: a workflow, an activity or a Nexus operation.
//!
//! Codecs may depend on it, so both sides of a payload must come to the same answer. Only what both sides always know is
//! used: an event with an activity's result does not name the activity, for example, but its history names the workflow.
//!
//! `build/payload_fields.rs` lists the messages that are implemented here.

use crate::temporal::api::command::v1::{Command, command};
use crate::temporal::api::common::v1::WorkflowExecution;
use crate::temporal::api::history::v1::{HistoryEvent, history_event};
use crate::temporal::api::workflow::v1 as workflow;
use crate::temporal::api::workflowservice::v1 as service;

/// The marker of a local activity, whose details are the activity's.
const LOCAL_ACTIVITY: &str = "core_local_activity";

/// What a payload belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// The message does not say it.
    #[default]
    Unknown,
    /// A workflow: its input, its result, its memo, its messages and their answers.
    Workflow {
        /// The workflow's id.
        workflow_id: String,
    },
    /// An activity: its arguments, its result, its failures and its heartbeats.
    Activity {
        /// The id of the workflow that has scheduled it; empty for a standalone activity.
        workflow_id: String,
        /// The id of a standalone activity; empty for an activity of a workflow.
        activity_id: String,
    },
    /// A Nexus operation.
    Nexus,
}

impl Owner {
    fn workflow(id: &str) -> Option<Self> {
        (!id.is_empty()).then(|| Self::Workflow { workflow_id: id.into() })
    }

    fn of(execution: Option<&WorkflowExecution>) -> Option<Self> {
        Self::workflow(&execution?.workflow_id)
    }

    /// Returns the owner of an activity's payloads. An activity of a workflow is known by its workflow alone.
    pub fn activity(workflow_id: &str, activity_id: &str) -> Self {
        let activity_id = if workflow_id.is_empty() { activity_id } else { "" };
        Self::Activity { workflow_id: workflow_id.into(), activity_id: activity_id.into() }
    }

    /// Returns the owner of the payloads of this workflow's activities.
    fn activity_of(enclosing: &Self) -> Option<Self> {
        match enclosing {
            Self::Workflow { workflow_id } => Some(Self::activity(workflow_id, "")),
            Self::Unknown | Self::Activity { .. } | Self::Nexus => None,
        }
    }
}

/// A message that names the owner of its payloads.
pub(crate) trait OwnsPayloads {
    /// Returns the owner; `None` if it is that of the enclosing message.
    fn owner_of(&self, enclosing: &Owner) -> Option<Owner>;
}

impl OwnsPayloads for Command {
    fn owner_of(&self, enclosing: &Owner) -> Option<Owner> {
        use command::Attributes as A;
        match self.attributes.as_ref()? {
            A::ScheduleActivityTaskCommandAttributes(_) => Owner::activity_of(enclosing),
            A::RecordMarkerCommandAttributes(marker) if marker.marker_name == LOCAL_ACTIVITY => {
                Owner::activity_of(enclosing)
            }
            A::StartChildWorkflowExecutionCommandAttributes(start) => Owner::workflow(&start.workflow_id),
            A::SignalExternalWorkflowExecutionCommandAttributes(signal) => Owner::of(signal.execution.as_ref()),
            A::ScheduleNexusOperationCommandAttributes(_) => Some(Owner::Nexus),
            _ => None,
        }
    }
}

impl OwnsPayloads for HistoryEvent {
    fn owner_of(&self, enclosing: &Owner) -> Option<Owner> {
        use history_event::Attributes as A;
        match self.attributes.as_ref()? {
            A::ActivityTaskScheduledEventAttributes(_)
            | A::ActivityTaskStartedEventAttributes(_)
            | A::ActivityTaskCompletedEventAttributes(_)
            | A::ActivityTaskFailedEventAttributes(_)
            | A::ActivityTaskTimedOutEventAttributes(_)
            | A::ActivityTaskCanceledEventAttributes(_) => Owner::activity_of(enclosing),
            A::MarkerRecordedEventAttributes(marker) if marker.marker_name == LOCAL_ACTIVITY => {
                Owner::activity_of(enclosing)
            }
            A::StartChildWorkflowExecutionInitiatedEventAttributes(start) => Owner::workflow(&start.workflow_id),
            A::ChildWorkflowExecutionStartedEventAttributes(child) => Owner::of(child.workflow_execution.as_ref()),
            A::ChildWorkflowExecutionCompletedEventAttributes(child) => Owner::of(child.workflow_execution.as_ref()),
            A::ChildWorkflowExecutionFailedEventAttributes(child) => Owner::of(child.workflow_execution.as_ref()),
            A::ChildWorkflowExecutionCanceledEventAttributes(child) => Owner::of(child.workflow_execution.as_ref()),
            A::SignalExternalWorkflowExecutionInitiatedEventAttributes(signal) => {
                Owner::of(signal.workflow_execution.as_ref())
            }
            A::NexusOperationScheduledEventAttributes(_)
            | A::NexusOperationStartedEventAttributes(_)
            | A::NexusOperationCompletedEventAttributes(_)
            | A::NexusOperationFailedEventAttributes(_)
            | A::NexusOperationCanceledEventAttributes(_)
            | A::NexusOperationTimedOutEventAttributes(_)
            | A::NexusOperationCancelRequestFailedEventAttributes(_) => Some(Owner::Nexus),
            _ => None,
        }
    }
}

/// Implements messages whose owner does not depend on what encloses them.
macro_rules! owners {
    ($($message:ty: |$it:ident| $owner:expr;)*) => {
        $(impl OwnsPayloads for $message {
            fn owner_of(&self, _: &Owner) -> Option<Owner> {
                let $it = self;
                $owner
            }
        })*
    };
}

owners! {
    workflow::NewWorkflowExecutionInfo: |it| Owner::workflow(&it.workflow_id);
    workflow::PendingNexusOperationInfo: |_it| Some(Owner::Nexus);
    workflow::WorkflowExecutionInfo: |it| Owner::of(it.execution.as_ref());
    service::DescribeActivityExecutionRequest: |it| Some(Owner::activity("", &it.activity_id));
    service::DescribeNexusOperationExecutionRequest: |_it| Some(Owner::Nexus);
    service::DescribeWorkflowExecutionRequest: |it| Owner::of(it.execution.as_ref());
    service::ExecuteMultiOperationRequest: |it| it.operations.iter().find_map(first_of);
    service::GetWorkflowExecutionHistoryRequest: |it| Owner::of(it.execution.as_ref());
    service::GetWorkflowExecutionHistoryReverseRequest: |it| Owner::of(it.execution.as_ref());
    service::PollActivityExecutionRequest: |it| Some(Owner::activity("", &it.activity_id));
    service::PollActivityTaskQueueResponse: |it| Some(Owner::activity(
        it.workflow_execution.as_ref().map_or("", |execution| &execution.workflow_id), &it.activity_id));
    service::PollNexusOperationExecutionRequest: |_it| Some(Owner::Nexus);
    service::PollNexusTaskQueueResponse: |_it| Some(Owner::Nexus);
    service::PollWorkflowExecutionUpdateRequest: |it| {
        Owner::of(it.update_ref.as_ref().and_then(|update| update.workflow_execution.as_ref()))
    };
    service::PollWorkflowTaskQueueResponse: |it| Owner::of(it.workflow_execution.as_ref());
    service::QueryWorkflowRequest: |it| Owner::of(it.execution.as_ref());
    service::RecordActivityTaskHeartbeatByIdRequest: |it| Some(Owner::activity(&it.workflow_id, &it.activity_id));
    service::ResetWorkflowExecutionRequest: |it| Owner::of(it.workflow_execution.as_ref());
    service::RespondActivityTaskCanceledByIdRequest: |it| Some(Owner::activity(&it.workflow_id, &it.activity_id));
    service::RespondActivityTaskCompletedByIdRequest: |it| Some(Owner::activity(&it.workflow_id, &it.activity_id));
    service::RespondActivityTaskFailedByIdRequest: |it| Some(Owner::activity(&it.workflow_id, &it.activity_id));
    service::SignalWithStartWorkflowExecutionRequest: |it| Owner::workflow(&it.workflow_id);
    service::SignalWorkflowExecutionRequest: |it| Owner::of(it.workflow_execution.as_ref());
    service::StartActivityExecutionRequest: |it| Some(Owner::activity("", &it.activity_id));
    service::StartNexusOperationExecutionRequest: |_it| Some(Owner::Nexus);
    service::StartWorkflowExecutionRequest: |it| Owner::workflow(&it.workflow_id);
    service::TerminateWorkflowExecutionRequest: |it| Owner::of(it.workflow_execution.as_ref());
    service::UpdateWorkflowExecutionRequest: |it| Owner::of(it.workflow_execution.as_ref());
}

impl OwnsPayloads for workflow::PendingActivityInfo {
    fn owner_of(&self, enclosing: &Owner) -> Option<Owner> {
        Owner::activity_of(enclosing)
    }
}

/// All operations of one request are about one workflow.
fn first_of(operation: &service::execute_multi_operation_request::Operation) -> Option<Owner> {
    use service::execute_multi_operation_request::operation::Operation;
    match operation.operation.as_ref()? {
        Operation::StartWorkflow(start) => start.owner_of(&Owner::Unknown),
        Operation::UpdateWorkflow(update) => update.owner_of(&Owner::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload_fields::{Fields, PayloadFields};
    use crate::temporal::api::command::v1::{
        CompleteWorkflowExecutionCommandAttributes, ScheduleActivityTaskCommandAttributes,
        StartChildWorkflowExecutionCommandAttributes,
    };
    use crate::temporal::api::common::v1::{Payload, Payloads};

    fn one() -> Option<Payloads> {
        Some(Payloads { payloads: vec![Payload::default()] })
    }

    fn command(attributes: command::Attributes) -> Command {
        Command { attributes: Some(attributes), ..Default::default() }
    }

    #[test]
    fn each_command_names_the_owner_of_its_payloads() {
        use command::Attributes as A;
        let activity = ScheduleActivityTaskCommandAttributes { input: one(), ..Default::default() };
        let child = StartChildWorkflowExecutionCommandAttributes {
            workflow_id: "child".into(),
            input: one(),
            ..Default::default()
        };
        let complete = CompleteWorkflowExecutionCommandAttributes { result: one() };
        let commands = vec![
            command(A::ScheduleActivityTaskCommandAttributes(activity)),
            command(A::StartChildWorkflowExecutionCommandAttributes(child)),
            command(A::CompleteWorkflowExecutionCommandAttributes(complete)),
        ];
        let mut request = service::RespondWorkflowTaskCompletedRequest { commands, ..Default::default() };
        let own = Owner::Workflow { workflow_id: "w".into() };
        let mut fields = Fields::payloads_of(own.clone(), false);
        request.payload_fields(&mut fields);
        let owners: Vec<_> = fields.payload_owners.iter().map(|index| fields.owners[*index].clone()).collect();
        let child = Owner::Workflow { workflow_id: "child".into() };
        assert_eq!(owners, [Owner::activity("w", ""), child, own]);
    }

    #[test]
    fn an_activity_is_known_by_its_workflow_or_by_its_own_id() {
        assert_eq!(Owner::activity("w", "7"), Owner::activity("w", ""));
        assert_ne!(Owner::activity("", "7"), Owner::activity("", "8"));
    }
}

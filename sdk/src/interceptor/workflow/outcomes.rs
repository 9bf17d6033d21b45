//! The outcome of an operation on its way through the interceptors.

use std::rc::Rc;

use abide_protos::temporal::api::common::v1::{ActivityType, Payload, WorkflowExecution, WorkflowType};
use abide_protos::temporal::api::enums::v1::RetryState;
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{
    ActivityFailureInfo, ChildWorkflowExecutionFailureInfo, Failure as FailureProto, NexusOperationFailureInfo,
};

use super::chain::RunInterceptors;
use crate::converter::{RawPayload, to_payload};
use crate::failure::{ActivityFailure, ChildWorkflowFailure, IntoFailure, NexusOperationFailure, SOURCE};
use crate::workflow::run_state::RunState;

/// An activity that has an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletedActivity {
    /// The activity type's name.
    pub activity_type: String,
    /// The activity's id within the workflow.
    pub activity_id: String,
    /// True for a local activity.
    pub is_local: bool,
}

/// A child workflow that has an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletedChildWorkflow {
    /// The workflow type's name.
    pub workflow_type: String,
    /// The child's workflow id.
    pub workflow_id: String,
}

/// A Nexus operation that has an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletedNexusOperation {
    /// Name of the endpoint.
    pub endpoint: String,
    /// Name of the service.
    pub service: String,
    /// Name of the operation.
    pub operation: String,
}

impl CompletedActivity {
    /// Returns the failure of this activity with that cause, to be returned in place of its outcome.
    ///
    /// ```
    /// use abide::converter::RawPayload;
    /// use abide::interceptor::{CompletedActivity, WorkflowInterceptor};
    /// use abide::prelude::*;
    ///
    /// /// Distrusts all receipts of 0.
    /// struct NoEmptyReceipts;
    ///
    /// impl WorkflowInterceptor for NoEmptyReceipts {
    ///     fn activity_completed(
    ///         &self,
    ///         _: &WorkflowContext,
    ///         activity: &CompletedActivity,
    ///         result: Result<RawPayload, ActivityFailure>,
    ///     ) -> Result<RawPayload, ActivityFailure> {
    ///         match result?.to_value::<u64>() {
    ///             Ok(0) => Err(activity.failed(ApplicationFailure::new("an empty receipt").error_type("EmptyReceipt"))),
    ///             Ok(receipt) => RawPayload::from_value(&receipt).map_err(|error| activity.failed(error)),
    ///             Err(error) => Err(activity.failed(error)),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn failed(&self, cause: impl IntoFailure) -> ActivityFailure {
        let info = ActivityFailureInfo {
            activity_type: Some(ActivityType { name: self.activity_type.clone() }),
            activity_id: self.activity_id.clone(),
            retry_state: RetryState::NonRetryableFailure as i32,
            ..Default::default()
        };
        ActivityFailure::from_proto(failure("Activity task failed", FailureInfo::ActivityFailureInfo(info), cause))
    }
}

impl CompletedChildWorkflow {
    /// Returns the failure of this child with that cause, to be returned in place of its outcome.
    pub fn failed(&self, cause: impl IntoFailure) -> ChildWorkflowFailure {
        let info = ChildWorkflowExecutionFailureInfo {
            workflow_type: Some(WorkflowType { name: self.workflow_type.clone() }),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: self.workflow_id.clone(),
                run_id: String::new(),
            }),
            // The child was started, whatever its number is: without one, the cause is a start that failed.
            started_event_id: 1,
            retry_state: RetryState::NonRetryableFailure as i32,
            ..Default::default()
        };
        let info = FailureInfo::ChildWorkflowExecutionFailureInfo(info);
        ChildWorkflowFailure::from_proto(failure("Child Workflow execution failed", info, cause))
    }
}

impl CompletedNexusOperation {
    /// Returns the failure of this operation with that cause, to be returned in place of its outcome.
    pub fn failed(&self, cause: impl IntoFailure) -> NexusOperationFailure {
        let info = NexusOperationFailureInfo {
            endpoint: self.endpoint.clone(),
            service: self.service.clone(),
            operation: self.operation.clone(),
            ..Default::default()
        };
        let info = FailureInfo::NexusOperationExecutionFailureInfo(info);
        NexusOperationFailure::from_proto(failure("nexus operation completed unsuccessfully", info, cause))
    }
}

/// Returns a failure as the server words it.
fn failure(message: &str, info: FailureInfo, cause: impl IntoFailure) -> FailureProto {
    FailureProto {
        message: message.to_string(),
        source: SOURCE.into(),
        cause: Some(Box::new(cause.to_recorded().into_proto())),
        failure_info: Some(info),
        ..Default::default()
    }
}

impl RunInterceptors {
    pub(crate) fn activity_completed(
        &self,
        shared: &Rc<RunState>,
        activity: &CompletedActivity,
        result: Result<Option<Payload>, ActivityFailure>,
    ) -> Result<Option<Payload>, ActivityFailure> {
        let hook =
            |one: &dyn super::WorkflowInterceptor, ctx: &_, result| one.activity_completed(ctx, activity, result);
        self.after(shared, result.map(raw), hook).map(recorded)
    }

    pub(crate) fn child_workflow_completed(
        &self,
        shared: &Rc<RunState>,
        child: &CompletedChildWorkflow,
        result: Result<Option<Payload>, ChildWorkflowFailure>,
    ) -> Result<Option<Payload>, ChildWorkflowFailure> {
        let hook =
            |one: &dyn super::WorkflowInterceptor, ctx: &_, result| one.child_workflow_completed(ctx, child, result);
        self.after(shared, result.map(raw), hook).map(recorded)
    }

    pub(crate) fn nexus_operation_completed(
        &self,
        shared: &Rc<RunState>,
        operation: &CompletedNexusOperation,
        result: Result<Option<Payload>, NexusOperationFailure>,
    ) -> Result<Option<Payload>, NexusOperationFailure> {
        let hook = |one: &dyn super::WorkflowInterceptor, ctx: &_, result| {
            one.nexus_operation_completed(ctx, operation, result)
        };
        self.after(shared, result.map(raw), hook).map(recorded)
    }
}

/// Returns a result as interceptors see it. A missing one is `()`, so that they can read it.
fn raw(result: Option<Payload>) -> RawPayload {
    let result = result.or_else(|| to_payload(&()).ok()).unwrap_or_default();
    RawPayload::from_proto(result)
}

fn recorded(result: RawPayload) -> Option<Payload> {
    Some(result.into_proto())
}

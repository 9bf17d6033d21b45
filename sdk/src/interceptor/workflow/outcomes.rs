//! The outcome of an operation on its way through the interceptors.

use std::rc::Rc;

use abide_protos::temporal::api::common::v1::Payload;

use super::chain::RunInterceptors;
use crate::converter::{RawPayload, to_payload};
use crate::failure::{ActivityFailure, ChildWorkflowFailure, NexusOperationFailure};
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

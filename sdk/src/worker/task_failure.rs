//! Failures of workflow tasks that the worker itself reports.

use abide_protos::temporal::api::enums::v1::WorkflowTaskFailedCause;

use crate::failure::{ApplicationFailure, application_failure};
use crate::replay::WorkflowTaskFailure;

/// Returns a task failure that is neither a workflow failure nor nondeterminism.
pub(crate) fn task_failure(message: &str) -> Box<WorkflowTaskFailure> {
    Box::new(WorkflowTaskFailure {
        cause: WorkflowTaskFailedCause::WorkflowWorkerUnhandledFailure,
        failure: application_failure(&ApplicationFailure::new(message), None),
        nondeterminism: None,
    })
}

//! The operation that a batch applies to each of its workflows.

use std::time::Duration;

use abide_protos::temporal::api::batch::v1::{
    BatchOperationCancellation, BatchOperationDeletion, BatchOperationReset, BatchOperationResetActivities,
    BatchOperationSignal, BatchOperationTermination, BatchOperationUnpauseActivities,
    BatchOperationUpdateActivityOptions, BatchOperationUpdateWorkflowExecutionOptions,
    batch_operation_reset_activities as resetting, batch_operation_unpause_activities as unpausing,
    batch_operation_update_activity_options as updating,
};
use abide_protos::temporal::api::common::v1::ResetOptions;
use abide_protos::temporal::api::common::v1::reset_options::Target;
use abide_protos::temporal::api::enums::v1::ResetReapplyType;
use abide_protos::temporal::api::workflow::v1::PostResetOperation;
use abide_protos::temporal::api::workflow::v1::post_reset_operation::{UpdateWorkflowOptions, Variant};
use abide_protos::temporal::api::workflowservice::v1::start_batch_operation_request::Operation;

use crate::client::message::written;
use crate::client::operator::activities::ActivityOptionsChange;
use crate::client::operator::reset::{ResetPoint, ResetReapplyExcludeType};
use crate::client::operator::workflow::WorkflowOptionsChange;
use crate::converter::PayloadError;
use crate::debug_only::debug_only;
use crate::definition::{Activity, ActivityDefinition, SignalDefinition};
use crate::duration::to_proto;

/// The operation that a batch applies to each of its workflows.
///
/// ```
/// use abide::client::operator::{BatchActivities, BatchOperation, ResetPoint};
/// # use abide::prelude::*;
/// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
/// let operations = [
///     BatchOperation::cancel(),
///     BatchOperation::reset(ResetPoint::LastWorkflowTask).into(),
///     BatchOperation::unpause_activities(BatchActivities::of(charge)).reset_attempts().into(),
/// ];
/// # let _ = operations;
/// ```
#[must_use = "an operation does nothing until a batch takes it"]
pub struct BatchOperation(pub(super) Result<Operation, PayloadError>);

debug_only!(impl[] BatchOperation, |this| { is_valid: this.0.is_ok() });

/// Pending activities of the workflows of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchActivities {
    /// All activities of the type with this name.
    Type(String),
    /// All activities.
    All,
}

impl BatchActivities {
    /// Selects all activities of a type.
    pub fn of<Kind, A: Activity<Kind>>(activity: A) -> Self {
        Self::Type(activity.definition().name().into_owned())
    }
}

impl BatchOperation {
    /// Requests the cancellation of each workflow.
    pub fn cancel() -> Self {
        Self(Ok(Operation::CancellationOperation(BatchOperationCancellation::default())))
    }

    /// Terminates each workflow.
    pub fn terminate() -> Self {
        Self(Ok(Operation::TerminationOperation(BatchOperationTermination::default())))
    }

    /// Deletes each workflow with its history.
    pub fn delete() -> Self {
        Self(Ok(Operation::DeletionOperation(BatchOperationDeletion::default())))
    }

    /// Sends a signal to each workflow. Payload codecs encode its arguments.
    pub fn signal<S: SignalDefinition>(signal: S, args: S::Args) -> Self {
        let name = signal.name();
        let input = written::<S>(&args).map_err(|error| error.of(format_args!("signal `{name}`")));
        let signal = name.into_owned();
        Self(
            input.map(|input| Operation::SignalOperation(BatchOperationSignal { signal, input, ..Default::default() })),
        )
    }

    /// Resets each workflow that has such a point in its history.
    pub fn reset(point: ResetPoint) -> BatchReset {
        let target = match point {
            ResetPoint::FirstWorkflowTask => Target::FirstWorkflowTask(()),
            ResetPoint::LastWorkflowTask => Target::LastWorkflowTask(()),
            ResetPoint::Event(id) => Target::WorkflowTaskId(i64::try_from(id).unwrap_or(i64::MAX)),
            ResetPoint::BuildId(build_id) => Target::BuildId(build_id),
        };
        #[expect(deprecated, reason = "without this field the server applies only signals again")]
        let options = ResetOptions {
            target: Some(target),
            reset_reapply_type: ResetReapplyType::AllEligible as i32,
            ..Default::default()
        };
        BatchReset { options, post_reset_operations: Vec::new() }
    }

    /// Changes options of each workflow.
    pub fn update_options(change: WorkflowOptionsChange) -> Self {
        let (options, mask) = change.into_proto();
        let operation = BatchOperationUpdateWorkflowExecutionOptions {
            workflow_execution_options: Some(options),
            update_mask: Some(mask),
            ..Default::default()
        };
        Self(Ok(Operation::UpdateWorkflowOptionsOperation(operation)))
    }

    /// Continues paused activities of each workflow.
    pub fn unpause_activities(activities: BatchActivities) -> BatchUnpauseActivities {
        let activity = Some(match activities {
            BatchActivities::Type(name) => unpausing::Activity::Type(name),
            BatchActivities::All => unpausing::Activity::MatchAll(true),
        });
        BatchUnpauseActivities(BatchOperationUnpauseActivities { activity, ..Default::default() })
    }

    /// Resets activities of each workflow: they count their attempts from 1 again.
    pub fn reset_activities(activities: BatchActivities) -> BatchResetActivities {
        let activity = Some(match activities {
            BatchActivities::Type(name) => resetting::Activity::Type(name),
            BatchActivities::All => resetting::Activity::MatchAll(true),
        });
        BatchResetActivities(BatchOperationResetActivities { activity, ..Default::default() })
    }

    /// Changes options of activities of each workflow, from their next attempt on.
    pub fn update_activity_options(activities: BatchActivities, change: ActivityOptionsChange) -> Self {
        let (activity_options, update_mask, restore_original) = change.into_proto();
        let activity = Some(match activities {
            BatchActivities::Type(name) => updating::Activity::Type(name),
            BatchActivities::All => updating::Activity::MatchAll(true),
        });
        Self(Ok(Operation::UpdateActivityOptionsOperation(BatchOperationUpdateActivityOptions {
            activity,
            activity_options,
            update_mask,
            restore_original,
            ..Default::default()
        })))
    }
}

/// A reset of each workflow of a batch.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation does nothing until a batch takes it"]
pub struct BatchReset {
    options: ResetOptions,
    post_reset_operations: Vec<PostResetOperation>,
}

impl BatchReset {
    /// Leaves out later events of this type. Call it again for another type. Default: all are
    /// applied again.
    pub fn reapply_exclude(mut self, events: ResetReapplyExcludeType) -> Self {
        self.options.reset_reapply_exclude_types.push(events.to_proto());
        self
    }

    /// Looks for a build's workflow task only in the last run. Default: also in the runs before it in its chain.
    pub fn current_run_only(mut self) -> Self {
        self.options.current_run_only = true;
        self
    }

    /// Changes options of each new run, before its first workflow task.
    pub fn then_update_options(mut self, change: WorkflowOptionsChange) -> Self {
        let (options, mask) = change.into_proto();
        let options = UpdateWorkflowOptions { workflow_execution_options: Some(options), update_mask: Some(mask) };
        let variant = Some(Variant::UpdateWorkflowOptions(options));
        self.post_reset_operations.push(PostResetOperation { variant });
        self
    }
}

impl From<BatchReset> for BatchOperation {
    fn from(reset: BatchReset) -> Self {
        Self(Ok(Operation::ResetOperation(BatchOperationReset {
            options: Some(reset.options),
            post_reset_operations: reset.post_reset_operations,
            ..Default::default()
        })))
    }
}

/// The continuation of paused activities of each workflow of a batch.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation does nothing until a batch takes it"]
pub struct BatchUnpauseActivities(BatchOperationUnpauseActivities);

impl BatchUnpauseActivities {
    /// Counts attempts from 1 again.
    pub fn reset_attempts(mut self) -> Self {
        self.0.reset_attempts = true;
        self
    }

    /// Forgets the details of the last heartbeat.
    pub fn reset_heartbeat(mut self) -> Self {
        self.0.reset_heartbeat = true;
        self
    }

    /// Starts each activity at a random time within this duration, so that many do not start at once. Default: none.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.0.jitter = Some(to_proto(jitter));
        self
    }
}

impl From<BatchUnpauseActivities> for BatchOperation {
    fn from(unpause: BatchUnpauseActivities) -> Self {
        Self(Ok(Operation::UnpauseActivitiesOperation(unpause.0)))
    }
}

/// The reset of activities of each workflow of a batch.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an operation does nothing until a batch takes it"]
pub struct BatchResetActivities(BatchOperationResetActivities);

impl BatchResetActivities {
    /// Forgets the details of the last heartbeat.
    pub fn reset_heartbeat(mut self) -> Self {
        self.0.reset_heartbeat = true;
        self
    }

    /// Leaves paused activities paused.
    pub fn keep_paused(mut self) -> Self {
        self.0.keep_paused = true;
        self
    }

    /// Gives the activities the options back that their workflows started them with.
    pub fn restore_original_options(mut self) -> Self {
        self.0.restore_original_options = true;
        self
    }

    /// Starts each activity at a random time within this duration, so that many do not start at once. Default: none.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.0.jitter = Some(to_proto(jitter));
        self
    }
}

impl From<BatchResetActivities> for BatchOperation {
    fn from(reset: BatchResetActivities) -> Self {
        Self(Ok(Operation::ResetActivitiesOperation(reset.0)))
    }
}

/// Names the client that starts a batch, in the operation.
pub(super) fn set_identity(operation: &mut Operation, client: &str) {
    let identity = match operation {
        Operation::TerminationOperation(it) => &mut it.identity,
        Operation::SignalOperation(it) => &mut it.identity,
        Operation::CancellationOperation(it) => &mut it.identity,
        Operation::DeletionOperation(it) => &mut it.identity,
        Operation::ResetOperation(it) => &mut it.identity,
        Operation::UpdateWorkflowOptionsOperation(it) => &mut it.identity,
        Operation::UnpauseActivitiesOperation(it) => &mut it.identity,
        Operation::ResetActivitiesOperation(it) => &mut it.identity,
        Operation::UpdateActivityOptionsOperation(it) => &mut it.identity,
        Operation::CancelActivitiesOperation(it) => &mut it.identity,
        Operation::TerminateActivitiesOperation(it) => &mut it.identity,
        Operation::DeleteActivitiesOperation(_) => return,
    };
    *identity = client.to_string();
}

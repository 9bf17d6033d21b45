//! Options of a child workflow, given at the call or shared by several.

use std::time::Duration;

use abide_protos::temporal::api::enums::v1 as enums;

use super::activity_options::fill;
use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;
use crate::versioning::{VersioningIntent, VersioningOverride};
use crate::workflow_id_reuse_policy::WorkflowIdReusePolicy;

/// Effect of cancelling a child workflow (Temporal's child workflow cancellation types).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildWorkflowCancellationType {
    /// Requests cancellation of the child and waits for its outcome.
    #[default]
    WaitCancellationCompleted,
    /// Requests cancellation of the child and waits for its outcome, exactly as
    /// [`WaitCancellationCompleted`](Self::WaitCancellationCompleted) does. By its name it would wait only until the
    /// request has arrived. The SDKs that share Core wait for the outcome, and a history must mean the same here.
    WaitCancellationRequested,
    /// Requests cancellation of the child and yields the cancellation at once.
    TryCancel,
    /// Lets the child go on and yields the cancellation at once.
    Abandon,
}

/// Effect on a running child when its parent closes (Temporal's `ParentClosePolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParentClosePolicy {
    /// Terminates the child.
    #[default]
    Terminate,
    /// Lets the child go on.
    Abandon,
    /// Requests cancellation of the child.
    RequestCancel,
}

/// Options for several child workflows.
///
/// ```
/// # use abide::prelude::*;
/// use abide::workflow::{ChildWorkflowOptions, ParentClosePolicy};
/// # #[workflow] async fn bill(ctx: &WorkflowContext, month: u32) -> Result<(), WorkflowError> { Ok(()) }
/// # async fn body(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
/// let lasting = ChildWorkflowOptions::new().parent_close_policy(ParentClosePolicy::Abandon).run_timeout(days(1));
/// ctx.child_workflow(bill, 1).options(&lasting).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until a call takes them with `.options(..)`"]
#[non_exhaustive]
pub struct ChildWorkflowOptions {
    /// Namespace in which the child runs; `None` is the parent's own.
    pub namespace: Option<String>,
    /// Task queue whose workers run the child; `None` is the parent's own.
    pub task_queue: Option<String>,
    /// Limit of the child with all its runs; `None` is no limit.
    pub execution_timeout: Option<Duration>,
    /// Limit of one run; `None` is the execution timeout.
    pub run_timeout: Option<Duration>,
    /// Limit of one workflow task; `None` leaves it to the server.
    pub task_timeout: Option<Duration>,
    /// Policy of retries of the child; `None` is no retries.
    pub retry_policy: Option<RetryPolicy>,
    /// Cron expression by which the child repeats.
    pub cron_schedule: Option<String>,
    /// Policy for the id of a closed workflow; `None` is the default.
    pub id_reuse_policy: Option<WorkflowIdReusePolicy>,
    /// Effect of the parent's end on the child; `None` is the default.
    pub parent_close_policy: Option<ParentClosePolicy>,
    /// Effect of cancelling it; `None` is the default.
    pub cancellation_type: Option<ChildWorkflowCancellationType>,
    /// Version override of the child; `None` is none.
    pub versioning_override: Option<VersioningOverride>,
    /// Priority among waiting tasks; `None` is the workflow's own.
    pub priority: Option<Priority>,
    /// Choice between workers of this workflow's build and others; `None` is the default.
    pub versioning_intent: Option<VersioningIntent>,
}

/// The option methods, for the options themselves and for a call that holds some.
macro_rules! child_workflow_options {
    ($this:ident => $options:expr) => {
        /// Sets the namespace in which the child runs. It must be registered on the same server. Default: the parent's
        /// own.
        ///
        /// A server may refuse commands across namespaces. Between namespaces, Temporal recommends a
        /// [Nexus operation](crate::WorkflowContext::nexus_operation).
        pub fn namespace(mut $this, namespace: impl Into<String>) -> Self {
            $options.namespace = Some(namespace.into());
            $this
        }

        /// Sets the task queue whose workers run the child. Default: the parent's own.
        pub fn task_queue(mut $this, task_queue: impl Into<String>) -> Self {
            $options.task_queue = Some(task_queue.into());
            $this
        }

        /// Limits the time of all runs of the child: retries, cron and continue-as-new. Default: no limit.
        pub fn execution_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.execution_timeout = Some(timeout);
            $this
        }

        /// Limits the time of one run of the child. Default: the execution timeout.
        pub fn run_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.run_timeout = Some(timeout);
            $this
        }

        /// Limits the time of one of the child's workflow tasks on a worker. Default: the server's, 10 s.
        pub fn task_timeout(mut $this, timeout: std::time::Duration) -> Self {
            $options.task_timeout = Some(timeout);
            $this
        }

        /// Sets the policy by which a child that fails or times out is started again. Default: it is not started again.
        pub fn retry_policy(mut $this, policy: crate::retry_policy::RetryPolicy) -> Self {
            $options.retry_policy = Some(policy);
            $this
        }

        /// Runs the child repeatedly, by a cron expression in UTC such as `0 3 * * *`, or `@daily`, or `@every 90s`.
        /// The child counts as running until the last run has ended. Cancelling it here reaches the run that is open
        /// then, and ends the schedule.
        pub fn cron_schedule(mut $this, schedule: impl Into<String>) -> Self {
            $options.cron_schedule = Some(schedule.into());
            $this
        }

        /// Decides whether the child's id may be used again after its workflow has closed. Default: yes. The command
        /// has no conflict policy: the id of a running workflow is refused, except with
        /// [`TerminateIfRunning`](crate::workflow::WorkflowIdReusePolicy::TerminateIfRunning).
        pub fn id_reuse_policy(mut $this, policy: crate::workflow::WorkflowIdReusePolicy) -> Self {
            $options.id_reuse_policy = Some(policy);
            $this
        }

        /// Sets the effect on a running child when the parent closes. Default: the server's, which is
        /// [`ParentClosePolicy::Terminate`](crate::workflow::ParentClosePolicy::Terminate).
        pub fn parent_close_policy(mut $this, policy: crate::workflow::ParentClosePolicy) -> Self {
            $options.parent_close_policy = Some(policy);
            $this
        }

        /// Sets the effect of cancelling the child. Default:
        /// [`WaitCancellationCompleted`](crate::workflow::ChildWorkflowCancellationType::WaitCancellationCompleted).
        pub fn cancellation_type(
            mut $this,
            cancellation_type: crate::workflow::ChildWorkflowCancellationType,
        ) -> Self {
            $options.cancellation_type = Some(cancellation_type);
            $this
        }

        /// Selects the worker deployment version that runs the child. Default: the choice of worker versioning.
        pub fn versioning_override(mut $this, versioning: crate::VersioningOverride) -> Self {
            $options.versioning_override = Some(versioning);
            $this
        }

        /// Sets the priority among waiting tasks. Default: the parent's own priority.
        pub fn priority(mut $this, priority: crate::priority::Priority) -> Self {
            $options.priority = Some(priority);
            $this
        }

        /// Decides whether the child goes to workers of this workflow's build, for build ids without deployments.
        /// Default: [`VersioningIntent::Unspecified`](crate::VersioningIntent::Unspecified).
        pub fn versioning_intent(mut $this, intent: crate::VersioningIntent) -> Self {
            $options.versioning_intent = Some(intent);
            $this
        }
    };
}
pub(super) use child_workflow_options;

impl ChildWorkflowOptions {
    /// Creates options that leave everything to the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    child_workflow_options!(self => self);

    /// Fills options that are not set here from `shared`.
    pub(super) fn fill(&mut self, shared: &Self) {
        fill(&mut self.namespace, &shared.namespace);
        fill(&mut self.task_queue, &shared.task_queue);
        fill(&mut self.execution_timeout, &shared.execution_timeout);
        fill(&mut self.run_timeout, &shared.run_timeout);
        fill(&mut self.task_timeout, &shared.task_timeout);
        fill(&mut self.retry_policy, &shared.retry_policy);
        fill(&mut self.cron_schedule, &shared.cron_schedule);
        fill(&mut self.id_reuse_policy, &shared.id_reuse_policy);
        fill(&mut self.parent_close_policy, &shared.parent_close_policy);
        fill(&mut self.cancellation_type, &shared.cancellation_type);
        fill(&mut self.versioning_override, &shared.versioning_override);
        fill(&mut self.priority, &shared.priority);
        fill(&mut self.versioning_intent, &shared.versioning_intent);
    }
}

impl ParentClosePolicy {
    pub(super) fn to_proto(self) -> i32 {
        (match self {
            Self::Terminate => enums::ParentClosePolicy::Terminate,
            Self::Abandon => enums::ParentClosePolicy::Abandon,
            Self::RequestCancel => enums::ParentClosePolicy::RequestCancel,
        }) as i32
    }
}

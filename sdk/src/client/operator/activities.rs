//! Calls of operators about the pending activities of a workflow: pause them, reset them, change their options.

use std::future::IntoFuture;
use std::time::Duration;

use abide_protos::FieldMask;
use abide_protos::temporal::api::activity::v1::ActivityOptions as OptionsProto;
use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, PauseActivityRequest, ResetActivityRequest, UnpauseActivityRequest,
    UpdateActivityOptionsRequest, pause_activity_request as pausing, reset_activity_request as resetting,
    unpause_activity_request as unpausing, update_activity_options_request as updating,
};
use uuid::Uuid;

use crate::client::connection::Connection;
use crate::client::handle::WorkflowHandle;
use crate::client::rpc_error::RpcError;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::definition::{Activity, ActivityDefinition, WorkflowDefinition};
use crate::duration::to_proto;
use crate::presence;
use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;

/// Pending activities of a workflow: those that have not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActivitySelector {
    /// The activity with this id. [`WorkflowHandle::describe`] lists the ids.
    Id(String),
    /// All activities of the type with this name.
    Type(String),
    /// All activities.
    All,
}

impl ActivitySelector {
    /// Selects the activity with this id.
    pub fn id(id: impl Into<String>) -> Self {
        Self::Id(id.into())
    }

    /// Selects all activities of a type.
    pub fn of<Kind, A: Activity<Kind>>(activity: A) -> Self {
        Self::Type(activity.definition().name().into_owned())
    }
}

impl<W: WorkflowDefinition> WorkflowHandle<W> {
    /// Pauses activities; `.reason(..)` sets the reason. An attempt that runs goes on, and if it fails, no further one
    /// starts before the activity is [unpaused](Self::unpause_activities) or [reset](Self::reset_activities). Timeouts
    /// go on, too.
    ///
    /// ```no_run
    /// use abide::client::operator::ActivitySelector;
    /// # use abide::prelude::*;
    /// # #[activity] async fn charge(cents: u64) -> Result<(), ActivityError> { Ok(()) }
    /// # #[workflow] async fn process_order(ctx: &WorkflowContext, id: String) -> Result<String, WorkflowError> { Ok(id) }
    /// # async fn bank_is_down(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let order = client.handle(process_order, "order-4711");
    /// order.pause_activities(ActivitySelector::of(charge)).reason("the bank is down").await?;
    /// // .. and when it is up again:
    /// order.unpause_activities(ActivitySelector::of(charge)).reset_attempts().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow is not running, or has no such activity,
    /// [`is_failed_precondition`](RpcError::is_failed_precondition) if the activity is paused already.
    pub fn pause_activities(&self, activities: ActivitySelector) -> PauseActivities {
        let request = PauseActivityRequest {
            namespace: self.connection().namespace().to_string(),
            execution: Some(self.execution(self.pinned())),
            identity: self.connection().identity().to_string(),
            request_id: Uuid::new_v4().to_string(),
            ..Default::default()
        };
        PauseActivities { connection: self.connection().clone(), activities, request }
    }

    /// Continues paused activities: the next attempt starts at once.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow is not running, or has no such activity.
    pub fn unpause_activities(&self, activities: ActivitySelector) -> UnpauseActivities {
        let request = UnpauseActivityRequest {
            namespace: self.connection().namespace().to_string(),
            execution: Some(self.execution(self.pinned())),
            identity: self.connection().identity().to_string(),
            activity: Some(match activities {
                ActivitySelector::Id(id) => unpausing::Activity::Id(id),
                ActivitySelector::Type(name) => unpausing::Activity::Type(name),
                ActivitySelector::All => unpausing::Activity::UnpauseAll(true),
            }),
            ..Default::default()
        };
        UnpauseActivities { connection: self.connection().clone(), request }
    }

    /// Resets activities: they count their attempts from 1 again. An activity that waits for its next attempt starts it
    /// at once. A paused activity is unpaused, unless [`keep_paused`](ResetActivities::keep_paused) is set.
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow is not running, or has no such activity.
    pub fn reset_activities(&self, activities: ActivitySelector) -> ResetActivities {
        let request = ResetActivityRequest {
            namespace: self.connection().namespace().to_string(),
            execution: Some(self.execution(self.pinned())),
            identity: self.connection().identity().to_string(),
            activity: Some(match activities {
                ActivitySelector::Id(id) => resetting::Activity::Id(id),
                ActivitySelector::Type(name) => resetting::Activity::Type(name),
                ActivitySelector::All => resetting::Activity::MatchAll(true),
            }),
            ..Default::default()
        };
        ResetActivities { connection: self.connection().clone(), request }
    }

    /// Changes options of activities from their next attempt on, and returns the options that they have now. If several
    /// activities are selected, the server returns the options of one of them.
    ///
    /// ```no_run
    /// use abide::client::operator::{ActivityOptionsChange, ActivitySelector};
    /// # use abide::prelude::*;
    /// # #[workflow] async fn process_order(ctx: &WorkflowContext, id: String) -> Result<String, WorkflowError> { Ok(id) }
    /// # async fn slow_down(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let order = client.handle(process_order, "order-4711");
    /// let slower = RetryPolicy::new().initial_interval(mins(10));
    /// order.update_activity_options(ActivitySelector::All, ActivityOptionsChange::new().retry_policy(slower)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`RpcError`]; [`is_not_found`](RpcError::is_not_found) if the workflow is not running, or has no such activity,
    /// [`is_invalid_argument`](RpcError::is_invalid_argument) if the change is empty or a value is invalid.
    pub async fn update_activity_options(
        &self,
        activities: ActivitySelector,
        change: ActivityOptionsChange,
    ) -> Result<PendingActivityOptions, RpcError> {
        let (activity_options, update_mask, restore_original) = change.into_proto();
        let request = UpdateActivityOptionsRequest {
            namespace: self.connection().namespace().to_string(),
            execution: Some(self.execution(self.pinned())),
            identity: self.connection().identity().to_string(),
            activity_options,
            update_mask,
            restore_original,
            activity: Some(match activities {
                ActivitySelector::Id(id) => updating::Activity::Id(id),
                ActivitySelector::Type(name) => updating::Activity::Type(name),
                ActivitySelector::All => updating::Activity::MatchAll(true),
            }),
        };
        let options = self.connection().call(request).await?.activity_options.unwrap_or_default();
        Ok(PendingActivityOptions::from_proto(options))
    }
}

/// A request to pause activities, sent when awaited.
#[must_use = "the activities are paused only when this is awaited"]
pub struct PauseActivities {
    connection: Connection,
    activities: ActivitySelector,
    request: PauseActivityRequest,
}

debug_only!(impl[] PauseActivities, |this| {
    workflow_id: workflow_id(&this.request.execution),
    activities: this.activities,
});

impl PauseActivities {
    /// Sets the reason, which the workflow's description shows. Default: empty.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.request.reason = reason.into();
        self
    }

    async fn send(self) -> Result<(), RpcError> {
        let one = match self.activities {
            ActivitySelector::Id(id) => pausing::Activity::Id(id),
            ActivitySelector::Type(name) => pausing::Activity::Type(name),
            ActivitySelector::All => return pause_all(&self.connection, self.request).await,
        };
        self.connection.call(PauseActivityRequest { activity: Some(one), ..self.request }).await.map(drop)
    }
}

/// The server pauses activities by id or type only, so each pending one is paused.
async fn pause_all(connection: &Connection, request: PauseActivityRequest) -> Result<(), RpcError> {
    let describe =
        DescribeWorkflowExecutionRequest { namespace: request.namespace.clone(), execution: request.execution.clone() };
    for pending in connection.call(describe).await?.pending_activities {
        let activity = Some(pausing::Activity::Id(pending.activity_id));
        match connection.call(PauseActivityRequest { activity, ..request.clone() }).await {
            Ok(_) => {}
            // It has ended since, or it is paused already.
            Err(error) if error.is_not_found() || error.is_failed_precondition() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl IntoFuture for PauseActivities {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// A request to continue paused activities, sent when awaited.
#[must_use = "the activities continue only when this is awaited"]
pub struct UnpauseActivities {
    connection: Connection,
    request: UnpauseActivityRequest,
}

debug_only!(impl[] UnpauseActivities, |this| {
    workflow_id: workflow_id(&this.request.execution),
    activities: this.request.activity,
});

impl UnpauseActivities {
    /// Counts attempts from 1 again.
    pub fn reset_attempts(mut self) -> Self {
        self.request.reset_attempts = true;
        self
    }

    /// Forgets the details of the last heartbeat.
    pub fn reset_heartbeat(mut self) -> Self {
        self.request.reset_heartbeat = true;
        self
    }

    /// Starts each activity at a random time within this duration, so that many do not start at once. Default: none.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.request.jitter = Some(to_proto(jitter));
        self
    }
}

impl IntoFuture for UnpauseActivities {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.call(self.request).await.map(drop) })
    }
}

/// A request to reset activities, sent when awaited.
#[must_use = "the activities are reset only when this is awaited"]
pub struct ResetActivities {
    connection: Connection,
    request: ResetActivityRequest,
}

debug_only!(impl[] ResetActivities, |this| {
    workflow_id: workflow_id(&this.request.execution),
    activities: this.request.activity,
});

impl ResetActivities {
    /// Forgets the details of the last heartbeat.
    pub fn reset_heartbeat(mut self) -> Self {
        self.request.reset_heartbeat = true;
        self
    }

    /// Leaves paused activities paused.
    pub fn keep_paused(mut self) -> Self {
        self.request.keep_paused = true;
        self
    }

    /// Gives the activities the options back that the workflow started them with.
    pub fn restore_original_options(mut self) -> Self {
        self.request.restore_original_options = true;
        self
    }

    /// Starts each activity at a random time within this duration, so that many do not start at once. Default: none.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.request.jitter = Some(to_proto(jitter));
        self
    }
}

impl IntoFuture for ResetActivities {
    type Output = Result<(), RpcError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.connection.call(self.request).await.map(drop) })
    }
}

fn workflow_id(execution: &Option<WorkflowExecution>) -> Option<&str> {
    execution.as_ref().map(|execution| execution.workflow_id.as_str())
}

/// A change of the options of pending activities. What is not mentioned stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "a change does nothing until a call takes it"]
pub struct ActivityOptionsChange {
    options: OptionsProto,
    paths: Vec<&'static str>,
    restore_original: bool,
}

impl ActivityOptionsChange {
    /// Creates a change that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a change that gives the activities the options back that the workflow started them with. The server
    /// refuses it together with other changes.
    pub fn restore_original() -> Self {
        Self { restore_original: true, ..Self::default() }
    }

    /// Sets the task queue of the next attempts.
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.options.task_queue = Some(TaskQueue { name: name.into(), ..Default::default() });
        self.changing("task_queue.name")
    }

    /// Sets the limit of the whole activity, with all its attempts.
    pub fn schedule_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.options.schedule_to_close_timeout = Some(to_proto(timeout));
        self.changing("schedule_to_close_timeout")
    }

    /// Sets the limit of the time in the task queue.
    pub fn schedule_to_start_timeout(mut self, timeout: Duration) -> Self {
        self.options.schedule_to_start_timeout = Some(to_proto(timeout));
        self.changing("schedule_to_start_timeout")
    }

    /// Sets the limit of one attempt.
    pub fn start_to_close_timeout(mut self, timeout: Duration) -> Self {
        self.options.start_to_close_timeout = Some(to_proto(timeout));
        self.changing("start_to_close_timeout")
    }

    /// Sets the longest time between two heartbeats.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.options.heartbeat_timeout = Some(to_proto(timeout));
        self.changing("heartbeat_timeout")
    }

    /// Sets the values of the retry policy that are set here. The others stay as they are.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        let policy = policy.to_proto();
        let fields = [
            (policy.initial_interval.is_some(), "retry_policy.initial_interval"),
            (policy.backoff_coefficient != 0.0, "retry_policy.backoff_coefficient"),
            (policy.maximum_interval.is_some(), "retry_policy.maximum_interval"),
            (policy.maximum_attempts != 0, "retry_policy.maximum_attempts"),
        ];
        self.options.retry_policy = Some(policy);
        fields.into_iter().filter(|(is_set, _)| *is_set).fold(self, |change, (_, path)| change.changing(path))
    }

    /// Sets the priority of the next attempts.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.options.priority = Some(priority.to_proto());
        self.changing("priority")
    }

    fn changing(mut self, path: &'static str) -> Self {
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
        self
    }

    /// Returns the new values, the names of the fields that change, and whether the original options are restored. The
    /// server refuses a restoration that comes with either of the others.
    pub(super) fn into_proto(self) -> (Option<OptionsProto>, Option<FieldMask>, bool) {
        if self.restore_original && self.paths.is_empty() {
            return (None, None, true);
        }
        let paths = self.paths.into_iter().map(String::from).collect();
        (Some(self.options), Some(FieldMask { paths }), self.restore_original)
    }
}

/// The options of a pending activity, which an operator may have changed since the workflow started it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PendingActivityOptions {
    /// Name of the task queue.
    pub task_queue: String,
    /// The limit of the whole activity, with all its attempts.
    pub schedule_to_close_timeout: Option<Duration>,
    /// The limit of the time in the task queue.
    pub schedule_to_start_timeout: Option<Duration>,
    /// The limit of one attempt.
    pub start_to_close_timeout: Option<Duration>,
    /// The longest time between two heartbeats.
    pub heartbeat_timeout: Option<Duration>,
    /// The retry policy.
    pub retry_policy: Option<RetryPolicy>,
    /// The priority; `None` if it is inherited.
    pub priority: Option<Priority>,
}

impl PendingActivityOptions {
    pub(in crate::client) fn from_proto(proto: OptionsProto) -> Self {
        Self {
            task_queue: proto.task_queue.map(|queue| queue.name).unwrap_or_default(),
            schedule_to_close_timeout: presence::duration(proto.schedule_to_close_timeout.as_ref()),
            schedule_to_start_timeout: presence::duration(proto.schedule_to_start_timeout.as_ref()),
            start_to_close_timeout: presence::duration(proto.start_to_close_timeout.as_ref()),
            heartbeat_timeout: presence::duration(proto.heartbeat_timeout.as_ref()),
            retry_policy: RetryPolicy::from_proto(proto.retry_policy.as_ref()),
            priority: presence::message(proto.priority).map(|priority| Priority::from_proto(&priority)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::secs;

    #[test]
    fn a_change_names_only_the_fields_that_it_sets() {
        let policy = RetryPolicy::new().maximum_attempts(3).initial_interval(secs(2));
        let change = ActivityOptionsChange::new().heartbeat_timeout(secs(1)).heartbeat_timeout(secs(2));
        let (options, mask, restores) = change.retry_policy(policy).into_proto();
        let paths = mask.map(|mask| mask.paths).unwrap_or_default();
        let expected = ["heartbeat_timeout", "retry_policy.initial_interval", "retry_policy.maximum_attempts"];
        assert_eq!((paths.as_slice(), restores), (expected.map(String::from).as_slice(), false));
        assert_eq!(options.unwrap_or_default().heartbeat_timeout, Some(to_proto(secs(2))));
    }

    /// The server refuses the two together, so what is sent must show that both were asked for.
    #[test]
    fn a_restoration_is_sent_alone_unless_it_is_combined() {
        assert_eq!(ActivityOptionsChange::restore_original().into_proto(), (None, None, true));
        let both = ActivityOptionsChange::restore_original().task_queue("other").into_proto();
        assert!(both.0.is_some() && both.1.is_some() && both.2);
    }
}

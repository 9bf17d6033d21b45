//! Calls about standalone activities.

use std::time::Duration;

use abide_protos::temporal::api::common::v1::{ActivityType, Link};
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::{
    CountActivityExecutionsRequest, DeleteActivityExecutionRequest, DescribeActivityExecutionRequest,
    ListActivityExecutionsRequest, PollActivityExecutionRequest, RequestCancelActivityExecutionRequest,
    StartActivityExecutionRequest, TerminateActivityExecutionRequest,
};

use super::inputs::present;
use super::standalone::{execution_input, visibility_inputs};
use crate::client::{ActivityExecutionInfo, ActivityIdConflictPolicy, ActivityIdReusePolicy};
use crate::converter::RawArguments;
use crate::duration::{from_proto, to_proto};
use crate::header::Headers;
use crate::interceptor::rest::Rest;
use crate::memo_and_attributes::{read_attributes, set_attributes};
use crate::{Priority, RetryPolicy};

/// The start of a standalone activity, as an [interceptor](super::ClientInterceptor::start_activity) sees it.
///
/// Options that it does not show (the summary, the details, and so on) are sent as the caller has set them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartActivityInput {
    /// Name of the activity type.
    pub activity_type: String,
    /// Activity id. If the caller has set none, it is a random UUID.
    pub activity_id: String,
    /// Task queue whose workers run the activity.
    pub task_queue: String,
    /// The activity's arguments.
    pub arguments: RawArguments,
    /// Headers, which the activity's [info](crate::ActivityInfo::header) shows.
    pub headers: Headers,
    /// Request id, by which the server recognizes a repeated start.
    pub request_id: String,
    /// Policy for reusing the id of a closed activity; `None` leaves it to the server.
    pub id_reuse_policy: Option<ActivityIdReusePolicy>,
    /// Policy for an id that a running activity uses; `None` leaves it to the server.
    pub id_conflict_policy: Option<ActivityIdConflictPolicy>,
    /// Limit of all attempts together; `None` is no limit.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Limit of the time that the activity waits for a worker; `None` is the schedule-to-close timeout.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Limit of one attempt; `None` is the schedule-to-close timeout.
    pub start_to_close_timeout: Option<Duration>,
    /// Limit of the time between two heartbeats; `None` is no limit.
    pub heartbeat_timeout: Option<Duration>,
    /// Delay of the first attempt.
    pub start_delay: Option<Duration>,
    /// Policy of retries; `None` leaves it to the server.
    pub retry_policy: Option<RetryPolicy>,
    /// Priority and fairness; `None` leaves them to the server.
    pub priority: Option<Priority>,
    rest: Rest<Box<StartActivityExecutionRequest>>,
}

impl StartActivityInput {
    pub(crate) fn from_request(mut request: Box<StartActivityExecutionRequest>) -> Self {
        Self {
            activity_type: request.activity_type.take().unwrap_or_default().name,
            activity_id: std::mem::take(&mut request.activity_id),
            task_queue: request.task_queue.as_mut().map(|queue| std::mem::take(&mut queue.name)).unwrap_or_default(),
            arguments: RawArguments::from_proto(request.input.take()),
            headers: Headers::from_proto(request.header.take()),
            request_id: std::mem::take(&mut request.request_id),
            id_reuse_policy: ActivityIdReusePolicy::from_proto(request.id_reuse_policy),
            id_conflict_policy: ActivityIdConflictPolicy::from_proto(request.id_conflict_policy),
            schedule_to_close_timeout: request.schedule_to_close_timeout.as_ref().map(from_proto),
            schedule_to_start_timeout: request.schedule_to_start_timeout.as_ref().map(from_proto),
            start_to_close_timeout: request.start_to_close_timeout.as_ref().map(from_proto),
            heartbeat_timeout: request.heartbeat_timeout.as_ref().map(from_proto),
            start_delay: request.start_delay.as_ref().map(from_proto),
            retry_policy: RetryPolicy::from_proto(request.retry_policy.as_ref()),
            priority: request.priority.as_ref().map(Priority::from_proto),
            rest: Rest(request),
        }
    }

    pub(crate) fn into_request(self) -> Box<StartActivityExecutionRequest> {
        let mut request = self.rest.0;
        request.activity_type = Some(ActivityType { name: self.activity_type });
        request.activity_id = self.activity_id;
        request.task_queue.get_or_insert_with(TaskQueue::default).name = self.task_queue;
        request.input = self.arguments.into_proto();
        request.header = self.headers.to_proto();
        request.request_id = self.request_id;
        request.id_reuse_policy = self.id_reuse_policy.map_or(0, ActivityIdReusePolicy::to_proto);
        request.id_conflict_policy = self.id_conflict_policy.map_or(0, ActivityIdConflictPolicy::to_proto);
        request.schedule_to_close_timeout = self.schedule_to_close_timeout.map(to_proto);
        request.schedule_to_start_timeout = self.schedule_to_start_timeout.map(to_proto);
        request.start_to_close_timeout = self.start_to_close_timeout.map(to_proto);
        request.heartbeat_timeout = self.heartbeat_timeout.map(to_proto);
        request.start_delay = self.start_delay.map(to_proto);
        request.retry_policy = self.retry_policy.map(|policy| policy.to_proto());
        request.priority = self.priority.map(|priority| priority.to_proto());
        request
    }

    read_attributes!(self => self.rest.0.search_attributes);
    set_attributes!(self => self.rest.0.search_attributes);
}

/// A standalone activity that was started, or that the id conflict policy has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartedActivity {
    /// Activity id. The caller's handle refers to it.
    pub activity_id: String,
    /// Run id. The caller's handle refers to it.
    pub run_id: String,
    /// True if the call has started the activity; false if it existed.
    pub is_new: bool,
    /// The server's link to the activity.
    pub(crate) link: Option<Link>,
}

impl StartedActivity {
    /// Creates the answer of an interceptor that does not pass a start on.
    pub fn new(activity_id: impl Into<String>, run_id: impl Into<String>) -> Self {
        Self { activity_id: activity_id.into(), run_id: run_id.into(), is_new: false, link: None }
    }
}

execution_input! {
    /// A wait for the result of a standalone activity, as an [interceptor](super::ClientInterceptor::activity_result)
    /// sees it.
    ActivityResultInput, PollActivityExecutionRequest {
        /// Activity id.
        activity_id
    }
}

execution_input! {
    /// A description of a standalone activity, as an [interceptor](super::ClientInterceptor::describe_activity) sees it.
    DescribeActivityInput, DescribeActivityExecutionRequest {
        /// Activity id.
        activity_id
    }
}

execution_input! {
    /// A request to cancel a standalone activity, as an
    /// [interceptor](super::ClientInterceptor::request_cancel_activity) sees it.
    RequestCancelActivityInput, RequestCancelActivityExecutionRequest {
        /// Activity id.
        activity_id,
        /// The reason, which the activity's description shows.
        reason
    }
}

execution_input! {
    /// A termination of a standalone activity, as an [interceptor](super::ClientInterceptor::terminate_activity) sees it.
    TerminateActivityInput, TerminateActivityExecutionRequest {
        /// Activity id.
        activity_id,
        /// The reason, which the errors of waiting callers show.
        reason
    }
}

execution_input! {
    /// The deletion of a standalone activity, as an [interceptor](super::ClientInterceptor::delete_activity) sees it.
    DeleteActivityInput, DeleteActivityExecutionRequest {
        /// Activity id.
        activity_id
    }
}

visibility_inputs! {
    "activities", ActivityExecutionInfo;
    ListActivitiesInput, ListActivityExecutionsRequest, "super::ClientInterceptor::list_activities";
    ActivityPage { activities };
    CountActivitiesInput, CountActivityExecutionsRequest, "super::ClientInterceptor::count_activities"
}

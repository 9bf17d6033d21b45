//! Descriptions of standalone activities, as returned by describing and listing them.

use std::fmt;
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::activity::v1::{
    ActivityExecutionInfo as InfoProto, ActivityExecutionListInfo as ListInfoProto,
};
use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::workflowservice::v1::DescribeActivityExecutionResponse;

use crate::client::description::PendingActivityState;
use crate::converter::{PayloadError, from_payload, read_one};
use crate::definition::PayloadValue;
use crate::failure::Failure;
use crate::header::Headers;
use crate::memo_and_attributes::read_attributes;
use crate::presence;
use crate::priority::Priority;
use crate::retry_policy::RetryPolicy;
use crate::versioning::DeploymentVersion;

/// Status of a standalone activity (Temporal's `ActivityExecutionStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActivityExecutionStatus {
    /// The activity is open.
    Running,
    /// The activity is open, and an operator has paused it.
    Paused,
    /// The activity returned a result.
    Completed,
    /// The activity failed, and there is no further attempt.
    Failed,
    /// The activity was cancelled.
    Cancelled,
    /// The activity was terminated.
    Terminated,
    /// The activity exceeded a timeout, and there is no further attempt.
    TimedOut,
    /// A status that this version does not know.
    Unknown,
}

impl ActivityExecutionStatus {
    fn from_proto(value: i32) -> Self {
        match enums::ActivityExecutionStatus::try_from(value) {
            Ok(enums::ActivityExecutionStatus::Running) => Self::Running,
            Ok(enums::ActivityExecutionStatus::Paused) => Self::Paused,
            Ok(enums::ActivityExecutionStatus::Completed) => Self::Completed,
            Ok(enums::ActivityExecutionStatus::Failed) => Self::Failed,
            Ok(enums::ActivityExecutionStatus::Canceled) => Self::Cancelled,
            Ok(enums::ActivityExecutionStatus::Terminated) => Self::Terminated,
            Ok(enums::ActivityExecutionStatus::TimedOut) => Self::TimedOut,
            _ => Self::Unknown,
        }
    }

    /// Returns true if the activity has not closed.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// A standalone activity, as stored in visibility (Temporal's `ActivityExecutionListInfo`).
#[derive(Clone, PartialEq)]
pub struct ActivityExecutionInfo {
    proto: Box<ListInfoProto>,
}

impl ActivityExecutionInfo {
    pub(super) fn from_proto(proto: ListInfoProto) -> Self {
        Self { proto: Box::new(proto) }
    }

    /// Returns the activity id.
    pub fn activity_id(&self) -> &str {
        &self.proto.activity_id
    }

    /// Returns the run id.
    pub fn run_id(&self) -> &str {
        &self.proto.run_id
    }

    /// Returns the name of the activity type.
    pub fn activity_type(&self) -> &str {
        self.proto.activity_type.as_ref().map_or("", |kind| &kind.name)
    }

    /// Returns the task queue.
    pub fn task_queue(&self) -> &str {
        &self.proto.task_queue
    }

    /// Returns the status.
    pub fn status(&self) -> ActivityExecutionStatus {
        ActivityExecutionStatus::from_proto(self.proto.status)
    }

    /// Returns the time at which the activity was started by its client.
    pub fn schedule_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.schedule_time.as_ref())
    }

    /// Returns the earliest time of the first attempt: the schedule time plus any start delay.
    pub fn execution_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.execution_time.as_ref())
    }

    /// Returns the time at which the activity closed; `None` while it is open.
    pub fn close_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.close_time.as_ref())
    }

    /// Returns the time from the schedule time to the close time; `None` while the activity is open.
    pub fn execution_duration(&self) -> Option<Duration> {
        presence::duration(self.proto.execution_duration.as_ref())
    }

    /// Returns the number of changes of the activity's state on the server; in lists only for closed activities.
    pub fn state_transition_count(&self) -> u64 {
        u64::try_from(self.proto.state_transition_count).unwrap_or_default()
    }

    /// Returns the size of the activity's state on the server, in bytes.
    pub fn state_size_bytes(&self) -> u64 {
        u64::try_from(self.proto.state_size_bytes).unwrap_or_default()
    }

    read_attributes!(self => self.proto.search_attributes);
}

impl fmt::Debug for ActivityExecutionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityExecutionInfo")
            .field("activity_id", &self.activity_id())
            .field("run_id", &self.run_id())
            .field("activity_type", &self.activity_type())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// The server's full description of a standalone activity (Temporal's `ActivityExecutionInfo`).
#[derive(Clone, PartialEq)]
pub struct ActivityDescription {
    info: ActivityExecutionInfo,
    /// Without what `info` has.
    proto: Box<InfoProto>,
}

impl ActivityDescription {
    pub(super) fn from_proto(response: DescribeActivityExecutionResponse) -> Self {
        let mut proto = response.info.unwrap_or_default();
        let info = ActivityExecutionInfo::from_proto(ListInfoProto {
            activity_id: std::mem::take(&mut proto.activity_id),
            run_id: std::mem::take(&mut proto.run_id),
            activity_type: proto.activity_type.take(),
            schedule_time: proto.schedule_time,
            close_time: proto.close_time,
            status: proto.status,
            search_attributes: proto.search_attributes.take(),
            task_queue: std::mem::take(&mut proto.task_queue),
            state_transition_count: proto.state_transition_count,
            state_size_bytes: proto.state_size_bytes,
            execution_duration: proto.execution_duration,
            execution_time: proto.execution_time,
        });
        Self { info, proto: Box::new(proto) }
    }

    /// Returns the part that lists contain, too: ids, type, task queue, times, search attributes.
    pub fn info(&self) -> &ActivityExecutionInfo {
        &self.info
    }

    /// Returns the status.
    pub fn status(&self) -> ActivityExecutionStatus {
        self.info.status()
    }

    /// Returns the state of the current attempt; `None` if the activity has closed.
    pub fn run_state(&self) -> Option<PendingActivityState> {
        (self.proto.run_state != 0).then(|| PendingActivityState::from_proto(self.proto.run_state))
    }

    /// Returns the attempt number, from 1.
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.proto.attempt).unwrap_or_default()
    }

    /// Returns the failure of the last attempt that failed.
    pub fn last_failure(&self) -> Option<Failure> {
        presence::message(self.proto.last_failure.clone()).map(Failure::from_proto)
    }

    /// Returns a detail of the last heartbeat by index; `None` if there are fewer.
    ///
    /// # Errors
    /// Returns an error if the detail is present and not a `T`.
    pub fn heartbeat_detail<T: PayloadValue>(&self, index: usize) -> Result<Option<T>, PayloadError> {
        let details = self.proto.heartbeat_details.as_ref();
        let detail = details.and_then(|details| details.payloads.get(index));
        let read = detail.map(|payload| read_one(Some(payload))).transpose();
        read.map_err(|error| error.of(format_args!("detail {} of the last heartbeat", index + 1)))
    }

    /// Returns the time of the last heartbeat.
    pub fn last_heartbeat_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.last_heartbeat_time.as_ref())
    }

    /// Returns the number of heartbeats of all attempts.
    pub fn total_heartbeat_count(&self) -> u64 {
        u64::try_from(self.proto.total_heartbeat_count).unwrap_or_default()
    }

    /// Returns the start time of the last attempt.
    pub fn last_started_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.last_started_time.as_ref())
    }

    /// Returns the end of the last attempt that has ended.
    pub fn last_attempt_complete_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.last_attempt_complete_time.as_ref())
    }

    /// Returns the time of the next attempt; `None` unless the activity waits for one.
    pub fn next_attempt_schedule_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.next_attempt_schedule_time.as_ref())
    }

    /// Returns the interval before the next attempt, or that follows if the running attempt fails; `None` if there is
    /// no further attempt.
    pub fn current_retry_interval(&self) -> Option<Duration> {
        presence::duration(self.proto.current_retry_interval.as_ref())
    }

    /// Returns the time at which the schedule-to-close timeout ends the activity.
    pub fn expiration_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.expiration_time.as_ref())
    }

    /// Returns the identity of the worker that ran the last attempt; empty if there was none.
    pub fn last_worker_identity(&self) -> &str {
        &self.proto.last_worker_identity
    }

    /// Returns the worker deployment version that ran the last attempt; `None` without versioning.
    pub fn last_deployment_version(&self) -> Option<DeploymentVersion> {
        DeploymentVersion::from_proto(self.proto.last_deployment_version.clone())
    }

    /// Returns the reason of the cancellation request; empty if there is no request, or no reason.
    pub fn cancel_reason(&self) -> &str {
        &self.proto.canceled_reason
    }

    /// Returns the limit of all attempts together; `None` if there is none.
    pub fn schedule_to_close_timeout(&self) -> Option<Duration> {
        presence::duration(self.proto.schedule_to_close_timeout.as_ref())
    }

    /// Returns the limit of the time that an attempt waits for a worker; `None` if there is none.
    pub fn schedule_to_start_timeout(&self) -> Option<Duration> {
        presence::duration(self.proto.schedule_to_start_timeout.as_ref())
    }

    /// Returns the limit of one attempt; `None` if there is none.
    pub fn start_to_close_timeout(&self) -> Option<Duration> {
        presence::duration(self.proto.start_to_close_timeout.as_ref())
    }

    /// Returns the limit of the time between two heartbeats; `None` if there is none.
    pub fn heartbeat_timeout(&self) -> Option<Duration> {
        presence::duration(self.proto.heartbeat_timeout.as_ref())
    }

    /// Returns the delay of the first attempt; `None` if there is none.
    pub fn start_delay(&self) -> Option<Duration> {
        presence::duration(self.proto.start_delay.as_ref())
    }

    /// Returns the retry policy that the server applies.
    pub fn retry_policy(&self) -> Option<RetryPolicy> {
        RetryPolicy::from_proto(self.proto.retry_policy.as_ref())
    }

    /// Returns the priority.
    pub fn priority(&self) -> Priority {
        self.proto.priority.as_ref().map(Priority::from_proto).unwrap_or_default()
    }

    /// Returns the headers.
    pub fn headers(&self) -> Headers {
        Headers::from_proto(self.proto.header.clone())
    }

    /// Returns the summary; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the summary is not a text.
    pub fn static_summary(&self) -> Result<Option<String>, PayloadError> {
        text(self.proto.user_metadata.as_ref().and_then(|metadata| metadata.summary.as_ref()), "summary")
    }

    /// Returns the details; `None` if there are none.
    ///
    /// # Errors
    /// Returns an error if the details are not a text.
    pub fn static_details(&self) -> Result<Option<String>, PayloadError> {
        text(self.proto.user_metadata.as_ref().and_then(|metadata| metadata.details.as_ref()), "details")
    }
}

fn text(payload: Option<&Payload>, what: &str) -> Result<Option<String>, PayloadError> {
    payload.map(from_payload).transpose().map_err(|error| error.of(format_args!("the {what} of the activity")))
}

impl fmt::Debug for ActivityDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityDescription")
            .field("info", &self.info)
            .field("run_state", &self.run_state())
            .field("attempt", &self.attempt())
            .field("last_failure", &self.last_failure())
            .finish_non_exhaustive()
    }
}

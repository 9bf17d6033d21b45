//! Descriptions of workflows, as returned by describing and listing them.

use std::fmt;
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::enums::v1::PendingActivityState as PendingActivityStateProto;
use abide_protos::temporal::api::workflow::v1::pending_activity_info::pause_info::PausedBy;
use abide_protos::temporal::api::workflow::v1::{
    PendingActivityInfo as PendingActivityProto, WorkflowExecutionInfo as InfoProto,
};
use abide_protos::temporal::api::workflowservice::v1::DescribeWorkflowExecutionResponse;

use super::operator::PendingActivityOptions;
use super::policies::WorkflowExecutionStatus;
use crate::converter::{PayloadError, read_one};
use crate::definition::PayloadValue;
use crate::failure::Failure;
use crate::memo_and_attributes::read_memo_and_attributes;
use crate::presence;

/// One run of a workflow, as stored in visibility (Temporal's `WorkflowExecutionInfo`).
#[derive(Clone, PartialEq)]
pub struct WorkflowExecutionInfo {
    proto: Box<InfoProto>,
}

impl WorkflowExecutionInfo {
    pub(super) fn from_proto(proto: InfoProto) -> Self {
        Self { proto: Box::new(proto) }
    }

    /// Returns the workflow id.
    pub fn workflow_id(&self) -> &str {
        self.proto.execution.as_ref().map_or("", |execution| &execution.workflow_id)
    }

    /// Returns the run id.
    pub fn run_id(&self) -> &str {
        self.proto.execution.as_ref().map_or("", |execution| &execution.run_id)
    }

    /// Returns the run id of the first run of the chain; empty if the server does not report it.
    pub fn first_execution_run_id(&self) -> &str {
        &self.proto.first_run_id
    }

    /// Returns the name of the workflow type.
    pub fn workflow_type(&self) -> &str {
        self.proto.r#type.as_ref().map_or("", |kind| &kind.name)
    }

    /// Returns the task queue of the workflow tasks.
    pub fn task_queue(&self) -> &str {
        &self.proto.task_queue
    }

    /// Returns the status.
    pub fn status(&self) -> WorkflowExecutionStatus {
        WorkflowExecutionStatus::from_proto(self.proto.status)
    }

    /// Returns the time at which the run was started.
    pub fn start_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.start_time.as_ref())
    }

    /// Returns the earliest time of the first workflow task: the start time plus any start delay, retry or cron delay.
    pub fn execution_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.execution_time.as_ref())
    }

    /// Returns the time at which the run closed; `None` while it is open.
    pub fn close_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.close_time.as_ref())
    }

    /// Returns the number of history events; in lists only for closed runs.
    pub fn history_length(&self) -> u64 {
        u64::try_from(self.proto.history_length).unwrap_or_default()
    }

    /// Returns the history size in bytes; in lists only for closed runs.
    pub fn history_size_bytes(&self) -> u64 {
        u64::try_from(self.proto.history_size_bytes).unwrap_or_default()
    }

    /// Returns workflow id and run id of the parent, if this is a child workflow.
    pub fn parent(&self) -> Option<(&str, &str)> {
        presence::execution(self.proto.parent_execution.as_ref()).map(ids)
    }

    /// Returns workflow id and run id of the root of the tree of parents, if the server reports it.
    pub fn root(&self) -> Option<(&str, &str)> {
        presence::execution(self.proto.root_execution.as_ref()).map(ids)
    }

    read_memo_and_attributes!(self => self.proto.memo, self.proto.search_attributes);
}

fn ids(execution: &WorkflowExecution) -> (&str, &str) {
    (&execution.workflow_id, &execution.run_id)
}

impl fmt::Debug for WorkflowExecutionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkflowExecutionInfo")
            .field("workflow_id", &self.workflow_id())
            .field("run_id", &self.run_id())
            .field("workflow_type", &self.workflow_type())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// The server's full description of one run of a workflow.
#[derive(Clone, Debug)]
pub struct WorkflowDescription {
    info: WorkflowExecutionInfo,
    pending_activities: Vec<PendingActivity>,
    pending_children: usize,
    workflow_task_attempt: Option<u32>,
    cancel_requested: bool,
    pause: Option<PauseInfo>,
}

/// The pause of a workflow or an activity: its author, its time and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PauseInfo {
    /// The identity of the client that paused it, or that created the workflow rule which did.
    pub identity: String,
    /// The reason that it gave.
    pub reason: String,
    /// When it was paused.
    pub time: Option<SystemTime>,
}

impl WorkflowDescription {
    pub(super) fn from_proto(proto: DescribeWorkflowExecutionResponse) -> Self {
        let extended = proto.workflow_extended_info.unwrap_or_default();
        Self {
            info: WorkflowExecutionInfo::from_proto(proto.workflow_execution_info.unwrap_or_default()),
            pending_activities: proto.pending_activities.into_iter().map(PendingActivity::from_proto).collect(),
            pending_children: proto.pending_children.len(),
            workflow_task_attempt: presence::message(proto.pending_workflow_task)
                .map(|task| u32::try_from(task.attempt).unwrap_or(1)),
            cancel_requested: extended.cancel_requested,
            pause: presence::message(extended.pause_info).map(|pause| PauseInfo {
                identity: pause.identity,
                reason: pause.reason,
                time: presence::time(pause.paused_time.as_ref()),
            }),
        }
    }

    /// Returns the part that lists contain, too: ids, type, times, memo.
    pub fn info(&self) -> &WorkflowExecutionInfo {
        &self.info
    }

    /// Returns the status.
    pub fn status(&self) -> WorkflowExecutionStatus {
        self.info.status()
    }

    /// Returns the activities that have not ended.
    pub fn pending_activities(&self) -> &[PendingActivity] {
        &self.pending_activities
    }

    /// Returns the number of running child workflows.
    pub fn pending_children(&self) -> usize {
        self.pending_children
    }

    /// Returns the attempt number of the pending workflow task; more than 1 means that workflow tasks fail. `None` if
    /// no workflow task is pending.
    pub fn workflow_task_attempt(&self) -> Option<u32> {
        self.workflow_task_attempt
    }

    /// Returns true if cancellation of the workflow was requested.
    pub fn is_cancel_requested(&self) -> bool {
        self.cancel_requested
    }

    /// Returns who has [paused](crate::WorkflowHandle::pause) the workflow; `None` if it is not paused.
    pub fn pause(&self) -> Option<&PauseInfo> {
        self.pause.as_ref()
    }
}

/// State of a pending activity (Temporal's `PendingActivityState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PendingActivityState {
    /// Waiting for a worker, or for the next attempt.
    Scheduled,
    /// An attempt is running.
    Started,
    /// An attempt is running, and its cancellation was requested.
    CancelRequested,
    /// Paused, or to be paused after the running attempt.
    Paused,
    /// A state that this version does not know.
    Unknown,
}

impl PendingActivityState {
    pub(super) fn from_proto(value: i32) -> Self {
        match PendingActivityStateProto::try_from(value) {
            Ok(PendingActivityStateProto::Scheduled) => Self::Scheduled,
            Ok(PendingActivityStateProto::Started) => Self::Started,
            Ok(PendingActivityStateProto::CancelRequested) => Self::CancelRequested,
            Ok(PendingActivityStateProto::Paused | PendingActivityStateProto::PauseRequested) => Self::Paused,
            _ => Self::Unknown,
        }
    }
}

/// An activity that has not ended (Temporal's `PendingActivityInfo`).
#[derive(Clone, PartialEq)]
pub struct PendingActivity {
    proto: Box<PendingActivityProto>,
}

impl PendingActivity {
    fn from_proto(proto: PendingActivityProto) -> Self {
        Self { proto: Box::new(proto) }
    }

    /// Returns the activity id within the workflow.
    pub fn activity_id(&self) -> &str {
        &self.proto.activity_id
    }

    /// Returns the name of the activity type.
    pub fn activity_type(&self) -> &str {
        self.proto.activity_type.as_ref().map_or("", |kind| &kind.name)
    }

    /// Returns the state.
    pub fn state(&self) -> PendingActivityState {
        PendingActivityState::from_proto(self.proto.state)
    }

    /// Returns the attempt number, from 1.
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.proto.attempt).unwrap_or_default()
    }

    /// Returns the maximum attempts; `None` for no limit.
    pub fn maximum_attempts(&self) -> Option<u32> {
        u32::try_from(self.proto.maximum_attempts).ok().filter(|attempts| *attempts > 0)
    }

    /// Returns the failure of the last attempt.
    pub fn last_failure(&self) -> Option<Failure> {
        presence::message(self.proto.last_failure.clone()).map(Failure::from_proto)
    }

    /// Returns the identity of the worker that ran the last attempt; empty if there was none.
    pub fn last_worker_identity(&self) -> &str {
        &self.proto.last_worker_identity
    }

    /// Returns the start time of the running attempt.
    pub fn last_started_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.last_started_time.as_ref())
    }

    /// Returns the time of the last heartbeat.
    pub fn last_heartbeat_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.last_heartbeat_time.as_ref())
    }

    /// Returns the time of the next attempt; `None` while one is running.
    pub fn next_attempt_schedule_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.next_attempt_schedule_time.as_ref())
    }

    /// Returns the full interval before the next attempt; `None` while one is running.
    pub fn current_retry_interval(&self) -> Option<Duration> {
        presence::duration(self.proto.current_retry_interval.as_ref())
    }

    /// Returns who has [paused](crate::WorkflowHandle::pause_activities) the activity; `None` if it is not paused.
    pub fn pause(&self) -> Option<PauseInfo> {
        let pause = self.proto.pause_info.as_ref()?;
        let (identity, reason) = match &pause.paused_by {
            Some(PausedBy::Manual(manual)) => (manual.identity.clone(), manual.reason.clone()),
            Some(PausedBy::Rule(rule)) => (rule.identity.clone(), rule.reason.clone()),
            None => Default::default(),
        };
        Some(PauseInfo { identity, reason, time: presence::time(pause.pause_time.as_ref()) })
    }

    /// Returns the options, which an operator may have
    /// [changed](crate::WorkflowHandle::update_activity_options); `None` if the server does not report them.
    pub fn options(&self) -> Option<PendingActivityOptions> {
        presence::message(self.proto.activity_options.clone()).map(PendingActivityOptions::from_proto)
    }

    /// Returns a detail of the last heartbeat by index; `None` if there are fewer.
    ///
    /// # Errors
    /// Returns an error if the detail is present and not a `T`.
    pub fn heartbeat_detail<T: PayloadValue>(&self, index: usize) -> Result<Option<T>, PayloadError> {
        let details = self.proto.heartbeat_details.as_ref();
        match details.and_then(|details| details.payloads.get(index)) {
            Some(payload) => {
                let read = read_one(Some(payload)).map(Some);
                read.map_err(|error| error.of(format_args!("detail {} of the last heartbeat", index + 1)))
            }
            None => Ok(None),
        }
    }
}

impl fmt::Debug for PendingActivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingActivity")
            .field("activity_id", &self.activity_id())
            .field("activity_type", &self.activity_type())
            .field("state", &self.state())
            .field("attempt", &self.attempt())
            .field("last_failure", &self.last_failure())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use abide_protos::Timestamp;
    use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
    use abide_protos::temporal::api::failure::v1::{ApplicationFailureInfo, Failure as FailureProto};
    use abide_protos::temporal::api::workflow::v1::PendingWorkflowTaskInfo;
    use proptest::prelude::*;

    use super::*;
    use crate::duration::extremes::{duration, time};

    /// Older servers answer with optional messages that are present but empty.
    #[test]
    fn present_but_empty_messages_read_as_none() {
        let info = WorkflowExecutionInfo::from_proto(InfoProto {
            parent_execution: Some(WorkflowExecution::default()),
            root_execution: Some(WorkflowExecution::default()),
            close_time: Some(Timestamp::default()),
            ..Default::default()
        });
        assert_eq!((info.parent(), info.root(), info.close_time()), (None, None, None));
        let activity = PendingActivity::from_proto(PendingActivityProto {
            last_failure: Some(FailureProto::default()),
            last_started_time: Some(Timestamp::default()),
            last_heartbeat_time: Some(Timestamp::default()),
            next_attempt_schedule_time: Some(Timestamp::default()),
            current_retry_interval: Some(Default::default()),
            ..Default::default()
        });
        assert!(activity.last_failure().is_none());
        assert_eq!((activity.last_started_time(), activity.last_heartbeat_time()), (None, None));
        assert_eq!((activity.next_attempt_schedule_time(), activity.current_retry_interval()), (None, None));
        let description = WorkflowDescription::from_proto(DescribeWorkflowExecutionResponse {
            pending_workflow_task: Some(PendingWorkflowTaskInfo::default()),
            ..Default::default()
        });
        assert_eq!(description.workflow_task_attempt(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        /// Uses times and durations at the ends of their range wherever an answer has one.
        #[test]
        fn no_time_and_no_duration_of_a_description_panics(time in time(), duration in duration(), number in any::<i64>()) {
            let small = i32::try_from(number >> 32).unwrap();
            let activity = PendingActivityProto {
                last_started_time: Some(time),
                last_heartbeat_time: Some(time),
                scheduled_time: Some(time),
                expiration_time: Some(time),
                next_attempt_schedule_time: Some(time),
                current_retry_interval: Some(duration),
                attempt: small,
                maximum_attempts: small,
                last_failure: Some(FailureProto {
                    failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                        next_retry_delay: Some(duration),
                        ..Default::default()
                    })),
                    ..Default::default()
                }),
                ..Default::default()
            };
            let info = InfoProto {
                start_time: Some(time),
                close_time: Some(time),
                execution_time: Some(time),
                execution_duration: Some(duration),
                history_length: number,
                history_size_bytes: number,
                ..Default::default()
            };
            let listed = WorkflowExecutionInfo::from_proto(info.clone());
            let described = WorkflowDescription::from_proto(DescribeWorkflowExecutionResponse {
                workflow_execution_info: Some(info),
                pending_activities: vec![activity],
                pending_workflow_task: Some(PendingWorkflowTaskInfo {
                    scheduled_time: Some(time),
                    original_scheduled_time: Some(time),
                    started_time: Some(time),
                    attempt: small,
                    ..Default::default()
                }),
                ..Default::default()
            });
            for info in [&listed, described.info()] {
                let times = [info.start_time(), info.execution_time(), info.close_time()];
                let told = format!("{info:?} {times:?} {} {}", info.history_length(), info.history_size_bytes());
                prop_assert!(!told.is_empty());
            }
            let activity = &described.pending_activities()[0];
            let times = [
                activity.last_started_time(),
                activity.last_heartbeat_time(),
                activity.next_attempt_schedule_time(),
            ];
            // Callers compute durations from these times.
            for time in times.into_iter().flatten() {
                prop_assert!(time.duration_since(SystemTime::UNIX_EPOCH).is_ok() || time < SystemTime::UNIX_EPOCH);
            }
            let numbers = (activity.attempt(), activity.maximum_attempts(), activity.current_retry_interval());
            let told = format!("{described:?} {activity:?} {numbers:?} {:?}", described.workflow_task_attempt());
            prop_assert!(!told.is_empty());
        }
    }
}

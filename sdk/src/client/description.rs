//! What the server tells about a workflow when it is described or listed.

use std::fmt;
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::enums::v1::PendingActivityState as PendingActivityStateProto;
use abide_protos::temporal::api::workflow::v1::{
    PendingActivityInfo as PendingActivityProto, WorkflowExecutionInfo as InfoProto,
};
use abide_protos::temporal::api::workflowservice::v1::DescribeWorkflowExecutionResponse;

use super::policies::WorkflowExecutionStatus;
use crate::converter::{PayloadError, from_payload, read_one};
use crate::definition::PayloadValue;
use crate::failure::Failure;
use crate::presence;
use crate::search_attributes::{SearchAttributeKey, SearchAttributeValue};

/// One run of a workflow as visibility knows it (Temporal's `WorkflowExecutionInfo`).
#[derive(Clone, PartialEq)]
pub struct WorkflowExecutionInfo {
    proto: Box<InfoProto>,
}

impl WorkflowExecutionInfo {
    pub(super) fn from_proto(proto: InfoProto) -> Self {
        Self { proto: Box::new(proto) }
    }

    /// The workflow's id.
    pub fn workflow_id(&self) -> &str {
        self.proto.execution.as_ref().map_or("", |execution| &execution.workflow_id)
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        self.proto.execution.as_ref().map_or("", |execution| &execution.run_id)
    }

    /// The first run of the chain; empty if the server does not say.
    pub fn first_execution_run_id(&self) -> &str {
        &self.proto.first_run_id
    }

    /// The workflow type's name.
    pub fn workflow_type(&self) -> &str {
        self.proto.r#type.as_ref().map_or("", |kind| &kind.name)
    }

    /// The task queue of its workflow tasks.
    pub fn task_queue(&self) -> &str {
        &self.proto.task_queue
    }

    /// The state it is in.
    pub fn status(&self) -> WorkflowExecutionStatus {
        WorkflowExecutionStatus::from_proto(self.proto.status)
    }

    /// When the run was started.
    pub fn start_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.start_time.as_ref())
    }

    /// When its first workflow task could begin: the start, and the delay by start delay, retry or cron.
    pub fn execution_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.execution_time.as_ref())
    }

    /// When it closed; `None` while it is open.
    pub fn close_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.close_time.as_ref())
    }

    /// How many events the history has; in lists only for closed runs.
    pub fn history_length(&self) -> u64 {
        u64::try_from(self.proto.history_length).unwrap_or_default()
    }

    /// How large the history is, in bytes; in lists only for closed runs.
    pub fn history_size_bytes(&self) -> u64 {
        u64::try_from(self.proto.history_size_bytes).unwrap_or_default()
    }

    /// Workflow id and run id of the parent, if it is a child workflow.
    pub fn parent(&self) -> Option<(&str, &str)> {
        presence::execution(self.proto.parent_execution.as_ref()).map(ids)
    }

    /// Workflow id and run id of the root of its tree of parents, if the server says.
    pub fn root(&self) -> Option<(&str, &str)> {
        presence::execution(self.proto.root_execution.as_ref()).map(ids)
    }

    /// A value of the memo; `None` if there is none of that key.
    ///
    /// # Errors
    /// Returns an error if the value is there and is not a `T`.
    pub fn memo<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        let fields = self.proto.memo.as_ref().map(|memo| &memo.fields);
        fields.and_then(|fields| fields.get(key)).map(from_payload).transpose()
    }

    /// A search attribute; `None` if it is not set, or not of the key's type.
    pub fn search_attribute<T: SearchAttributeValue>(&self, key: &SearchAttributeKey<T>) -> Option<T> {
        key.read(self.proto.search_attributes.as_ref()?)
    }
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

/// All that the server tells about one run of a workflow.
#[derive(Clone, Debug)]
pub struct WorkflowDescription {
    info: WorkflowExecutionInfo,
    pending_activities: Vec<PendingActivity>,
    pending_children: usize,
    workflow_task_attempt: Option<u32>,
    cancel_requested: bool,
}

impl WorkflowDescription {
    pub(super) fn from_proto(proto: DescribeWorkflowExecutionResponse) -> Self {
        Self {
            info: WorkflowExecutionInfo::from_proto(proto.workflow_execution_info.unwrap_or_default()),
            pending_activities: proto.pending_activities.into_iter().map(PendingActivity::from_proto).collect(),
            pending_children: proto.pending_children.len(),
            workflow_task_attempt: presence::message(proto.pending_workflow_task)
                .map(|task| u32::try_from(task.attempt).unwrap_or(1)),
            cancel_requested: proto.workflow_extended_info.is_some_and(|info| info.cancel_requested),
        }
    }

    /// What lists show too: ids, type, times, memo.
    pub fn info(&self) -> &WorkflowExecutionInfo {
        &self.info
    }

    /// The state it is in.
    pub fn status(&self) -> WorkflowExecutionStatus {
        self.info.status()
    }

    /// The activities that have not ended.
    pub fn pending_activities(&self) -> &[PendingActivity] {
        &self.pending_activities
    }

    /// How many child workflows are running.
    pub fn pending_children(&self) -> usize {
        self.pending_children
    }

    /// Which attempt its pending workflow task is in; more than 1 means that workflow tasks fail. `None` if there is
    /// no workflow task now.
    pub fn workflow_task_attempt(&self) -> Option<u32> {
        self.workflow_task_attempt
    }

    /// Returns true if its cancellation was requested.
    pub fn is_cancel_requested(&self) -> bool {
        self.cancel_requested
    }
}

/// What a pending activity is doing (Temporal's `PendingActivityState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PendingActivityState {
    /// It waits for a worker, or for its next attempt.
    Scheduled,
    /// An attempt runs.
    Started,
    /// An attempt runs, and its cancellation was requested.
    CancelRequested,
    /// It is paused, or will be after the attempt that runs.
    Paused,
    /// Not known to this version.
    Unknown,
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

    /// Its id within the workflow.
    pub fn activity_id(&self) -> &str {
        &self.proto.activity_id
    }

    /// The activity type's name.
    pub fn activity_type(&self) -> &str {
        self.proto.activity_type.as_ref().map_or("", |kind| &kind.name)
    }

    /// What it is doing.
    pub fn state(&self) -> PendingActivityState {
        match PendingActivityStateProto::try_from(self.proto.state) {
            Ok(PendingActivityStateProto::Scheduled) => PendingActivityState::Scheduled,
            Ok(PendingActivityStateProto::Started) => PendingActivityState::Started,
            Ok(PendingActivityStateProto::CancelRequested) => PendingActivityState::CancelRequested,
            Ok(PendingActivityStateProto::Paused | PendingActivityStateProto::PauseRequested) => {
                PendingActivityState::Paused
            }
            _ => PendingActivityState::Unknown,
        }
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.proto.attempt).unwrap_or_default()
    }

    /// How many attempts there may be; `None` for no limit.
    pub fn maximum_attempts(&self) -> Option<u32> {
        u32::try_from(self.proto.maximum_attempts).ok().filter(|attempts| *attempts > 0)
    }

    /// What the last attempt failed with.
    pub fn last_failure(&self) -> Option<Failure> {
        presence::message(self.proto.last_failure.clone()).map(Failure::from_proto)
    }

    /// Who ran the last attempt; empty if there was none.
    pub fn last_worker_identity(&self) -> &str {
        &self.proto.last_worker_identity
    }

    /// When the attempt that runs was started.
    pub fn last_started_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.last_started_time.as_ref())
    }

    /// When the last heartbeat came.
    pub fn last_heartbeat_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.last_heartbeat_time.as_ref())
    }

    /// When the next attempt is due; `None` while one runs.
    pub fn next_attempt_schedule_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.next_attempt_schedule_time.as_ref())
    }

    /// How long the wait for the next attempt is in all; `None` while one runs.
    pub fn current_retry_interval(&self) -> Option<Duration> {
        presence::duration(self.proto.current_retry_interval.as_ref())
    }

    /// One detail of the last heartbeat, counted from 0; `None` if there are fewer.
    ///
    /// # Errors
    /// Returns an error if the detail is there and is not a `T`.
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

    /// As older servers answer: optional messages are there, and empty.
    #[test]
    fn what_is_there_and_says_nothing_is_none() {
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

        /// Times and durations at the ends of their range, wherever an answer has one.
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
            // As a caller who wants to know when an attempt began would ask.
            for time in times.into_iter().flatten() {
                prop_assert!(time.duration_since(SystemTime::UNIX_EPOCH).is_ok() || time < SystemTime::UNIX_EPOCH);
            }
            let numbers = (activity.attempt(), activity.maximum_attempts(), activity.current_retry_interval());
            let told = format!("{described:?} {activity:?} {numbers:?} {:?}", described.workflow_task_attempt());
            prop_assert!(!told.is_empty());
        }
    }
}

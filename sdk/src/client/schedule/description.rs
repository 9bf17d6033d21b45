//! The description of a schedule: what it is, what it has done and will do.

use std::fmt;
use std::time::SystemTime;

use abide_protos::temporal::api::common::v1::{Memo, SearchAttributes as SearchAttributesProto};
use abide_protos::temporal::api::schedule::v1 as proto;
use abide_protos::temporal::api::workflowservice::v1::DescribeScheduleResponse;

use super::Schedule;
use crate::client::policies::WorkflowExecutionStatus;
use crate::converter::{PayloadError, from_payload};
use crate::definition::PayloadValue;
use crate::duration::time_from_proto;
use crate::presence;
use crate::search_attributes::{SearchAttributeKey, SearchAttributeValue, SearchAttributes, SearchAttributesReader};

/// The server's description of a schedule.
#[derive(Clone)]
pub struct ScheduleDescription {
    schedule_id: String,
    schedule: Schedule,
    info: ScheduleInfo,
    memo: Memo,
    search_attributes: SearchAttributesProto,
    conflict_token: Vec<u8>,
}

impl ScheduleDescription {
    pub(super) fn from_proto(schedule_id: String, proto: DescribeScheduleResponse) -> Self {
        Self {
            schedule_id,
            schedule: Schedule::from_proto(proto.schedule.unwrap_or_default()),
            info: ScheduleInfo { proto: Box::new(proto.info.unwrap_or_default()) },
            memo: proto.memo.unwrap_or_default(),
            search_attributes: proto.search_attributes.unwrap_or_default(),
            conflict_token: proto.conflict_token,
        }
    }

    /// Returns the schedule id.
    pub fn schedule_id(&self) -> &str {
        &self.schedule_id
    }

    /// Returns the schedule as the server has it: cron expressions as calendars and intervals, and defaults filled in.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Returns what the schedule has done and will do.
    pub fn info(&self) -> &ScheduleInfo {
        &self.info
    }

    /// Returns a memo value of the schedule itself; `None` if the key is missing.
    ///
    /// # Errors
    /// Returns an error if the value is present and not a `T`.
    pub fn memo<T: PayloadValue>(&self, key: &str) -> Result<Option<T>, PayloadError> {
        self.memo.fields.get(key).map(from_payload).transpose()
    }

    /// Returns a search attribute of the schedule itself; `None` if it is not set, or has another type than the key.
    pub fn search_attribute<T: SearchAttributeValue>(&self, key: &SearchAttributeKey<T>) -> Option<T> {
        key.read(&self.search_attributes)
    }

    /// Returns the search attributes of the schedule itself as a struct with
    /// [`#[derive(SearchAttributes)]`](derive@crate::SearchAttributes); `None` if one of them is not set whose field is
    /// not an `Option`.
    pub fn search_attributes<T: SearchAttributes>(&self) -> Option<T> {
        T::read(&SearchAttributesReader(Some(&self.search_attributes)))
    }

    pub(super) fn memo_fields(&self) -> &Memo {
        &self.memo
    }

    /// Returns the search attributes without those of the server, which no request may set.
    pub(super) fn own_search_attributes(&self) -> SearchAttributesProto {
        let mut attributes = self.search_attributes.clone();
        attributes.indexed_fields.retain(|name, _| !name.starts_with("Temporal"));
        attributes
    }

    pub(super) fn conflict_token(&self) -> &[u8] {
        &self.conflict_token
    }
}

/// Shows no value of the memo.
impl fmt::Debug for ScheduleDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleDescription")
            .field("schedule_id", &self.schedule_id)
            .field("schedule", &self.schedule)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// Past and future actions of a schedule (Temporal's `ScheduleInfo`).
#[derive(Clone, PartialEq)]
pub struct ScheduleInfo {
    proto: Box<proto::ScheduleInfo>,
}

impl ScheduleInfo {
    /// Returns how often the schedule has acted.
    pub fn action_count(&self) -> u64 {
        count(self.proto.action_count)
    }

    /// Returns how many times were missed, because the server was down for longer than the catch-up window.
    pub fn missed_catchup_window(&self) -> u64 {
        count(self.proto.missed_catchup_window)
    }

    /// Returns how many times were skipped, because an earlier workflow was still running.
    pub fn overlap_skipped(&self) -> u64 {
        count(self.proto.overlap_skipped)
    }

    /// Returns how many starts were dropped, because too many were waiting.
    pub fn buffer_dropped(&self) -> u64 {
        count(self.proto.buffer_dropped)
    }

    /// Returns how many starts wait for an earlier workflow to close.
    pub fn buffer_size(&self) -> u64 {
        count(self.proto.buffer_size)
    }

    /// Returns workflow id and first run id of the workflows of this schedule that are running. A workflow that has
    /// continued as new or was retried has another run id by now.
    pub fn running_workflows(&self) -> Vec<(&str, &str)> {
        let workflows = self.proto.running_workflows.iter();
        workflows.map(|workflow| (workflow.workflow_id.as_str(), workflow.run_id.as_str())).collect()
    }

    /// Returns the last ten actions, the oldest first. Triggers and backfills belong to them.
    pub fn recent_actions(&self) -> Vec<ScheduleActionResult> {
        results(&self.proto.recent_actions)
    }

    /// Returns the next ten times at which the schedule acts.
    pub fn next_action_times(&self) -> Vec<SystemTime> {
        self.proto.future_action_times.iter().map(time_from_proto).collect()
    }

    /// Returns the time at which the schedule was created.
    pub fn create_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.create_time.as_ref())
    }

    /// Returns the time of the last update; `None` if there was none.
    pub fn update_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.update_time.as_ref())
    }
}

impl fmt::Debug for ScheduleInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduleInfo")
            .field("action_count", &self.action_count())
            .field("missed_catchup_window", &self.missed_catchup_window())
            .field("overlap_skipped", &self.overlap_skipped())
            .field("buffer_size", &self.buffer_size())
            .field("running_workflows", &self.running_workflows())
            .field("recent_actions", &self.recent_actions())
            .field("next_action_times", &self.next_action_times())
            .finish_non_exhaustive()
    }
}

/// An action that a schedule has taken (Temporal's `ScheduleActionResult`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleActionResult {
    /// The time by the schedule, with jitter; `None` if the server does not report it.
    pub schedule_time: Option<SystemTime>,
    /// The time at which it acted; `None` if the server does not report it.
    pub actual_time: Option<SystemTime>,
    /// Id of the workflow that it started; empty if it started none.
    pub workflow_id: String,
    /// First run of that workflow; empty if it started none.
    pub first_execution_run_id: String,
    /// Status of that workflow, as far as the schedule knows it. It learns it a little later, and not at all with
    /// [`AllowAll`](super::ScheduleOverlapPolicy::AllowAll).
    pub status: WorkflowExecutionStatus,
}

pub(super) fn results(results: &[proto::ScheduleActionResult]) -> Vec<ScheduleActionResult> {
    let read = |result: &proto::ScheduleActionResult| {
        let workflow = result.start_workflow_result.clone().unwrap_or_default();
        ScheduleActionResult {
            schedule_time: presence::time(result.schedule_time.as_ref()),
            actual_time: presence::time(result.actual_time.as_ref()),
            workflow_id: workflow.workflow_id,
            first_execution_run_id: workflow.run_id,
            status: WorkflowExecutionStatus::from_proto(result.start_workflow_status),
        }
    };
    results.iter().map(read).collect()
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

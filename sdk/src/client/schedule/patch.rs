//! Acting at once: triggers, and backfills of times that have passed.

use std::future::IntoFuture;
use std::time::SystemTime;

use abide_protos::temporal::api::schedule::v1::{BackfillRequest, SchedulePatch, TriggerImmediatelyRequest};

use super::errors::ScheduleError;
use super::handle::ScheduleHandle;
use super::policies::ScheduleOverlapPolicy;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::duration::{time_from_proto, time_to_proto};

/// A range of times that a schedule goes through as if they passed right now (Temporal's `BackfillRequest`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "a backfill does nothing until `ScheduleHandle::backfill` takes it"]
pub struct ScheduleBackfill {
    /// The start of the range. Some servers leave out a time that equals the start.
    pub start_time: SystemTime,
    /// The end of the range, which belongs to it.
    pub end_time: SystemTime,
    /// The overlap policy of this backfill; `None` is that of the schedule.
    pub overlap: Option<ScheduleOverlapPolicy>,
}

impl ScheduleBackfill {
    /// Creates a backfill of the times from `start_time` to `end_time`.
    pub fn new(start_time: SystemTime, end_time: SystemTime) -> Self {
        Self { start_time, end_time, overlap: None }
    }

    /// Sets the overlap policy of this backfill. Default: that of the schedule. With `Skip`, one workflow would start
    /// and all other times would be skipped while it runs.
    pub fn overlap(mut self, policy: ScheduleOverlapPolicy) -> Self {
        self.overlap = Some(policy);
        self
    }

    pub(crate) fn to_proto(self) -> BackfillRequest {
        BackfillRequest {
            start_time: Some(time_to_proto(self.start_time)),
            end_time: Some(time_to_proto(self.end_time)),
            overlap_policy: ScheduleOverlapPolicy::number(self.overlap, 0),
        }
    }

    pub(crate) fn from_proto(backfill: &BackfillRequest) -> Self {
        let time = |time: &Option<_>| time.as_ref().map_or(SystemTime::UNIX_EPOCH, time_from_proto);
        Self {
            start_time: time(&backfill.start_time),
            end_time: time(&backfill.end_time),
            overlap: ScheduleOverlapPolicy::from_proto(backfill.overlap_policy),
        }
    }
}

/// A trigger of a schedule, sent when awaited.
#[must_use = "the schedule is triggered only when this is awaited"]
pub struct TriggerSchedule {
    handle: ScheduleHandle,
    overlap: Option<ScheduleOverlapPolicy>,
}

debug_only!(impl[] TriggerSchedule, |this| { schedule_id: this.handle.schedule_id(), overlap: this.overlap });

impl TriggerSchedule {
    pub(super) fn new(handle: ScheduleHandle) -> Self {
        Self { handle, overlap: None }
    }

    /// Sets the overlap policy of this trigger. Default: that of the schedule.
    pub fn overlap(mut self, policy: ScheduleOverlapPolicy) -> Self {
        self.overlap = Some(policy);
        self
    }
}

impl IntoFuture for TriggerSchedule {
    type Output = Result<(), ScheduleError>;
    type IntoFuture = ClientFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let patch = SchedulePatch { trigger_immediately: Some(trigger(self.overlap)), ..SchedulePatch::default() };
        self.handle.patch(patch)
    }
}

pub(super) fn trigger(overlap: Option<ScheduleOverlapPolicy>) -> TriggerImmediatelyRequest {
    TriggerImmediatelyRequest {
        overlap_policy: ScheduleOverlapPolicy::number(overlap, 0),
        ..TriggerImmediatelyRequest::default()
    }
}

//! The handle of a schedule.

use std::time::SystemTime;

use abide_protos::temporal::api::schedule::v1::SchedulePatch;
use abide_protos::temporal::api::workflowservice::v1::{
    DeleteScheduleRequest, DescribeScheduleRequest, ListScheduleMatchingTimesRequest, PatchScheduleRequest,
};
use uuid::Uuid;

use super::Schedule;
use super::calls::DescribeScheduleCall;
use super::description::ScheduleDescription;
use super::errors::ScheduleError;
use super::patch::{ScheduleBackfill, TriggerSchedule};
use super::update::UpdateSchedule;
use crate::client::connection::Connection;
use crate::client::start::ClientFuture;
use crate::debug_only::debug_only;
use crate::duration::time_to_proto;

/// A handle to a schedule, created by this client or elsewhere.
///
/// ```no_run
/// use abide::client::{ScheduleBackfill, ScheduleOverlapPolicy};
/// use abide::prelude::*;
///
/// # async fn operate(client: Client, yesterday: std::time::SystemTime) -> Result<(), Box<dyn std::error::Error>> {
/// let reports = client.schedule("reports-eu");
/// reports.update(|schedule| schedule.policies.pause_on_failure = true).await?;
/// reports.trigger().overlap(ScheduleOverlapPolicy::AllowAll).await?;
/// let missed = ScheduleBackfill::new(yesterday, yesterday + hours(3)).overlap(ScheduleOverlapPolicy::BufferAll);
/// reports.backfill([missed]).await?;
/// let description = reports.describe().await?;
/// println!("{} actions, next at {:?}", description.info().action_count(), description.info().next_action_times());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ScheduleHandle {
    connection: Connection,
    schedule_id: String,
}

debug_only!(impl[] ScheduleHandle, |this| { schedule_id: this.schedule_id });

impl ScheduleHandle {
    pub(in crate::client) fn new(connection: Connection, schedule_id: String) -> Self {
        Self { connection, schedule_id }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the schedule id.
    pub fn schedule_id(&self) -> &str {
        &self.schedule_id
    }

    /// Returns the schedule with what it has done and will do.
    ///
    /// # Errors
    /// [`ScheduleError`]: the schedule does not exist, or the call failed.
    pub async fn describe(&self) -> Result<ScheduleDescription, ScheduleError> {
        let request = DescribeScheduleRequest {
            namespace: self.connection.namespace().to_string(),
            schedule_id: self.schedule_id.clone(),
        };
        self.about(self.connection.carry_out(DescribeScheduleCall(request)).await)
    }

    /// Changes the schedule: `change` gets it as it is on the server. If somebody else has changed it in the meantime,
    /// it is read again, and `change` runs again, so it should only change the schedule. If it changes nothing, nothing is
    /// sent.
    ///
    /// ```no_run
    /// # use abide::client::{ScheduleHandle, ScheduleError, ScheduleSpec};
    /// # use abide::mins;
    /// # async fn change(reports: ScheduleHandle) -> Result<(), ScheduleError> {
    /// reports.update(|schedule| schedule.spec = ScheduleSpec::new().every(mins(30))).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ScheduleError`]: the schedule does not exist, or the call failed. After eight conflicts in a row, the call
    /// fails with the server's refusal ([`is_failed_precondition`](crate::client::RpcError::is_failed_precondition)).
    pub fn update<F>(&self, change: F) -> UpdateSchedule<F>
    where
        F: FnMut(&mut Schedule) + Send + 'static,
    {
        UpdateSchedule::new(self.clone(), change)
    }

    /// Deletes the schedule. Workflows that it has started continue.
    ///
    /// # Errors
    /// [`ScheduleError`]: the schedule does not exist, or the call failed.
    pub async fn delete(&self) -> Result<(), ScheduleError> {
        let request = DeleteScheduleRequest {
            namespace: self.connection.namespace().to_string(),
            schedule_id: self.schedule_id.clone(),
            identity: self.connection.identity().to_string(),
        };
        self.about(self.connection.carry_out(request).await)
    }

    /// Pauses the schedule, with a note that says why. It can still be [triggered](Self::trigger).
    ///
    /// # Errors
    /// [`ScheduleError`]: the schedule does not exist, or the call failed.
    pub fn pause(&self, note: impl Into<String>) -> ClientFuture<Result<(), ScheduleError>> {
        self.patch(SchedulePatch { pause: note_of(note.into(), "paused"), ..SchedulePatch::default() })
    }

    /// Continues the schedule after a pause, with a note that says why. Times that have passed are not made up for.
    ///
    /// # Errors
    /// [`ScheduleError`]: the schedule does not exist, or the call failed.
    pub fn unpause(&self, note: impl Into<String>) -> ClientFuture<Result<(), ScheduleError>> {
        self.patch(SchedulePatch { unpause: note_of(note.into(), "unpaused"), ..SchedulePatch::default() })
    }

    /// Acts once now, also if the schedule is paused; `.overlap(..)` sets an overlap policy.
    ///
    /// The ids of the started workflows end with the time in seconds. So the server drops a second trigger within the
    /// same second while the workflow of the first one runs. Server 1.32 may also drop a trigger that another trigger or
    /// a backfill follows at once: wait until [`describe`](Self::describe) counts it.
    ///
    /// # Errors
    /// [`ScheduleError`]: the schedule does not exist, or the call failed.
    pub fn trigger(&self) -> TriggerSchedule {
        TriggerSchedule::new(self.clone())
    }

    /// Acts at the times of the schedule within these ranges, as if they passed right now.
    ///
    /// # Errors
    /// [`ScheduleError`]: the schedule does not exist, or the call failed.
    pub fn backfill(
        &self,
        backfills: impl IntoIterator<Item = ScheduleBackfill>,
    ) -> ClientFuture<Result<(), ScheduleError>> {
        let backfill_request = backfills.into_iter().map(ScheduleBackfill::to_proto).collect();
        self.patch(SchedulePatch { backfill_request, ..SchedulePatch::default() })
    }

    /// Returns the times from `from` to `to` at which the schedule acts by its spec, at most 1000, with
    /// jitter.
    ///
    /// # Errors
    /// [`ScheduleError`]: the schedule does not exist, or the call failed.
    pub async fn matching_times(&self, from: SystemTime, to: SystemTime) -> Result<Vec<SystemTime>, ScheduleError> {
        let request = ListScheduleMatchingTimesRequest {
            namespace: self.connection.namespace().to_string(),
            schedule_id: self.schedule_id.clone(),
            start_time: Some(time_to_proto(from)),
            end_time: Some(time_to_proto(to)),
        };
        self.about(self.connection.carry_out(request).await)
    }

    pub(super) fn patch(&self, patch: SchedulePatch) -> ClientFuture<Result<(), ScheduleError>> {
        let request = PatchScheduleRequest {
            namespace: self.connection.namespace().to_string(),
            schedule_id: self.schedule_id.clone(),
            patch: Some(patch),
            identity: self.connection.identity().to_string(),
            request_id: Uuid::new_v4().to_string(),
        };
        let handle = self.clone();
        Box::pin(async move { handle.about(handle.connection.carry_out(request).await) })
    }

    pub(super) fn about<T>(&self, answered: Result<T, crate::client::RpcError>) -> Result<T, ScheduleError> {
        answered.map_err(|error| ScheduleError::from_rpc(&self.schedule_id, error))
    }
}

/// The server ignores a pause without a note.
fn note_of(note: String, default: &str) -> String {
    if note.is_empty() { default.to_string() } else { note }
}

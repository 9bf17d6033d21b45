//! Schedules: the server starts a workflow again and again, by calendars, intervals and cron expressions.

mod action;
mod calls;
mod create;
mod description;
mod errors;
mod handle;
mod list;
mod patch;
mod policies;
mod range;
mod spec;
mod update;

use std::fmt;
use std::time::Duration;

use abide_protos::temporal::api::schedule::v1 as proto;

pub use action::ScheduleAction;
pub use create::CreateSchedule;
pub use description::{ScheduleActionResult, ScheduleDescription, ScheduleInfo};
pub use errors::{CreateScheduleError, ScheduleError};
pub use handle::ScheduleHandle;
pub use list::{ScheduleList, ScheduleListEntry};
pub use patch::{ScheduleBackfill, TriggerSchedule};
pub use policies::{ScheduleOverlapPolicy, SchedulePolicies, ScheduleState};
pub use range::ScheduleRange;
pub use spec::{ScheduleCalendar, ScheduleInterval, ScheduleSpec};
pub use update::UpdateSchedule;

pub(crate) use calls::{CreateScheduleCall, DescribeScheduleCall, UpdateScheduleCall};

use crate::converter::PayloadError;

/// A schedule: its action, its times, its policies and its state (Temporal's `Schedule`).
///
/// [`Client::create_schedule`](crate::Client::create_schedule) gives it to the server, [`ScheduleDescription::schedule`]
/// reads it, and [`ScheduleHandle::update`] changes it.
///
/// ```no_run
/// use abide::client::{Schedule, ScheduleAction, ScheduleCalendar, ScheduleOverlapPolicy, ScheduleSpec};
/// use abide::prelude::*;
///
/// # #[workflow] async fn report(ctx: &WorkflowContext, region: String) -> Result<(), WorkflowError> { Ok(()) }
/// # async fn create(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// // At 6:30 in Berlin, from Monday to Friday.
/// let mornings = ScheduleCalendar::new().hours([6]).minutes([30]).days_of_week([1..=5]);
/// let schedule = Schedule::new(ScheduleAction::start_workflow(report, "EU".into()).task_queue("reports"))
///     .spec(ScheduleSpec::new().calendar(mornings).time_zone("Europe/Berlin"))
///     .overlap(ScheduleOverlapPolicy::BufferOne)
///     .catchup_window(hours(1));
/// let reports = client.create_schedule("reports-eu", schedule).await?;
/// reports.pause("the figures are late").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "a schedule does nothing until `client.create_schedule(..)` takes it"]
pub struct Schedule {
    /// The action: it starts a workflow.
    pub action: ScheduleAction,
    /// When it acts.
    pub spec: ScheduleSpec,
    /// The policies for runs that overlap or fail, and for a server that was down.
    pub policies: SchedulePolicies,
    /// The pause, if it is paused, and the number of actions that are left.
    pub state: ScheduleState,
}

impl Schedule {
    /// Creates a schedule with this action. Without a [`spec`](Self::spec), it acts only when it is
    /// [triggered](ScheduleHandle::trigger).
    pub fn new(action: ScheduleAction) -> Self {
        Self {
            action,
            spec: ScheduleSpec::default(),
            policies: SchedulePolicies::default(),
            state: ScheduleState::default(),
        }
    }

    /// Sets when the schedule acts. Default: never by itself.
    pub fn spec(mut self, spec: ScheduleSpec) -> Self {
        self.spec = spec;
        self
    }

    /// Sets what happens if it is time to act while the workflow of an earlier time runs. Default:
    /// [`Skip`](ScheduleOverlapPolicy::Skip).
    pub fn overlap(mut self, policy: ScheduleOverlapPolicy) -> Self {
        self.policies.overlap = Some(policy);
        self
    }

    /// Sets how late the schedule may act after the server was down; times that are further back are missed. Default:
    /// a year. The server's minimum is 10 s.
    pub fn catchup_window(mut self, window: Duration) -> Self {
        self.policies.catchup_window = Some(window);
        self
    }

    /// Pauses the schedule when a workflow that it started fails or times out. Default: it goes on.
    pub fn pause_on_failure(mut self) -> Self {
        self.policies.pause_on_failure = true;
        self
    }

    /// Starts each workflow with exactly the id of the action, without the time. Default: the time follows the id, as in
    /// `report-2026-01-01T06:30:00Z`. Server 1.32 ignores it.
    pub fn keep_original_workflow_id(mut self) -> Self {
        self.policies.keep_original_workflow_id = true;
        self
    }

    /// Creates the schedule paused, with a note that says why. Default: it is active.
    pub fn paused(mut self, note: impl Into<String>) -> Self {
        self.state.paused = true;
        self.state.note = note.into();
        self
    }

    /// Limits how often the schedule acts by its spec. Triggers and backfills do not count. Default: no limit.
    pub fn remaining_actions(mut self, actions: u32) -> Self {
        self.state.remaining_actions = Some(actions);
        self
    }

    pub(super) fn from_proto(schedule: proto::Schedule) -> Self {
        Self {
            action: ScheduleAction::from_proto(schedule.action),
            spec: ScheduleSpec::from_proto(schedule.spec),
            policies: SchedulePolicies::from_proto(schedule.policies),
            state: ScheduleState::from_proto(schedule.state),
        }
    }

    /// Returns the message, or an error if the action has a value that cannot be serialized.
    pub(super) fn to_proto(&self) -> Result<proto::Schedule, PayloadError> {
        Ok(proto::Schedule {
            action: self.action.to_proto()?,
            spec: Some(self.spec.to_proto()),
            policies: Some(self.policies.to_proto()),
            state: Some(self.state.to_proto()),
        })
    }
}

/// The part of a message that a type does not show. `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq)]
struct Kept<M>(M);

impl<M> fmt::Debug for Kept<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

#[cfg(test)]
mod tests;

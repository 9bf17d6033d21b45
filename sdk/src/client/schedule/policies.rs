//! The policies of a schedule, and its state.

use std::time::Duration;

use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::schedule::v1 as proto;

use super::Kept;
use crate::duration::to_proto;
use crate::presence;

/// Policy for a time that comes while the workflow of an earlier time runs (Temporal's `ScheduleOverlapPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScheduleOverlapPolicy {
    /// Nothing: the time is skipped. The server's default.
    Skip,
    /// The next workflow starts when the running one has closed. Only one start waits; further ones are skipped.
    BufferOne,
    /// The next workflow starts when the running one has closed. All starts wait for their turn.
    BufferAll,
    /// The running workflow is cancelled, and the next one starts when it has closed.
    CancelOther,
    /// The running workflow is terminated, and the next one starts at once.
    TerminateOther,
    /// The next workflow starts at once, beside the running one. It gets no result of the workflow before it.
    AllowAll,
}

impl ScheduleOverlapPolicy {
    const ALL: [Self; 6] =
        [Self::Skip, Self::BufferOne, Self::BufferAll, Self::CancelOther, Self::TerminateOther, Self::AllowAll];

    pub(super) fn to_proto(self) -> i32 {
        (match self {
            Self::Skip => enums::ScheduleOverlapPolicy::Skip,
            Self::BufferOne => enums::ScheduleOverlapPolicy::BufferOne,
            Self::BufferAll => enums::ScheduleOverlapPolicy::BufferAll,
            Self::CancelOther => enums::ScheduleOverlapPolicy::CancelOther,
            Self::TerminateOther => enums::ScheduleOverlapPolicy::TerminateOther,
            Self::AllowAll => enums::ScheduleOverlapPolicy::AllowAll,
        }) as i32
    }

    /// Returns `None` if it is left to the server, or if this version does not know the policy.
    pub(crate) fn from_proto(value: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.to_proto() == value)
    }

    /// Returns the number of an optional policy. `None` keeps the number that was there, if this version does not know it.
    pub(crate) fn number(policy: Option<Self>, kept: i32) -> i32 {
        match policy {
            Some(policy) => policy.to_proto(),
            None if Self::from_proto(kept).is_none() => kept,
            None => 0,
        }
    }
}

/// Policies for runs that overlap or fail, and for a server that was down (Temporal's `SchedulePolicies`).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SchedulePolicies {
    /// Policy for a time at which the workflow of an earlier time runs; `None` leaves it to the server
    /// ([`Skip`](ScheduleOverlapPolicy::Skip)), or is a policy that this version does not know.
    pub overlap: Option<ScheduleOverlapPolicy>,
    /// Maximum delay of an action after the server was down; `None` leaves it to the server (a year).
    pub catchup_window: Option<Duration>,
    /// True if the schedule pauses when a workflow that it started fails or times out.
    pub pause_on_failure: bool,
    /// True if the id of a started workflow is that of the action, without the time.
    pub keep_original_workflow_id: bool,
    kept: Kept<proto::SchedulePolicies>,
}

impl SchedulePolicies {
    pub(super) fn from_proto(policies: Option<proto::SchedulePolicies>) -> Self {
        let policies = policies.unwrap_or_default();
        Self {
            overlap: ScheduleOverlapPolicy::from_proto(policies.overlap_policy),
            catchup_window: presence::duration(policies.catchup_window.as_ref()),
            pause_on_failure: policies.pause_on_failure,
            keep_original_workflow_id: policies.keep_original_workflow_id,
            kept: Kept(policies),
        }
    }

    pub(super) fn to_proto(&self) -> proto::SchedulePolicies {
        proto::SchedulePolicies {
            overlap_policy: ScheduleOverlapPolicy::number(self.overlap, self.kept.0.overlap_policy),
            catchup_window: self.catchup_window.map(to_proto),
            pause_on_failure: self.pause_on_failure,
            keep_original_workflow_id: self.keep_original_workflow_id,
        }
    }
}

/// The pause of a schedule, and the number of actions that are left (Temporal's `ScheduleState`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleState {
    /// True if the schedule does not act by its spec.
    pub paused: bool,
    /// Why the schedule is paused, or another note. The server writes one when it pauses a schedule after a failure.
    pub note: String,
    /// Number of actions by the spec that are left; `None` for no limit.
    pub remaining_actions: Option<u32>,
}

impl ScheduleState {
    pub(super) fn from_proto(state: Option<proto::ScheduleState>) -> Self {
        let state = state.unwrap_or_default();
        let remaining =
            state.limited_actions.then(|| u32::try_from(state.remaining_actions.max(0)).unwrap_or(u32::MAX));
        Self { paused: state.paused, note: state.notes, remaining_actions: remaining }
    }

    pub(super) fn to_proto(&self) -> proto::ScheduleState {
        proto::ScheduleState {
            notes: self.note.clone(),
            paused: self.paused,
            limited_actions: self.remaining_actions.is_some(),
            remaining_actions: self.remaining_actions.map_or(0, i64::from),
        }
    }
}

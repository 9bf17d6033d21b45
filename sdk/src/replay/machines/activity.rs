//! An activity, with its three cancellation types.
//!
//! ```text
//! ScheduleCommandCreated --Scheduled--> Scheduled
//! ScheduleCommandCreated --TryCancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! ScheduleCommandCreated --WaitCancel--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! ScheduleCommandCreated --Abandon--> CancelledBeforeSent: RemoveCommand ResolveCancelled
//! Scheduled --Started--> Scheduled
//! Scheduled --Closed--> Closed: Resolve
//! Scheduled --TryCancel--> TryCancelCommandCreated: SendCancel ResolveCancelled
//! Scheduled --WaitCancel--> WaitCancelCommandCreated: SendCancel
//! Scheduled --Abandon--> Abandoned: ResolveCancelled
//! TryCancelCommandCreated --CancelRequested--> Abandoned
//! WaitCancelCommandCreated --CancelRequested--> WaitCancelRequested
//! WaitCancelRequested --Started--> WaitCancelRequested
//! WaitCancelRequested --Closed--> Closed: Resolve
//! Abandoned --Started--> Abandoned
//! Abandoned --Closed--> Closed
//! ```
//!
//! `Closed` means completed, failed, timed out or canceled: the machine treats them alike, and the author's result is
//! in the event. After an activity is abandoned, or after its cancellation was tried and the author has the outcome,
//! later events have no effect.

use std::borrow::Cow;
use std::panic::Location;

use abide_protos::temporal::api::command::v1::RequestCancelActivityTaskCommandAttributes;
use abide_protos::temporal::api::command::v1::command::Attributes;
use abide_protos::temporal::api::common::v1::{ActivityType, Payloads};
use abide_protos::temporal::api::enums::v1::{CommandType, RetryState};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{ActivityFailureInfo, Failure as FailureProto};
use abide_protos::temporal::api::history::v1::{
    ActivityTaskCancelRequestedEventAttributes, ActivityTaskCanceledEventAttributes,
    ActivityTaskCompletedEventAttributes, ActivityTaskFailedEventAttributes, ActivityTaskScheduledEventAttributes,
    ActivityTaskStartedEventAttributes, ActivityTaskTimedOutEventAttributes,
};

use super::operation::{Effect as F, OperationKind, OperationMachine, Step, Waiting, failure, is_decimal};
use crate::failure::{ACTIVITY_CANCELLED, cancelled_failure};
use crate::replay::command_queue::CommandBody;
use crate::replay::jobs::Outcome;
use crate::replay::slab::Key;
use crate::replay::state_machines::{FollowError, Machine, StateMachines};

listed! {
    /// State of an activity.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum State {
        ScheduleCommandCreated,
        Scheduled,
        TryCancelCommandCreated,
        WaitCancelCommandCreated,
        WaitCancelRequested,
        Abandoned,
        Closed,
        CancelledBeforeSent,
    }
}

listed! {
    /// An event, or the author's cancellation by its type.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Input {
        Scheduled,
        Started,
        Closed,
        CancelRequested,
        TryCancel,
        WaitCancel,
        Abandon,
    }
}

/// Data with which an activity is scheduled, as far as a replay needs it.
#[derive(Debug)]
pub(crate) struct ScheduleActivity {
    pub(crate) number: u32,
    /// Id that the author chose; `None` for the number.
    pub(crate) activity_id: Option<String>,
    pub(crate) activity_type: Cow<'static, str>,
    /// One of [`Input::TryCancel`], [`Input::WaitCancel`] and [`Input::Abandon`].
    pub(crate) on_cancel: Input,
}

impl ScheduleActivity {
    fn activity_id(&self) -> Cow<'_, str> {
        match &self.activity_id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(self.number.to_string()),
        }
    }

    /// Returns true if an event names this activity. The number is an id only in Abide's histories: other SDKs count
    /// differently.
    fn is(&self, activity_type: &str, activity_id: &str, ours: bool) -> bool {
        let same_id = match &self.activity_id {
            Some(id) => id == activity_id,
            None => !ours || is_decimal(activity_id, self.number),
        };
        same_id && self.activity_type == activity_type
    }
}

impl OperationKind for ScheduleActivity {
    type State = State;
    type Input = Input;
    type Progress = ();

    const CREATED: State = State::ScheduleCommandCreated;
    const RECORDED: Input = Input::Scheduled;

    fn step(state: State, input: Input) -> Option<Step<State>> {
        use Input as I;
        use State as S;
        Some(match (state, input) {
            (S::ScheduleCommandCreated, I::Scheduled) => (S::Scheduled, &[]),
            (S::ScheduleCommandCreated, I::TryCancel | I::WaitCancel | I::Abandon) => {
                (S::CancelledBeforeSent, &[F::RemoveCommand, F::ResolveCancelled])
            }
            (S::Scheduled, I::Started) => (S::Scheduled, &[]),
            (S::Scheduled | S::WaitCancelRequested, I::Closed) => (S::Closed, &[F::Resolve]),
            (S::Scheduled, I::TryCancel) => (S::TryCancelCommandCreated, &[F::SendCancel, F::ResolveCancelled]),
            (S::Scheduled, I::WaitCancel) => (S::WaitCancelCommandCreated, &[F::SendCancel]),
            (S::Scheduled, I::Abandon) => (S::Abandoned, &[F::ResolveCancelled]),
            (S::TryCancelCommandCreated, I::CancelRequested) => (S::Abandoned, &[]),
            (S::WaitCancelCommandCreated, I::CancelRequested) => (S::WaitCancelRequested, &[]),
            (S::WaitCancelRequested, I::Started) => (S::WaitCancelRequested, &[]),
            (S::Abandoned, I::Started) => (S::Abandoned, &[]),
            (S::Abandoned, I::Closed) => (S::Closed, &[]),
            _ => return None,
        })
    }

    fn is_final(state: State) -> bool {
        matches!(state, State::Closed | State::CancelledBeforeSent)
    }

    fn wrap(machine: OperationMachine<Self>) -> Machine {
        Machine::Activity(machine)
    }

    fn unwrap(machine: &mut Machine) -> Option<&mut OperationMachine<Self>> {
        if let Machine::Activity(activity) = machine { Some(activity) } else { None }
    }

    fn command_type(&self) -> CommandType {
        CommandType::ScheduleActivityTask
    }

    fn describe(&self) -> String {
        format!("type={} id={}", self.activity_type, self.activity_id())
    }

    fn on_cancel(&self) -> Option<Input> {
        Some(self.on_cancel)
    }

    fn cancelled(machine: &OperationMachine<Self>, _: &str) -> Outcome {
        machine.cancelled(None, 0)
    }

    fn request_cancel(machines: &mut StateMachines, key: Key, _: &str) {
        machines.issue_cancel::<Self>(key, CommandType::RequestCancelActivityTask, |activity| {
            let scheduled_event_id = activity.event_id;
            let attributes = RequestCancelActivityTaskCommandAttributes { scheduled_event_id };
            Attributes::RequestCancelActivityTaskCommandAttributes(attributes)
        });
    }
}

impl OperationMachine<ScheduleActivity> {
    fn failure(&self, message: &str, started_event_id: i64, retry_state: i32, cause: Option<FailureProto>) -> Outcome {
        let info = ActivityFailureInfo {
            scheduled_event_id: self.event_id,
            started_event_id,
            identity: String::new(),
            activity_type: Some(ActivityType { name: self.request.activity_type.to_string() }),
            activity_id: self.request.activity_id().into_owned(),
            retry_state,
        };
        let info = FailureInfo::ActivityFailureInfo(info);
        Outcome::Failed(Box::new(FailureProto { cause: cause.map(Box::new), ..failure(message, info) }))
    }

    fn cancelled(&self, details: Option<Payloads>, started_event_id: i64) -> Outcome {
        let cause = cancelled_failure(ACTIVITY_CANCELLED, details);
        self.failure(ACTIVITY_CANCELLED, started_event_id, RetryState::CancelRequested as i32, Some(cause))
    }
}

impl StateMachines {
    /// Schedules an activity: see [`Self::begin`].
    pub(crate) fn schedule_activity(
        &mut self,
        request: ScheduleActivity,
        waiting: Waiting,
        location: &'static Location<'static>,
        body: Option<CommandBody>,
    ) -> Key {
        if request.number == 1 && request.activity_id.is_none() {
            self.local_activities_follow_the_first_activity();
        }
        self.begin(request, waiting, location, body)
    }

    pub(crate) fn activity_scheduled(
        &mut self,
        id: i64,
        event: &ActivityTaskScheduledEventAttributes,
    ) -> Result<(), FollowError> {
        let (name, command_type) = ("ActivityTaskScheduled", CommandType::ScheduleActivityTask);
        let activity_type = event.activity_type.as_ref().map_or("", |activity_type| &activity_type.name);
        let recorded = || format!("type={activity_type} id={}", event.activity_id);
        let is_same = |activity: &ScheduleActivity, ours| activity.is(activity_type, &event.activity_id, ours);
        self.operation_recorded(id, name, command_type, recorded, is_same).map(drop)
    }

    pub(crate) fn activity_started(
        &mut self,
        id: i64,
        event: &ActivityTaskStartedEventAttributes,
    ) -> Result<(), FollowError> {
        let name = "ActivityTaskStarted";
        let key = self.expect_operation::<ScheduleActivity>(id, name, event.scheduled_event_id)?;
        self.operation_event::<ScheduleActivity>(id, name, key, Input::Started, None)
    }

    pub(crate) fn activity_completed(
        &mut self,
        id: i64,
        event: &mut ActivityTaskCompletedEventAttributes,
    ) -> Result<(), FollowError> {
        let result = event.result.take().and_then(|payloads| payloads.payloads.into_iter().next());
        let name = "ActivityTaskCompleted";
        self.operation_ended::<ScheduleActivity>(id, name, event.scheduled_event_id, Input::Closed, |_| {
            Outcome::Completed(result)
        })
    }

    pub(crate) fn activity_failed(
        &mut self,
        id: i64,
        event: &mut ActivityTaskFailedEventAttributes,
    ) -> Result<(), FollowError> {
        let cause = event.failure.take();
        let name = "ActivityTaskFailed";
        self.operation_ended::<ScheduleActivity>(id, name, event.scheduled_event_id, Input::Closed, |activity| {
            activity.failure("Activity task failed", event.started_event_id, event.retry_state, cause)
        })
    }

    pub(crate) fn activity_timed_out(
        &mut self,
        id: i64,
        event: &mut ActivityTaskTimedOutEventAttributes,
    ) -> Result<(), FollowError> {
        let cause = event.failure.take();
        let name = "ActivityTaskTimedOut";
        self.operation_ended::<ScheduleActivity>(id, name, event.scheduled_event_id, Input::Closed, |activity| {
            activity.failure("Activity task timed out", event.started_event_id, event.retry_state, cause)
        })
    }

    pub(crate) fn activity_canceled(
        &mut self,
        id: i64,
        event: &mut ActivityTaskCanceledEventAttributes,
    ) -> Result<(), FollowError> {
        let details = event.details.take();
        let name = "ActivityTaskCanceled";
        self.operation_ended::<ScheduleActivity>(id, name, event.scheduled_event_id, Input::Closed, |activity| {
            activity.cancelled(details, event.started_event_id)
        })
    }

    pub(crate) fn activity_cancel_requested(
        &mut self,
        id: i64,
        event: &ActivityTaskCancelRequestedEventAttributes,
    ) -> Result<(), FollowError> {
        let (name, command_type) = ("ActivityTaskCancelRequested", CommandType::RequestCancelActivityTask);
        let begun_by = event.scheduled_event_id;
        self.cancel_request_recorded::<ScheduleActivity>(id, name, command_type, begun_by, Input::CancelRequested)
    }
}

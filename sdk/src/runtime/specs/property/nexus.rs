//! Nexus operations on the tiny server: they start or end at once, and receive requests to cancel or do not.

use abide_protos::temporal::api::command::v1::ScheduleNexusOperationCommandAttributes;
use abide_protos::temporal::api::enums::v1::{EventType, TimeoutType};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{
    ApplicationFailureInfo, CanceledFailureInfo, Failure, NexusOperationFailureInfo, TimeoutFailureInfo,
};
use abide_protos::temporal::api::history::v1::history_event::Attributes as A;
use abide_protos::temporal::api::history::v1::{
    NexusOperationCancelRequestCompletedEventAttributes, NexusOperationCancelRequestFailedEventAttributes,
    NexusOperationCancelRequestedEventAttributes, NexusOperationCanceledEventAttributes,
    NexusOperationCompletedEventAttributes, NexusOperationFailedEventAttributes,
    NexusOperationScheduledEventAttributes, NexusOperationStartedEventAttributes,
    NexusOperationTimedOutEventAttributes,
};

use super::server::{Server, payloads};

/// An operation that is under way.
#[derive(Debug)]
pub(super) struct NexusOperation {
    scheduled: i64,
    started: bool,
}

/// A request to cancel an operation, with the ids of its event and of the operation's.
#[derive(Debug)]
pub(super) struct NexusCancelRequest {
    requested: i64,
    scheduled: i64,
}

impl Server {
    pub(super) fn schedule_nexus_operation(&mut self, schedule: ScheduleNexusOperationCommandAttributes) {
        self.nexus_operations.push(NexusOperation { scheduled: self.last_id() + 1, started: false });
        let scheduled = NexusOperationScheduledEventAttributes {
            endpoint: schedule.endpoint,
            service: schedule.service,
            operation: schedule.operation,
            input: schedule.input,
            ..Default::default()
        };
        self.write(EventType::NexusOperationScheduled, A::NexusOperationScheduledEventAttributes(scheduled));
    }

    pub(super) fn request_cancel_of_nexus_operation(&mut self, scheduled_event_id: i64) {
        let requested = self.last_id() + 1;
        self.nexus_cancel_requests.push(NexusCancelRequest { requested, scheduled: scheduled_event_id });
        let attributes = NexusOperationCancelRequestedEventAttributes { scheduled_event_id, ..Default::default() };
        let attributes = A::NexusOperationCancelRequestedEventAttributes(attributes);
        self.write(EventType::NexusOperationCancelRequested, attributes);
    }

    /// Lets an operation start or end.
    pub(super) fn nexus_operation_goes_on(&mut self, index: usize) {
        let scheduled_event_id = self.nexus_operations[index].scheduled;
        if !self.nexus_operations[index].started && self.choose(3) < 2 {
            self.nexus_operations[index].started = true;
            let started = NexusOperationStartedEventAttributes {
                scheduled_event_id,
                operation_token: "token".into(),
                ..Default::default()
            };
            self.happen(EventType::NexusOperationStarted, A::NexusOperationStartedEventAttributes(started));
            return;
        }
        self.nexus_operations.remove(index);
        let (event_type, attributes) = match self.choose(4) {
            0 => {
                let result = payloads(&1_u32).payloads.pop();
                let attributes =
                    NexusOperationCompletedEventAttributes { scheduled_event_id, result, ..Default::default() };
                (EventType::NexusOperationCompleted, A::NexusOperationCompletedEventAttributes(attributes))
            }
            1 => {
                let failure = failure(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo::default()));
                let attributes =
                    NexusOperationFailedEventAttributes { scheduled_event_id, failure, ..Default::default() };
                (EventType::NexusOperationFailed, A::NexusOperationFailedEventAttributes(attributes))
            }
            2 => {
                let info =
                    TimeoutFailureInfo { timeout_type: TimeoutType::ScheduleToClose as i32, ..Default::default() };
                let failure = failure(FailureInfo::TimeoutFailureInfo(info));
                let attributes =
                    NexusOperationTimedOutEventAttributes { scheduled_event_id, failure, ..Default::default() };
                (EventType::NexusOperationTimedOut, A::NexusOperationTimedOutEventAttributes(attributes))
            }
            _ => {
                let failure = failure(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default()));
                let attributes =
                    NexusOperationCanceledEventAttributes { scheduled_event_id, failure, ..Default::default() };
                (EventType::NexusOperationCanceled, A::NexusOperationCanceledEventAttributes(attributes))
            }
        };
        self.happen(event_type, attributes);
    }

    /// Delivers a request to cancel or fails to, perhaps after the end of its operation.
    pub(super) fn nexus_cancel_request_goes_on(&mut self, index: usize) {
        let NexusCancelRequest { requested, scheduled } = self.nexus_cancel_requests.remove(index);
        let (requested_event_id, scheduled_event_id) = (requested, scheduled);
        if self.choose(2) == 0 {
            let completed = NexusOperationCancelRequestCompletedEventAttributes {
                requested_event_id,
                scheduled_event_id,
                ..Default::default()
            };
            let completed = A::NexusOperationCancelRequestCompletedEventAttributes(completed);
            self.happen(EventType::NexusOperationCancelRequestCompleted, completed);
        } else {
            let failed = NexusOperationCancelRequestFailedEventAttributes {
                requested_event_id,
                scheduled_event_id,
                failure: Some(Failure { message: "no such operation".into(), ..Default::default() }),
                ..Default::default()
            };
            let failed = A::NexusOperationCancelRequestFailedEventAttributes(failed);
            self.happen(EventType::NexusOperationCancelRequestFailed, failed);
        }
    }
}

/// Returns the operation's failure with its cause, as the server writes it.
fn failure(cause: FailureInfo) -> Option<Failure> {
    let cause = Failure { message: "broken".into(), failure_info: Some(cause), ..Default::default() };
    let info = FailureInfo::NexusOperationExecutionFailureInfo(NexusOperationFailureInfo::default());
    let message = "nexus operation completed unsuccessfully".into();
    Some(Failure { message, cause: Some(Box::new(cause)), failure_info: Some(info), ..Default::default() })
}

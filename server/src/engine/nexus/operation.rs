//! A pending Nexus operation: requested from its handler, retried after errors that may pass, started or completed at
//! once, cancelled, and closed.
//!
//! Attempts leave no events. A request to the handler (to start or to cancel) is a task on the handler's queue; without
//! an answer in time it counts as failed.
//!
//! Extends `Transaction`.

use std::time::Duration;

use crate::engine::api::enums::TimeoutType;
use crate::engine::api::failure::failure::FailureInfo;
use crate::engine::api::{Attributes, HistoryEvent, common, failure, history};
use crate::engine::deadlines::{Deadline, Key};
use crate::engine::history::Extras;
use crate::engine::time::{self, Time};
use crate::engine::transaction::{Effect, Transaction};
use crate::engine::workflow::Execution;

/// Maximum time of one request.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// The server gives up on a request this much earlier, so that there is time for the answer.
const REQUEST_MARGIN: Duration = Duration::from_secs(2);
/// Minimum remaining time for which a request is made.
const REQUEST_MINIMUM: Duration = Duration::from_millis(1500);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(3600);

/// The state of a pending operation; names, input and headers stay in its scheduled event.
#[derive(Clone, Debug)]
pub(crate) struct NexusOperation {
    pub(crate) endpoint_id: String,
    pub(crate) request_id: String,
    pub(crate) timeouts: NexusTimeouts,
    pub(crate) scheduled_time: Time,
    /// Time at which the handler reported the operation as started.
    pub(crate) started_time: Option<Time>,
    pub(crate) operation_token: String,
    pub(crate) start: Request,
    pub(crate) cancel: Option<Cancel>,
    deadlines: Vec<Key>,
}

/// The three timeouts; `None` means unlimited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NexusTimeouts {
    pub(crate) schedule_to_close: Option<Duration>,
    pub(crate) schedule_to_start: Option<Duration>,
    pub(crate) start_to_close: Option<Duration>,
}

/// A cancellation request.
#[derive(Clone, Debug)]
pub(crate) struct Cancel {
    pub(crate) requested_event_id: i64,
    pub(crate) request: Request,
}

/// A request to the handler, and its progress.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) attempt: i32,
    pub(crate) stage: RequestStage,
}

/// The progress of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestStage {
    /// Cancellation waits until the operation is started.
    Waiting,
    /// The handler has the request until this time.
    Requested(Time),
    /// The next attempt is due at this time.
    BackingOff(Time),
    /// Finally answered.
    Answered,
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Start,
    Cancel,
}

/// The end of an operation.
#[derive(Debug)]
pub(crate) enum End {
    Completed(Option<common::Payload>, Vec<common::Link>),
    Failed(failure::Failure),
    Canceled(failure::Failure),
    TimedOut(TimeoutType),
}

impl Request {
    fn new(stage: RequestStage) -> Self {
        Self { attempt: 1, stage }
    }

    /// Returns true if the handler has the request.
    pub(crate) fn is_outstanding(&self) -> bool {
        matches!(self.stage, RequestStage::Requested(_))
    }
}

impl NexusOperation {
    pub(crate) fn new(
        attributes: &history::NexusOperationScheduledEventAttributes,
        timeouts: NexusTimeouts,
        scheduled_time: Time,
    ) -> Self {
        Self {
            endpoint_id: attributes.endpoint_id.clone(),
            request_id: attributes.request_id.clone(),
            timeouts,
            scheduled_time,
            started_time: None,
            operation_token: String::new(),
            start: Request::new(RequestStage::Waiting),
            cancel: None,
            deadlines: Vec::new(),
        }
    }

    /// Restores from another run's history that the handler has started the operation.
    pub(crate) fn restore_started(&mut self, operation_token: String, time: Time) {
        self.start.stage = RequestStage::Answered;
        self.started_time = Some(time);
        self.operation_token = operation_token;
    }

    /// Restores from another run's history that cancellation was requested, or that the request was answered.
    pub(crate) fn restore_cancel(&mut self, requested_event_id: i64, stage: RequestStage) {
        self.cancel = Some(Cancel { requested_event_id, request: Request::new(stage) });
    }

    pub(crate) fn request(&self, purpose: Purpose) -> Option<&Request> {
        match purpose {
            Purpose::Start => Some(&self.start),
            Purpose::Cancel => self.cancel.as_ref().map(|cancel| &cancel.request),
        }
    }

    fn request_mut(&mut self, purpose: Purpose) -> Option<&mut Request> {
        match purpose {
            Purpose::Start => Some(&mut self.start),
            Purpose::Cancel => self.cancel.as_mut().map(|cancel| &mut cancel.request),
        }
    }

    /// Returns the running timeouts with their deadlines; the one that bounds a request comes first.
    fn expirations(&self) -> impl Iterator<Item = (Time, TimeoutType)> {
        let NexusTimeouts { schedule_to_close, schedule_to_start, start_to_close } = self.timeouts;
        let to_start = schedule_to_start.filter(|_| self.started_time.is_none());
        let to_start = to_start.map(|timeout| (self.scheduled_time.plus(timeout), TimeoutType::ScheduleToStart));
        let started = start_to_close.zip(self.started_time);
        let started = started.map(|(timeout, time)| (time.plus(timeout), TimeoutType::StartToClose));
        let to_close = schedule_to_close.map(|timeout| self.scheduled_time.plus(timeout));
        to_start.into_iter().chain(started).chain(to_close.map(|at| (at, TimeoutType::ScheduleToClose)))
    }

    /// Returns the time by which the last attempt must have ended, if there is one.
    pub(crate) fn expires(&self) -> Option<Time> {
        self.timeouts.schedule_to_close.map(|timeout| self.scheduled_time.plus(timeout))
    }
}

impl Execution {
    /// Returns the attributes with which an operation was scheduled.
    pub(crate) fn nexus_attributes(&self, id: i64) -> Option<&history::NexusOperationScheduledEventAttributes> {
        match self.history.get(id)?.attributes.as_ref()? {
            Attributes::NexusOperationScheduledEventAttributes(attributes) => Some(attributes),
            _ => None,
        }
    }
}

impl Transaction<'_> {
    /// Schedules an operation with complete and valid attributes, and sends the handler the request to start it.
    pub(crate) fn schedule_nexus_operation(
        &mut self,
        attributes: history::NexusOperationScheduledEventAttributes,
        timeouts: NexusTimeouts,
        extras: Extras,
    ) {
        let operation = NexusOperation::new(&attributes, timeouts, self.time());
        let id = self.record_with(attributes, extras);
        self.state().nexus_operations.insert(id, operation);
        self.request_of_nexus_handler(id, Purpose::Start);
    }

    /// Resumes an operation from another run's history.
    pub(crate) fn resume_nexus_operation(&mut self, id: i64, operation: NexusOperation) {
        let started = operation.started_time.is_some();
        let asks = operation.cancel.as_ref().is_some_and(|cancel| cancel.request.stage == RequestStage::Waiting);
        self.state().nexus_operations.insert(id, operation);
        match (started, asks) {
            (false, _) => self.request_of_nexus_handler(id, Purpose::Start),
            (true, true) => self.request_of_nexus_handler(id, Purpose::Cancel),
            (true, false) => self.set_nexus_deadlines(id),
        }
    }

    /// Requests an operation's cancellation: at once if it is started, otherwise as soon as it is.
    pub(crate) fn request_cancel_nexus_operation(&mut self, id: i64, requested_event_id: i64) {
        let Some(operation) = self.state().nexus_operations.get_mut(&id) else { return };
        let started = operation.started_time.is_some();
        operation.cancel = Some(Cancel { requested_event_id, request: Request::new(RequestStage::Waiting) });
        if started {
            self.request_of_nexus_handler(id, Purpose::Cancel);
        }
    }

    /// Makes an attempt, unless too little time is left for one.
    fn request_of_nexus_handler(&mut self, id: i64, purpose: Purpose) {
        let now = self.time();
        let Some(operation) = self.state().nexus_operations.get_mut(&id) else { return };
        let bound = operation.expirations().next();
        let left = bound.map_or(REQUEST_LIMIT, |(at, _)| at.since(now).min(REQUEST_LIMIT));
        if left < REQUEST_MINIMUM
            && let Some((_, kind)) = bound.filter(|_| purpose == Purpose::Start)
        {
            return self.end_nexus_operation(id, End::TimedOut(kind));
        }
        let until = now.plus(left.saturating_sub(REQUEST_MARGIN));
        if let Some(request) = operation.request_mut(purpose) {
            request.stage = RequestStage::Requested(until);
        }
        self.effects.push(Effect::RequestOfNexusHandler(id, purpose));
        self.set_nexus_deadlines(id);
    }

    /// Ends an attempt with an error that may pass; the next attempt follows.
    pub(crate) fn back_off_nexus_request(&mut self, id: i64, purpose: Purpose) {
        let now = self.time();
        let operation = self.state().nexus_operations.get_mut(&id);
        let Some(request) = operation.and_then(|operation| operation.request_mut(purpose)) else { return };
        let doubled = 2_u32.checked_pow(request.attempt.unsigned_abs() - 1).map(|factor| FIRST_RETRY * factor);
        request.stage = RequestStage::BackingOff(now.plus(doubled.unwrap_or(LAST_RETRY).min(LAST_RETRY)));
        request.attempt += 1;
        self.set_nexus_deadlines(id);
    }

    /// Records that the handler has started the operation.
    pub(crate) fn start_nexus_operation(&mut self, id: i64, operation_token: String, links: Vec<common::Link>) {
        let now = self.time();
        let Some(operation) = self.state().nexus_operations.get_mut(&id) else { return };
        operation.start.stage = RequestStage::Answered;
        operation.started_time = Some(now);
        operation.operation_token.clone_from(&operation_token);
        let (request_id, cancelled) = (operation.request_id.clone(), operation.cancel.is_some());
        #[expect(deprecated, reason = "the real server still writes operation_id")]
        let attributes = history::NexusOperationStartedEventAttributes {
            scheduled_event_id: id,
            operation_id: operation_token.clone(),
            operation_token,
            request_id,
        };
        self.record_with(attributes, Extras::links(links));
        self.set_nexus_deadlines(id);
        if cancelled {
            self.request_of_nexus_handler(id, Purpose::Cancel);
        }
        self.ensure_workflow_task();
    }

    /// Records the handler's answer to a cancellation request; `failure` is its final refusal.
    pub(crate) fn answer_nexus_cancel(&mut self, id: i64, failure: Option<failure::Failure>) {
        let operation = self.state().nexus_operations.get_mut(&id);
        let Some(cancel) = operation.and_then(|operation| operation.cancel.as_mut()) else { return };
        cancel.request.stage = RequestStage::Answered;
        let requested_event_id = cancel.requested_event_id;
        match failure {
            None => self.record(history::NexusOperationCancelRequestCompletedEventAttributes {
                requested_event_id,
                scheduled_event_id: id,
                ..Default::default()
            }),
            Some(failure) => self.record(history::NexusOperationCancelRequestFailedEventAttributes {
                requested_event_id,
                failure: Some(failure),
                scheduled_event_id: id,
                ..Default::default()
            }),
        };
        self.set_nexus_deadlines(id);
        self.ensure_workflow_task();
    }

    /// Ends an operation with this result.
    pub(crate) fn end_nexus_operation(&mut self, id: i64, end: End) {
        let Some(operation) = self.take_nexus_operation(id) else { return };
        let request_id = operation.request_id.clone();
        let failed = |transaction: &Self, cause| Some(transaction.nexus_failure(id, &operation, cause));
        let scheduled_event_id = id;
        match end {
            End::Completed(result, links) => {
                let event = history::NexusOperationCompletedEventAttributes { scheduled_event_id, result, request_id };
                self.record_with(event, Extras::links(links));
            }
            End::Failed(cause) => {
                let failure = failed(self, cause);
                self.record(history::NexusOperationFailedEventAttributes { scheduled_event_id, failure, request_id });
            }
            End::Canceled(cause) => {
                let failure = failed(self, cause);
                self.record(history::NexusOperationCanceledEventAttributes { scheduled_event_id, failure, request_id });
            }
            End::TimedOut(kind) => {
                let info = failure::TimeoutFailureInfo { timeout_type: kind.into(), ..Default::default() };
                let failure = failed(self, cause("operation timed out", FailureInfo::TimeoutFailureInfo(info)));
                self.record(history::NexusOperationTimedOutEventAttributes { scheduled_event_id, failure, request_id });
            }
        }
        self.ensure_workflow_task();
    }

    /// Executes what is due for an operation: a timeout, the end of an attempt, the next attempt.
    pub(crate) fn look_at_nexus_operation(&mut self, id: i64) {
        let now = self.time();
        let Some(operation) = self.execution.state.nexus_operations.get(&id) else { return };
        let due = operation.expirations().filter(|(at, _)| *at <= now).min_by_key(|(at, _)| *at);
        if let Some((_, kind)) = due {
            return self.end_nexus_operation(id, End::TimedOut(kind));
        }
        for purpose in [Purpose::Start, Purpose::Cancel] {
            let operation = self.execution.state.nexus_operations.get(&id);
            match operation.and_then(|operation| operation.request(purpose)).map(|request| request.stage) {
                Some(RequestStage::Requested(until)) if until <= now => self.back_off_nexus_request(id, purpose),
                Some(RequestStage::BackingOff(until)) if until <= now => self.request_of_nexus_handler(id, purpose),
                _ => {}
            }
        }
    }

    /// Drops the operations of a closed run; handlers get no further requests.
    pub(crate) fn drop_nexus_operations(&mut self) {
        let pending: Vec<i64> = self.execution.state.nexus_operations.keys().copied().collect();
        for id in pending {
            self.take_nexus_operation(id);
        }
    }

    fn take_nexus_operation(&mut self, id: i64) -> Option<NexusOperation> {
        let mut operation = self.state().nexus_operations.remove(&id)?;
        for key in std::mem::take(&mut operation.deadlines) {
            self.remove_deadline(Some(key));
        }
        Some(operation)
    }

    /// Sets the deadlines again after a step: timeouts, and the end of each request or backoff.
    fn set_nexus_deadlines(&mut self, id: i64) {
        let Some(mut operation) = self.take_nexus_operation(id) else { return };
        let deadline = Deadline::NexusOperation(self.execution.id, id);
        let expirations: Vec<Time> = operation.expirations().map(|(at, _)| at).collect();
        for at in expirations {
            operation.deadlines.push(self.set_deadline(at, deadline.clone()));
        }
        for purpose in [Purpose::Start, Purpose::Cancel] {
            match operation.request(purpose).map(|request| request.stage) {
                Some(RequestStage::Requested(at)) => {
                    operation.deadlines.push(self.set_deadline_of_running_work(at, deadline.clone()));
                }
                Some(RequestStage::BackingOff(at)) => operation.deadlines.push(self.set_deadline(at, deadline.clone())),
                Some(RequestStage::Waiting | RequestStage::Answered) | None => {}
            }
        }
        self.state().nexus_operations.insert(id, operation);
    }

    #[expect(deprecated, reason = "the real server still writes operation_id")]
    fn nexus_failure(&self, id: i64, operation: &NexusOperation, cause: failure::Failure) -> failure::Failure {
        let attributes = self.execution.nexus_attributes(id);
        let text = |field: fn(&history::NexusOperationScheduledEventAttributes) -> &String| {
            attributes.map(field).cloned().unwrap_or_default()
        };
        let info = failure::NexusOperationFailureInfo {
            scheduled_event_id: id,
            endpoint: text(|attributes| &attributes.endpoint),
            service: text(|attributes| &attributes.service),
            operation: text(|attributes| &attributes.operation),
            operation_id: operation.operation_token.clone(),
            operation_token: operation.operation_token.clone(),
        };
        failure::Failure {
            message: "nexus operation completed unsuccessfully".to_owned(),
            cause: Some(Box::new(cause)),
            failure_info: Some(FailureInfo::NexusOperationExecutionFailureInfo(info)),
            ..Default::default()
        }
    }
}

/// Returns a failure with this message and this kind.
pub(crate) fn cause(message: &str, info: FailureInfo) -> failure::Failure {
    failure::Failure { message: message.to_owned(), failure_info: Some(info), ..Default::default() }
}

/// Returns true if a buffered event ends this operation.
pub(crate) fn ends_nexus_operation(event: &HistoryEvent, id: i64) -> bool {
    let ended = match &event.attributes {
        Some(Attributes::NexusOperationCompletedEventAttributes(a)) => a.scheduled_event_id,
        Some(Attributes::NexusOperationFailedEventAttributes(a)) => a.scheduled_event_id,
        Some(Attributes::NexusOperationCanceledEventAttributes(a)) => a.scheduled_event_id,
        Some(Attributes::NexusOperationTimedOutEventAttributes(a)) => a.scheduled_event_id,
        _ => return false,
    };
    ended == id
}

/// Returns a command's timeout for its event: absent if it was absent.
pub(crate) fn timeout_proto(timeout: Option<Duration>) -> Option<abide_protos::Duration> {
    timeout.map(time::proto)
}

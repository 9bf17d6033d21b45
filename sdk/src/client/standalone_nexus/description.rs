//! Descriptions of standalone Nexus operations, as returned by describing and listing them.

use std::fmt;
use std::time::{Duration, SystemTime};

use abide_protos::temporal::api::common::v1::Payload;
use abide_protos::temporal::api::enums::v1 as enums;
use abide_protos::temporal::api::nexus::v1::{
    NexusOperationExecutionInfo as InfoProto, NexusOperationExecutionListInfo as ListInfoProto,
};
use abide_protos::temporal::api::workflowservice::v1::DescribeNexusOperationExecutionResponse;

use crate::converter::{PayloadError, from_payload};
use crate::failure::Failure;
use crate::memo_and_attributes::read_attributes;
use crate::presence;

/// Status of a standalone Nexus operation (Temporal's `NexusOperationExecutionStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NexusOperationExecutionStatus {
    /// The operation is open.
    Running,
    /// The operation returned a result.
    Completed,
    /// The operation failed.
    Failed,
    /// The operation was cancelled.
    Cancelled,
    /// The operation was terminated.
    Terminated,
    /// The operation exceeded a timeout.
    TimedOut,
    /// A status that this version does not know.
    Unknown,
}

impl NexusOperationExecutionStatus {
    fn from_proto(value: i32) -> Self {
        match enums::NexusOperationExecutionStatus::try_from(value) {
            Ok(enums::NexusOperationExecutionStatus::Running) => Self::Running,
            Ok(enums::NexusOperationExecutionStatus::Completed) => Self::Completed,
            Ok(enums::NexusOperationExecutionStatus::Failed) => Self::Failed,
            Ok(enums::NexusOperationExecutionStatus::Canceled) => Self::Cancelled,
            Ok(enums::NexusOperationExecutionStatus::Terminated) => Self::Terminated,
            Ok(enums::NexusOperationExecutionStatus::TimedOut) => Self::TimedOut,
            _ => Self::Unknown,
        }
    }
}

/// State of a running Nexus operation (Temporal's `PendingNexusOperationState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NexusOperationState {
    /// The request to start it is being sent.
    Scheduled,
    /// The last request has failed, and the next one waits for its time.
    BackingOff,
    /// The handler has started it.
    Started,
    /// The endpoint's circuit breaker is open.
    Blocked,
    /// A state that this version does not know.
    Unknown,
}

/// A standalone Nexus operation, as stored in visibility (Temporal's `NexusOperationExecutionListInfo`).
#[derive(Clone, PartialEq)]
pub struct NexusOperationExecutionInfo {
    proto: Box<ListInfoProto>,
}

impl NexusOperationExecutionInfo {
    pub(super) fn from_proto(proto: ListInfoProto) -> Self {
        Self { proto: Box::new(proto) }
    }

    /// Returns the operation id.
    pub fn operation_id(&self) -> &str {
        &self.proto.operation_id
    }

    /// Returns the run id.
    pub fn run_id(&self) -> &str {
        &self.proto.run_id
    }

    /// Returns the name of the endpoint.
    pub fn endpoint(&self) -> &str {
        &self.proto.endpoint
    }

    /// Returns the name of the service.
    pub fn service(&self) -> &str {
        &self.proto.service
    }

    /// Returns the name of the operation.
    pub fn operation(&self) -> &str {
        &self.proto.operation
    }

    /// Returns the status.
    pub fn status(&self) -> NexusOperationExecutionStatus {
        NexusOperationExecutionStatus::from_proto(self.proto.status)
    }

    /// Returns the time at which the operation was started by its client.
    pub fn schedule_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.schedule_time.as_ref())
    }

    /// Returns the time at which the operation closed; `None` while it is open.
    pub fn close_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.close_time.as_ref())
    }

    /// Returns the time from the schedule time to the close time; in lists `None` while the operation is open.
    pub fn execution_duration(&self) -> Option<Duration> {
        presence::duration(self.proto.execution_duration.as_ref())
    }

    read_attributes!(self => self.proto.search_attributes);
}

impl fmt::Debug for NexusOperationExecutionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NexusOperationExecutionInfo")
            .field("operation_id", &self.operation_id())
            .field("run_id", &self.run_id())
            .field("endpoint", &self.endpoint())
            .field("service", &self.service())
            .field("operation", &self.operation())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// The server's full description of a standalone Nexus operation (Temporal's `NexusOperationExecutionInfo`).
#[derive(Clone, PartialEq)]
pub struct NexusOperationDescription {
    info: NexusOperationExecutionInfo,
    /// Without what `info` has.
    proto: Box<InfoProto>,
}

impl NexusOperationDescription {
    pub(super) fn from_proto(response: DescribeNexusOperationExecutionResponse) -> Self {
        let mut proto = response.info.unwrap_or_default();
        let info = NexusOperationExecutionInfo::from_proto(ListInfoProto {
            operation_id: std::mem::take(&mut proto.operation_id),
            run_id: std::mem::take(&mut proto.run_id),
            endpoint: std::mem::take(&mut proto.endpoint),
            service: std::mem::take(&mut proto.service),
            operation: std::mem::take(&mut proto.operation),
            schedule_time: proto.schedule_time,
            close_time: proto.close_time,
            status: proto.status,
            search_attributes: proto.search_attributes.take(),
            state_transition_count: proto.state_transition_count,
            execution_duration: proto.execution_duration,
            state_size_bytes: proto.state_size_bytes,
        });
        Self { info, proto: Box::new(proto) }
    }

    /// Returns the part that lists contain, too: ids, names, times, search attributes.
    pub fn info(&self) -> &NexusOperationExecutionInfo {
        &self.info
    }

    /// Returns the status.
    pub fn status(&self) -> NexusOperationExecutionStatus {
        self.info.status()
    }

    /// Returns the state; `None` if the operation has closed.
    pub fn state(&self) -> Option<NexusOperationState> {
        match enums::PendingNexusOperationState::try_from(self.proto.state) {
            Ok(enums::PendingNexusOperationState::Unspecified) => None,
            Ok(enums::PendingNexusOperationState::Scheduled) => Some(NexusOperationState::Scheduled),
            Ok(enums::PendingNexusOperationState::BackingOff) => Some(NexusOperationState::BackingOff),
            Ok(enums::PendingNexusOperationState::Started) => Some(NexusOperationState::Started),
            Ok(enums::PendingNexusOperationState::Blocked) => Some(NexusOperationState::Blocked),
            Err(_) => Some(NexusOperationState::Unknown),
        }
    }

    /// Returns the number of requests that were made to start the operation.
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.proto.attempt).unwrap_or_default()
    }

    /// Returns the failure of the last request that failed.
    pub fn last_attempt_failure(&self) -> Option<Failure> {
        presence::message(self.proto.last_attempt_failure.clone()).map(Failure::from_proto)
    }

    /// Returns the end of the last request.
    pub fn last_attempt_complete_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.last_attempt_complete_time.as_ref())
    }

    /// Returns the time of the next request; `None` unless the operation waits for one.
    pub fn next_attempt_schedule_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.next_attempt_schedule_time.as_ref())
    }

    /// Returns the reason for which the operation is blocked; empty if it is not.
    pub fn blocked_reason(&self) -> &str {
        &self.proto.blocked_reason
    }

    /// Returns the reason of the cancellation request; `None` if there is no request.
    pub fn cancel_reason(&self) -> Option<&str> {
        self.proto.cancellation_info.as_ref().map(|cancellation| &*cancellation.reason)
    }

    /// Returns the handler's token of an asynchronous operation; `None` before its start, and for a synchronous one.
    pub fn operation_token(&self) -> Option<&str> {
        Some(&*self.proto.operation_token).filter(|token| !token.is_empty())
    }

    /// Returns the limit of the whole operation; `None` if there is none.
    pub fn schedule_to_close_timeout(&self) -> Option<Duration> {
        presence::duration(self.proto.schedule_to_close_timeout.as_ref())
    }

    /// Returns the limit of the time until its start; `None` if there is none.
    pub fn schedule_to_start_timeout(&self) -> Option<Duration> {
        presence::duration(self.proto.schedule_to_start_timeout.as_ref())
    }

    /// Returns the limit of the time after its start; `None` if there is none.
    pub fn start_to_close_timeout(&self) -> Option<Duration> {
        presence::duration(self.proto.start_to_close_timeout.as_ref())
    }

    /// Returns the time at which the schedule-to-close timeout ends the operation.
    pub fn expiration_time(&self) -> Option<SystemTime> {
        presence::time(self.proto.expiration_time.as_ref())
    }

    /// Returns a header of the Nexus request; `None` if there is none with this name.
    pub fn nexus_header(&self, name: &str) -> Option<&str> {
        self.proto.nexus_header.get(name).map(String::as_str)
    }

    /// Returns the identity of the client that started the operation.
    pub fn identity(&self) -> &str {
        &self.proto.identity
    }

    /// Returns the summary; `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the summary is not a text.
    pub fn static_summary(&self) -> Result<Option<String>, PayloadError> {
        text(self.proto.user_metadata.as_ref().and_then(|metadata| metadata.summary.as_ref()), "summary")
    }

    /// Returns the details; `None` if there are none.
    ///
    /// # Errors
    /// Returns an error if the details are not a text.
    pub fn static_details(&self) -> Result<Option<String>, PayloadError> {
        text(self.proto.user_metadata.as_ref().and_then(|metadata| metadata.details.as_ref()), "details")
    }
}

fn text(payload: Option<&Payload>, what: &str) -> Result<Option<String>, PayloadError> {
    payload.map(from_payload).transpose().map_err(|error| error.of(format_args!("the {what} of the operation")))
}

impl fmt::Debug for NexusOperationDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NexusOperationDescription")
            .field("info", &self.info)
            .field("state", &self.state())
            .field("attempt", &self.attempt())
            .field("last_attempt_failure", &self.last_attempt_failure())
            .finish_non_exhaustive()
    }
}

//! Calls about standalone Nexus operations.

use std::collections::BTreeMap;
use std::time::Duration;

use abide_protos::temporal::api::workflowservice::v1::{
    CountNexusOperationExecutionsRequest, DeleteNexusOperationExecutionRequest, DescribeNexusOperationExecutionRequest,
    ListNexusOperationExecutionsRequest, PollNexusOperationExecutionRequest,
    RequestCancelNexusOperationExecutionRequest, StartNexusOperationExecutionRequest,
    TerminateNexusOperationExecutionRequest,
};

use super::inputs::present;
use super::standalone::{execution_input, visibility_inputs};
use crate::client::{NexusOperationExecutionInfo, NexusOperationIdConflictPolicy, NexusOperationIdReusePolicy};
use crate::converter::RawPayload;
use crate::duration::{from_proto, to_proto};
use crate::interceptor::rest::Rest;
use crate::memo_and_attributes::{read_attributes, set_attributes};

/// The start of a standalone Nexus operation, as an
/// [interceptor](super::ClientInterceptor::start_standalone_nexus_operation) sees it.
///
/// Options that it does not show (the summary, the details, and so on) are sent as the caller has set them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StartStandaloneNexusOperationInput {
    /// Operation id. If the caller has set none, it is a random UUID.
    pub operation_id: String,
    /// Name of the endpoint.
    pub endpoint: String,
    /// Name of the service.
    pub service: String,
    /// Name of the operation.
    pub operation: String,
    /// The operation's input.
    pub input: RawPayload,
    /// Headers of the Nexus request, by name.
    pub nexus_headers: BTreeMap<String, String>,
    /// Request id, by which the server recognizes a repeated start.
    pub request_id: String,
    /// Policy for reusing the id of a closed operation; `None` leaves it to the server.
    pub id_reuse_policy: Option<NexusOperationIdReusePolicy>,
    /// Policy for an id that a running operation uses; `None` leaves it to the server.
    pub id_conflict_policy: Option<NexusOperationIdConflictPolicy>,
    /// Limit of the whole operation; `None` is no limit.
    pub schedule_to_close_timeout: Option<Duration>,
    /// Limit of the time until its start; `None` is no limit.
    pub schedule_to_start_timeout: Option<Duration>,
    /// Limit of the time after its start; `None` is no limit.
    pub start_to_close_timeout: Option<Duration>,
    rest: Rest<Box<StartNexusOperationExecutionRequest>>,
}

impl StartStandaloneNexusOperationInput {
    pub(crate) fn from_request(mut request: Box<StartNexusOperationExecutionRequest>) -> Self {
        Self {
            operation_id: std::mem::take(&mut request.operation_id),
            endpoint: std::mem::take(&mut request.endpoint),
            service: std::mem::take(&mut request.service),
            operation: std::mem::take(&mut request.operation),
            input: RawPayload::from_proto(request.input.take().unwrap_or_default()),
            nexus_headers: std::mem::take(&mut request.nexus_header).into_iter().collect(),
            request_id: std::mem::take(&mut request.request_id),
            id_reuse_policy: NexusOperationIdReusePolicy::from_proto(request.id_reuse_policy),
            id_conflict_policy: NexusOperationIdConflictPolicy::from_proto(request.id_conflict_policy),
            schedule_to_close_timeout: request.schedule_to_close_timeout.as_ref().map(from_proto),
            schedule_to_start_timeout: request.schedule_to_start_timeout.as_ref().map(from_proto),
            start_to_close_timeout: request.start_to_close_timeout.as_ref().map(from_proto),
            rest: Rest(request),
        }
    }

    pub(crate) fn into_request(self) -> Box<StartNexusOperationExecutionRequest> {
        let mut request = self.rest.0;
        request.operation_id = self.operation_id;
        request.endpoint = self.endpoint;
        request.service = self.service;
        request.operation = self.operation;
        request.input = Some(self.input.into_proto());
        request.nexus_header = self.nexus_headers.into_iter().collect();
        request.request_id = self.request_id;
        request.id_reuse_policy = self.id_reuse_policy.map_or(0, NexusOperationIdReusePolicy::to_proto);
        request.id_conflict_policy = self.id_conflict_policy.map_or(0, NexusOperationIdConflictPolicy::to_proto);
        request.schedule_to_close_timeout = self.schedule_to_close_timeout.map(to_proto);
        request.schedule_to_start_timeout = self.schedule_to_start_timeout.map(to_proto);
        request.start_to_close_timeout = self.start_to_close_timeout.map(to_proto);
        request
    }

    read_attributes!(self => self.rest.0.search_attributes);
    set_attributes!(self => self.rest.0.search_attributes);
}

/// A standalone Nexus operation that was started, or that the id conflict policy has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StartedStandaloneNexusOperation {
    /// Operation id. The caller's handle refers to it.
    pub operation_id: String,
    /// Run id. The caller's handle refers to it.
    pub run_id: String,
    /// True if the call has started the operation; false if it existed.
    pub is_new: bool,
}

impl StartedStandaloneNexusOperation {
    /// Creates the answer of an interceptor that does not pass a start on.
    pub fn new(operation_id: impl Into<String>, run_id: impl Into<String>) -> Self {
        Self { operation_id: operation_id.into(), run_id: run_id.into(), is_new: false }
    }
}

execution_input! {
    /// A wait for the result of a standalone Nexus operation, as an
    /// [interceptor](super::ClientInterceptor::nexus_operation_result) sees it.
    StandaloneNexusOperationResultInput, PollNexusOperationExecutionRequest {
        /// Operation id.
        operation_id
    }
}

execution_input! {
    /// A description of a standalone Nexus operation, as an
    /// [interceptor](super::ClientInterceptor::describe_nexus_operation) sees it.
    DescribeNexusOperationInput, DescribeNexusOperationExecutionRequest {
        /// Operation id.
        operation_id
    }
}

execution_input! {
    /// A request to cancel a standalone Nexus operation, as an
    /// [interceptor](super::ClientInterceptor::request_cancel_nexus_operation) sees it.
    RequestCancelNexusOperationInput, RequestCancelNexusOperationExecutionRequest {
        /// Operation id.
        operation_id,
        /// The reason, which the operation's description shows.
        reason
    }
}

execution_input! {
    /// A termination of a standalone Nexus operation, as an
    /// [interceptor](super::ClientInterceptor::terminate_nexus_operation) sees it.
    TerminateNexusOperationInput, TerminateNexusOperationExecutionRequest {
        /// Operation id.
        operation_id,
        /// The reason, which the errors of waiting callers show.
        reason
    }
}

execution_input! {
    /// The deletion of a standalone Nexus operation, as an
    /// [interceptor](super::ClientInterceptor::delete_nexus_operation) sees it.
    DeleteNexusOperationInput, DeleteNexusOperationExecutionRequest {
        /// Operation id.
        operation_id
    }
}

visibility_inputs! {
    "Nexus operations", NexusOperationExecutionInfo;
    ListNexusOperationsInput, ListNexusOperationExecutionsRequest, "super::ClientInterceptor::list_nexus_operations";
    NexusOperationPage { operations };
    CountNexusOperationsInput, CountNexusOperationExecutionsRequest, "super::ClientInterceptor::count_nexus_operations"
}

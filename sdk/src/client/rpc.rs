//! The methods of Temporal's services as types: a request knows its service, its method and its response.
//!
//! A request is encoded once, before the first attempt. Retries send the same bytes without cloning the message, and
//! the number of bytes also decides about compression.

use std::marker::PhantomData;

use abide_protos::deep_failures;
use abide_protos::grpc::health::v1::{HealthCheckRequest, HealthCheckResponse};
use abide_protos::payload_fields::PayloadFields;
use abide_protos::prost::bytes::{Buf, BufMut, Bytes};
use abide_protos::prost::{Message, Name};
use abide_protos::temporal::api::operatorservice::v1::*;
use abide_protos::temporal::api::workflowservice::v1::*;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::undecodable::undecodable;

/// The request of one unary method.
pub(crate) trait Rpc: Message + PayloadFields {
    /// The method's response.
    type Response: Message + Name + PayloadFields + Default + Send + Sync + 'static;
    /// The method's name, as shown in errors.
    const NAME: &'static str;
    /// The method's gRPC path.
    const PATH: &'static str;
    /// The method's number, below [`RPC_COUNT`].
    const INDEX: usize;
}

macro_rules! rpcs {
    ($(service $service:literal; $($name:literal: $request:ident => $response:ident,)*)*) => {
        /// Number of methods.
        pub(super) const RPC_COUNT: usize = [$($($name,)*)*].len();

        #[expect(clippy::enum_variant_names, reason = "a variant has the name of its request")]
        enum Index {
            $($($request,)*)*
        }

        $($(impl Rpc for $request {
            type Response = $response;
            const NAME: &'static str = $name;
            const PATH: &'static str = concat!("/", $service, "/", $name);
            const INDEX: usize = Index::$request as usize;
        })*)*
    };
}

rpcs! {
    service "temporal.api.workflowservice.v1.WorkflowService";
    "CountActivityExecutions": CountActivityExecutionsRequest => CountActivityExecutionsResponse,
    "CountNexusOperationExecutions": CountNexusOperationExecutionsRequest => CountNexusOperationExecutionsResponse,
    "CountSchedules": CountSchedulesRequest => CountSchedulesResponse,
    "CountWorkers": CountWorkersRequest => CountWorkersResponse,
    "CountWorkflowExecutions": CountWorkflowExecutionsRequest => CountWorkflowExecutionsResponse,
    "CreateSchedule": CreateScheduleRequest => CreateScheduleResponse,
    "DeleteActivityExecution": DeleteActivityExecutionRequest => DeleteActivityExecutionResponse,
    "DeleteNexusOperationExecution": DeleteNexusOperationExecutionRequest => DeleteNexusOperationExecutionResponse,
    "DeleteSchedule": DeleteScheduleRequest => DeleteScheduleResponse,
    "DeleteWorkerDeployment": DeleteWorkerDeploymentRequest => DeleteWorkerDeploymentResponse,
    "DeleteWorkerDeploymentVersion": DeleteWorkerDeploymentVersionRequest => DeleteWorkerDeploymentVersionResponse,
    "DeleteWorkflowExecution": DeleteWorkflowExecutionRequest => DeleteWorkflowExecutionResponse,
    "DescribeActivityExecution": DescribeActivityExecutionRequest => DescribeActivityExecutionResponse,
    "DescribeBatchOperation": DescribeBatchOperationRequest => DescribeBatchOperationResponse,
    "DescribeNamespace": DescribeNamespaceRequest => DescribeNamespaceResponse,
    "DescribeNexusOperationExecution": DescribeNexusOperationExecutionRequest => DescribeNexusOperationExecutionResponse,
    "DescribeSchedule": DescribeScheduleRequest => DescribeScheduleResponse,
    "DescribeTaskQueue": DescribeTaskQueueRequest => DescribeTaskQueueResponse,
    "DescribeWorker": DescribeWorkerRequest => DescribeWorkerResponse,
    "DescribeWorkerDeployment": DescribeWorkerDeploymentRequest => DescribeWorkerDeploymentResponse,
    "DescribeWorkerDeploymentVersion": DescribeWorkerDeploymentVersionRequest => DescribeWorkerDeploymentVersionResponse,
    "DescribeWorkflowExecution": DescribeWorkflowExecutionRequest => DescribeWorkflowExecutionResponse,
    "ExecuteMultiOperation": ExecuteMultiOperationRequest => ExecuteMultiOperationResponse,
    "GetClusterInfo": GetClusterInfoRequest => GetClusterInfoResponse,
    "GetSystemInfo": GetSystemInfoRequest => GetSystemInfoResponse,
    "GetWorkflowExecutionHistory": GetWorkflowExecutionHistoryRequest => GetWorkflowExecutionHistoryResponse,
    "GetWorkflowExecutionHistoryReverse": GetWorkflowExecutionHistoryReverseRequest => GetWorkflowExecutionHistoryReverseResponse,
    "ListActivityExecutions": ListActivityExecutionsRequest => ListActivityExecutionsResponse,
    "ListBatchOperations": ListBatchOperationsRequest => ListBatchOperationsResponse,
    "ListNamespaces": ListNamespacesRequest => ListNamespacesResponse,
    "ListNexusOperationExecutions": ListNexusOperationExecutionsRequest => ListNexusOperationExecutionsResponse,
    "ListScheduleMatchingTimes": ListScheduleMatchingTimesRequest => ListScheduleMatchingTimesResponse,
    "ListSchedules": ListSchedulesRequest => ListSchedulesResponse,
    "ListWorkerDeployments": ListWorkerDeploymentsRequest => ListWorkerDeploymentsResponse,
    "ListWorkers": ListWorkersRequest => ListWorkersResponse,
    "ListWorkflowExecutions": ListWorkflowExecutionsRequest => ListWorkflowExecutionsResponse,
    "PatchSchedule": PatchScheduleRequest => PatchScheduleResponse,
    "PauseActivity": PauseActivityRequest => PauseActivityResponse,
    "PauseActivityExecution": PauseActivityExecutionRequest => PauseActivityExecutionResponse,
    "PauseWorkflowExecution": PauseWorkflowExecutionRequest => PauseWorkflowExecutionResponse,
    "PollActivityExecution": PollActivityExecutionRequest => PollActivityExecutionResponse,
    "PollActivityTaskQueue": PollActivityTaskQueueRequest => PollActivityTaskQueueResponse,
    "PollNexusOperationExecution": PollNexusOperationExecutionRequest => PollNexusOperationExecutionResponse,
    "PollNexusTaskQueue": PollNexusTaskQueueRequest => PollNexusTaskQueueResponse,
    "PollWorkflowExecutionUpdate": PollWorkflowExecutionUpdateRequest => PollWorkflowExecutionUpdateResponse,
    "PollWorkflowTaskQueue": PollWorkflowTaskQueueRequest => PollWorkflowTaskQueueResponse,
    "QueryWorkflow": QueryWorkflowRequest => QueryWorkflowResponse,
    "RecordActivityTaskHeartbeat": RecordActivityTaskHeartbeatRequest => RecordActivityTaskHeartbeatResponse,
    "RecordActivityTaskHeartbeatById": RecordActivityTaskHeartbeatByIdRequest => RecordActivityTaskHeartbeatByIdResponse,
    "RecordWorkerHeartbeat": RecordWorkerHeartbeatRequest => RecordWorkerHeartbeatResponse,
    "RegisterNamespace": RegisterNamespaceRequest => RegisterNamespaceResponse,
    "RequestCancelActivityExecution": RequestCancelActivityExecutionRequest => RequestCancelActivityExecutionResponse,
    "RequestCancelNexusOperationExecution": RequestCancelNexusOperationExecutionRequest => RequestCancelNexusOperationExecutionResponse,
    "RequestCancelWorkflowExecution": RequestCancelWorkflowExecutionRequest => RequestCancelWorkflowExecutionResponse,
    "ResetActivity": ResetActivityRequest => ResetActivityResponse,
    "ResetActivityExecution": ResetActivityExecutionRequest => ResetActivityExecutionResponse,
    "ResetStickyTaskQueue": ResetStickyTaskQueueRequest => ResetStickyTaskQueueResponse,
    "ResetWorkflowExecution": ResetWorkflowExecutionRequest => ResetWorkflowExecutionResponse,
    "RespondActivityTaskCanceled": RespondActivityTaskCanceledRequest => RespondActivityTaskCanceledResponse,
    "RespondActivityTaskCanceledById": RespondActivityTaskCanceledByIdRequest => RespondActivityTaskCanceledByIdResponse,
    "RespondActivityTaskCompleted": RespondActivityTaskCompletedRequest => RespondActivityTaskCompletedResponse,
    "RespondActivityTaskCompletedById": RespondActivityTaskCompletedByIdRequest => RespondActivityTaskCompletedByIdResponse,
    "RespondActivityTaskFailed": RespondActivityTaskFailedRequest => RespondActivityTaskFailedResponse,
    "RespondActivityTaskFailedById": RespondActivityTaskFailedByIdRequest => RespondActivityTaskFailedByIdResponse,
    "RespondNexusTaskCompleted": RespondNexusTaskCompletedRequest => RespondNexusTaskCompletedResponse,
    "RespondNexusTaskFailed": RespondNexusTaskFailedRequest => RespondNexusTaskFailedResponse,
    "RespondQueryTaskCompleted": RespondQueryTaskCompletedRequest => RespondQueryTaskCompletedResponse,
    "RespondWorkflowTaskCompleted": RespondWorkflowTaskCompletedRequest => RespondWorkflowTaskCompletedResponse,
    "RespondWorkflowTaskFailed": RespondWorkflowTaskFailedRequest => RespondWorkflowTaskFailedResponse,
    "SetWorkerDeploymentCurrentVersion": SetWorkerDeploymentCurrentVersionRequest => SetWorkerDeploymentCurrentVersionResponse,
    "SetWorkerDeploymentManager": SetWorkerDeploymentManagerRequest => SetWorkerDeploymentManagerResponse,
    "SetWorkerDeploymentRampingVersion": SetWorkerDeploymentRampingVersionRequest => SetWorkerDeploymentRampingVersionResponse,
    "ShutdownWorker": ShutdownWorkerRequest => ShutdownWorkerResponse,
    "SignalWithStartWorkflowExecution": SignalWithStartWorkflowExecutionRequest => SignalWithStartWorkflowExecutionResponse,
    "SignalWorkflowExecution": SignalWorkflowExecutionRequest => SignalWorkflowExecutionResponse,
    "StartActivityExecution": StartActivityExecutionRequest => StartActivityExecutionResponse,
    "StartBatchOperation": StartBatchOperationRequest => StartBatchOperationResponse,
    "StartNexusOperationExecution": StartNexusOperationExecutionRequest => StartNexusOperationExecutionResponse,
    "StartWorkflowExecution": StartWorkflowExecutionRequest => StartWorkflowExecutionResponse,
    "StopBatchOperation": StopBatchOperationRequest => StopBatchOperationResponse,
    "TerminateActivityExecution": TerminateActivityExecutionRequest => TerminateActivityExecutionResponse,
    "TerminateNexusOperationExecution": TerminateNexusOperationExecutionRequest => TerminateNexusOperationExecutionResponse,
    "TerminateWorkflowExecution": TerminateWorkflowExecutionRequest => TerminateWorkflowExecutionResponse,
    "UnpauseActivity": UnpauseActivityRequest => UnpauseActivityResponse,
    "UnpauseActivityExecution": UnpauseActivityExecutionRequest => UnpauseActivityExecutionResponse,
    "UnpauseWorkflowExecution": UnpauseWorkflowExecutionRequest => UnpauseWorkflowExecutionResponse,
    "UpdateActivityExecutionOptions": UpdateActivityExecutionOptionsRequest => UpdateActivityExecutionOptionsResponse,
    "UpdateActivityOptions": UpdateActivityOptionsRequest => UpdateActivityOptionsResponse,
    "UpdateNamespace": UpdateNamespaceRequest => UpdateNamespaceResponse,
    "UpdateSchedule": UpdateScheduleRequest => UpdateScheduleResponse,
    "UpdateTaskQueueConfig": UpdateTaskQueueConfigRequest => UpdateTaskQueueConfigResponse,
    "UpdateWorkerDeploymentVersionMetadata": UpdateWorkerDeploymentVersionMetadataRequest => UpdateWorkerDeploymentVersionMetadataResponse,
    "UpdateWorkflowExecution": UpdateWorkflowExecutionRequest => UpdateWorkflowExecutionResponse,
    "UpdateWorkflowExecutionOptions": UpdateWorkflowExecutionOptionsRequest => UpdateWorkflowExecutionOptionsResponse,
    service "temporal.api.operatorservice.v1.OperatorService";
    "AddSearchAttributes": AddSearchAttributesRequest => AddSearchAttributesResponse,
    "CreateNexusEndpoint": CreateNexusEndpointRequest => CreateNexusEndpointResponse,
    "DeleteNexusEndpoint": DeleteNexusEndpointRequest => DeleteNexusEndpointResponse,
    "GetNexusEndpoint": GetNexusEndpointRequest => GetNexusEndpointResponse,
    "ListNexusEndpoints": ListNexusEndpointsRequest => ListNexusEndpointsResponse,
    "ListSearchAttributes": ListSearchAttributesRequest => ListSearchAttributesResponse,
    "RemoveSearchAttributes": RemoveSearchAttributesRequest => RemoveSearchAttributesResponse,
    "UpdateNexusEndpoint": UpdateNexusEndpointRequest => UpdateNexusEndpointResponse,
    service "grpc.health.v1.Health";
    "Check": HealthCheckRequest => HealthCheckResponse,
}

/// Sends encoded bytes, and decodes the response.
pub(super) struct EncodedCodec<Response> {
    request_size: usize,
    response: PhantomData<fn() -> Response>,
}

impl<Response> EncodedCodec<Response> {
    pub(super) fn new(request_size: usize) -> Self {
        Self { request_size, response: PhantomData }
    }
}

impl<Response: Message + Name + Default + Send + 'static> Codec for EncodedCodec<Response> {
    type Encode = Bytes;
    type Decode = Response;
    type Encoder = BytesEncoder;
    type Decoder = MessageDecoder<Response>;

    fn encoder(&mut self) -> BytesEncoder {
        BytesEncoder { request_size: self.request_size }
    }

    fn decoder(&mut self) -> MessageDecoder<Response> {
        MessageDecoder(PhantomData)
    }
}

pub(super) struct BytesEncoder {
    request_size: usize,
}

impl Encoder for BytesEncoder {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.reserve(item.len());
        to.put(item);
        Ok(())
    }

    /// A buffer of exactly the right size: the gRPC frame header has 5 bytes.
    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(self.request_size + 5, 32 * 1024)
    }
}

pub(super) struct MessageDecoder<Response>(PhantomData<fn() -> Response>);

impl<Response: Message + Name + Default> Decoder for MessageDecoder<Response> {
    type Item = Response;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Response>, Status> {
        // Takes the buffer's bytes without copying.
        let bytes = from.copy_to_bytes(from.remaining());
        deep_failures::decode(&bytes).map(Some).map_err(|error| undecodable(&bytes, &error))
    }
}

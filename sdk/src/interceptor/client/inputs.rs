//! Code that all inputs share: each one stands for a call, and keeps the parts of its request that it does not show.

use std::time::SystemTime;

use abide_protos::temporal::api::common::v1::WorkflowExecution;
use abide_protos::temporal::api::workflowservice::v1::{
    CountActivityExecutionsRequest, CountNexusOperationExecutionsRequest, CountSchedulesRequest,
    CountWorkflowExecutionsRequest, DeleteActivityExecutionRequest, DeleteNexusOperationExecutionRequest,
    DeleteScheduleRequest, DescribeActivityExecutionRequest, DescribeNexusOperationExecutionRequest,
    DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest, ListActivityExecutionsRequest,
    ListNexusOperationExecutionsRequest, ListScheduleMatchingTimesRequest, ListSchedulesRequest,
    ListWorkflowExecutionsRequest, PatchScheduleRequest, PollWorkflowExecutionUpdateRequest, QueryWorkflowRequest,
    RequestCancelActivityExecutionRequest, RequestCancelNexusOperationExecutionRequest,
    RequestCancelWorkflowExecutionRequest, SignalWorkflowExecutionRequest, StartActivityExecutionRequest,
    StartNexusOperationExecutionRequest, TerminateActivityExecutionRequest, TerminateNexusOperationExecutionRequest,
    TerminateWorkflowExecutionRequest, UpdateWorkflowExecutionRequest,
};

use super::{
    ActivityPage, ActivityResultInput, CancelActivityInput, CancelWorkflowInput, ClientCall, ClientCallFuture,
    ClientInterceptor, ClientNext, CompleteActivityInput, CountActivitiesInput, CountNexusOperationsInput,
    CountSchedulesInput, CountWorkflowsInput, CreateScheduleInput, DeleteActivityInput, DeleteNexusOperationInput,
    DeleteScheduleInput, DescribeActivityInput, DescribeNexusOperationInput, DescribeScheduleInput,
    DescribeWorkflowInput, FailActivityInput, FetchHistoryInput, HeartbeatActivityInput, ListActivitiesInput,
    ListNexusOperationsInput, ListSchedulesInput, ListWorkflowsInput, NexusOperationPage, PatchScheduleInput,
    PollUpdateInput, QueryAnswer, QueryWorkflowInput, RequestCancelActivityInput, RequestCancelNexusOperationInput,
    ScheduleMatchingTimesInput, SchedulePage, SignalWithStartWorkflowInput, SignalWorkflowInput,
    StandaloneNexusOperationResultInput, StartActivityInput, StartStandaloneNexusOperationInput, StartUpdateInput,
    StartWorkflowInput, StartedActivity, StartedStandaloneNexusOperation, StartedUpdate, StartedUpdateWithStart,
    StartedWorkflow, TerminateActivityInput, TerminateNexusOperationInput, TerminateWorkflowInput, UpdateOutcome,
    UpdateScheduleInput, UpdateWithStartWorkflowInput, WorkflowPage, WorkflowResultInput, sealed,
};
use crate::History;
use crate::client::call::Call;
use crate::client::{
    ActivityDescription, ActivityFailedError, ActivityResultCall, AsyncActivityHeartbeat, CancelActivityCall,
    CompleteActivityCall, Connection, CreateScheduleCall, DescribeScheduleCall, FailActivityCall,
    HeartbeatActivityCall, NexusOperationDescription, NexusOperationFailedError, NexusOperationResultCall, ResultCall,
    RpcError, ScheduleDescription, SignalWithStartCall, StartCall, UpdateScheduleCall, UpdateWithStartCall,
    WorkflowCount, WorkflowDescription, WorkflowFailedError,
};
use crate::converter::RawPayload;

/// Ties an input to the method that surrounds it and to the call that it stands for.
macro_rules! calls {
    ($($method:ident: $Input:ident, $Call:ty => $Output:ty, $Error:ty;)*) => {$(
        impl sealed::Sealed for $Input {}

        impl ClientCall for $Input {
            type Output = $Output;
            type Error = $Error;

            fn pass_to<'a>(
                self,
                interceptor: &'a dyn ClientInterceptor,
                next: ClientNext<'a, Self>,
            ) -> ClientCallFuture<'a, Self> {
                interceptor.$method(self, next)
            }

            fn send(self, connection: &Connection) -> ClientCallFuture<'_, Self> {
                let sent = <$Call>::from_input(self).send(connection);
                Box::pin(async move { sent.await.map(<$Call>::into_output) })
            }
        }
    )*};
}

calls! {
    start_workflow: StartWorkflowInput, StartCall => StartedWorkflow, RpcError;
    signal_with_start_workflow: SignalWithStartWorkflowInput, SignalWithStartCall => StartedWorkflow, RpcError;
    update_with_start_workflow: UpdateWithStartWorkflowInput, UpdateWithStartCall => StartedUpdateWithStart, RpcError;
    signal_workflow: SignalWorkflowInput, SignalWorkflowExecutionRequest => (), RpcError;
    query_workflow: QueryWorkflowInput, QueryWorkflowRequest => QueryAnswer, RpcError;
    start_update: StartUpdateInput, Box<UpdateWorkflowExecutionRequest> => StartedUpdate, RpcError;
    poll_update: PollUpdateInput, PollWorkflowExecutionUpdateRequest => UpdateOutcome, RpcError;
    workflow_result: WorkflowResultInput, ResultCall => RawPayload, WorkflowFailedError;
    describe_workflow: DescribeWorkflowInput, DescribeWorkflowExecutionRequest => WorkflowDescription, RpcError;
    cancel_workflow: CancelWorkflowInput, RequestCancelWorkflowExecutionRequest => (), RpcError;
    terminate_workflow: TerminateWorkflowInput, TerminateWorkflowExecutionRequest => (), RpcError;
    list_workflows: ListWorkflowsInput, ListWorkflowExecutionsRequest => WorkflowPage, RpcError;
    count_workflows: CountWorkflowsInput, CountWorkflowExecutionsRequest => WorkflowCount, RpcError;
    fetch_history: FetchHistoryInput, GetWorkflowExecutionHistoryRequest => History, RpcError;
    complete_activity: CompleteActivityInput, CompleteActivityCall => (), RpcError;
    fail_activity: FailActivityInput, FailActivityCall => (), RpcError;
    cancel_activity: CancelActivityInput, CancelActivityCall => (), RpcError;
    heartbeat_activity: HeartbeatActivityInput, HeartbeatActivityCall => AsyncActivityHeartbeat, RpcError;
    create_schedule: CreateScheduleInput, CreateScheduleCall => String, RpcError;
    describe_schedule: DescribeScheduleInput, DescribeScheduleCall => ScheduleDescription, RpcError;
    update_schedule: UpdateScheduleInput, UpdateScheduleCall => (), RpcError;
    patch_schedule: PatchScheduleInput, PatchScheduleRequest => (), RpcError;
    delete_schedule: DeleteScheduleInput, DeleteScheduleRequest => (), RpcError;
    schedule_matching_times: ScheduleMatchingTimesInput, ListScheduleMatchingTimesRequest => Vec<SystemTime>, RpcError;
    list_schedules: ListSchedulesInput, ListSchedulesRequest => SchedulePage, RpcError;
    count_schedules: CountSchedulesInput, CountSchedulesRequest => WorkflowCount, RpcError;
    start_activity: StartActivityInput, Box<StartActivityExecutionRequest> => StartedActivity, RpcError;
    activity_result: ActivityResultInput, ActivityResultCall => RawPayload, ActivityFailedError;
    describe_activity: DescribeActivityInput, DescribeActivityExecutionRequest => ActivityDescription, RpcError;
    request_cancel_activity: RequestCancelActivityInput, RequestCancelActivityExecutionRequest => (), RpcError;
    terminate_activity: TerminateActivityInput, TerminateActivityExecutionRequest => (), RpcError;
    delete_activity: DeleteActivityInput, DeleteActivityExecutionRequest => (), RpcError;
    list_activities: ListActivitiesInput, ListActivityExecutionsRequest => ActivityPage, RpcError;
    count_activities: CountActivitiesInput, CountActivityExecutionsRequest => WorkflowCount, RpcError;
    start_standalone_nexus_operation: StartStandaloneNexusOperationInput, Box<StartNexusOperationExecutionRequest> => StartedStandaloneNexusOperation, RpcError;
    nexus_operation_result: StandaloneNexusOperationResultInput, NexusOperationResultCall => RawPayload, NexusOperationFailedError;
    describe_nexus_operation: DescribeNexusOperationInput, DescribeNexusOperationExecutionRequest => NexusOperationDescription, RpcError;
    request_cancel_nexus_operation: RequestCancelNexusOperationInput, RequestCancelNexusOperationExecutionRequest => (), RpcError;
    terminate_nexus_operation: TerminateNexusOperationInput, TerminateNexusOperationExecutionRequest => (), RpcError;
    delete_nexus_operation: DeleteNexusOperationInput, DeleteNexusOperationExecutionRequest => (), RpcError;
    list_nexus_operations: ListNexusOperationsInput, ListNexusOperationExecutionsRequest => NexusOperationPage, RpcError;
    count_nexus_operations: CountNexusOperationsInput, CountNexusOperationExecutionsRequest => WorkflowCount, RpcError;
}

/// Returns a text that is present; requests leave out a text by sending an empty one.
pub(super) fn present(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Takes the ids of a request's execution.
pub(super) fn ids(execution: Option<WorkflowExecution>) -> (String, Option<String>) {
    let WorkflowExecution { workflow_id, run_id } = execution.unwrap_or_default();
    (workflow_id, present(run_id))
}

/// Returns the execution of a request.
pub(super) fn execution(workflow_id: String, run_id: Option<String>) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id, run_id: run_id.unwrap_or_default() })
}

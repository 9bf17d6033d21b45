//! The calls about standalone Nexus operations, each with what interceptors see of it.

use abide_protos::temporal::api::workflowservice::v1::{
    CountNexusOperationExecutionsRequest, DeleteNexusOperationExecutionRequest, DescribeNexusOperationExecutionRequest,
    ListNexusOperationExecutionsRequest, RequestCancelNexusOperationExecutionRequest,
    StartNexusOperationExecutionRequest, TerminateNexusOperationExecutionRequest,
};

use super::description::{NexusOperationDescription, NexusOperationExecutionInfo};
use crate::client::RpcError;
use crate::client::call::{Call, answer_is_output, held_in};
use crate::client::connection::Connection;
use crate::client::visibility::WorkflowCount;
use crate::interceptor::client::{
    CountNexusOperationsInput, DeleteNexusOperationInput, DescribeNexusOperationInput, ListNexusOperationsInput,
    NexusOperationPage, RequestCancelNexusOperationInput, StartStandaloneNexusOperationInput,
    StartedStandaloneNexusOperation, TerminateNexusOperationInput,
};

impl Call for Box<StartNexusOperationExecutionRequest> {
    type Input = StartStandaloneNexusOperationInput;
    type Answer = StartedStandaloneNexusOperation;

    async fn send(self, connection: &Connection) -> Result<StartedStandaloneNexusOperation, RpcError> {
        let operation_id = self.operation_id.clone();
        let started = connection.call_coded(*self).await?;
        Ok(StartedStandaloneNexusOperation { operation_id, run_id: started.run_id, is_new: started.started })
    }

    held_in!(StartStandaloneNexusOperationInput);
}

impl Call for DescribeNexusOperationExecutionRequest {
    type Input = DescribeNexusOperationInput;
    type Answer = NexusOperationDescription;

    async fn send(self, connection: &Connection) -> Result<NexusOperationDescription, RpcError> {
        connection.call_coded(self).await.map(NexusOperationDescription::from_proto)
    }

    held_in!(DescribeNexusOperationInput);
}

impl Call for RequestCancelNexusOperationExecutionRequest {
    type Input = RequestCancelNexusOperationInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call(self).await.map(drop)
    }

    held_in!(RequestCancelNexusOperationInput);
}

impl Call for TerminateNexusOperationExecutionRequest {
    type Input = TerminateNexusOperationInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call(self).await.map(drop)
    }

    held_in!(TerminateNexusOperationInput);
}

impl Call for DeleteNexusOperationExecutionRequest {
    type Input = DeleteNexusOperationInput;
    type Answer = ();

    async fn send(self, connection: &Connection) -> Result<(), RpcError> {
        connection.call(self).await.map(drop)
    }

    held_in!(DeleteNexusOperationInput);
}

impl Call for ListNexusOperationExecutionsRequest {
    type Input = ListNexusOperationsInput;
    type Answer = NexusOperationPage;

    async fn send(self, connection: &Connection) -> Result<NexusOperationPage, RpcError> {
        let page = connection.call_coded(self).await?;
        let operations = page.operations.into_iter().map(NexusOperationExecutionInfo::from_proto).collect();
        Ok(NexusOperationPage { operations, next_page_token: page.next_page_token })
    }

    held_in!(ListNexusOperationsInput);
}

impl Call for CountNexusOperationExecutionsRequest {
    type Input = CountNexusOperationsInput;
    type Answer = WorkflowCount;

    async fn send(self, connection: &Connection) -> Result<WorkflowCount, RpcError> {
        let counted = connection.call(self).await?;
        let groups = counted.groups.into_iter().map(|group| (group.count, group.group_values));
        Ok(WorkflowCount::new(counted.count, groups))
    }

    held_in!(CountNexusOperationsInput);
}

//! A Nexus handler made of plain RPCs, because Abide has no worker for Nexus handlers.

use std::collections::HashMap;

use abide_protos::temporal::api::common::v1::{Callback, Payload, WorkflowType, callback};
use abide_protos::temporal::api::failure::v1::failure::FailureInfo;
use abide_protos::temporal::api::failure::v1::{
    ApplicationFailureInfo, CanceledFailureInfo, Failure, NexusHandlerFailureInfo,
};
use abide_protos::temporal::api::nexus::v1::start_operation_response::{Async, Sync, Variant};
use abide_protos::temporal::api::nexus::v1::{
    CancelOperationResponse, EndpointSpec, EndpointTarget, Link as NexusLink, Response, StartOperationRequest,
    StartOperationResponse, endpoint_target, request, response,
};
use abide_protos::temporal::api::operatorservice::v1::CreateNexusEndpointRequest;
use abide_protos::temporal::api::operatorservice::v1::operator_service_client::OperatorServiceClient;
use abide_protos::temporal::api::taskqueue::v1::TaskQueue;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use abide_protos::temporal::api::workflowservice::v1::{
    PollNexusTaskQueueRequest, RespondNexusTaskCompletedRequest, RespondNexusTaskFailedRequest,
    StartWorkflowExecutionRequest,
};
use tonic::transport::Channel;

use crate::arm::Arm;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Answers the requests of one task queue, according to the operation's name.
#[derive(Debug)]
pub(crate) struct Handler {
    service: WorkflowServiceClient<Channel>,
    queue: String,
    flaky_attempts: u32,
}

impl Handler {
    /// Returns a handler behind a new endpoint, which is named like the arm's task queue.
    pub(crate) async fn behind_endpoint(arm: &Arm) -> Result<Self> {
        let service = WorkflowServiceClient::new(create_endpoint(arm).await?);
        Ok(Self { service, queue: arm.queue(), flaky_attempts: 0 })
    }

    /// Answers until dropped.
    pub(crate) async fn serve(&mut self) -> Result<()> {
        loop {
            let poll = PollNexusTaskQueueRequest {
                namespace: "default".into(),
                task_queue: Some(TaskQueue { name: self.queue.clone(), ..Default::default() }),
                identity: "handler".into(),
                ..Default::default()
            };
            let mut poll = tonic::Request::new(poll);
            poll.set_timeout(std::time::Duration::from_secs(60));
            let task = self.service.poll_nexus_task_queue(poll).await?.into_inner();
            match task.request.and_then(|request| request.variant) {
                Some(request::Variant::StartOperation(start)) => self.start(task.task_token, start).await?,
                Some(request::Variant::CancelOperation(cancel)) if cancel.operation == "stubborn" => {
                    self.fail(task.task_token, "NOT_FOUND", "there is nothing to cancel").await?;
                }
                Some(request::Variant::CancelOperation(_)) => {
                    let variant = response::Variant::CancelOperation(CancelOperationResponse {});
                    self.answer(task.task_token, variant).await?;
                }
                None => {}
            }
        }
    }

    async fn start(&mut self, token: Vec<u8>, start: StartOperationRequest) -> Result<()> {
        let variant = match start.operation.as_str() {
            "greet" => {
                let name: String = serde_json::from_slice(&start.payload.clone().unwrap_or_default().data)?;
                Variant::SyncSuccess(Sync { payload: Some(json(&format!("hello {name}"))), links: Vec::new() })
            }
            "refuse" => {
                let info = ApplicationFailureInfo { r#type: "Refused".into(), ..Default::default() };
                Variant::Failure(failure("no greeting", FailureInfo::ApplicationFailureInfo(info)))
            }
            "give_up" => {
                let info = FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default());
                Variant::Failure(failure("given up", info))
            }
            "misunderstand" => return self.fail(token, "BAD_REQUEST", "what is it?").await,
            "flaky" if self.flaky_attempts == 0 => {
                self.flaky_attempts += 1;
                return self.fail(token, "INTERNAL", "again").await;
            }
            "flaky" => Variant::SyncSuccess(Sync { payload: Some(json("at last")), links: Vec::new() }),
            // Taken, but never answered.
            "silent" => return Ok(()),
            "stubborn" | "endless" => {
                let operation_token = "nowhere".to_string();
                Variant::AsyncSuccess(Async { operation_token, ..Default::default() })
            }
            _ => self.start_workflow(start).await?,
        };
        let response = StartOperationResponse { variant: Some(variant) };
        self.answer(token, response::Variant::StartOperation(response)).await
    }

    /// Starts the workflow `linger` with the name from the input, which later ends the operation.
    async fn start_workflow(&mut self, start: StartOperationRequest) -> Result<Variant> {
        let name: String = serde_json::from_slice(&start.payload.unwrap_or_default().data)?;
        let workflow_id = linger_id(&self.queue, &name);
        let mut header: HashMap<String, String> = start.callback_header;
        header.insert("nexus-operation-token".into(), workflow_id.clone());
        let callback = callback::Variant::Nexus(callback::Nexus { url: start.callback, header });
        let request = StartWorkflowExecutionRequest {
            namespace: "default".into(),
            workflow_id: workflow_id.clone(),
            workflow_type: Some(WorkflowType { name: "linger".into() }),
            task_queue: Some(TaskQueue { name: self.queue.clone(), ..Default::default() }),
            request_id: start.request_id,
            completion_callbacks: vec![Callback { variant: Some(callback), links: Vec::new() }],
            ..Default::default()
        };
        let run_id = self.service.start_workflow_execution(request).await?.into_inner().run_id;
        let url = format!(
            "temporal:///namespaces/default/workflows/{workflow_id}/{run_id}/history?eventID=1\
             &eventType=WorkflowExecutionStarted&referenceType=EventReference"
        );
        let links = vec![NexusLink { url, r#type: "temporal.api.common.v1.Link.WorkflowEvent".into() }];
        Ok(Variant::AsyncSuccess(Async { operation_token: workflow_id, links, ..Default::default() }))
    }

    async fn answer(&mut self, task_token: Vec<u8>, variant: response::Variant) -> Result<()> {
        let request = RespondNexusTaskCompletedRequest {
            namespace: "default".into(),
            identity: "handler".into(),
            task_token,
            response: Some(Response { variant: Some(variant) }),
            ..Default::default()
        };
        self.service.respond_nexus_task_completed(request).await?;
        Ok(())
    }

    async fn fail(&mut self, task_token: Vec<u8>, kind: &str, message: &str) -> Result<()> {
        let info = NexusHandlerFailureInfo { r#type: kind.into(), ..Default::default() };
        let request = RespondNexusTaskFailedRequest {
            namespace: "default".into(),
            identity: "handler".into(),
            task_token,
            failure: Some(failure(message, FailureInfo::NexusHandlerFailureInfo(info))),
            ..Default::default()
        };
        self.service.respond_nexus_task_failed(request).await?;
        Ok(())
    }
}

/// Creates an endpoint that leads to the arm's task queue, and is named like it.
pub(crate) async fn create_endpoint(arm: &Arm) -> Result<Channel> {
    let channel = Channel::from_shared(format!("http://{}", arm.address()))?.connect().await?;
    let worker = endpoint_target::Worker { namespace: "default".into(), task_queue: arm.queue() };
    let target = EndpointTarget { variant: Some(endpoint_target::Variant::Worker(worker)) };
    let spec = EndpointSpec { name: arm.queue(), target: Some(target), ..Default::default() };
    let request = CreateNexusEndpointRequest { spec: Some(spec) };
    OperatorServiceClient::new(channel.clone()).create_nexus_endpoint(request).await?;
    settle().await;
    Ok(channel)
}

/// Returns the id of the workflow that backs an operation with this input.
pub(crate) fn linger_id(queue: &str, name: &str) -> String {
    format!("{queue}-{name}-linger")
}

fn failure(message: &str, info: FailureInfo) -> Failure {
    Failure { message: message.into(), failure_info: Some(info), ..Default::default() }
}

fn json(text: &str) -> Payload {
    Payload {
        metadata: [("encoding".to_string(), b"json/plain".to_vec())].into(),
        data: format!("{text:?}").into_bytes(),
        ..Default::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "a real server does not tell when all its parts know a new endpoint")]
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

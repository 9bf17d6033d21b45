//! Endpoints for Nexus operations.

use abide_protos::temporal::api::nexus::v1::{EndpointSpec, EndpointTarget, endpoint_target};
use abide_protos::temporal::api::operatorservice::v1::CreateNexusEndpointRequest;
use abide_protos::temporal::api::operatorservice::v1::operator_service_client::OperatorServiceClient;

use crate::arm::{Arm, Outcome};

/// Creates an endpoint that leads to the arm's task queue, and is named like it.
pub(crate) async fn create_endpoint(arm: &Arm) -> Outcome {
    let worker = endpoint_target::Worker { namespace: "default".into(), task_queue: arm.queue() };
    let target = EndpointTarget { variant: Some(endpoint_target::Variant::Worker(worker)) };
    let spec = EndpointSpec { name: arm.queue(), target: Some(target), ..Default::default() };
    let request = CreateNexusEndpointRequest { spec: Some(spec) };
    let mut operator = OperatorServiceClient::connect(format!("http://{}", arm.address())).await?;
    operator.create_nexus_endpoint(request).await?;
    settle().await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a real server does not tell when all its parts know a new endpoint")]
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

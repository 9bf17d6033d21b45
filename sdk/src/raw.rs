//! Temporal's gRPC services themselves, for calls that are newer than Abide.
//!
//! The types here come from the crate `tonic`, and from `abide-protos`, which has Temporal's API. Add `abide-protos` to your
//! `Cargo.toml`, in the version of `abide`. They may change with every minor version, so call them in one place of your
//! program.
//!
//! A raw call has the client's address, TLS, metadata and API key. It has nothing else: no namespace in the request, no
//! identity, no retries, no timeout, no interceptors, no metrics, and no payload codec. Payloads travel as they are.
//!
//! ```no_run
//! use abide::prelude::*;
//! use abide::raw;
//! use abide_protos::temporal::api::workflowservice::v1::ListArchivedWorkflowExecutionsRequest;
//!
//! # async fn archived(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
//! let request = ListArchivedWorkflowExecutionsRequest { namespace: "default".into(), ..Default::default() };
//! let answer = raw::workflow_service(client).list_archived_workflow_executions(request).await?;
//! println!("{} workflows", answer.into_inner().executions.len());
//! # Ok(()) }
//! ```
//!
//! For a service that Abide's copy of the API does not know, generate a client with `tonic-prost-build` from its `.proto`
//! files, and make it with [`service`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use abide_protos::temporal::api::operatorservice::v1::operator_service_client::OperatorServiceClient;
use abide_protos::temporal::api::testservice::v1::test_service_client::TestServiceClient;
use abide_protos::temporal::api::workflowservice::v1::workflow_service_client::WorkflowServiceClient;
use tonic::codegen::StdError;
use tower_service::Service;

use crate::client::{Client, Connection, HttpRequest, HttpResponse};
use crate::debug_only::debug_only;

/// The largest answer that is read, in bytes, as for Abide's own calls.
const MAX_RESPONSE_BYTES: usize = 128 * 1024 * 1024;

/// Returns the service of workflows, activities, schedules and workers.
pub fn workflow_service(client: &Client) -> WorkflowServiceClient<RawService> {
    WorkflowServiceClient::new(service(client)).max_decoding_message_size(MAX_RESPONSE_BYTES)
}

/// Returns the service of operators: search attributes, Nexus endpoints, clusters.
pub fn operator_service(client: &Client) -> OperatorServiceClient<RawService> {
    OperatorServiceClient::new(service(client)).max_decoding_message_size(MAX_RESPONSE_BYTES)
}

/// Returns the service with which test servers skip time.
pub fn test_service(client: &Client) -> TestServiceClient<RawService> {
    TestServiceClient::new(service(client))
}

/// Returns the connection of a client as a service for any client that tonic has generated.
pub fn service(client: &Client) -> RawService {
    RawService { connection: client.connection().clone() }
}

/// A client's connection as a service of HTTP requests, for the clients that tonic generates. Cloning it is cheap.
#[derive(Clone)]
pub struct RawService {
    connection: Connection,
}

debug_only!(impl[] RawService, |this| { connection: this.connection });

impl Service<HttpRequest> for RawService {
    type Response = HttpResponse;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, StdError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let connection = self.connection.clone();
        Box::pin(async move { connection.send_raw(request).await })
    }
}

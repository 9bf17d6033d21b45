//! The transports of requests: in the same process without a socket, or over the network (loopback) as gRPC.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use abide_protos::grpc::health::v1 as health;
use abide_protos_server::health_server::{self, Health, HealthServer};
use abide_protos_server::operator_service_server::{self, OperatorServiceServer};
use abide_protos_server::workflow_service_server::{self, WorkflowServiceServer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tower_service::Service;

use super::grpc::{GrpcService, SERVED};
use super::host::Host;
use super::operator_grpc::{self, GrpcOperatorService};

/// Maximum size of requests, as on a real server: its gRPC library's default.
const REQUEST_LIMIT: usize = 4 * 1024 * 1024;

/// The workflow, operator and health services as one `tower` service over HTTP messages; cheap to clone.
///
/// A client with this service is connected without a socket.
#[derive(Clone, Debug)]
pub struct InProcessService {
    workflow: WorkflowServiceServer<GrpcService>,
    operator: OperatorServiceServer<GrpcOperatorService>,
    health: HealthServer<AlwaysServing>,
}

impl InProcessService {
    pub(crate) fn new(host: Arc<Host>, in_process: bool) -> Self {
        let mut operator = OperatorServiceServer::new(GrpcOperatorService::new(host.clone()))
            .max_decoding_message_size(REQUEST_LIMIT)
            .accept_compressed(CompressionEncoding::Gzip);
        let mut workflow = WorkflowServiceServer::new(GrpcService::new(host, in_process))
            .max_decoding_message_size(REQUEST_LIMIT)
            .accept_compressed(CompressionEncoding::Gzip);
        let mut health = HealthServer::new(AlwaysServing).accept_compressed(CompressionEncoding::Gzip);
        if !in_process {
            operator = operator.send_compressed(CompressionEncoding::Gzip);
            workflow = workflow.send_compressed(CompressionEncoding::Gzip);
            health = health.send_compressed(CompressionEncoding::Gzip);
        }
        Self { workflow, operator, health }
    }
}

impl Service<http::Request<Body>> for InProcessService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut path = request.uri().path().rsplit('/');
        let (rpc, service) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
        let answered: Self::Future = match service {
            workflow_service_server::SERVICE_NAME if SERVED.contains(&rpc) => {
                Box::pin(Service::call(&mut self.workflow, request))
            }
            operator_service_server::SERVICE_NAME if operator_grpc::SERVED.contains(&rpc) => {
                Box::pin(Service::call(&mut self.operator, request))
            }
            health_server::SERVICE_NAME => Box::pin(Service::call(&mut self.health, request)),
            _ => {
                let text = format!("Abide's embedded server does not implement {service}/{rpc}");
                let response = Status::unimplemented(text).into_http::<Body>();
                Box::pin(std::future::ready(Ok(response)))
            }
        };
        Box::pin(async {
            let Ok(response) = answered.await;
            Ok(match too_large(response.headers()) {
                Some(refused) => refused.into_http(),
                None => response,
            })
        })
    }
}

/// Refuses an oversized request with a real server's code and message, by which clients recognize the error; tonic's
/// differ.
fn too_large(headers: &http::HeaderMap) -> Option<Status> {
    let status = Status::from_header_map(headers)?;
    if let Some(sizes) = status.message().strip_prefix("Error, decoded message length too large: found ") {
        let size = sizes.split(' ').next()?;
        let text = format!("grpc: received message larger than max ({size} vs. {REQUEST_LIMIT})");
        return Some(Status::resource_exhausted(text));
    }
    status.message().starts_with("Error decompressing: size limit").then(|| {
        let text = format!("grpc: received message after decompression larger than max {REQUEST_LIMIT}");
        Status::resource_exhausted(text)
    })
}

/// A listening socket; closing it ends its connections.
#[derive(Debug)]
pub(crate) struct Listener {
    _stop: oneshot::Sender<()>,
}

/// Serves gRPC at `address`. Returns the actual address.
pub(crate) async fn listen(host: Arc<Host>, address: SocketAddr) -> std::io::Result<(SocketAddr, Listener)> {
    if !address.ip().is_loopback() {
        let text = format!("the embedded server listens on loopback addresses only, found {address}");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text));
    }
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let service = InProcessService::new(host, false);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = tonic::transport::Server::builder().serve_with_incoming_shutdown(service, incoming, async {
        let _ = stopped.await;
    });
    spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!("the embedded server stopped serving {address}: {error}");
        }
    });
    Ok((address, Listener { _stop: stop }))
}

/// `grpc.health.v1.Health`: the server is healthy as long as it answers.
#[derive(Clone, Copy, Debug)]
struct AlwaysServing;

#[tonic::async_trait]
impl Health for AlwaysServing {
    async fn check(
        &self,
        request: Request<health::HealthCheckRequest>,
    ) -> Result<Response<health::HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !["", workflow_service_server::SERVICE_NAME, operator_service_server::SERVICE_NAME]
            .contains(&service.as_str())
        {
            return Err(Status::not_found(format!("unknown service {service}")));
        }
        let status = health::health_check_response::ServingStatus::Serving.into();
        Ok(Response::new(health::HealthCheckResponse { status }))
    }
}

/// Runs a future concurrently with its caller, and returns a handle to stop it.
#[expect(clippy::disallowed_methods, reason = "the embedded server serves its connections beside its caller")]
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
    tokio::spawn(future).abort_handle()
}

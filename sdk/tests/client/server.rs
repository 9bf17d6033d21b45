//! A gRPC server without methods: enough to see if calls arrive, and to shut it down.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// A server with its own runtime, so that stopping it cuts its connections at once, as a crash does.
pub(crate) struct TestServer {
    runtime: Option<Runtime>,
    address: SocketAddr,
}

impl TestServer {
    /// Starts on that port, or on a free one for 0; `service` answers the calls.
    pub(crate) fn start(port: u16, builder: Server, service: Unimplemented) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let guard = runtime.enter();
        let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        let address = incoming.local_addr().unwrap();
        drop(guard);
        runtime.spawn(async move { builder.serve_with_incoming(service, incoming).await.unwrap() });
        Self { runtime: Some(runtime), address }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

/// Returns when the port is free again.
impl Drop for TestServer {
    #[expect(clippy::disallowed_methods, reason = "a runtime must not be ended on a thread of another one")]
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5))).join().unwrap();
        }
    }
}

/// Answers UNIMPLEMENTED, which a client treats as an old server. Calls of `CountWorkflowExecutions` wait for a permit.
#[derive(Clone)]
pub(crate) struct Unimplemented {
    /// Number of counts that may be answered.
    pub(crate) permits: Arc<Semaphore>,
    /// One permit for each count that has arrived.
    pub(crate) arrived: Arc<Semaphore>,
}

impl Unimplemented {
    pub(crate) fn new(permits: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(permits)), arrived: Arc::new(Semaphore::new(0)) }
    }
}

impl tonic::server::NamedService for Unimplemented {
    const NAME: &'static str = "temporal.api.workflowservice.v1.WorkflowService";
}

impl tonic::codegen::Service<Request<Body>> for Unimplemented {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path().ends_with("CountWorkflowExecutions") {
                service.arrived.add_permits(1);
                service.permits.acquire().await.unwrap().forget();
            }
            Ok(tonic::Status::unimplemented("a test server").into_http())
        })
    }
}

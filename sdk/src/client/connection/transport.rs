//! The destination of requests: a channel over a network, or a service in this process.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::codegen::{StdError, http};
use tonic::transport::Channel;
use tonic::transport::channel::ResponseFuture;
use tower_service::Service;

use crate::client::broken_answer::NotGrpc;

pub(crate) type HttpRequest = http::Request<tonic::body::Body>;
pub(crate) type HttpResponse = http::Response<tonic::body::Body>;
type HttpFuture = Pin<Box<dyn Future<Output = Result<HttpResponse, StdError>> + Send>>;

/// The destination of requests.
#[derive(Clone)]
pub(super) enum Transport {
    Channel(Channel),
    InProcess(Arc<dyn InProcess>),
}

pub(super) trait InProcess: Send + Sync {
    fn call(&self, request: HttpRequest) -> HttpFuture;
}

impl<S> InProcess for S
where
    S: Service<HttpRequest, Response = HttpResponse> + Clone + Send + Sync + 'static,
    S::Error: Into<StdError>,
    S::Future: Send + 'static,
{
    fn call(&self, request: HttpRequest) -> HttpFuture {
        let mut service = self.clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
            Service::call(&mut service, request).await.map_err(Into::into)
        })
    }
}

impl Service<HttpRequest> for Transport {
    type Response = HttpResponse;
    type Error = StdError;
    type Future = TransportFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        match self {
            Self::Channel(channel) => channel.poll_ready(cx).map_err(Into::into),
            Self::InProcess(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: HttpRequest) -> TransportFuture {
        match self {
            Self::Channel(channel) => TransportFuture::Channel(channel.call(request)),
            Self::InProcess(service) => TransportFuture::InProcess(InProcess::call(&**service, request)),
        }
    }
}

/// A call in progress. The gRPC variant needs no extra box.
pub(super) enum TransportFuture {
    Channel(ResponseFuture),
    InProcess(HttpFuture),
}

impl Future for TransportFuture {
    type Output = Result<HttpResponse, StdError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = match self.get_mut() {
            Self::Channel(response) => Pin::new(response).poll(cx).map_err(StdError::from),
            Self::InProcess(response) => response.as_mut().poll(cx),
        };
        answered.map(|answered| NotGrpc::check(answered?).map_err(Into::into))
    }
}

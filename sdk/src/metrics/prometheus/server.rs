//! The endpoint for Prometheus: one path.

use std::fmt;
use std::future::ready;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName};
use hyper::{Method, Request, Response, StatusCode};

use crate::http_server::HttpServer;
use crate::metrics::Metrics;

/// Maximum time for a request and its answer.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// An endpoint that Prometheus can scrape. It ends when this is dropped.
#[must_use = "the endpoint ends when this is dropped"]
pub struct PrometheusEndpoint {
    server: HttpServer,
}

impl PrometheusEndpoint {
    /// Returns the address on which the endpoint listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

/// Serves metrics at `http://127.0.0.1:PORT/metrics`, for a Prometheus or an agent on the same machine. Port 0 takes a free
/// one. Call it in a tokio runtime.
///
/// # Errors
/// Returns an error if the port cannot be listened on, for example because it is taken.
pub async fn serve(metrics: &Metrics, port: u16) -> io::Result<PrometheusEndpoint> {
    serve_at(metrics, (Ipv4Addr::LOCALHOST, port).into()).await
}

/// Like [`serve`], at any address, such as `0.0.0.0:9464` in a container.
///
/// Everybody who can reach the address can read the metrics. Their labels name namespaces, task queues and types.
///
/// # Errors
/// Returns an error if the address cannot be listened on.
pub async fn serve_at(metrics: &Metrics, address: SocketAddr) -> io::Result<PrometheusEndpoint> {
    let metrics = metrics.clone();
    let server = HttpServer::serve(address, REQUEST_TIME, move |request| ready(respond(&request, &metrics))).await?;
    Ok(PrometheusEndpoint { server })
}

fn respond<B>(request: &Request<B>, metrics: &Metrics) -> Response<String> {
    let with = |status, header: HeaderName, value, text: String| {
        let response = Response::builder().status(status).header(header, value).body(text);
        response.unwrap_or_default()
    };
    if request.uri().path() != "/metrics" {
        let text = "the metrics are at /metrics\n".to_string();
        return with(StatusCode::NOT_FOUND, CONTENT_TYPE, "text/plain", text);
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return with(StatusCode::METHOD_NOT_ALLOWED, ALLOW, "GET, HEAD", String::new());
    }
    with(StatusCode::OK, CONTENT_TYPE, ::prometheus::TEXT_FORMAT, metrics.prometheus_text())
}

impl fmt::Debug for PrometheusEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusEndpoint").field("address", &self.address()).finish_non_exhaustive()
    }
}

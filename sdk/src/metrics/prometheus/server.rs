//! A small HTTP server for Prometheus: one path, each request on a connection of its own.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::metrics::Metrics;

/// Maximum open connections. Further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 16;
/// Maximum time for a request and its answer.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Maximum size of a request's head.
const MOST_BYTES: usize = 16 * 1024;
/// Pause after a connection could not be accepted, for example because the process has too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// An endpoint that Prometheus can scrape. It ends when this is dropped.
#[must_use = "the endpoint ends when this is dropped"]
pub struct PrometheusEndpoint {
    address: SocketAddr,
    /// Aborts its task when dropped, and with it all connections.
    _serving: JoinSet<()>,
}

impl PrometheusEndpoint {
    /// Returns the address on which the endpoint listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let mut serving = JoinSet::new();
    serving.spawn(accept(listener, metrics.clone()));
    Ok(PrometheusEndpoint { address, _serving: serving })
}

async fn accept(listener: TcpListener, metrics: Metrics) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(answer(stream, metrics.clone()));
            }
            Err(error) => {
                tracing::debug!("a connection to the metrics endpoint could not be accepted: {error}");
                pause().await;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a server waits in real time, outside workflow code")]
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}

/// Answers one request. Errors are those of the other side.
async fn answer(stream: TcpStream, metrics: Metrics) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, &metrics);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MOST_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(REQUEST_TIME, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a request for metrics could not be answered: {error}"),
        Err(_) => tracing::debug!("a request for metrics took longer than {REQUEST_TIME:?} and was cut"),
    }
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
        f.debug_struct("PrometheusEndpoint").field("address", &self.address).finish_non_exhaustive()
    }
}

//! A small HTTP server for endpoints beside a worker: one request on each connection, few connections, bounded in time
//! and size.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Maximum open connections. Further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 16;
/// Maximum size of the buffer for a request's head.
const MOST_BYTES: usize = 16 * 1024;
/// Pause after a connection could not be accepted, for example because the process has too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A server that ends when this is dropped, with all its connections.
#[derive(Debug)]
pub(crate) struct HttpServer {
    address: SocketAddr,
    /// Aborts its task when dropped.
    _serving: JoinSet<()>,
}

impl HttpServer {
    /// Listens at this address and answers each request, within `limit`, with what `respond` returns.
    pub(crate) async fn serve<F, Fut>(address: SocketAddr, limit: Duration, respond: F) -> io::Result<Self>
    where
        F: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Response<String>> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, limit, respond));
        Ok(Self { address, _serving: serving })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept<F, Fut>(listener: TcpListener, limit: Duration, respond: F)
where
    F: Fn(Request<Incoming>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Response<String>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MOST_CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(answer(stream, limit, respond.clone()));
            }
            Err(error) => {
                tracing::debug!("a connection could not be accepted: {error}");
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
async fn answer<F, Fut>(stream: TcpStream, limit: Duration, respond: F)
where
    F: Fn(Request<Incoming>) -> Fut + Send,
    Fut: Future<Output = Response<String>> + Send,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(request);
        async { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MOST_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(limit, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a request could not be answered: {error}"),
        Err(_) => tracing::debug!("a request took longer than {limit:?} and was cut"),
    }
}

//! Codec servers: the web UI and the CLI show decoded payloads, although only the workers' programs have the keys.
//!
//! [`CodecServer`] is the service. It answers the requests `/encode` and `/decode` of the web UI, of `temporal
//! --codec-endpoint` and of a [`RemoteCodec`], which lets a worker encode with the keys of another process.
//!
//! ```no_run
//! use abide::codec_server::CodecServer;
//! use abide::converter::DataConverter;
//!
//! # async fn run(converter: DataConverter, token: String) -> std::io::Result<()> {
//! // The converter of the workers, with its codecs.
//! let server = CodecServer::with_bearer_token(converter, token).allow_origin("https://temporal.example.com");
//! // http://127.0.0.1:8888/decode, until this is dropped.
//! let endpoint = server.serve(8888).await?;
//! # drop(endpoint); Ok(()) }
//! ```

mod remote;
mod service;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;

pub use self::remote::{RemoteCodec, RemoteCodecError};
use self::service::respond;
use crate::converter::DataConverter;
use crate::http_server::HttpServer;

/// Maximum time for a request and its answer.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// Maximum size of a request's body, unless set otherwise.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Encodes and decodes payloads over HTTP with the codecs of a data converter (Temporal's codec server).
///
/// It is a `tower::Service`, so a web server that the program has already can serve it: with axum, `Router::new()
/// .fallback_service(server)`. [`serve`](Self::serve) listens by itself. Cloning it is cheap.
///
/// | request | answer |
/// | --- | --- |
/// | `POST` to a path that ends with `/encode` or `/decode`, with payloads as JSON | 200 and the payloads |
/// | `OPTIONS`, which browsers send first | 204 and what an [allowed origin](Self::allow_origin) may do |
/// | not authorized | 401 |
/// | no payloads, or a codec's error | 400 and a text without values |
/// | too large | 413 |
///
/// Whoever may call it can read all payloads, so each constructor says who may.
#[derive(Clone)]
pub struct CodecServer {
    converter: DataConverter,
    access: Access,
    origins: Vec<String>,
    most_bytes: usize,
}

/// The callers that a server answers.
#[derive(Clone)]
enum Access {
    Everybody,
    Token(Arc<str>),
    Check(Arc<dyn Fn(&HeaderMap) -> bool + Send + Sync>),
}

impl CodecServer {
    /// Creates a server for callers that send this token, as `authorization: Bearer TOKEN`. The CLI sends the value of
    /// `--codec-auth`, so there it is `--codec-auth "Bearer TOKEN"`.
    pub fn with_bearer_token(converter: DataConverter, token: impl Into<String>) -> Self {
        Self::new(converter, Access::Token(token.into().into()))
    }

    /// Creates a server for callers whose headers pass this check, such as a check of the token that the web UI sends
    /// for its user.
    pub fn with_authorization(
        converter: DataConverter,
        check: impl Fn(&HeaderMap) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(converter, Access::Check(Arc::new(check)))
    }

    /// Creates a server that answers everybody who can reach it. For one machine, or behind a proxy that authorizes.
    pub fn open_to_everybody(converter: DataConverter) -> Self {
        Self::new(converter, Access::Everybody)
    }

    fn new(converter: DataConverter, access: Access) -> Self {
        Self { converter, access, origins: Vec::new(), most_bytes: MOST_BYTES }
    }

    /// Lets pages of this origin call the server (CORS), such as the web UI at `https://temporal.example.com`. Call it
    /// once for each origin. Default: none.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Sets the maximum size of a request, in bytes. Default: 32 MiB.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// Listens at `http://127.0.0.1:PORT`, for programs on the same machine. Port 0 takes a free one. Call it in a tokio
    /// runtime.
    ///
    /// # Errors
    /// Returns an error if the port cannot be listened on, for example because it is taken.
    pub async fn serve(self, port: u16) -> io::Result<CodecEndpoint> {
        self.serve_at((Ipv4Addr::LOCALHOST, port).into()).await
    }

    /// Like [`serve`](Self::serve), at any address. The payloads travel in clear text, so put a proxy with TLS in front.
    ///
    /// # Errors
    /// Returns an error if the address cannot be listened on.
    pub async fn serve_at(self, address: SocketAddr) -> io::Result<CodecEndpoint> {
        let server = HttpServer::serve(address, REQUEST_TIME, move |request| respond(self.clone(), request)).await?;
        Ok(CodecEndpoint { server })
    }
}

/// Shows no secret.
impl fmt::Debug for CodecServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::Everybody => "everybody",
            Access::Token(_) => "bearer token",
            Access::Check(_) => "check",
        };
        f.debug_struct("CodecServer")
            .field("converter", &self.converter)
            .field("access", &access)
            .field("origins", &self.origins)
            .field("max_request_bytes", &self.most_bytes)
            .finish()
    }
}

/// A codec server that listens. It ends when this is dropped.
#[derive(Debug)]
#[must_use = "the endpoint ends when this is dropped"]
pub struct CodecEndpoint {
    server: HttpServer,
}

impl CodecEndpoint {
    /// Returns the address on which the endpoint listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

#[cfg(test)]
mod tests;

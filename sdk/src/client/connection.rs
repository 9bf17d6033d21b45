//! The way to a Temporal server: over gRPC, or to a service in the same process.
//!
//! One connection is shared by clients and workers. It reconnects by itself; calls are retried as [`retry`](super::retry)
//! says. Small messages travel as they are: gzip costs a worker most of its CPU, so only large requests are compressed.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use abide_protos::payload_fields::PayloadFields;
use abide_protos::prost::bytes::Bytes;
use abide_protos::temporal::api::workflowservice::v1::GetSystemInfoRequest;
use abide_protos::temporal::api::workflowservice::v1::get_system_info_response::Capabilities;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{StdError, http};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::channel::ResponseFuture;
use tonic::transport::{Channel, Endpoint};
use tower_service::Service;

use super::broken_answer::NotGrpc;
use super::eager::EagerWorkers;
use super::errors::ConnectError;
use super::options::{ClientOptions, TlsOptions};
use super::retry::{Backoff, RetrySchedule};
use super::rpc::{EncodedCodec, Rpc};
use super::rpc_error::RpcError;
use super::worker_commands::WorkerCommands;
use crate::converter::DataConverter;
use crate::duration::measured_text;

const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The server answers a long poll after 60 s at the latest.
pub(crate) const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(70);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A call that is tried again for longer is worth a line in the log.
const QUIET_FOR: Duration = Duration::from_secs(10);
const SYSTEM_INFO_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_RESPONSE_BYTES: usize = 128 * 1024 * 1024;
/// Requests from this size on are compressed. Below it, a loopback or a data centre's network is faster than gzip;
/// above it, payloads are usually JSON, which shrinks several times.
const COMPRESS_FROM_BYTES: usize = 32 * 1024;

type HttpRequest = http::Request<tonic::body::Body>;
type HttpResponse = http::Response<tonic::body::Body>;
type HttpFuture = Pin<Box<dyn Future<Output = Result<HttpResponse, StdError>> + Send>>;

/// A connection to a Temporal server, cheap to clone.
///
/// [`Client::connect`](super::Client::connect) makes one.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    /// True if the server is shown a certificate of the client.
    shows_certificate: bool,
    metadata: MetadataMap,
    address: String,
    namespace: String,
    identity: String,
    capabilities: Capabilities,
    data_converter: DataConverter,
    /// The workers that may take the first tasks of workflows that are started over this connection.
    eager_workers: EagerWorkers,
    /// The commands that the server sends to the workers of this connection.
    worker_commands: Arc<WorkerCommands>,
    /// Set when the server or a proxy turned out not to read gzip.
    compression_refused: AtomicBool,
    /// A value that the worker layer keeps with the connection. The client does not know what it is.
    attached: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Connection {
    /// Connects, and asks the server what it can do.
    ///
    /// # Errors
    /// Returns an error if an option means nothing, or no Temporal server answers at the address.
    pub(crate) async fn connect(options: &ClientOptions) -> Result<Self, ConnectError> {
        let (address, tls) = options.endpoint()?;
        let shows_certificate = tls.as_ref().is_some_and(|tls| tls.client_identity.is_some());
        let endpoint = endpoint(&address, tls)?;
        let inner = Inner {
            transport: Transport::Channel(endpoint.connect_lazy()),
            shows_certificate,
            metadata: metadata(options)?,
            address,
            namespace: options.namespace.clone(),
            identity: options.identity.clone().unwrap_or_else(default_identity),
            capabilities: Capabilities::default(),
            data_converter: options.data_converter.clone(),
            eager_workers: EagerWorkers::default(),
            worker_commands: Arc::new(WorkerCommands::new()),
            compression_refused: AtomicBool::new(false),
            attached: OnceLock::new(),
        };
        inner.with_capabilities().await
    }

    /// Connects to a service in this process: the embedded server of `abide-testing`.
    ///
    /// # Errors
    /// Returns an error if an option means nothing, or the service does not answer as a Temporal server does.
    #[doc(hidden)]
    pub async fn in_process<S>(service: S, options: &ClientOptions) -> Result<Self, ConnectError>
    where
        S: Service<HttpRequest, Response = HttpResponse> + Clone + Send + Sync + 'static,
        S::Error: Into<StdError>,
        S::Future: Send + 'static,
    {
        let inner = Inner {
            transport: Transport::InProcess(Arc::new(service)),
            shows_certificate: false,
            metadata: metadata(options)?,
            address: "(in process)".to_string(),
            namespace: options.namespace.clone(),
            identity: options.identity.clone().unwrap_or_else(default_identity),
            capabilities: Capabilities::default(),
            data_converter: options.data_converter.clone(),
            eager_workers: EagerWorkers::default(),
            worker_commands: Arc::new(WorkerCommands::new()),
            compression_refused: AtomicBool::new(true),
            attached: OnceLock::new(),
        };
        inner.with_capabilities().await
    }

    /// Keeps a value of the worker layer with the connection. The first one stays.
    #[cfg(feature = "worker")]
    pub(crate) fn attach<T: Any + Send + Sync>(&self, value: T) {
        let _ = self.inner.attached.set(Box::new(value));
    }

    /// The value that was attached, if it is of this type.
    #[cfg(feature = "worker")]
    pub(crate) fn attached<T: Any>(&self) -> Option<&T> {
        self.inner.attached.get()?.downcast_ref()
    }

    /// Returns true if the server is the embedded one, in this process.
    #[cfg(feature = "worker")]
    pub(crate) fn is_in_process(&self) -> bool {
        matches!(self.inner.transport, Transport::InProcess(_))
    }

    /// The namespace of the client.
    pub fn namespace(&self) -> &str {
        &self.inner.namespace
    }

    /// Who the client is, as histories show it.
    pub fn identity(&self) -> &str {
        &self.inner.identity
    }

    /// What becomes of values and errors between this program and the server.
    pub fn data_converter(&self) -> &DataConverter {
        &self.inner.data_converter
    }

    /// What the server can do. A server that does not say can do nothing that is asked for here.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    /// The workers that may take the first tasks of workflows that are started over this connection.
    pub(crate) fn eager_workers(&self) -> &EagerWorkers {
        &self.inner.eager_workers
    }

    /// As [`call`](Self::call), for messages with payloads: the request is encoded and the answer decoded by the data
    /// converter.
    pub(crate) async fn call_coded<R: Rpc>(&self, mut request: R) -> Result<R::Response, RpcError> {
        self.encode(&mut request).await?;
        // Boxed: callers would have the request in their future twice.
        let answered = Box::pin(self.call(request)).await;
        self.decoded(R::NAME, answered).await
    }

    /// Makes a request what goes to the server.
    pub(crate) async fn encode<R: Rpc>(&self, request: &mut R) -> Result<(), RpcError> {
        self.data_converter().encode(request).await.map_err(|error| RpcError::codec(R::NAME, &error))
    }

    /// Makes what the server answered what was meant, also if that is an error.
    pub(crate) async fn decoded<M: PayloadFields + Send>(
        &self,
        rpc: &'static str,
        answered: Result<M, RpcError>,
    ) -> Result<M, RpcError> {
        let converter = self.data_converter();
        let decoded = match answered {
            Ok(mut message) => converter.decode_all(&mut message).await.map(|()| Ok(message)),
            Err(mut error) => error.decode_details(converter).await.map(|()| Err(error)),
        };
        decoded.unwrap_or_else(|error| Err(RpcError::codec(rpc, &error)))
    }

    /// The commands that the server sends to the workers of this connection.
    pub(crate) fn worker_commands(&self) -> &Arc<WorkerCommands> {
        &self.inner.worker_commands
    }

    /// Calls, and tries again for up to 10 s where that can help. For calls that somebody waits for.
    pub(crate) async fn call<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        call_over(|| self.clone(), request).await
    }

    /// Calls once, without another attempt.
    pub(crate) async fn call_once<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        self.inner.attempt::<R>(request.encode_to_vec().into(), CALL_TIMEOUT).await
    }

    /// Calls once a method that the server answers when there is something to say, within 70 s.
    ///
    /// The caller loops: it knows what an empty answer means, and whether to go on after an error
    /// ([`is_transient`](Self::is_transient), with a [`Backoff`]).
    pub(crate) async fn long_poll<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        self.long_poll_within(request, LONG_POLL_TIMEOUT).await
    }

    /// As [`long_poll`](Self::long_poll), answered sooner: a little before that much time has passed.
    pub(crate) async fn long_poll_within<R: Rpc>(&self, request: R, time: Duration) -> Result<R::Response, RpcError> {
        self.inner.attempt::<R>(request.encode_to_vec().into(), time).await
    }

    /// Returns true if the same call may succeed a little later.
    pub(crate) fn is_transient(&self, error: &RpcError) -> bool {
        // A server that tells its own bugs from passing trouble reports the latter under other codes.
        error.is_transient(!self.inner.capabilities.internal_error_differentiation)
    }
}

/// Calls, and tries again for up to 10 s where that can help. Each attempt asks for the connection anew: another one may
/// have taken over meanwhile.
///
/// # Errors
/// Those that another attempt would not help against, and the last one when the schedule gives up.
pub(crate) async fn call_over<R: Rpc>(
    connection: impl Fn() -> Connection,
    request: R,
) -> Result<R::Response, RpcError> {
    repeat(connection, request, RetrySchedule::CALL, Connection::is_transient, || false).await
}

/// Calls until the server has judged the request, that much time has passed, or the caller has given up. For calls that
/// would lose finished work, and that can be made twice: the server knows a task by its token.
///
/// # Errors
/// The server's own verdict, and the last error otherwise.
pub(crate) async fn deliver_over<R: Rpc>(
    connection: impl Fn() -> Connection,
    request: R,
    time: Duration,
    given_up: impl Fn() -> bool,
) -> Result<R::Response, RpcError> {
    let is_open = |_: &Connection, error: &RpcError| !error.is_verdict();
    repeat(connection, request, RetrySchedule::within(time), is_open, given_up).await
}

async fn repeat<R: Rpc>(
    connection: impl Fn() -> Connection,
    request: R,
    schedule: RetrySchedule,
    may_pass: impl Fn(&Connection, &RpcError) -> bool,
    given_up: impl Fn() -> bool,
) -> Result<R::Response, RpcError> {
    let encoded = Bytes::from(request.encode_to_vec());
    drop(request);
    let started = Instant::now();
    let (mut backoff, mut told) = (None, false);
    loop {
        let connection = connection();
        let error = match connection.inner.attempt::<R>(encoded.clone(), CALL_TIMEOUT).await {
            Ok(response) => return Ok(response),
            Err(error) if may_pass(&connection, &error) => error,
            Err(error) => return Err(error),
        };
        let backoff = backoff.get_or_insert_with(|| Backoff::new(schedule));
        let Some(wait) = backoff.next(&error, started.elapsed()).filter(|_| !given_up()) else { return Err(error) };
        tracing::debug!(rpc = R::NAME, %error, ?wait, "the call is tried again");
        if started.elapsed() > QUIET_FOR && !std::mem::replace(&mut told, true) {
            let lasts = measured_text(started.elapsed());
            tracing::warn!("a call has failed for {lasts} and is tried again all the same: {error}");
        }
        sleep(wait).await;
        if given_up() {
            return Err(error);
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.inner.address)
            .field("namespace", &self.inner.namespace)
            .field("identity", &self.inner.identity)
            .finish_non_exhaustive()
    }
}

impl Inner {
    async fn with_capabilities(mut self) -> Result<Connection, ConnectError> {
        let request = Bytes::new();
        self.capabilities = match self.attempt::<GetSystemInfoRequest>(request, SYSTEM_INFO_TIMEOUT).await {
            Ok(response) => response.capabilities.unwrap_or_default(),
            // Old servers do not know the method.
            Err(error) if error.is_unimplemented() => Capabilities::default(),
            Err(error) => return Err(ConnectError::unreachable(&self.address, self.shows_certificate, error)),
        };
        Ok(Connection { inner: Arc::new(self) })
    }

    async fn attempt<R: Rpc>(&self, encoded: Bytes, timeout: Duration) -> Result<R::Response, RpcError> {
        let compress = encoded.len() >= COMPRESS_FROM_BYTES && !self.compression_refused.load(Ordering::Relaxed);
        match self.send::<R>(encoded.clone(), timeout, compress).await {
            Err(error) if compress && error.is_compression_refused() => {
                tracing::warn!(address = self.address, %error, "the server does not read gzip; requests go uncompressed from now on");
                self.compression_refused.store(true, Ordering::Relaxed);
                self.send::<R>(encoded, timeout, false).await
            }
            answered => answered,
        }
    }

    async fn send<R: Rpc>(&self, encoded: Bytes, timeout: Duration, compress: bool) -> Result<R::Response, RpcError> {
        let mut grpc = Grpc::new(self.transport.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES);
        if compress {
            // Responses are compressed only where the request was: servers take the request's encoding for both.
            grpc = grpc.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
        }
        let codec = EncodedCodec::<R::Response>::new(encoded.len());
        let mut request = tonic::Request::new(encoded);
        *request.metadata_mut() = self.metadata.clone();
        request.set_timeout(timeout);
        let answered = async {
            grpc.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
            grpc.unary(request, PathAndQuery::from_static(R::PATH), codec).await
        };
        match answered.await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(RpcError::from_status(R::NAME, &status)),
        }
    }
}

/// Waits in a client's call; workflow code never comes here.
#[expect(clippy::disallowed_methods, reason = "retries of calls wait in real time, outside workflow code")]
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

fn endpoint(address: &str, tls: Option<TlsOptions>) -> Result<Endpoint, ConnectError> {
    let invalid = |error: &dyn std::error::Error| {
        ConnectError::invalid(format!("`{address}` is not the address of a server ({error}); expected `host:port`"))
    };
    let endpoint = Endpoint::from_shared(address.to_string())
        .map_err(|error| invalid(&error))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(15))
        .keep_alive_while_idle(true);
    match tls {
        Some(tls) => with_tls(endpoint, tls),
        None => Ok(endpoint),
    }
}

#[cfg(feature = "tls")]
fn with_tls(endpoint: Endpoint, tls: TlsOptions) -> Result<Endpoint, ConnectError> {
    use tonic::transport::{Certificate, ClientTlsConfig, Identity};

    let mut config = ClientTlsConfig::new();
    config = match tls.server_ca_cert {
        Some(pem) if !has_certificate(&pem) => {
            return Err(ConnectError::invalid(format!(
                "the {} bytes of `server_ca_cert` hold no certificate; expected PEM text with `-----BEGIN \
                 CERTIFICATE-----`, the file itself, not its path",
                pem.len()
            )));
        }
        Some(pem) => config.ca_certificate(Certificate::from_pem(pem)),
        None => config.with_native_roots(),
    };
    if let Some((cert, key)) = tls.client_identity {
        config = config.identity(Identity::from_pem(cert, key));
    }
    if let Some(name) = tls.server_name {
        config = config.domain_name(name);
    }
    endpoint.tls_config(config).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        ConnectError::invalid(format!(
            "the TLS settings cannot be used: {cause}; expected certificates and keys as PEM"
        ))
    })
}

/// Without one nothing would be trusted, and every server refused as if it were an impostor.
#[cfg(feature = "tls")]
fn has_certificate(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    let begin =
        ["-----BEGIN CERTIFICATE-----", "-----BEGIN TRUSTED CERTIFICATE-----", "-----BEGIN X509 CERTIFICATE-----"];
    begin.iter().any(|begin| text.contains(begin))
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Endpoint, _: TlsOptions) -> Result<Endpoint, ConnectError> {
    Err(ConnectError::invalid("TLS is asked for, but this program was built without it; enable abide's feature `tls`"))
}

/// The headers of every call.
fn metadata(options: &ClientOptions) -> Result<MetadataMap, ConnectError> {
    let mut metadata = MetadataMap::new();
    metadata.insert("client-name", MetadataValue::from_static("abide"));
    metadata.insert("client-version", MetadataValue::from_static(env!("CARGO_PKG_VERSION")));
    // Without this the server shows a retried or repeated run as one that continued as new.
    metadata.insert("supported-features", MetadataValue::from_static("follows-next-run-id"));
    metadata.insert("temporal-namespace", header_value("the namespace", &options.namespace)?);
    for (name, value) in &options.rpc_metadata {
        let key: MetadataKey<Ascii> = name.parse().map_err(|_| {
            ConnectError::invalid(format!(
                "`{name}` is not the name of a header; expected lower case letters, digits, `-`, `_`"
            ))
        })?;
        metadata.insert(key, header_value(&format!("the value of the header `{name}`"), value)?);
    }
    if let Some(key) = &options.api_key {
        let mut bearer = header_value("the API key", &format!("Bearer {}", key.trim()))?;
        bearer.set_sensitive(true);
        metadata.insert("authorization", bearer);
    }
    Ok(metadata)
}

/// The value itself is not shown in the error: it may be a secret.
fn header_value(what: &str, value: &str) -> Result<MetadataValue<Ascii>, ConnectError> {
    value.parse().map_err(|_| {
        ConnectError::invalid(format!("{what} has characters that a header cannot hold; expected visible ASCII"))
    })
}

/// `pid@hostname`, as other SDKs have it.
fn default_identity() -> String {
    let host = host_name();
    format!("{}@{}", std::process::id(), if host.is_empty() { "unknown-host" } else { &host })
}

/// This machine's name; empty if it does not say.
pub(crate) fn host_name() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname")).unwrap_or_default();
    host.trim().to_string()
}

/// Where requests go.
#[derive(Clone)]
enum Transport {
    Channel(Channel),
    InProcess(Arc<dyn InProcess>),
}

trait InProcess: Send + Sync {
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

/// A call under way; over gRPC without another box around it.
enum TransportFuture {
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

#[cfg(test)]
mod tests;

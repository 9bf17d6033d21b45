//! The connection to a Temporal server: over gRPC, or to a service in the same process.
//!
//! Clients and workers share a connection. It reconnects by itself; calls are retried according to
//! [`retry`](super::retry). Only large requests are compressed: gzip on all messages would cost a worker most of its
//! CPU time.

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
use super::request_metrics::{RequestKind, RequestMetrics};
use super::retry::{Backoff, RetrySchedule};
use super::rpc::{EncodedCodec, Rpc};
use super::rpc_error::RpcError;
use super::worker_commands::WorkerCommands;
use crate::converter::DataConverter;
use crate::duration::measured_text;
use crate::interceptor::client::ClientInterceptor;
use crate::metrics::Metrics;
use crate::plugin::Plugins;

const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The server answers a long poll after at most 60 s.
pub(crate) const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(70);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time after which a call that is still being retried is logged.
const QUIET_FOR: Duration = Duration::from_secs(10);
const SYSTEM_INFO_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_RESPONSE_BYTES: usize = 128 * 1024 * 1024;
/// Request size in bytes from which on requests are compressed. Smaller ones travel faster over loopback or a data
/// centre's network than gzip compresses them; larger ones are usually JSON, which compresses well.
const COMPRESS_FROM_BYTES: usize = 32 * 1024;

type HttpRequest = http::Request<tonic::body::Body>;
type HttpResponse = http::Response<tonic::body::Body>;
type HttpFuture = Pin<Box<dyn Future<Output = Result<HttpResponse, StdError>> + Send>>;

/// A connection to a Temporal server, cheap to clone.
///
/// Made by [`Client::connect`](super::Client::connect).
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
    /// True if calls over this clone go past the interceptors.
    is_direct: bool,
}

struct Inner {
    transport: Transport,
    /// True if the client presents a TLS certificate to the server.
    shows_certificate: bool,
    metadata: MetadataMap,
    address: String,
    namespace: String,
    identity: String,
    capabilities: Capabilities,
    data_converter: DataConverter,
    metrics: Metrics,
    request_metrics: RequestMetrics,
    /// The interceptors of the client's calls, outermost first.
    interceptors: Vec<Arc<dyn ClientInterceptor>>,
    /// The plugins that have configured the client, for its workers.
    plugins: Plugins,
    /// The workers that may take the first tasks of workflows started over this connection.
    eager_workers: EagerWorkers,
    /// The commands that the server sends to this connection's workers.
    worker_commands: Arc<WorkerCommands>,
    /// True once the server or a proxy has refused gzip.
    compression_refused: AtomicBool,
    /// A value that the worker layer keeps with the connection; opaque to the client.
    attached: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Connection {
    /// Connects and reads the server's capabilities.
    ///
    /// # Errors
    /// Returns an error if an option is invalid, or no Temporal server answers at the address.
    pub(crate) async fn connect(options: &ClientOptions) -> Result<Self, ConnectError> {
        let options = &options.with_plugins()?;
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
            metrics: options.metrics.clone(),
            request_metrics: RequestMetrics::new(&options.metrics, &options.namespace),
            interceptors: options.interceptors.clone(),
            plugins: options.plugins.clone(),
            eager_workers: EagerWorkers::default(),
            worker_commands: Arc::new(WorkerCommands::new()),
            compression_refused: AtomicBool::new(false),
            attached: OnceLock::new(),
        };
        inner.with_capabilities().await
    }

    /// Connects to a service in this process, such as the embedded server of `abide-testing`.
    ///
    /// # Errors
    /// Returns an error if an option is invalid, or the service does not answer as a Temporal server does.
    #[doc(hidden)]
    pub async fn in_process<S>(service: S, options: &ClientOptions) -> Result<Self, ConnectError>
    where
        S: Service<HttpRequest, Response = HttpResponse> + Clone + Send + Sync + 'static,
        S::Error: Into<StdError>,
        S::Future: Send + 'static,
    {
        let options = &options.with_plugins()?;
        let inner = Inner {
            transport: Transport::InProcess(Arc::new(service)),
            shows_certificate: false,
            metadata: metadata(options)?,
            address: "(in process)".to_string(),
            namespace: options.namespace.clone(),
            identity: options.identity.clone().unwrap_or_else(default_identity),
            capabilities: Capabilities::default(),
            data_converter: options.data_converter.clone(),
            metrics: options.metrics.clone(),
            request_metrics: RequestMetrics::new(&options.metrics, &options.namespace),
            interceptors: options.interceptors.clone(),
            plugins: options.plugins.clone(),
            eager_workers: EagerWorkers::default(),
            worker_commands: Arc::new(WorkerCommands::new()),
            compression_refused: AtomicBool::new(true),
            attached: OnceLock::new(),
        };
        inner.with_capabilities().await
    }

    /// Returns this connection without its interceptors, for a test environment's own calls.
    #[doc(hidden)]
    pub fn without_interceptors(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), is_direct: true }
    }

    /// Returns the interceptors of calls over this connection, outermost first.
    pub(super) fn interceptors(&self) -> &[Arc<dyn ClientInterceptor>] {
        if self.is_direct { &[] } else { &self.inner.interceptors }
    }

    /// Returns the plugins that have configured the client.
    #[cfg(feature = "worker")]
    pub(crate) fn plugins(&self) -> &Plugins {
        &self.inner.plugins
    }

    /// Keeps a value of the worker layer with the connection. If there is one already, it stays.
    #[cfg(feature = "worker")]
    pub(crate) fn attach<T: Any + Send + Sync>(&self, value: T) {
        let _ = self.inner.attached.set(Box::new(value));
    }

    /// Returns the attached value, if it has this type.
    #[cfg(feature = "worker")]
    pub(crate) fn attached<T: Any>(&self) -> Option<&T> {
        self.inner.attached.get()?.downcast_ref()
    }

    /// Returns true if the server runs in this process.
    #[cfg(feature = "worker")]
    pub(crate) fn is_in_process(&self) -> bool {
        matches!(self.inner.transport, Transport::InProcess(_))
    }

    /// Returns the client's namespace.
    pub fn namespace(&self) -> &str {
        &self.inner.namespace
    }

    /// Returns the client's identity, as shown in histories.
    pub fn identity(&self) -> &str {
        &self.inner.identity
    }

    /// Returns the converter of values and errors between this program and the server.
    pub fn data_converter(&self) -> &DataConverter {
        &self.inner.data_converter
    }

    /// Returns the metrics of this connection's clients and workers.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Returns the server's capabilities. A server that does not report any counts as having none.
    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    /// Returns the workers that may take the first tasks of workflows started over this connection.
    pub(crate) fn eager_workers(&self) -> &EagerWorkers {
        &self.inner.eager_workers
    }

    /// Like [`call`](Self::call), for messages with payloads: the data converter encodes the request and decodes the
    /// answer.
    pub(crate) async fn call_coded<R: Rpc>(&self, mut request: R) -> Result<R::Response, RpcError> {
        self.encode(&mut request).await?;
        // Boxed, because the caller's future would otherwise contain the request twice.
        let answered = Box::pin(self.call(request)).await;
        self.decoded(R::NAME, answered).await
    }

    /// Encodes a request in place for sending.
    pub(crate) async fn encode<R: Rpc>(&self, request: &mut R) -> Result<(), RpcError> {
        self.data_converter().encode(request).await.map_err(|error| RpcError::codec(R::NAME, &error))
    }

    /// Decodes the server's answer, including an error.
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

    /// Returns the commands that the server sends to this connection's workers.
    pub(crate) fn worker_commands(&self) -> &Arc<WorkerCommands> {
        &self.inner.worker_commands
    }

    /// Calls, with retries for up to 10 s where they can help. For calls with a waiting caller.
    pub(crate) async fn call<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        call_over(|| self.clone(), request).await
    }

    /// Calls once, without retries.
    pub(crate) async fn call_once<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        self.inner.attempt::<R>(request.encode_to_vec().into(), CALL_TIMEOUT, RequestKind::Short).await
    }

    /// Makes one long poll, which the server answers within 70 s at the latest.
    ///
    /// The caller loops: it interprets an empty answer and decides whether to retry after an error
    /// ([`is_transient`](Self::is_transient), with a [`Backoff`]).
    pub(crate) async fn long_poll<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        self.long_poll_within(request, LONG_POLL_TIMEOUT).await
    }

    /// Like [`long_poll`](Self::long_poll), answered a little before `time` has passed.
    pub(crate) async fn long_poll_within<R: Rpc>(&self, request: R, time: Duration) -> Result<R::Response, RpcError> {
        self.inner.attempt::<R>(request.encode_to_vec().into(), time, RequestKind::LongPoll).await
    }

    /// Returns true if a retry may soon succeed.
    pub(crate) fn is_transient(&self, error: &RpcError) -> bool {
        // A server that distinguishes bugs from temporary errors reports the latter under other codes.
        error.is_transient(!self.inner.capabilities.internal_error_differentiation)
    }
}

/// Calls, with retries for up to 10 s where they can help. Each attempt asks for the connection again, because it may
/// have been replaced.
///
/// # Errors
/// Returns an error that a retry would not help against, or the last error when the schedule ends.
pub(crate) async fn call_over<R: Rpc>(
    connection: impl Fn() -> Connection,
    request: R,
) -> Result<R::Response, RpcError> {
    repeat(connection, request, RetrySchedule::CALL, Connection::is_transient, || false).await
}

/// Calls until the server has accepted or refused the request, the time has passed, or the caller gives up. For calls
/// whose loss would lose finished work. They may be repeated, because the server identifies a task by its token.
///
/// # Errors
/// Returns the server's refusal, otherwise the last error.
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
        let error = match connection.inner.attempt::<R>(encoded.clone(), CALL_TIMEOUT, RequestKind::Short).await {
            Ok(response) => return Ok(response),
            Err(error) if may_pass(&connection, &error) => error,
            Err(error) => return Err(error),
        };
        let backoff = backoff.get_or_insert_with(|| Backoff::new(schedule));
        let Some(wait) = backoff.next(&error, started.elapsed()).filter(|_| !given_up()) else { return Err(error) };
        tracing::debug!(rpc = R::NAME, %error, ?wait, "a call has failed and is retried");
        if started.elapsed() > QUIET_FOR && !std::mem::replace(&mut told, true) {
            let lasts = measured_text(started.elapsed());
            tracing::warn!("a call has failed for {lasts} and is still retried: {error}");
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
        self.capabilities =
            match self.attempt::<GetSystemInfoRequest>(request, SYSTEM_INFO_TIMEOUT, RequestKind::Short).await {
                Ok(response) => response.capabilities.unwrap_or_default(),
                // Old servers do not have this method.
                Err(error) if error.is_unimplemented() => Capabilities::default(),
                Err(error) => return Err(ConnectError::unreachable(&self.address, self.shows_certificate, error)),
            };
        Ok(Connection { inner: Arc::new(self), is_direct: false })
    }

    async fn attempt<R: Rpc>(
        &self,
        encoded: Bytes,
        timeout: Duration,
        kind: RequestKind,
    ) -> Result<R::Response, RpcError> {
        let compress = encoded.len() >= COMPRESS_FROM_BYTES && !self.compression_refused.load(Ordering::Relaxed);
        match self.send::<R>(encoded.clone(), timeout, kind, compress).await {
            Err(error) if compress && error.is_compression_refused() => {
                tracing::warn!(address = self.address, %error,
                "the server does not accept gzip; requests are sent uncompressed from now on"
                );
                self.compression_refused.store(true, Ordering::Relaxed);
                self.send::<R>(encoded, timeout, kind, false).await
            }
            answered => answered,
        }
    }

    async fn send<R: Rpc>(
        &self,
        encoded: Bytes,
        timeout: Duration,
        kind: RequestKind,
        compress: bool,
    ) -> Result<R::Response, RpcError> {
        let mut grpc = Grpc::new(self.transport.clone()).max_decoding_message_size(MAX_RESPONSE_BYTES);
        if compress {
            // Responses are compressed only if the request was: servers use the request's encoding for both.
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
        let counted = self.request_metrics.begin::<R>(kind);
        match answered.await {
            Ok(response) => {
                counted.ended(None);
                Ok(response.into_inner())
            }
            Err(status) => {
                let error = RpcError::from_status(R::NAME, &status);
                counted.ended(Some(error.code_for_metrics(&status)));
                Err(if matches!(self.transport, Transport::Channel(_)) { error.at(&self.address) } else { error })
            }
        }
    }
}

/// Waits within a client call; workflow code never gets here.
#[expect(clippy::disallowed_methods, reason = "retries of calls wait in real time, outside workflow code")]
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

fn endpoint(address: &str, tls: Option<TlsOptions>) -> Result<Endpoint, ConnectError> {
    let invalid = |error: &dyn std::error::Error| {
        let address = address.escape_debug();
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
                "the {} bytes of `TlsOptions::server_ca_cert` (TEMPORAL_TLS_SERVER_CA_CERT_PATH or _DATA) hold no \
                 certificate; expected PEM text with `-----BEGIN CERTIFICATE-----`: the content of the file, not its \
                 path",
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
        ConnectError::invalid(format!("the TLS settings cannot be used: {}{cause}", expected_of_tls(&cause)))
    })
}

/// Names the setting that the transport's error is about.
#[cfg(feature = "tls")]
fn expected_of_tls(cause: &str) -> &'static str {
    if cause.contains("dns name") {
        "expected `TlsOptions::server_name` (TEMPORAL_TLS_SERVER_NAME) to be a name such as `temporal.example`: "
    } else if cause.contains("private key") {
        "expected the key of `TlsOptions::client_identity` (TEMPORAL_TLS_CLIENT_KEY_PATH) as PEM: "
    } else {
        "expected certificates and keys as PEM: "
    }
}

/// A PEM text without a certificate would trust none, and every server would be rejected as untrusted.
#[cfg(feature = "tls")]
fn has_certificate(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    let begin =
        ["-----BEGIN CERTIFICATE-----", "-----BEGIN TRUSTED CERTIFICATE-----", "-----BEGIN X509 CERTIFICATE-----"];
    begin.iter().any(|begin| text.contains(begin))
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: Endpoint, _: TlsOptions) -> Result<Endpoint, ConnectError> {
    Err(ConnectError::invalid(
        "TLS is requested, but this program was built without it; enable the feature `tls` of `abide`",
    ))
}

/// Returns the headers of every call.
fn metadata(options: &ClientOptions) -> Result<MetadataMap, ConnectError> {
    let mut metadata = MetadataMap::new();
    metadata.insert("client-name", MetadataValue::from_static("abide"));
    metadata.insert("client-version", MetadataValue::from_static(env!("CARGO_PKG_VERSION")));
    // Without this header, the server reports a retried or repeated run as continued as new.
    metadata.insert("supported-features", MetadataValue::from_static("follows-next-run-id"));
    check_names(options)?;
    metadata.insert("temporal-namespace", header_value("the namespace", &options.namespace)?);
    for (name, value) in &options.rpc_metadata {
        let key: MetadataKey<Ascii> = name.parse().map_err(|_| {
            ConnectError::invalid(format!(
                "`{}` is not a valid name of a header in `rpc_metadata`; expected lower-case letters, digits, `-` and \
                 `_`, not the prefix `grpc-`, and not the suffix `-bin`",
                name.escape_debug()
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

/// Refuses settings that the server would take for missing ones, or the protocol for its own.
fn check_names(options: &ClientOptions) -> Result<(), ConnectError> {
    if options.namespace.is_empty() {
        return Err(ConnectError::invalid(
            "the namespace is empty; expected the name of a namespace, or leave the option out for `default`",
        ));
    }
    if options.identity.as_ref().is_some_and(|identity| identity.is_empty()) {
        return Err(ConnectError::invalid(
            "the client's identity is empty; expected a name for histories, or leave the option out for `pid@hostname`",
        ));
    }
    if options.api_key.as_ref().is_some_and(|key| key.trim().is_empty()) {
        return Err(ConnectError::invalid(
            "the API key is empty; expected the key, or leave the option out to connect without one",
        ));
    }
    match options.rpc_metadata.iter().find(|(name, _)| name.starts_with("grpc-")) {
        None => Ok(()),
        Some((name, _)) => Err(ConnectError::invalid(format!(
            "`{}` in `rpc_metadata` begins with `grpc-`, which gRPC reserves; choose another name",
            name.escape_debug()
        ))),
    }
}

/// The error does not show the value, because it may be a secret.
fn header_value(what: &str, value: &str) -> Result<MetadataValue<Ascii>, ConnectError> {
    value.parse().map_err(|_| {
        ConnectError::invalid(format!(
            "{what} has characters that a gRPC header cannot hold; expected visible ASCII characters"
        ))
    })
}

/// Returns `pid@hostname`, as in other SDKs.
fn default_identity() -> String {
    let host = host_name();
    format!("{}@{}", std::process::id(), if host.is_empty() { "unknown-host" } else { &host })
}

/// Returns this machine's name; empty if unknown.
pub(crate) fn host_name() -> String {
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname")).unwrap_or_default();
    host.trim().to_string()
}

/// The destination of requests.
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

/// A call in progress. The gRPC variant needs no extra box.
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

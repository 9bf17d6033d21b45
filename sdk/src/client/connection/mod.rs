//! The connection to a Temporal server: over gRPC, or to a service in the same process.
//!
//! Clients and workers share a connection. It reconnects by itself (`dial.rs`); calls are retried according to
//! [`retry`](super::retry). Only large requests are compressed: gzip on all messages would cost a worker most of its
//! CPU time.

mod dial;
mod endpoint;
pub(super) mod headers;
mod transport;

use std::any::Any;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use abide_protos::payload_fields::PayloadFields;
use abide_protos::payload_owners::Owner;
use abide_protos::prost::bytes::Bytes;
use abide_protos::temporal::api::workflowservice::v1::GetSystemInfoRequest;
use abide_protos::temporal::api::workflowservice::v1::get_system_info_response::Capabilities;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::codegen::StdError;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tower_service::Service;

use self::dial::{Network, Watch};
use self::headers::{bearer, entry, metadata};
use self::transport::Transport;
pub(crate) use self::transport::{HttpRequest, HttpResponse};
use super::call_options::CallOptions;
use super::eager::EagerWorkers;
use super::errors::ConnectError;
use super::options::{ClientOptions, TlsOptions};
use super::request_metrics::{RequestKind, RequestMetrics};
use super::retry::{Backoff, RetrySchedule};
use super::rpc::{EncodedCodec, Rpc};
use super::rpc_error::RpcError;
use super::worker_commands::WorkerCommands;
use crate::converter::{DataConverter, OwnerRef, Whose};
use crate::duration::measured_text;
use crate::interceptor::client::ClientInterceptor;
use crate::metrics::Metrics;
use crate::plugin::Plugins;

const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The server answers a long poll after at most 60 s.
pub(crate) const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(70);
/// Time after which a call that is still being retried is logged.
const QUIET_FOR: Duration = Duration::from_secs(10);
/// gRPC has no timeout of zero.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
const SYSTEM_INFO_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_RESPONSE_BYTES: usize = 128 * 1024 * 1024;
/// Request size in bytes from which on requests are compressed. Smaller ones travel faster over loopback or a data
/// centre's network than gzip compresses them; larger ones are usually JSON, which compresses well.
const COMPRESS_FROM_BYTES: usize = 32 * 1024;

/// A connection to a Temporal server, cheap to clone.
///
/// Made by [`Client::connect`](super::Client::connect).
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
    /// True if calls over this clone go past the interceptors.
    is_direct: bool,
    /// The options of calls over this clone, if they are not the usual ones.
    call_options: Option<Arc<CallOptions>>,
}

struct Inner {
    /// Replaced when the network or the certificates change. Calls that are under way keep the old one.
    transport: RwLock<Transport>,
    /// What is needed to connect again; `None` if the server runs in this process.
    network: Option<Mutex<Network>>,
    /// Asks again for the addresses of the server's name.
    watch: OnceLock<Watch>,
    metadata: RwLock<MetadataMap>,
    address: String,
    namespace: String,
    identity: String,
    /// Read before the first call.
    capabilities: OnceCell<Capabilities>,
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
        let connection = Self::lazy(options)?;
        connection.read_capabilities().await?;
        Ok(connection)
    }

    /// Makes a connection that connects when the first call is made.
    ///
    /// # Errors
    /// Returns an error if an option is invalid, or no tokio runtime is running.
    pub(crate) fn lazy(options: &ClientOptions) -> Result<Self, ConnectError> {
        let options = &options.with_plugins()?;
        let (address, tls) = options.endpoint()?;
        let network = Network::new(&address, tls, options.http_proxy.clone())?;
        let transport = Transport::Channel(network.channel()?);
        let inner = Arc::new(Inner::new(options, transport, address, Some(network))?);
        if let Some(watch) = Watch::over(&inner, dial::LOOKUP_EVERY) {
            let _ = inner.watch.set(watch);
        }
        Ok(Self::over(inner))
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
        let transport = Transport::InProcess(Arc::new(service));
        let connection = Self::over(Arc::new(Inner::new(options, transport, "(in process)".to_string(), None)?));
        connection.read_capabilities().await?;
        Ok(connection)
    }

    fn over(inner: Arc<Inner>) -> Self {
        Self { inner, is_direct: false, call_options: None }
    }

    async fn read_capabilities(&self) -> Result<(), ConnectError> {
        let inner = &self.inner;
        let shows_certificate = inner.network.as_ref().is_some_and(|network| lock(network).shows_certificate());
        let known = inner.known_capabilities(self.call_options.as_deref()).await;
        known.map_err(|error| ConnectError::unreachable(&inner.address, shows_certificate, error))
    }

    /// Replaces the API key of all later calls over this connection and its clones: those of its clients, handles and
    /// workers. Calls that are under way keep the old key.
    ///
    /// Keys expire. A program that reads its key from a file or from a secret store calls this when the key changes.
    ///
    /// # Errors
    /// Returns an error if the key is empty or no header can hold it, or if others could read it because the connection is
    /// not encrypted and [`api_key_without_tls`](ClientOptions::api_key_without_tls) did not allow that.
    pub fn set_api_key(&self, key: &str) -> Result<(), ConnectError> {
        let key_is_set = self.metadata().contains_key("authorization");
        let is_readable = self.inner.network.as_ref().is_some_and(|network| !lock(network).is_encrypted());
        // An unencrypted connection that has a key already was allowed to have one.
        if is_readable && !key_is_set {
            return Err(ConnectError::invalid(format!(
                "the connection to `{}` is not encrypted, so others on the network could read the API key; connect with \
                 TLS, or allow the unencrypted key with `api_key_without_tls(..)` when you connect",
                self.inner.address
            )));
        }
        let bearer = bearer(key)?;
        self.inner.metadata.write().unwrap_or_else(PoisonError::into_inner).insert("authorization", bearer);
        Ok(())
    }

    /// Replaces one piece of [metadata](ClientOptions::rpc_metadata) of all later calls over this connection and its
    /// clones.
    ///
    /// # Errors
    /// Returns an error if the name or the value is not valid in a gRPC header.
    pub fn set_rpc_metadata(&self, name: &str, value: &str) -> Result<(), ConnectError> {
        let (name, value) = entry(name, value).map_err(ConnectError::invalid)?;
        self.inner.metadata.write().unwrap_or_else(PoisonError::into_inner).insert(name, value);
        Ok(())
    }

    /// Replaces the certificates of this connection and its clones, before they expire. Later calls use a new network
    /// connection; calls that are under way end over the old one.
    ///
    /// # Errors
    /// Returns an error if a setting is invalid, or the connection is not encrypted. The old settings then stay.
    pub fn set_tls(&self, tls: TlsOptions) -> Result<(), ConnectError> {
        let Some(network) = self.inner.network.as_ref().filter(|network| lock(network).is_encrypted()) else {
            return Err(ConnectError::invalid(format!(
                "the connection to `{}` is not encrypted, so its certificates cannot be replaced; connect with TLS",
                self.inner.address
            )));
        };
        let changed = lock(network).with_tls(tls);
        let channel = changed.channel()?;
        *lock(network) = changed;
        self.inner.set_transport(Transport::Channel(channel));
        Ok(())
    }

    /// Returns a connection whose calls have these options.
    pub(super) fn with_call_options(&self, options: CallOptions) -> Self {
        Self { call_options: Some(Arc::new(options)), ..self.clone() }
    }

    /// Sends a request past all that Abide adds to calls, except for the metadata.
    pub(crate) async fn send_raw(&self, mut request: HttpRequest) -> Result<HttpResponse, StdError> {
        let mut metadata = self.metadata();
        if let Some(options) = &self.call_options {
            options.add_to(&mut metadata)?;
        }
        for (name, value) in &metadata.into_headers() {
            // What the caller has set stays.
            if !request.headers().contains_key(name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        let mut transport = self.inner.transport();
        poll_fn(|cx| transport.poll_ready(cx)).await?;
        transport.call(request).await
    }

    fn metadata(&self) -> MetadataMap {
        self.inner.metadata.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns this connection without its interceptors, for a test environment's own calls.
    #[doc(hidden)]
    pub fn without_interceptors(&self) -> Self {
        Self { is_direct: true, ..self.clone() }
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
        self.inner.network.is_none()
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

    /// Returns the server's capabilities. A server that does not report any counts as having none, as does one that
    /// nobody has called yet.
    pub(crate) fn capabilities(&self) -> Capabilities {
        self.inner.capabilities.get().copied().unwrap_or_default()
    }

    /// Returns the workers that may take the first tasks of workflows started over this connection.
    pub(crate) fn eager_workers(&self) -> &EagerWorkers {
        &self.inner.eager_workers
    }

    /// Like [`call`](Self::call), for messages with payloads: the data converter encodes the request and decodes the
    /// answer.
    pub(crate) async fn call_coded<R: Rpc>(&self, mut request: R) -> Result<R::Response, RpcError> {
        self.encode(&mut request).await?;
        let owner = self.owner_of(&request);
        // Boxed, because the caller's future would otherwise contain the request twice.
        let answered = Box::pin(self.call(request)).await;
        self.decoded(R::NAME, &owner, answered).await
    }

    /// Encodes a request in place for sending.
    pub(crate) async fn encode<R: Rpc>(&self, request: &mut R) -> Result<(), RpcError> {
        let owner = self.owner_of(request);
        self.data_converter()
            .encode(request, self.whose(&owner))
            .await
            .map_err(|error| RpcError::codec(R::NAME, &error))
    }

    /// Returns the owner of the payloads of a request and its answer, if a codec may ask for it.
    pub(crate) fn owner_of<R: Rpc>(&self, request: &R) -> Owner {
        if self.data_converter().has_codecs() { request.owner().unwrap_or_default() } else { Owner::Unknown }
    }

    fn whose<'a>(&'a self, owner: &'a Owner) -> Whose<'a> {
        Whose { namespace: self.namespace(), owner: OwnerRef::Known(owner) }
    }

    /// Decodes the server's answer, including an error. `owner` is the request's.
    pub(crate) async fn decoded<M: PayloadFields + Send>(
        &self,
        rpc: &'static str,
        owner: &Owner,
        answered: Result<M, RpcError>,
    ) -> Result<M, RpcError> {
        let (converter, whose) = (self.data_converter(), self.whose(owner));
        let decoded = match answered {
            Ok(mut message) => converter.decode_all(&mut message, whose).await.map(|()| Ok(message)),
            Err(mut error) => error.decode_details(converter, whose).await.map(|()| Err(error)),
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
        let timeout = self.call_timeout(Duration::ZERO);
        self.attempt::<R>(request.encode_to_vec().into(), timeout, RequestKind::Short).await
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
        self.attempt::<R>(request.encode_to_vec().into(), time, RequestKind::LongPoll).await
    }

    /// Returns the time for the next attempt of a call that began this long ago.
    fn call_timeout(&self, elapsed: Duration) -> Duration {
        let limit = self.call_options.as_ref().and_then(|options| options.timeout);
        limit.map_or(CALL_TIMEOUT, |limit| limit.saturating_sub(elapsed).max(SHORTEST_TIMEOUT))
    }

    async fn attempt<R: Rpc>(
        &self,
        encoded: Bytes,
        timeout: Duration,
        kind: RequestKind,
    ) -> Result<R::Response, RpcError> {
        let options = self.call_options.as_deref();
        self.inner.known_capabilities(options).await?;
        self.inner.attempt::<R>(encoded, timeout, kind, options).await
    }

    /// Returns true if a retry may soon succeed.
    pub(crate) fn is_transient(&self, error: &RpcError) -> bool {
        // A server that distinguishes bugs from temporary errors reports the latter under other codes.
        error.is_transient(!self.capabilities().internal_error_differentiation)
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
    let options = connection().call_options;
    let schedule = options.map_or(RetrySchedule::CALL, |options| options.schedule());
    repeat(connection, request, schedule, Connection::is_transient, || false).await
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
        let timeout = connection.call_timeout(started.elapsed());
        let error = match connection.attempt::<R>(encoded.clone(), timeout, RequestKind::Short).await {
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
    fn new(
        options: &ClientOptions,
        transport: Transport,
        address: String,
        network: Option<Network>,
    ) -> Result<Self, ConnectError> {
        Ok(Self {
            compression_refused: AtomicBool::new(network.is_none()),
            transport: RwLock::new(transport),
            network: network.map(Mutex::new),
            watch: OnceLock::new(),
            metadata: RwLock::new(metadata(options)?),
            address,
            namespace: options.namespace.clone(),
            identity: options.identity.clone().unwrap_or_else(default_identity),
            capabilities: OnceCell::new(),
            data_converter: options.data_converter.clone(),
            metrics: options.metrics.clone(),
            request_metrics: RequestMetrics::new(&options.metrics, &options.namespace),
            interceptors: options.interceptors.clone(),
            plugins: options.plugins.clone(),
            eager_workers: EagerWorkers::default(),
            worker_commands: Arc::new(WorkerCommands::new()),
            attached: OnceLock::new(),
        })
    }

    fn transport(&self) -> Transport {
        self.transport.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_transport(&self, transport: Transport) {
        *self.transport.write().unwrap_or_else(PoisonError::into_inner) = transport;
    }

    /// Reads the server's capabilities, unless they are known.
    async fn known_capabilities(&self, options: Option<&CallOptions>) -> Result<(), RpcError> {
        if self.capabilities.initialized() {
            return Ok(());
        }
        let read = || async {
            let answered = self.send::<GetSystemInfoRequest>(
                Bytes::new(),
                SYSTEM_INFO_TIMEOUT,
                RequestKind::Short,
                options,
                false,
            );
            match answered.await {
                Ok(response) => Ok(response.capabilities.unwrap_or_default()),
                // Old servers do not have this method.
                Err(error) if error.is_unimplemented() => Ok(Capabilities::default()),
                Err(error) => Err(error),
            }
        };
        // Boxed, because every call would otherwise have room for it.
        Box::pin(self.capabilities.get_or_try_init(read)).await.map(|_| ())
    }

    async fn attempt<R: Rpc>(
        &self,
        encoded: Bytes,
        timeout: Duration,
        kind: RequestKind,
        options: Option<&CallOptions>,
    ) -> Result<R::Response, RpcError> {
        let compress = encoded.len() >= COMPRESS_FROM_BYTES && !self.compression_refused.load(Ordering::Relaxed);
        match self.send::<R>(encoded.clone(), timeout, kind, options, compress).await {
            Err(error) if compress && error.is_compression_refused() => {
                tracing::warn!(address = self.address, %error,
                "the server does not accept gzip; requests are sent uncompressed from now on"
                );
                self.compression_refused.store(true, Ordering::Relaxed);
                self.send::<R>(encoded, timeout, kind, options, false).await
            }
            answered => answered,
        }
    }

    async fn send<R: Rpc>(
        &self,
        encoded: Bytes,
        timeout: Duration,
        kind: RequestKind,
        options: Option<&CallOptions>,
        compress: bool,
    ) -> Result<R::Response, RpcError> {
        let mut metadata = self.metadata.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(options) = options {
            options.add_to(&mut metadata).map_err(|text| RpcError::invalid(R::NAME, text))?;
        }
        let mut grpc = Grpc::new(self.transport()).max_decoding_message_size(MAX_RESPONSE_BYTES);
        if compress {
            // Responses are compressed only if the request was: servers use the request's encoding for both.
            grpc = grpc.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
        }
        let codec = EncodedCodec::<R::Response>::new(encoded.len());
        let mut request = tonic::Request::new(encoded);
        *request.metadata_mut() = metadata;
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
                Err(if self.network.is_some() { error.at(&self.address) } else { error })
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits within a client call; workflow code never gets here.
#[expect(clippy::disallowed_methods, reason = "retries of calls wait in real time, outside workflow code")]
pub(crate) async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
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

#[cfg(test)]
mod tests;

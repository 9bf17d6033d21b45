//! Network connections: the address of the server's name, a proxy on the way, and a new connection when the name moves.
//!
//! tonic connects again by itself when a connection ends, and then asks for the addresses of the name. A connection that
//! does not end would stay where it is, for instance with a cluster that another one has replaced. So the name is looked up
//! every 30 s, and if the connected address is no longer among its addresses, the next calls use a new connection.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::codegen::StdError;
use tonic::codegen::http::{HeaderValue, Uri};
use tonic::transport::Channel;
use tower_service::Service;

use super::endpoint::{CONNECT_TIMEOUT, endpoint};
use super::transport::Transport;
use super::{Inner, sleep};
use crate::client::errors::ConnectError;
use crate::client::options::TlsOptions;
use crate::client::proxy::HttpProxy;
use crate::client::rpc_error::root_cause;

/// Time between two lookups of the server's name, as in Temporal's Core.
pub(super) const LOOKUP_EVERY: Duration = Duration::from_secs(30);

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is needed to connect to the server, again and again.
#[derive(Clone)]
pub(super) struct Network {
    /// With its scheme.
    address: String,
    tls: Option<TlsOptions>,
    proxy: Option<(Uri, HttpProxy)>,
    resolver: Resolver,
    /// The address of the newest connection.
    peer: Arc<Mutex<Option<SocketAddr>>>,
}

impl Network {
    /// # Errors
    /// Returns an error if the proxy's address is invalid.
    pub(super) fn new(address: &str, tls: Option<TlsOptions>, proxy: Option<HttpProxy>) -> Result<Self, ConnectError> {
        let proxy = proxy.map(|proxy| Ok((proxy.uri().map_err(ConnectError::invalid)?, proxy))).transpose()?;
        Ok(Self { address: address.to_string(), tls, proxy, resolver: Resolver::default(), peer: Arc::default() })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns true if the client presents a TLS certificate to the server.
    pub(super) fn shows_certificate(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.client_identity.is_some())
    }

    pub(super) fn with_tls(&self, tls: TlsOptions) -> Self {
        Self { tls: Some(tls), ..self.clone() }
    }

    /// Returns a channel that connects when it is used.
    ///
    /// # Errors
    /// Returns an error if the address or a TLS setting is invalid, or no tokio runtime is running.
    pub(super) fn channel(&self) -> Result<Channel, ConnectError> {
        let endpoint = endpoint(&self.address, self.tls.clone())?;
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(ConnectError::invalid(
                "a client needs a tokio runtime, and none is running here; connect within `#[tokio::main]` or \
                 `Runtime::block_on(..)`",
            ));
        }
        let mut tcp = HttpConnector::new_with_resolver(self.resolver.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let dialer = Dialer { tcp, proxy: self.proxy.clone(), peer: Arc::clone(&self.peer) };
        Ok(endpoint.connect_with_connector_lazy(dialer))
    }

    /// Returns the server's name, if its addresses are looked up here.
    fn name(&self) -> Option<String> {
        let uri: Uri = self.address.parse().ok()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let is_name = self.proxy.is_none() && host.parse::<IpAddr>().is_err();
        is_name.then(|| host.to_string())
    }

    fn peer(&self) -> Option<SocketAddr> {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks up the server's name from time to time, as long as the connection lives.
pub(super) struct Watch(JoinHandle<()>);

impl Watch {
    /// Begins to watch, unless the server's address is no name.
    #[expect(clippy::disallowed_methods, reason = "the task looks up names, and ends with the connection")]
    pub(super) fn over(inner: &Arc<Inner>, every: Duration) -> Option<Self> {
        let name = super::lock(inner.network.as_ref()?).name()?;
        Some(Self(tokio::spawn(follow(Arc::downgrade(inner), name, every))))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn follow(inner: Weak<Inner>, name: String, every: Duration) {
    loop {
        sleep(every).await;
        let Some(network) = inner.upgrade().and_then(|inner| Some(super::lock(inner.network.as_ref()?).clone())) else {
            return;
        };
        let Some(peer) = network.peer() else { continue };
        // If the name cannot be looked up, the connection stays.
        let Ok(found) = network.resolver.lookup(name.clone()).await else { continue };
        if !has_moved(peer, &found) {
            continue;
        }
        let Some(inner) = inner.upgrade() else { return };
        match network.channel() {
            Ok(channel) => {
                tracing::info!(name, "the server's name has other addresses now; connecting again");
                *network.peer.lock().unwrap_or_else(PoisonError::into_inner) = None;
                inner.set_transport(Transport::Channel(channel));
            }
            Err(error) => tracing::warn!(name, %error, "the server's name has other addresses now, but: {error}"),
        }
    }
}

/// Returns true if a name that has these addresses no longer has that of the connection.
fn has_moved(peer: SocketAddr, found: &[SocketAddr]) -> bool {
    !found.is_empty() && !found.iter().any(|found| found.ip().to_canonical() == peer.ip().to_canonical())
}

/// Makes network connections, through a proxy if there is one.
#[derive(Clone)]
struct Dialer {
    tcp: HttpConnector<Resolver>,
    proxy: Option<(Uri, HttpProxy)>,
    peer: Arc<Mutex<Option<SocketAddr>>>,
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = StdError;
    type Future = BoxFuture<Result<TokioIo<TcpStream>, StdError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let Self { mut tcp, proxy, peer } = self.clone();
        let Some((uri, proxy)) = proxy else {
            return Box::pin(async move {
                let stream = tcp.call(server).await?;
                *peer.lock().unwrap_or_else(PoisonError::into_inner) = stream.inner().peer_addr().ok();
                Ok(stream)
            });
        };
        let mut tunnel = Tunnel::new(uri, tcp);
        if let Some(credentials) = proxy.authorization().and_then(|text| HeaderValue::try_from(text).ok()) {
            tunnel = tunnel.with_auth(credentials);
        }
        Box::pin(
            async move { tunnel.call(server).await.map_err(|error| io::Error::other(refusal(&proxy, &error)).into()) },
        )
    }
}

/// Describes why the proxy has not let the connection through. The error's type is private, so its text decides.
fn refusal(proxy: &HttpProxy, error: &dyn std::error::Error) -> String {
    let address = proxy.address();
    let text = error.to_string();
    if text.contains("proxy authorization required") {
        format!(
            "the proxy at {address} asks for other credentials; set its user name and password with \
             `HttpProxy::basic_auth`"
        )
    } else if text.contains("unsuccessful") {
        format!(
            "the proxy at {address} refuses connections to the server; allow the server's host and port in its settings"
        )
    } else {
        let root = root_cause(error).unwrap_or(text);
        format!("the proxy at {address} does not answer as an HTTP proxy: {root}")
    }
}

/// Finds the addresses of a name.
#[derive(Clone, Default)]
struct Resolver {
    #[cfg(test)]
    scripted: Option<Arc<dyn Fn() -> Vec<SocketAddr> + Send + Sync>>,
}

impl Resolver {
    fn lookup(&self, name: String) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        #[cfg(test)]
        if let Some(scripted) = &self.scripted {
            return Box::pin(std::future::ready(Ok(scripted())));
        }
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) })
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = self.lookup(name.as_str().to_string());
        Box::pin(async move { Ok(found.await?.into_iter()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str) -> Network {
        Network::new(address, None, None).unwrap()
    }

    #[test]
    fn names_are_looked_up_and_addresses_are_not() {
        let name = |address: &str| network(address).name();
        assert_eq!(name("http://temporal.example:7233").as_deref(), Some("temporal.example"));
        assert_eq!(name("https://temporal.example").as_deref(), Some("temporal.example"));
        assert_eq!((name("http://127.0.0.1:7233"), name("http://[::1]:7233")), (None, None));
        // The proxy looks it up.
        let proxy = Some(HttpProxy::new("proxy:3128"));
        assert_eq!(Network::new("http://temporal.example:7233", None, proxy).unwrap().name(), None);
    }

    #[test]
    fn a_name_has_moved_when_the_connected_address_is_no_longer_among_its_addresses() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let peer = address("10.0.0.1:7233");
        assert!(!has_moved(peer, &[address("10.0.0.2:0"), address("10.0.0.1:0")]));
        assert!(!has_moved(address("[::ffff:10.0.0.1]:7233"), &[address("10.0.0.1:0")]));
        assert!(has_moved(peer, &[address("10.0.0.2:0")]));
        // Nothing was found: that says nothing about the old address.
        assert!(!has_moved(peer, &[]));
    }

    /// Accepts connections, and counts them. It never answers.
    async fn listen(address: &str) -> (SocketAddr, Arc<tokio::sync::Semaphore>, tokio::task::JoinSet<()>) {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let (address, accepted) = (listener.local_addr().unwrap(), Arc::new(tokio::sync::Semaphore::new(0)));
        let (mut task, counter) = (tokio::task::JoinSet::new(), Arc::clone(&accepted));
        task.spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.push(stream);
                counter.add_permits(1);
            }
        });
        (address, accepted, task)
    }

    #[tokio::test]
    async fn a_name_that_moves_is_connected_to_at_its_new_address() {
        let (old, at_old, _old_task) = listen("127.0.0.1:0").await;
        let (_, at_new, _new_task) = listen(&format!("127.0.0.2:{}", old.port())).await;
        let addresses = Arc::new(Mutex::new(vec![old]));
        let scripted = Arc::clone(&addresses);

        let mut network = network(&format!("http://temporal.example:{}", old.port()));
        network.resolver.scripted = Some(Arc::new(move || scripted.lock().unwrap().clone()));
        let options = crate::client::ClientOptions::default();
        let transport = Transport::Channel(network.channel().unwrap());
        let inner = Arc::new(Inner::new(&options, transport, network.address.clone(), Some(network)).unwrap());
        let _watch = Watch::over(&inner, Duration::from_millis(5)).unwrap();
        let connection = super::super::Connection::over(inner);

        let calls = async { drop(connection.read_capabilities().await) };
        tokio::select! {
            () = calls => {}
            permit = at_old.acquire() => permit.unwrap().forget(),
        }
        addresses.lock().unwrap()[0] = "127.0.0.2:0".parse().unwrap();
        // The old connection is still open, so only the lookup can tell.
        loop {
            let call = async { drop(connection.read_capabilities().await) };
            tokio::select! {
                () = call => {}
                permit = at_new.acquire() => break permit.unwrap().forget(),
                () = sleep(Duration::from_millis(20)) => {}
            }
        }
        assert_eq!(at_old.available_permits(), 0, "it was connected to once");
    }

    #[test]
    fn without_a_runtime_there_is_an_error_and_no_panic() {
        let error = network("http://temporal.example:7233").channel().unwrap_err();
        assert!(error.to_string().contains("needs a tokio runtime"), "{error}");
    }
}

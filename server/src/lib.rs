//! The embedded server: speaks Temporal's API, keeps everything in memory, and can let days pass in no time.
//!
//! [`Server`] is started in the process of a test, or listens on a loopback port so that workers and clients of any
//! language can use it. What it does is decided by a pure core (`engine`); clock, connections and waiting callers are
//! thin shells around it.

mod attempts;
mod callers;
mod clock;
#[doc(hidden)]
pub mod embedding;
mod engine;
mod flow;
mod grpc;
mod host;
mod lane_work;
mod operator_grpc;
mod silence;
mod transport;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use abide::SearchAttributeKey;

use self::clock::{Clock, Pace};
use self::engine::Options;
use self::host::Host;
#[doc(hidden)]
pub use self::transport::InProcessService;
use self::transport::Listener;

/// How a server is set up before it starts.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use abide_server::Server;
///
/// let server = Server::builder().namespace("shop").start();
/// let address = server.listen(([127, 0, 0, 1], 0).into()).await?;
/// assert_ne!(address.port(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ServerBuilder {
    options: Options,
    skips: bool,
    start_time: Option<SystemTime>,
    retention_is_set: bool,
}

/// A Temporal-compatible server in memory. Dropping it ends it, with its connections.
#[derive(Debug)]
pub struct Server {
    host: Arc<Host>,
    listeners: Mutex<Vec<Listener>>,
    driver: tokio::task::AbortHandle,
}

impl ServerBuilder {
    /// Adds a namespace; `default` is always there.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.options.namespaces.push(name.into());
        self
    }

    /// Lets workflows name other namespaces in their commands: children, signals and requests to cancel there. By
    /// default such a command fails its workflow task, as it does on a real server whose operator has not set
    /// `system.enableCrossNamespaceCommands`.
    #[must_use]
    pub fn cross_namespace_commands(mut self) -> Self {
        self.options.cross_namespace_commands = true;
        self
    }

    /// How long runs are kept after their end, in the namespaces that exist from the start: one day by default. With
    /// [`time_skipping`](Self::time_skipping) all are kept as long as the server unless this is called: a test looks at the
    /// end at what happened months ago.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.options.retention = retention;
        self.retention_is_set = true;
        self
    }

    /// Makes the clock stand still: time passes only while an outcome is awaited in process and nothing is under way, or
    /// by [`Server::advance`] and [`Server::sleep`]. By default the clock runs with the machine's.
    #[must_use]
    pub fn time_skipping(mut self) -> Self {
        self.skips = true;
        self
    }

    /// The time at which the clock starts; by default the present time.
    #[must_use]
    pub fn start_time(mut self, time: SystemTime) -> Self {
        self.start_time = Some(time);
        self
    }

    /// What run ids and other ids are made from; by default always the same, so ids repeat from run to run.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// How long a run takes at least if another one follows it (continue-as-new, retry, cron), from when its first task
    /// could begin; the next run waits for the rest. One second by default, as on a real server; zero turns it off.
    #[must_use]
    pub fn minimum_run_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.minimum_run_lifetime = lifetime;
        self
    }

    /// Starts the server. Must be called within a tokio runtime.
    pub fn start(mut self) -> Server {
        let pace = if self.skips { Pace::standing() } else { Pace::Flowing };
        self.options.keeps_closed_runs = pace.skips() && !self.retention_is_set;
        let host = Host::new(self.options, Clock::new(pace, self.start_time), pace);
        let driver = transport::spawn(host.clone().drive());
        Server { host, listeners: Mutex::default(), driver }
    }
}

impl Server {
    /// A server with namespace `default` and a clock that runs.
    pub fn builder() -> ServerBuilder {
        ServerBuilder { options: Options::default(), skips: false, start_time: None, retention_is_set: false }
    }

    /// Adds a namespace to a running server, unless it is there already.
    pub fn add_namespace(&self, name: &str) {
        self.host.call(|engine| engine.add_namespace(name));
    }

    /// Registers a search attribute with all namespaces: workflows can then be started with it and set it, and lists can be
    /// filtered by it. As on a real server, others are refused. (Clients register them with the operator service, `temporal
    /// operator search-attribute create`.)
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use abide::SearchAttributeKey;
    /// use abide_server::Server;
    ///
    /// const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("CustomerId");
    /// let server = Server::builder().start();
    /// server.add_search_attribute(&CUSTOMER);
    /// # }
    /// ```
    pub fn add_search_attribute<T>(&self, key: &SearchAttributeKey<T>) {
        self.host.call(|engine| engine.register_search_attribute(key.name(), key.type_name()));
    }

    /// Serves gRPC on a loopback address (port 0: any free port) until the server is dropped; returns the address.
    ///
    /// # Errors
    ///
    /// If the address is not a loopback address or cannot be listened at.
    pub async fn listen(&self, address: SocketAddr) -> std::io::Result<SocketAddr> {
        let (address, listener) = transport::listen(self.host.clone(), address).await?;
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        Ok(address)
    }

    /// The server as a service in this process, for a client without a socket.
    #[doc(hidden)]
    pub fn service(&self) -> InProcessService {
        InProcessService::new(self.host.clone(), true)
    }

    /// The time on the server's clock.
    pub fn now(&self) -> SystemTime {
        let nanos = u64::try_from(self.host.now().time.nanos()).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    /// Moves the clock on, whatever is under way; all timers and timeouts on the way happen at their own times.
    pub fn advance(&self, duration: Duration) {
        self.host.advance(duration);
    }

    /// Waits until the clock has moved on by `duration`. With time skipping that takes no longer than what is under way.
    pub async fn sleep(&self, duration: Duration) {
        self.host.sleep(duration).await;
    }

    /// Waits until a worker fails a workflow task, and gives back what it said. Such a task is tried again for ever, so
    /// a test had better end there.
    pub async fn workflow_task_failure(&self) -> String {
        self.host.workflow_task_failure().await
    }

    /// The state behind this server, for the test environment.
    #[doc(hidden)]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// What keeps the clock from skipping at this moment, one sentence each.
    pub fn busy(&self) -> Vec<String> {
        self.host.call(|engine| engine.busy())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

//! The embedded server. It implements Temporal's API in memory and can skip time.
//!
//! A [`Server`] runs in the process of a test, or listens on a loopback port for workers and clients in any language. A
//! pure core (`engine`) decides everything. The clock, the connections and the waiting callers are thin shells around
//! it.

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
mod verdict;

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

/// Configures a server before it starts.
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
#[must_use = "a builder does nothing until `.start()`"]
pub struct ServerBuilder {
    options: Options,
    skips: bool,
    start_time: Option<SystemTime>,
    retention_is_set: bool,
}

/// A Temporal-compatible server in memory. Dropping it stops it and closes its connections.
#[derive(Debug)]
#[must_use = "dropping the server stops it and closes its connections"]
pub struct Server {
    host: Arc<Host>,
    listeners: Mutex<Vec<Listener>>,
    driver: tokio::task::AbortHandle,
}

impl ServerBuilder {
    /// Adds a namespace. The namespace `default` always exists.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.options.namespaces.push(name.into());
        self
    }

    /// Allows workflows to use other namespaces in their commands, for children, signals and cancellation requests. By
    /// default such a command fails its workflow task, as on a real server whose operator has not set
    /// `system.enableCrossNamespaceCommands`.
    pub fn cross_namespace_commands(mut self) -> Self {
        self.options.cross_namespace_commands = true;
        self
    }

    /// Sets the retention of closed runs in the namespaces that exist from the start. Default: one day. With
    /// [`time_skipping`](Self::time_skipping) the default is to keep all runs as long as the server runs, because a
    /// test looks back at months of virtual time.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.options.retention = retention;
        self.retention_is_set = true;
        self
    }

    /// Makes the clock stand still. Time passes only while a caller in this process awaits an outcome and nothing is
    /// running, or when you call [`Server::advance`] or [`Server::sleep`]. Default: the clock follows the machine's
    /// clock.
    pub fn time_skipping(mut self) -> Self {
        self.skips = true;
        self
    }

    /// Sets the start time of the clock. Default: the current time.
    pub fn start_time(mut self, time: SystemTime) -> Self {
        self.start_time = Some(time);
        self
    }

    /// Sets the seed of run ids and other ids. Default: a fixed seed, so the ids are the same each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// Sets the minimum lifetime of a run that is followed by another run (continue-as-new, retry, cron). The lifetime
    /// counts from the run's first task. If the run ends earlier, the next run is delayed by the remaining time.
    /// Default: one second, as on a real server. Zero disables the minimum.
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
    /// Returns a builder for a server with namespace `default` and a running clock.
    pub fn builder() -> ServerBuilder {
        ServerBuilder { options: Options::default(), skips: false, start_time: None, retention_is_set: false }
    }

    /// Adds a namespace to a running server, unless it already exists.
    pub fn add_namespace(&self, name: &str) {
        self.host.call(|engine| engine.add_namespace(name));
    }

    /// Registers a search attribute in all namespaces. Clients can then start workflows with it and filter lists by it,
    /// and workflows can set it. As on a real server, unregistered attributes are refused. (Clients can also register
    /// them with the operator service: `temporal operator search-attribute create`.)
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

    /// Creates a Nexus endpoint that leads to a task queue of the namespace `default`. Workflows of all namespaces call
    /// operations through it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use abide_server::Server;
    ///
    /// let server = Server::builder().start();
    /// server.add_nexus_endpoint("payments", "payments-queue");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if there is an endpoint of that name, or if the name has other characters than letters, digits and `-`.
    pub fn add_nexus_endpoint(&self, name: &str, task_queue: &str) {
        let made = self.host.call(|engine| engine.add_nexus_endpoint(name, task_queue));
        made.unwrap_or_else(|error| panic!("the Nexus endpoint `{name}` cannot be created: {}", error.message));
    }

    /// Serves gRPC on a loopback address (port 0: any free port) until the server is dropped. Returns the address.
    ///
    /// # Errors
    ///
    /// Returns an error if the address is not a loopback address or cannot be bound.
    pub async fn listen(&self, address: SocketAddr) -> std::io::Result<SocketAddr> {
        let (address, listener) = transport::listen(self.host.clone(), address).await?;
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        Ok(address)
    }

    /// Returns the server as a service in this process, for a client without a socket.
    #[doc(hidden)]
    pub fn service(&self) -> InProcessService {
        InProcessService::new(self.host.clone(), true)
    }

    /// Returns the time on the server's clock.
    pub fn now(&self) -> SystemTime {
        self.host.system_time()
    }

    /// Advances the clock, even if something is running. All timers and timeouts on the way fire at their own times.
    pub fn advance(&self, duration: Duration) {
        self.host.advance(duration);
    }

    /// Waits until `duration` has passed on the clock. With time skipping, this takes only as long as the running work.
    pub async fn sleep(&self, duration: Duration) {
        self.host.sleep(duration).await;
    }

    /// Waits until a worker fails a workflow task, and returns the failure's message. Such a task is retried forever,
    /// so the test should then end.
    pub async fn workflow_task_failure(&self) -> String {
        self.host.workflow_task_failure().await.to_string()
    }

    /// Returns the state behind this server, for the test environment.
    #[doc(hidden)]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Returns what currently keeps the clock from skipping, one sentence each.
    pub fn busy(&self) -> Vec<String> {
        self.host.busy()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

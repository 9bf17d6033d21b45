//! The client through which a worker talks to its server, and its replacement while the worker runs.
//!
//! Only this module knows the current client. Calls look it up before each attempt; polls use a [`Route`], which
//! reports when its client has been replaced.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use abide_protos::temporal::api::workflowservice::v1::get_system_info_response::Capabilities;
use tokio::sync::watch;

use super::error::WorkerError;
use crate::client::eager::EagerWorker;
use crate::client::rpc::Rpc;
use crate::client::{Client, Connection, RpcError, call_over, deliver_over};

/// Replaces the client of a worker while it runs, for example for rotated credentials or a migrated cluster. Clones
/// belong to the same worker. Returned by [`Worker::client_handle`](super::Worker::client_handle).
///
/// ```no_run
/// use abide::client::{Client, ClientOptions};
/// # async fn rotate(worker: abide::worker::Worker, new_key: String) -> Result<(), Box<dyn std::error::Error>> {
/// let handle = worker.client_handle();
/// let running = tokio::spawn(worker.run());
/// // ... the API key has been rotated ...
/// let client = Client::connect(ClientOptions::from_env()?.api_key(new_key)).await?;
/// handle.replace_client(&client)?;
/// # running.await??; Ok(()) }
/// ```
#[derive(Clone)]
pub struct ClientHandle {
    client: Arc<CurrentClient>,
}

impl ClientHandle {
    pub(super) fn new(client: Arc<CurrentClient>) -> Self {
        Self { client }
    }

    /// Switches the worker to another client, and returns at once.
    ///
    /// - New polls use the new client right away, even while the old client's server is unavailable. Open polls are not
    ///   cut, because they may bring a task: they end on the old client within 70 s, and hold their slots until then.
    /// - All other calls use the new client from their next attempt: answers to tasks (including tasks that the old
    ///   client polled), heartbeats of activities and of the worker, pages of history, and the notice of the worker's
    ///   shutdown. So the new client must reach the same server, or one that has taken over its namespace.
    /// - Workflows started eagerly by the new client can reach the worker; those started by the old client no longer
    ///   do.
    ///
    /// The worker keeps its identity, its data converter, what the plugins of its first client have configured, and the namespace's limits and features that it read when it
    /// started. A worker that has not started yet starts with the new client. After the worker has ended, the call has
    /// no effect.
    ///
    /// # Errors
    /// Returns an error if the new client has another namespace than the worker; the worker then keeps the old client.
    pub fn replace_client(&self, client: &Client) -> Result<(), WorkerError> {
        self.client.replace(client.connection())
    }
}

impl fmt::Debug for ClientHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandle").field("connection", &self.client.now()).finish()
    }
}

/// The current client.
pub(super) struct CurrentClient {
    connection: watch::Sender<Connection>,
    namespace: String,
    /// The workers, one for each task queue, that may take the first tasks of workflows started by the client.
    eager_workers: Mutex<Vec<Weak<dyn EagerWorker>>>,
}

/// The client that polls use, until it is replaced.
pub(super) struct Route {
    pub(super) connection: Connection,
    replacements: watch::Receiver<Connection>,
}

impl CurrentClient {
    pub(super) fn new(connection: Connection) -> Self {
        let namespace = connection.namespace().to_string();
        Self { connection: watch::Sender::new(connection), namespace, eager_workers: Mutex::default() }
    }

    /// Returns the namespace, which stays the same for all clients.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn now(&self) -> Connection {
        self.connection.borrow().clone()
    }

    pub(super) fn route(&self) -> Route {
        let mut replacements = self.connection.subscribe();
        let connection = replacements.borrow_and_update().clone();
        Route { connection, replacements }
    }

    /// Returns the capabilities of the current server.
    pub(super) fn capabilities(&self) -> Capabilities {
        self.connection.borrow().capabilities()
    }

    /// Like [`Connection::call`].
    pub(super) async fn call<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        call_over(|| self.now(), request).await
    }

    /// Calls until the server has accepted or refused the request, the time has passed, or the worker gives up. For
    /// calls whose loss would lose finished work.
    pub(super) async fn call_within<R: Rpc>(
        &self,
        request: R,
        time: Duration,
        given_up: impl Fn() -> bool,
    ) -> Result<R::Response, RpcError> {
        deliver_over(|| self.now(), request, time, given_up).await
    }

    /// Like [`Connection::call_once`].
    pub(super) async fn call_once<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        self.now().call_once(request).await
    }

    /// Lets a worker take the first tasks of workflows started by the client.
    pub(super) fn add_eager_worker(&self, worker: Weak<dyn EagerWorker>) {
        let mut eager_workers = self.eager_workers.lock().unwrap_or_else(PoisonError::into_inner);
        self.now().eager_workers().add(Weak::clone(&worker));
        eager_workers.push(worker);
    }

    fn replace(&self, connection: &Connection) -> Result<(), WorkerError> {
        let (found, expected) = (connection.namespace(), self.namespace());
        if found != expected {
            return Err(WorkerError::new(format!(
                "the client of the worker cannot be replaced: expected a client of the worker's namespace \
                 `{expected}`, found one of `{found}`; build a worker for each namespace"
            )));
        }
        // Held until everything is changed, so that concurrent replacements do not mix.
        let eager_workers = self.eager_workers.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.connection.send_replace(connection.clone());
        for worker in &*eager_workers {
            old.eager_workers().remove(worker);
            connection.eager_workers().add(Weak::clone(worker));
        }
        tracing::info!(namespace = expected, "the worker's client was replaced");
        Ok(())
    }
}

impl fmt::Debug for CurrentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CurrentClient").field(&self.now()).finish()
    }
}

impl Route {
    /// Waits until the client of this route has been replaced.
    pub(super) async fn replaced(&self) {
        if self.replacements.clone().changed().await.is_err() {
            // The worker is gone, so nothing can replace the client any more.
            std::future::pending::<()>().await;
        }
    }
}

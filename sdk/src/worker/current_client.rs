//! Through which client a worker talks to its server, and what replaces it while the worker runs.
//!
//! There is one place that knows the client of now. Calls ask it before each attempt; polls go over a [`Route`], which
//! tells when it is not the way any more.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use abide_protos::temporal::api::workflowservice::v1::get_system_info_response::Capabilities;
use tokio::sync::watch;

use super::error::WorkerError;
use crate::client::eager::EagerWorker;
use crate::client::rpc::Rpc;
use crate::client::{Client, Connection, RpcError, call_over, deliver_over};

/// Replaces the client of a worker while it runs: for credentials that change, or a cluster that has moved. Clones are
/// of the same worker; [`Worker::client_handle`](super::Worker::client_handle) gives one.
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

    /// Has the worker talk through that client from now on, and returns at once.
    ///
    /// - New polls begin with the new client right away, even while the old one's server is away. Polls that are open
    ///   are not cut, for they may bring a task: they end with the old client, within 70 s, and keep their slots so
    ///   long.
    /// - Everything else goes over the new client, with the next attempt of each call: answers to tasks (also of those
    ///   that the old client brought), heartbeats of activities and of the worker, pages of history, and the notice of
    ///   the worker's shutdown. So the new client must reach the same server, or one that has taken its namespace over.
    /// - Eager starts by the new client may reach the worker, those by the old one no longer do.
    ///
    /// The worker keeps its identity, its data converter, and what it was told of the namespace when it started (limits, features). A
    /// worker that has not started yet starts with the new client; with one that has ended, nothing happens.
    ///
    /// # Errors
    /// Returns an error if the new client is of another namespace than the worker; then the old one stays.
    pub fn replace_client(&self, client: &Client) -> Result<(), WorkerError> {
        self.client.replace(client.connection())
    }
}

impl fmt::Debug for ClientHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientHandle").field("connection", &self.client.now()).finish()
    }
}

/// The client of now.
pub(super) struct CurrentClient {
    connection: watch::Sender<Connection>,
    namespace: String,
    /// The worker, once it may take the first tasks of workflows that are started by the client.
    eager_worker: Mutex<Option<Weak<dyn EagerWorker>>>,
}

/// The way of polls: one client, until it is replaced.
pub(super) struct Route {
    pub(super) connection: Connection,
    replacements: watch::Receiver<Connection>,
}

impl CurrentClient {
    pub(super) fn new(connection: Connection) -> Self {
        let namespace = connection.namespace().to_string();
        Self { connection: watch::Sender::new(connection), namespace, eager_worker: Mutex::default() }
    }

    /// The namespace, which no other client changes.
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

    /// What the server of now can do.
    pub(super) fn capabilities(&self) -> Capabilities {
        *self.connection.borrow().capabilities()
    }

    /// As [`Connection::call`].
    pub(super) async fn call<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        call_over(|| self.now(), request).await
    }

    /// Calls until the server has judged the request, that much time has passed, or the worker gives up. For calls that
    /// would lose finished work.
    pub(super) async fn call_within<R: Rpc>(
        &self,
        request: R,
        time: Duration,
        given_up: impl Fn() -> bool,
    ) -> Result<R::Response, RpcError> {
        deliver_over(|| self.now(), request, time, given_up).await
    }

    /// As [`Connection::call_once`].
    pub(super) async fn call_once<R: Rpc>(&self, request: R) -> Result<R::Response, RpcError> {
        self.now().call_once(request).await
    }

    /// Lets the worker take the first tasks of workflows that are started by the client.
    pub(super) fn set_eager_worker(&self, worker: Weak<dyn EagerWorker>) {
        let mut eager_worker = self.eager_worker.lock().unwrap_or_else(PoisonError::into_inner);
        self.now().eager_workers().add(Weak::clone(&worker));
        *eager_worker = Some(worker);
    }

    fn replace(&self, connection: &Connection) -> Result<(), WorkerError> {
        let (found, expected) = (connection.namespace(), self.namespace());
        if found != expected {
            return Err(WorkerError::new(format!(
                "the client of the worker cannot be replaced: the new one is of the namespace `{found}`, expected \
                 `{expected}`, that of the worker; build a worker for each namespace"
            )));
        }
        // Held until all is changed: of two replacements one comes after the other.
        let eager_worker = self.eager_worker.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.connection.send_replace(connection.clone());
        if let Some(worker) = &*eager_worker {
            old.eager_workers().remove(worker);
            connection.eager_workers().add(Weak::clone(worker));
        }
        tracing::info!(namespace = expected, "the client of the worker is replaced");
        Ok(())
    }
}

impl fmt::Debug for CurrentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CurrentClient").field(&self.now()).finish()
    }
}

impl Route {
    /// Waits until this is not the way any more.
    pub(super) async fn replaced(&self) {
        if self.replacements.clone().changed().await.is_err() {
            // The worker is gone, and with it what could replace a client.
            std::future::pending::<()>().await;
        }
    }
}

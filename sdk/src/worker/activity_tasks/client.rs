//! The client of an activity: that of its worker.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use crate::activity::ActivityContext;
use crate::client::Client;
use crate::worker::context::WorkerContext;

impl ActivityContext {
    /// Returns the worker's client, in the worker's namespace: to start and signal workflows, to report progress to one,
    /// and so on. Cloning it is cheap.
    ///
    /// ```
    /// use abide::prelude::*;
    ///
    /// #[workflow]
    /// async fn ship(ctx: &WorkflowContext, order: String) -> Result<(), WorkflowError> {
    ///     Ok(())
    /// }
    ///
    /// #[activity]
    /// async fn import(ctx: &ActivityContext, orders: Vec<String>) -> Result<(), ActivityError> {
    ///     for order in orders {
    ///         // The same id each time, so a second attempt starts nothing twice.
    ///         let start = ctx.client().start(ship, order.clone()).id(format!("ship-{order}")).task_queue("shipping");
    ///         start.id_conflict_policy(WorkflowIdConflictPolicy::UseExisting).await?;
    ///     }
    ///     Ok(())
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Panics
    /// Panics if there is no client: in a test with `ActivityEnvironment`, give it one with `client(..)`.
    pub fn client(&self) -> &Client {
        let client = self.host_client().and_then(|client| client.downcast_ref());
        client.expect("this activity has no client: a test gives one with `ActivityEnvironment::client(..)`")
    }
}

/// The client for an attempt, made when it is asked for. It stays the same when the worker's client is replaced.
pub(crate) struct AttemptClient {
    shared: Arc<WorkerContext>,
    client: OnceLock<Client>,
}

impl AttemptClient {
    pub(crate) fn new(shared: Arc<WorkerContext>) -> Self {
        Self { shared, client: OnceLock::new() }
    }

    pub(crate) fn get(&self) -> &(dyn Any + Send + Sync) {
        self.client.get_or_init(|| Client::from_connection(self.shared.client.now()))
    }
}

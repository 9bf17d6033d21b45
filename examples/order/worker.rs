//! A worker in a process of its own: the example starts itself again with a role.

use std::env;
use std::error::Error;

use abide::client::{Client, ClientOptions};
use abide::prelude::*;
use abide::worker::Worker;
use tokio::process::{Child, Command};

use crate::ledger::Ledger;
use crate::order::{Shop, process_order};
use crate::stage::Server;

const NAME: &str = "ABIDE_ORDER_WORKER";
const ADDRESS: &str = "ABIDE_ORDER_ADDRESS";
const QUEUE: &str = "ABIDE_ORDER_QUEUE";
const LEDGER: &str = "ABIDE_ORDER_LEDGER";

/// The role of a worker process.
pub(crate) struct Role {
    name: String,
    address: Option<String>,
    queue: String,
    ledger: Ledger,
}

/// Starts a worker process.
pub(crate) fn spawn(name: &str, server: &Server, queue: &str, ledger: &Ledger) -> Result<Child, Box<dyn Error>> {
    let mut command = Command::new(env::current_exe()?);
    command.env(NAME, name).env(QUEUE, queue).env(LEDGER, ledger.path()).kill_on_drop(true);
    if let Some(address) = server.address() {
        command.env(ADDRESS, address);
    }
    Ok(command.spawn()?)
}

impl Role {
    /// Returns the role that this process was started with, if it is a worker.
    pub(crate) fn from_env() -> Option<Self> {
        Some(Self {
            name: env::var(NAME).ok()?,
            address: env::var(ADDRESS).ok(),
            queue: env::var(QUEUE).ok()?,
            ledger: Ledger::at(env::var_os(LEDGER)?),
        })
    }

    /// Works until it is killed.
    pub(crate) async fn run(self) -> Result<(), Box<dyn Error>> {
        let options = match self.address {
            Some(address) => ClientOptions::new(address),
            None => ClientOptions::from_env()?,
        };
        let client = Client::connect(options).await?;
        Worker::builder(&client, self.queue)
            .workflow(process_order)
            .activities(Shop { worker: self.name, ledger: self.ledger })
            // Short for the demonstration: a task on the dead worker's sticky queue waits this long for it.
            .sticky_queue_schedule_to_start_timeout(secs(1))
            .build()?
            .run()
            .await?;
        Ok(())
    }
}

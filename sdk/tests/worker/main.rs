//! The worker on a real Temporal server.
//!
//! `ABIDE_TEST_SERVER` is the server's address (`host:port`); without it, each test prints that it was skipped. Every
//! test ends within a minute or fails.

#![allow(clippy::print_stderr, reason = "a skipped test says so by name")]
#![allow(clippy::unwrap_used, clippy::large_futures, reason = "these are tests, helpers included")]
#![allow(clippy::disallowed_methods, reason = "tests wait for a real server, outside workflow code")]

mod activities;
mod cache;
mod eager;
mod fault_proxy;
mod faults;
mod limits;
mod local_activities;
mod nexus_updates;
mod outage;
mod pollers;
mod rolling_restarts;
mod shutdown;
mod signal_with_start;
mod worker_heartbeats;
mod workflow_tasks;
mod workflows;

use std::future::Future;
use std::time::Duration;

use abide::client::{Client, ClientOptions};
use abide::worker::{NothingRegistered, Registered, Worker, WorkerBuilder};

const LIMIT: Duration = Duration::from_secs(60);

fn address(test: &str) -> Option<String> {
    let address = std::env::var("ABIDE_TEST_SERVER").ok();
    if address.is_none() {
        eprintln!("skipped: {test} (set ABIDE_TEST_SERVER to the address of a Temporal server)");
    }
    address
}

async fn connect(address: String) -> Client {
    Client::connect(ClientOptions::new(address)).await.expect("ABIDE_TEST_SERVER is the address of a server")
}

/// Returns a name that is unique for every test and every run, for task queue and workflow id.
fn unique(test: &str) -> String {
    format!("{test}-{}", uuid::Uuid::new_v4())
}

/// Runs a test's body while a worker polls the test's own task queue; fails if either takes too long.
async fn with_worker<F: Future>(
    test: &str,
    register: impl FnOnce(WorkerBuilder<NothingRegistered>) -> WorkerBuilder<Registered>,
    body: impl FnOnce(Client, String) -> F,
) {
    let Some(address) = address(test) else { return };
    let client = connect(address).await;
    let queue = unique(test);
    let worker = register(Worker::builder(&client, &*queue)).build().unwrap();
    let body = worker.run_until(body(client, queue));
    tokio::time::timeout(LIMIT, body).await.expect("the test ends in time").unwrap();
}

/// Waits until a condition that another task causes is true.
async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT / 2, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

//! The client on a real Temporal server, with and without a worker; TLS and outages on a server of these tests.
//!
//! `ABIDE_TEST_SERVER` is the server's address (`host:port`); without it, each test prints that it was skipped.

#![allow(clippy::print_stderr, reason = "a skipped test says so by name")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod connecting;
#[cfg(feature = "worker")]
mod deep_failures;
mod lifecycle;
mod network;
#[cfg(feature = "worker")]
mod operator;
mod outage;
#[cfg(feature = "worker")]
mod schedules;
mod server;
#[cfg(feature = "worker")]
mod standalone_activities;
#[cfg(feature = "worker")]
mod standalone_nexus;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "worker")]
mod with_worker;
mod workflows;

use abide::client::{Client, ClientOptions};

/// Returns a client of the server under test; if there is none, prints the name of the test and returns `None`.
async fn client(test: &str) -> Option<Client> {
    let Ok(address) = std::env::var("ABIDE_TEST_SERVER") else {
        eprintln!("skipped: {test} (set ABIDE_TEST_SERVER to the address of a Temporal server)");
        return None;
    };
    Some(Client::connect(ClientOptions::new(address)).await.expect("ABIDE_TEST_SERVER is the address of a server"))
}

/// Returns an id that is unique for every test and every run.
fn unique(test: &str) -> String {
    format!("{test}-{}", uuid::Uuid::new_v4())
}

/// Asks repeatedly until the answer is true. Fails after half a minute.
#[cfg(feature = "worker")]
async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    for _ in 0..600 {
        ticks.tick().await;
        if ask().await {
            return;
        }
    }
    panic!("waited in vain until {what}");
}

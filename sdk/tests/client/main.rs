//! The client against a real Temporal server, alone and with a worker; TLS and outages against a server of its own.
//!
//! `ABIDE_TEST_SERVER` is the server's address (`host:port`); without it, each test says that it was skipped.

#![allow(clippy::print_stderr, reason = "a skipped test says so by name")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod connecting;
#[cfg(feature = "worker")]
mod deep_failures;
mod lifecycle;
mod outage;
mod server;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "worker")]
mod with_worker;
mod workflows;

use abide::client::{Client, ClientOptions};

/// A client of the server under test; `None`, and a line that names the test, if there is no server.
async fn client(test: &str) -> Option<Client> {
    let Ok(address) = std::env::var("ABIDE_TEST_SERVER") else {
        eprintln!("skipped: {test} (set ABIDE_TEST_SERVER to the address of a Temporal server)");
        return None;
    };
    Some(Client::connect(ClientOptions::new(address)).await.expect("ABIDE_TEST_SERVER is the address of a server"))
}

/// An id of its own for every test and every time it is run.
fn unique(test: &str) -> String {
    format!("{test}-{}", uuid::Uuid::new_v4())
}

//! Tests of Temporal workflows in Rust, without a server to install.
//!
#![doc = include_str!("../docs/front_page.md")]

mod env;
// These pages have no code: only the documentation and its tests need them.
#[cfg(any(doc, doctest))]
pub mod guide;

/// The embedded server, from the crate `abide-server`.
pub mod server {
    pub use abide_server::{Server as TestServer, ServerBuilder as TestServerBuilder};
}

pub use env::{ActivityEnvironment, MomentOutcome, TestWorker, TestWorkflowEnvironment};

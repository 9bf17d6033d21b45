//! Tests of workflows without a server to install: an embedded Temporal-compatible [`server`] and, around it, a
//! [`TestWorkflowEnvironment`] in which months pass in milliseconds.
#![doc = include_str!("../docs/guide.md")]

mod env;

/// The embedded server, from the crate `abide-server`.
pub mod server {
    pub use abide_server::{Server as TestServer, ServerBuilder as TestServerBuilder};
}

pub use env::{ActivityEnvironment, MomentOutcome, TestWorker, TestWorkflowEnvironment};

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

pub use env::{ActivityEnvironment, MomentOutcome, TestClock, TestWorker, TestWorkflowEnvironment};

/// Compiles and runs the programs in the chapters of Abide's guide, which use the test environment.
#[cfg(doctest)]
mod chapters {
    #[doc = include_str!("../../sdk/docs/guide/first_workflow.md")]
    struct FirstWorkflow;
    #[doc = include_str!("../../sdk/docs/guide/failures_and_retries.md")]
    struct FailuresAndRetries;
    #[doc = include_str!("../../sdk/docs/guide/time.md")]
    struct Time;
    #[doc = include_str!("../../sdk/docs/guide/messages.md")]
    struct Messages;
    #[doc = include_str!("../../sdk/docs/guide/concurrency.md")]
    struct Concurrency;
    #[doc = include_str!("../../sdk/docs/guide/children.md")]
    struct Children;
    #[doc = include_str!("../../sdk/docs/guide/versioning.md")]
    struct Versioning;
    #[doc = include_str!("../../sdk/docs/guide/testing.md")]
    struct Testing;
    #[doc = include_str!("../../sdk/docs/guide/production.md")]
    struct Production;
    #[doc = include_str!("../../sdk/docs/guide/interceptors.md")]
    struct Interceptors;
}

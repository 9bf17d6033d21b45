//! OpenTelemetry: one trace leads from a client's call through workflows, activities, children and messages.
//!
//! [`Tracing`] is a plugin. Give it to the client: the workers of this client have it, too.
//!
//! ```no_run
//! use abide::otel::{ReplaySafeIdGenerator, Tracing};
//! use abide::prelude::*;
//! use opentelemetry_sdk::trace::SdkTracerProvider;
//!
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = SdkTracerProvider::builder()
//!     .with_id_generator(ReplaySafeIdGenerator::default())
//!     // .with_batch_exporter(..): the exporter of your choice, for example OTLP
//!     .build();
//! let options = ClientOptions::new("127.0.0.1:7233").plugin(Tracing::new(&provider));
//! let client = Client::connect(options).await?;
//! # let _ = client;
//! # Ok(()) }
//! ```
//!
//! The trace context travels in the header `_tracer-data`, as a JSON map with the W3C fields `traceparent` and
//! `tracestate`. Temporal's other SDKs write and read the same header, so a trace goes on across languages.
//!
//! [The guide](crate::guide::traces#spans) lists the spans. Each appears once, however often the code is replayed.

mod activity;
mod client;
mod ids;
mod metrics;
mod nexus;
mod propagation;
mod span;
mod workflow;

use std::sync::Once;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

pub use self::ids::ReplaySafeIdGenerator;
pub use self::workflow::in_span;
use crate::client::ClientOptions;
use crate::plugin::Plugin;
use crate::worker::{Registered, WorkerBuilder};

/// Writes OpenTelemetry spans for client calls, workflows, activities, messages and Nexus operations. A [plugin](crate::plugin::Plugin)
/// for clients and workers.
///
/// The provider needs a [`ReplaySafeIdGenerator`]. Use an exporter that works in the background: workflow code waits for
/// a span processor that sends each span at once. Call `shutdown` on the provider before the program ends, so that
/// the last spans are sent.
///
/// The sampler decides at the first span of a trace, and all others follow it, if it is wrapped in
/// `Sampler::ParentBased`, as it is by default. A workflow that was started without a trace begins one, which counts as
/// sampled until the run ends.
#[derive(Clone, Debug)]
pub struct Tracing {
    tracer: SdkTracer,
}

impl Tracing {
    /// Writes spans with this provider.
    pub fn new(provider: &SdkTracerProvider) -> Self {
        Self { tracer: provider.tracer("abide") }
    }

    fn warn_of_other_ids(&self) {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::warn!(
                "the tracer provider gives the spans of workflow code random ids, so their children have no parent: \
                 build it `.with_id_generator(abide::otel::ReplaySafeIdGenerator::default())`"
            );
        });
    }
}

impl Plugin for Tracing {
    fn name(&self) -> &str {
        "OpenTelemetry"
    }

    fn configure_client(&self, options: ClientOptions) -> ClientOptions {
        options.interceptor(self.clone())
    }

    fn configure_worker(&self, worker: WorkerBuilder<Registered>) -> WorkerBuilder<Registered> {
        let worker = worker.workflow_interceptor(self.clone()).activity_interceptor(self.clone());
        worker.nexus_interceptor(self.clone())
    }
}

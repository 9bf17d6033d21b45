//! One trace, from the client's call through a workflow, its activities and its child, sent with OTLP.
//! `cargo run --example tracing`

mod collector;
mod workflow;

use std::env;

use abide::otel::{ReplaySafeIdGenerator, Tracing};
use abide::prelude::*;
use abide_examples::{Server, unique};
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::collector::Collector;
use crate::workflow::{Order, charge, pack, print_label};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Your collector, or one in this process.
    let collector = Collector::default();
    let endpoint = match env::var("OTEL_EXPORTER_OTLP_ENDPOINT") {
        Ok(endpoint) => endpoint,
        Err(_) => collector.listen()?,
    };
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let ids = ReplaySafeIdGenerator::default();
    let provider = SdkTracerProvider::builder().with_id_generator(ids).with_batch_exporter(exporter).build();

    let server = Server::find_or_start_with(|options| options.plugin(Tracing::new(&provider))).await?;
    let client = server.client();
    let worker = Worker::builder(client, "tracing").workflow(Order::run).workflow(pack);
    // Without a cache, each task replays the run. The trace is the same.
    let worker = worker.activities(charge).activities(print_label).max_cached_workflows(0).build()?;
    let story = async {
        let order = client.start(Order::run, 995).id(unique("order")).task_queue("tracing").await?;
        order.update(Order::send_to, "1 Main Street".into()).await?;
        order.result().await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    // All that the story does is below this span.
    let purchase = Context::current_with_span(provider.tracer("shop").start("purchase"));
    worker.run_until(story.with_context(purchase.clone())).await??;
    purchase.span().end();

    // Sends what is left. It blocks this thread, but the runtime has others.
    provider.shutdown()?;
    println!("{}", collector.trees());
    Ok(())
}

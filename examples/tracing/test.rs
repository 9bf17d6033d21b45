//! The trace of an order, as a collector gets it over OTLP: the same with and without a cache.

#[path = "collector.rs"]
mod collector;
#[path = "workflow.rs"]
mod workflow;

use abide::otel::{ReplaySafeIdGenerator, Tracing};
use abide::prelude::*;
use abide_testing::TestWorkflowEnvironment;
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::trace::SdkTracerProvider;

use self::collector::Collector;
use self::workflow::{Order, charge, pack, print_label};
use crate::Outcome;

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_one_trace() -> Outcome {
    for cached in [0, 1000] {
        let collector = Collector::default();
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(collector.listen()?).build()?;
        let ids = ReplaySafeIdGenerator::default();
        let provider = SdkTracerProvider::builder().with_id_generator(ids).with_batch_exporter(exporter).build();
        let options = ClientOptions::default().plugin(Tracing::new(&provider));
        let env = TestWorkflowEnvironment::start_with(options).await?;
        let worker = env.worker("tracing").workflow(Order::run).workflow(pack).activities(charge);
        let worker = worker.activities(print_label).options(|worker| worker.max_cached_workflows(cached));
        let story = async {
            let order = env.client().start(Order::run, 995).task_queue("tracing").await?;
            order.update(Order::send_to, "1 Main Street".into()).await?;
            order.result().await?;
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        let purchase = Context::current_with_span(provider.tracer("shop").start("purchase"));
        env.run(worker, story.with_context(purchase.clone())).await?;
        purchase.span().end();
        provider.shutdown()?;
        let readme = include_str!("README.md");
        let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("\n```").next());
        assert_eq!(Some(collector.trees().as_str()), shown, "cached: {cached}");
    }
    Ok(())
}

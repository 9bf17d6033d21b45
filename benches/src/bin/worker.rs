//! `worker [--address A] [--cache N] [--pollers N] [--metrics PORT] [--traces]`: a worker for the bench workflows on task
//! queue `bench-tq`, for a server that provides tasks as fast as the worker can take them. With `--metrics` it serves its
//! metrics and scrapes them itself, once a second. With `--traces` it writes OpenTelemetry spans, whose exporter drops them.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use abide::client::{Client, ClientOptions};
use abide::metrics::{Metrics, prometheus};
use abide::otel::{ReplaySafeIdGenerator, Tracing};
use abide::worker::{PollerBehavior, Worker};
use abide_benches::arguments::Arguments;
use abide_benches::workflows;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "a command-line program: why it ends is its output")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match run(Arguments::of_process()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(mut arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let address: String = arguments.option("--address", "127.0.0.1:7299".into())?;
    let cache: usize = arguments.option("--cache", 10_000)?;
    let pollers: usize = arguments.option("--pollers", 5)?;
    let metrics_port: u16 = arguments.option("--metrics", 0)?;
    let traces = arguments.flag("--traces");
    let [] = arguments.finish("worker [--address A] [--cache N] [--pollers N] [--metrics PORT] [--traces]")?;
    let metrics = Metrics::default();
    let served = match metrics_port {
        0 => None,
        port => Some(prometheus::serve(&metrics, port).await?),
    };
    let mut scraping = JoinSet::new();
    if let Some(endpoint) = &served {
        scraping.spawn(scrape(endpoint.address()));
    }
    let mut options = ClientOptions::new(address).metrics(metrics);
    if traces {
        let ids = ReplaySafeIdGenerator::default();
        let provider = SdkTracerProvider::builder().with_id_generator(ids).with_batch_exporter(Dropped).build();
        options = options.plugin(Tracing::new(&provider));
    }
    let client = Client::connect(options).await?;
    Worker::builder(&client, "bench-tq")
        .max_cached_workflows(cache)
        .workflow_task_poller_behavior(PollerBehavior::SimpleMaximum(pollers))
        .activity_task_poller_behavior(PollerBehavior::SimpleMaximum(pollers))
        .workflow(workflows::seq_activities)
        .workflow(workflows::seq_timers)
        .workflow(workflows::fan_out)
        .workflow(workflows::SignalCount::run)
        .workflow(workflows::small)
        .workflow(workflows::local_activities)
        .workflow(workflows::local_activities_in_one_task)
        .workflow(workflows::UpdateCount::run)
        .workflow(workflows::children)
        .workflow(workflows::patches)
        .activities(workflows::echo)
        .build()?
        .run()
        .await?;
    drop((served, scraping));
    Ok(())
}

/// An exporter that drops all spans: what it costs to send them is no affair of Abide.
#[derive(Debug)]
struct Dropped;

impl SpanExporter for Dropped {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

/// Scrapes once a second, more often than a Prometheus does.
#[expect(clippy::print_stderr, reason = "a command-line program: it says what went wrong")]
async fn scrape(address: SocketAddr) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        if let Err(error) = scrape_once(address).await {
            eprintln!("worker: its metrics could not be scraped: {error}");
        }
    }
}

async fn scrape_once(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    stream.read_to_end(&mut Vec::new()).await.map(drop)
}

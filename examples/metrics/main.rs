//! A worker whose metrics Prometheus can scrape, and a scrape. `cargo run --example metrics`

mod workflow;

use abide::metrics::{Metrics, prometheus};
use abide::prelude::*;
use abide_examples::{Server, unique};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::workflow::{brew, serve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let metrics = Metrics::builder().without_service_name().build()?;
    // A free port. A deployed worker takes a fixed one, which Prometheus knows.
    let endpoint = prometheus::serve(&metrics, 0).await?;
    let server = Server::find_or_start_with(|options| options.metrics(metrics)).await?;
    let client = server.client();
    // Without a cache, each workflow task replays the workflow.
    let worker = Worker::builder(client, "cafe").workflow(serve).activities(brew).max_cached_workflows(0).build()?;
    let drinks = ["latte", "mocha", "latte"].map(String::from).to_vec();
    let served = client.execute(serve, drinks).id(unique("metrics")).task_queue("cafe");
    println!("served: {}", worker.run_until(served).await??.join(", "));

    let shown = ["brewed{", "served{", "temporal_workflow_completed{", "temporal_activity_execution_failed{"];
    let scraped = scrape(endpoint.address()).await?;
    for sample in scraped.lines().filter(|line| shown.iter().any(|name| line.starts_with(name))) {
        println!("{sample}");
    }
    Ok(())
}

/// Asks the endpoint, as Prometheus does every few seconds.
async fn scrape(address: std::net::SocketAddr) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

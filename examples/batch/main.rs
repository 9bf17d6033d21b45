//! Imports forty articles in chunks of ten, two chunks at a time; some articles are faulty.
//! `cargo run --example batch`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Limits, import, import_chunk, import_item};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = Worker::builder(client, "batch").workflow(import).workflow(import_chunk).activities(import_item);

    let articles = (1..=40).map(|number| format!("article {number}")).collect();
    let limits = Limits { chunk: 10, children: 2 };
    let imports = async { client.execute(import, (articles, limits)).id(unique("batch")).task_queue("batch").await };
    let report = worker.build()?.run_until(imports).await??;

    println!("{} imported, {} not:", report.imported, report.failed.len());
    for failed in report.failed {
        println!("{}: {}", failed.item, failed.reason);
    }
    Ok(())
}

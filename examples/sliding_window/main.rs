//! Twenty records, four at a time, in runs that start eight each. `cargo run --example sliding_window`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Batch, Progress, SlidingWindow, convert, process};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = Worker::builder(client, "sliding_window").workflow(SlidingWindow::run).workflow(process);

    let batch = (Batch { records: 20, window: 4, starts_per_run: 8 }, Progress::default());
    let processed =
        async { client.execute(SlidingWindow::run, batch).id(unique("window")).task_queue("sliding_window").await };
    let progress = worker.activities(convert).build()?.run_until(processed).await??;
    println!("{} records in {} runs, failed: {:?}", progress.started, progress.runs, progress.failed);
    Ok(())
}

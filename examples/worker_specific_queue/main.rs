//! A file that the host alpha takes and drops, and that the host beta finishes. `cargo run --example worker_specific_queue`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Host, process_file};

const QUEUE: &str = "worker_specific_queue";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    // Each host runs two activities at a time on its own queue.
    let worker_on = |host: Host| {
        // Short for the demonstration: a workflow task waits this long for the worker that ran the one before.
        let worker = Worker::builder(client, QUEUE).sticky_queue_schedule_to_start_timeout(secs(1));
        let worker = worker.workflow(process_file);
        worker.own_queue(|own| own.activities(host).max_concurrent_activities(2)).build()
    };
    let start = client.start(process_file, ("report.txt".into(), server.time(mins(10)), server.time(hours(2))));
    let file = start.id(unique("file")).task_queue(QUEUE).await?;

    let (alpha, power_cut) = Host::with_power_cut("alpha");
    tokio::select! {
        ended = worker_on(alpha)?.run() => ended?,
        () = power_cut.notified() => println!("alpha took the file, and did not answer any more"),
    }
    println!("{}", worker_on(Host::new("beta"))?.run_until(file.result()).await??);
    Ok(())
}

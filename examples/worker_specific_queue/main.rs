//! A file that the host alpha takes and drops, and that the host beta finishes. `cargo run --example worker_specific_queue`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Host, process_file};

const COMMON: &str = "worker_specific_queue";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let on_common_queue =
        |host: &Host| Worker::builder(client, COMMON).workflow(process_file).activities(host.clone()).build();

    // Nobody works on alpha's own queue.
    let alpha = on_common_queue(&Host::new("alpha"))?;
    let start = client.start(process_file, ("report.txt".into(), server.time(mins(10)), server.time(hours(2))));
    let taken = alpha.run_until(async {
        let file = start.id(unique("file")).task_queue(COMMON).await?;
        server.sleep(mins(30)).await;
        Ok::<_, abide::client::StartError>(file)
    });
    let file = taken.await??;
    println!("alpha took the file, and did not answer any more");

    let beta = Host::new("beta");
    let on_its_own = Worker::builder(client, "beta").activities(beta.clone()).build()?;
    let uploading = on_its_own.run_until(file.result());
    println!("{}", on_common_queue(&beta)?.run_until(uploading).await???);
    Ok(())
}

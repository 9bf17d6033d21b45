//! Runs the process in `order.yaml`. `cargo run --example dsl`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Process, charge, interpret, reserve, ship};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Parsed here, so that the history holds what is run, whatever becomes of the file.
    let process: Process = serde_yaml_ng::from_str(include_str!("order.yaml"))?;

    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = Worker::builder(client, "dsl").workflow(interpret);
    let worker = worker.activities(reserve).activities(charge).activities(ship).build()?;
    let variables =
        worker.run_until(async { client.execute(interpret, process).id(unique("dsl")).task_queue("dsl").await });
    for (name, value) in variables.await?? {
        println!("{name}: {value}");
    }
    Ok(())
}

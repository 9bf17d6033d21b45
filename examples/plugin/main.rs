//! A plugin gives a client and its worker interceptors and a codec. `cargo run --example plugin`

mod audit;
mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::audit::Audit;
use crate::workflow::{charge, order};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let audit = Audit::new("checkout");
    // The client has the plugin, so its workers have it, too.
    let server = Server::find_or_start_with(|options| options.plugin(audit.clone())).await?;
    let client = server.client();
    let worker = Worker::builder(client, "plugin").workflow(order).activities(charge).build()?;
    let orders = async {
        for cents in [995, 0] {
            match client.execute(order, cents).id(unique("order")).task_queue("plugin").await {
                Ok(receipt) => println!("the order: {receipt}"),
                Err(error) => println!("the order: {error}"),
            }
        }
    };
    worker.run_until(orders).await?;
    audit.journal().iter().for_each(|line| println!("the journal: {line}"));
    Ok(())
}

//! Three transfers: one succeeds, one fails and is undone, one is cancelled midway and is undone.
//! `cargo run --example saga`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Bank, Transfer, transfer};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let bank = Bank::new([("ada", 1_000), ("bob", 0)]);
    let worker = Worker::builder(client, "saga").workflow(transfer).activities(bank.clone()).build()?;
    let transfers = async {
        for (to, cents) in [("bob", 300), ("nobody", 300), ("bob", 5_000)] {
            let transfer_of = Transfer { from: "ada".into(), to: to.into(), cents };
            let ended = client.execute(transfer, transfer_of).id(unique("transfer")).task_queue("saga").await;
            match ended {
                Ok(text) => println!("{cents} cents to {to}: {text}"),
                Err(error) => println!("{cents} cents to {to}: {error}"),
            }
        }
        Ok::<_, abide::WorkflowFailedError>(())
    };
    worker.run_until(transfers).await??;
    println!("ada has {}, bob has {}", bank.balance("ada"), bank.balance("bob"));
    Ok(())
}

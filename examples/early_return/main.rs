//! A payment that is answered before it is complete, and one that is refused. `cargo run --example early_return`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Payment, complete, initialise};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = Worker::builder(client, "early_return").workflow(Payment::run);
    let worker = worker.activities(initialise).activities(complete).build()?;
    let payments = async {
        for account in ["bob", "nobody"] {
            let start = client.start(Payment::run, (account.into(), 300)).id(unique(account));
            // One call starts the workflow and asks it for its first answer.
            let (payment, number) = start.task_queue("early_return").with_update(Payment::number, ()).await?;
            match number.result().await {
                Ok(number) => println!("answer: payment {number} is accepted"),
                Err(error) => println!("answer: {}", error.message()),
            }
            match payment.result().await {
                Ok(ended) => println!("later: {ended}"),
                Err(error) => println!("later: {error}"),
            }
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    worker.run_until(payments).await?
}

//! A durable order survives its worker: `cargo run --example order`.
//!
//! Without settings it starts its own server, embedded in this process and reached over gRPC on loopback. With
//! `TEMPORAL_ADDRESS=host:port` the same program uses an existing Temporal server.
//!
//! 1. A worker is started in a process of its own, and an order is placed.
//! 2. As soon as the payment is in the workflow's history, that process is killed.
//! 3. A second worker process is started; the order continues where it stopped, and is charged only once.

mod ledger;
mod order;
mod stage;
mod worker;

use std::error::Error;
use std::process::ExitCode;

use abide::client::{Client, ClientOptions};
use abide::prelude::*;

use crate::ledger::Ledger;
use crate::order::{Item, Order, Payment, process_order};
use crate::stage::{Server, Story};

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match worker::Role::from_env() {
        Some(role) => role.run().await,
        None => tell().await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the whole story, printing it as it happens.
async fn tell() -> Result<(), Box<dyn Error>> {
    let story = Story::begin();
    let server = Server::find_or_start(&story).await?;
    let client = Client::connect(server.client_options()?).await?;
    let ledger = Ledger::temporary()?;
    let queue = story.unique("orders");

    let mut first = worker::spawn("worker 1", &server, &queue, &ledger)?;
    story.say("worker 1 runs in a process of its own");

    let order = Order {
        id: story.unique("order"),
        items: vec![Item { name: "espresso machine".into(), count: 1 }, Item { name: "cups".into(), count: 6 }],
        payment: Payment { card: "4242".into(), cents: 74_900 },
    };
    let handle = client
        .start(process_order, order.clone())
        .id(&order.id)
        .task_queue(&queue)
        // Short for the demonstration: with the default of 10 s, the dead worker's task would be retried only after
        // that time.
        .task_timeout(secs(2))
        .await?;
    story.say(&format!("{} placed", order.id));

    let paid = stage::until(|| async {
        let history = handle.fetch_history().await?;
        Ok::<_, Box<dyn Error>>(history.to_string().contains("charged"))
    });
    paid.await?;
    first.start_kill()?;
    first.wait().await?;
    story.say("the payment is in the history; worker 1 was killed (SIGKILL)");

    let mut second = worker::spawn("worker 2", &server, &queue, &ledger)?;
    story.say("worker 2 runs; the order goes on where it was");
    let result = handle.result().await?;

    println!("\n{}", handle.fetch_history().await?);
    println!("Result: {result}");
    println!("Payment ledger: {}", ledger.lines()?.join("; "));
    second.start_kill()?;
    second.wait().await?;
    if ledger.lines()?.len() != 1 {
        return Err("expected exactly one charge in the ledger".into());
    }
    story.say("done: one order, two workers, one charge");
    Ok(())
}

impl Server {
    fn client_options(&self) -> Result<ClientOptions, Box<dyn Error>> {
        Ok(match self.address() {
            Some(address) => ClientOptions::new(address),
            None => ClientOptions::from_env()?,
        })
    }
}

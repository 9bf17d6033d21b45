//! A shop and its bank, each with a worker of its own. `cargo run --example nexus`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{ENDPOINT, Payment, Teller, pay_back, sell};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    server.add_nexus_endpoint(ENDPOINT, "nexus_bank");

    // The bank has its own team, and maybe its own language and namespace. Here it has its own task queue.
    let teller = Teller { limit: 100_000, clearing: server.time(hours(2)) };
    let bank = Worker::builder(client, "nexus_bank").workflow(pay_back).nexus_handlers(teller).build()?;
    let shop = Worker::builder(client, "nexus").workflow(sell).build()?;

    let sales = async {
        for (what, cents, comes_back) in [("book", 4_200, false), ("lamp", 9_900, true), ("yacht", 9_000_000, false)] {
            let payment = Payment { order: unique(what), cents };
            let selling = client.execute(sell, (payment.clone(), comes_back)).id(&payment.order).task_queue("nexus");
            let sold = selling.await?;
            println!("{what}: {}", sold.replace(&payment.order, what));
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    bank.run_until(shop.run_until(sales)).await??
}

//! Two look-ups as local activities, one payment as an activity. `cargo run --example local_activities`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Order, charge, order, price_of, tax_in};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = Worker::builder(client, "local_activities").workflow(order);
    let worker = worker.activities(price_of).activities(tax_in).activities(charge).build()?;
    let orders = async {
        let a_book = Order { article: "book".into(), country: "Austria".into() };
        let ordered = client.start(order, a_book).id(unique("order")).task_queue("local_activities").await?;
        println!("{}", ordered.result().await?);
        let history = ordered.fetch_history().await?;
        let events = history.events().iter().map(|event| format!("{:?}", event.event_type()));
        for event in events.filter(|event| !event.starts_with("WorkflowTask")) {
            println!("  {event}");
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    worker.run_until(orders).await?
}

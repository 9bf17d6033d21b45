//! An order survives the death of its worker: `cargo run --example order`.

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, Story, WorkerProcess, unique, until_recorded};

use crate::workflow::{Item, Order, Payment, Shop, charges_of, process_order};

const QUEUE: &str = "order";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The story starts this program again, as its workers.
    match WorkerProcess::this() {
        Some(name) => work(name).await,
        None => tell().await,
    }
}

async fn work(name: String) -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::connect(ClientOptions::from_env()?).await?;
    let worker = Worker::builder(&client, QUEUE).workflow(process_order).activities(Shop { worker: name });
    // Short for the demonstration: a task on the dead worker's sticky queue waits this long for it.
    Ok(worker.sticky_queue_schedule_to_start_timeout(secs(1)).build()?.run().await?)
}

async fn tell() -> Result<(), Box<dyn std::error::Error>> {
    let story = Story::begin();
    let server = Server::find_or_listen().await?;
    let first = WorkerProcess::start("worker 1", &server)?;
    story.say(&format!("worker 1 runs in a process of its own; the server is at {}", server.address()?));

    let order = Order {
        id: unique("order"),
        items: vec![Item { name: "espresso machine".into(), count: 1 }, Item { name: "cups".into(), count: 6 }],
        payment: Payment { card: "4242".into(), cents: 74_900 },
    };
    let start = server.client().start(process_order, order.clone()).id(&order.id).task_queue(QUEUE);
    // Short for the demonstration: with the default of 10 s, the dead worker's task would be retried only after that.
    let handle = start.task_timeout(secs(2)).await?;
    story.say(&format!("{} was placed", order.id));
    until_recorded(&handle, "ActivityTaskScheduled(update_inventory)").await?;
    first.kill().await?;
    story.say("the payment is in the history, and the last step has begun; worker 1 was killed (SIGKILL)");
    let second = WorkerProcess::start("worker 2", &server)?;
    story.say("worker 2 runs; the order goes on where it was");
    let result = handle.result().await?;
    second.kill().await?;

    let charges = charges_of(&order.id)?;
    println!("\n{}\nResult: {result}\nPayment ledger: {}", handle.fetch_history().await?, charges.join("; "));
    if charges.len() != 1 {
        return Err("expected exactly one charge in the ledger".into());
    }
    story.say("done: one order, two workers, one charge");
    Ok(())
}

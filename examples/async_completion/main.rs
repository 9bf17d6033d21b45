//! Two expenses, decided by somebody outside the activity. `cargo run --example async_completion`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Desk, Expense, pay, reimburse};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let (desk, mut tickets) = Desk::open();
    let worker = Worker::builder(client, "async_completion").workflow(reimburse);
    let worker = worker.activities(desk).activities(pay).build()?;
    let expenses = async {
        for (what, cents) in [("train", 4_200), ("yacht", 9_000_000)] {
            let expense = Expense { what: what.into(), cents };
            let reimbursing = client.start(reimburse, (expense, days(7))).id(unique(what));
            let reimbursing = reimbursing.task_queue("async_completion").await?;
            let ticket = tickets.recv().await.ok_or("the desk is closed")?;
            println!("{what}: {} cents wait at the desk", ticket.expense.cents);
            match ticket.expense.cents {
                ..=100_000 => ticket.approve(client, "zoe").await?,
                _ => ticket.reject(client, "too much").await?,
            }
            println!("{what}: {}", reimbursing.result().await?);
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    worker.run_until(expenses).await?
}

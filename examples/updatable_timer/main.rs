//! Three seats are held for ten minutes: one is extended, one is paid in the extra time, one is given up.
//! `cargo run --example updatable_timer`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::Hold;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let worker = Worker::builder(server.client(), "updatable_timer").workflow(Hold::run).build()?;
    worker.run_until(hold_seats(&server)).await?
}

async fn hold_seats(server: &Server) -> Result<(), Box<dyn std::error::Error>> {
    let minutes = |count| server.time(mins(count));
    for seat in ["1A", "1B", "1C"] {
        let call = server.client().start(Hold::run, minutes(10)).id(unique("seat"));
        let hold = call.task_queue("updatable_timer").await?;
        match seat {
            "1C" => hold.signal(Hold::shorten, minutes(10)).await?,
            _ => hold.signal(Hold::extend, minutes(20)).await?,
        }
        let held_for = hold.query(Hold::held_for, ()).await?.div_duration_f64(minutes(1));
        if seat == "1B" {
            server.sleep(mins(15)).await;
            hold.signal(Hold::pay, ()).await?;
        }
        println!("{seat} is held for {held_for} minutes: {:?}", hold.result().await?);
    }
    Ok(())
}

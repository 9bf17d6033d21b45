//! An agent plans three trips: one is cancelled, one approved, one not. `cargo run --example agent`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, pause, unique};

use crate::workflow::{Agent, ask_model, search, use_tool};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let worker = Worker::builder(server.client(), "agent").workflow(Agent::run).workflow(use_tool);
    let worker = worker.activities(ask_model).activities(search).build()?;
    worker.run_until(plan_trips(&server)).await?
}

async fn plan_trips(server: &Server) -> Result<(), Box<dyn std::error::Error>> {
    let plan = |town: &str| {
        let plan = server.client().start(Agent::run, (town.into(), server.time(mins(30))));
        plan.id(unique("agent")).task_queue("agent").into_future()
    };
    let moon = plan("the moon").await?;
    pause(millis(500)).await; // Nobody finds a hotel on the moon, so the search still runs.
    moon.cancel().await?;
    println!("the moon: cancelled: {}", moon.result().await.is_err_and(|error| error.is_cancelled()));

    let bonn = plan("Bonn").await?;
    // Rejected until the agent has found the hotel and asks.
    while bonn.update(Agent::decide, ("the best hotel in Bonn".into(), true)).await.is_err() {
        server.sleep(secs(1)).await;
    }
    println!("Bonn: {}", bonn.result().await?);

    // Nobody decides within half an hour.
    println!("Rome: {}", plan("Rome").await?.result().await?);
    Ok(())
}

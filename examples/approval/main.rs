//! Two people approve a laptop, and the boss decides about a boat that nobody cared about.
//! `cargo run --example approval`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Approval, Request, notify};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let client = server.client();
    let worker = Worker::builder(client, "approval").workflow(Approval::run).activities(notify).build()?;
    let ask_for = |what: &str| {
        let approvers = ["ada".into(), "bob".into()].into();
        let request = Request { what: what.into(), approvers, boss: "zoe".into(), deadline: server.time(mins(30)) };
        client.start(Approval::run, request).id(unique(what)).task_queue("approval")
    };
    let decisions = async {
        let laptop = ask_for("laptop").await?;
        for name in ["ada", "eve", "ada", "bob"] {
            match laptop.update(Approval::decide, (name.into(), true)).await {
                Ok(status) => println!("laptop: {name} approves: {status:?}"),
                Err(error) => println!("laptop: {name} is refused: {}", error.message()),
            }
        }
        println!("laptop: {:?}", laptop.result().await?);

        let boat = ask_for("boat").await?;
        println!("boat: {:?}", boat.query(Approval::status, ()).await?);
        server.sleep(mins(45)).await;
        println!("boat: {:?}", boat.query(Approval::status, ()).await?);
        boat.update(Approval::decide, ("zoe".into(), false)).await?;
        println!("boat: {:?}", boat.result().await?);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    worker.run_until(decisions).await?
}

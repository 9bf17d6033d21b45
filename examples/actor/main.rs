//! A player moves, trades and falls, in one workflow that continues as new. `cargo run --example actor`

mod workflow;

use abide::prelude::*;
use abide_examples::{Server, unique};

use crate::workflow::{Action, Player, Save, ask_price};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::find_or_start().await?;
    let worker = Worker::builder(server.client(), "actor").workflow(Player::run).activities(ask_price).build()?;
    worker.run_until(play(server.client())).await?
}

async fn play(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    // Three actions per run, so that this short game already needs two.
    let save = Save { health: 10, gold: 12, ..Save::default() };
    let player = client.start(Player::run, (save, 3)).id(unique("player")).task_queue("actor").await?;
    for item in ["map", "apple", "apple"] {
        player.signal(Player::act, Action::PickUp(item.into())).await?;
    }
    player.signal(Player::act, Action::Move { east: 2, north: 1 }).await?;
    let buy = |item: &str| player.update(Player::buy, item.into()).into_future();
    let (one, other) = tokio::join!(buy("rope"), buy("rope"));
    println!("two ropes at once, gold for one: {} bought", [one, other].iter().flatten().count());
    println!("one more thing: {:?}", buy("lamp").await.map_err(|error| error.message()));
    let save = player.query(Player::save, ()).await?;
    println!("{:?} at {:?} with {:?}", save.phase, save.position, save.inventory);
    player.signal(Player::act, Action::Fall { deep: 99 }).await?;
    println!("dead after {} runs", player.result().await?.runs);
    Ok(())
}

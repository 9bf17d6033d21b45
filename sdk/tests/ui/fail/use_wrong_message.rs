use abide::prelude::*;

#[workflow]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[signal]
    fn hit(&self, damage: u32) {
        let _ = damage;
    }
}

async fn play(client: &abide::Client) -> Result<(), Box<dyn std::error::Error>> {
    let handle = client.start(Player::run, ()).id("player-1").task_queue("game").await?;
    handle.signal(Player::hit, "hard").await?;
    handle.query(Player::hit, 1).await?;
    handle.signal(Player::run, ()).await?;
    Ok(())
}

fn main() {}

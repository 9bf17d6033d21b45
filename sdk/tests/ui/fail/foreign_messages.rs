//! Messages that another workflow handles.
use abide::prelude::*;

#[workflow]
#[derive(Default)]
struct Player {}

#[workflow_methods]
impl Player {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(ctx.timer(days(1)).await?)
    }
}

#[workflow]
#[derive(Default)]
struct Chest {}

#[workflow_methods]
impl Chest {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let player = ctx.child_workflow(Player::run, ()).start().await?;
        player.signal(Chest::lock, ()).await?;
        Ok(())
    }

    #[signal]
    fn lock(&self) {}

    #[query]
    fn is_locked(&self) -> bool {
        true
    }

    #[update]
    fn open(&self, key: String) -> bool {
        key.is_empty()
    }
}

#[workflow]
async fn hears_nothing(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(ctx.timer(days(1)).await?)
}

async fn play(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    let player = client.start(Player::run, ()).id("player").task_queue("game").with_signal(Chest::lock, ()).await?;
    player.query(Chest::is_locked, ()).await?;
    player.update(Chest::open, "key".into()).await?;
    client.handle(hears_nothing, "deaf").signal(Chest::lock, ()).await?;
    Ok(())
}

fn main() {}

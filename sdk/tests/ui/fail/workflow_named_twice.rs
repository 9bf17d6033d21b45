use abide::prelude::*;

#[workflow(name = "player-v1")]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run(name = "player-v2")]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

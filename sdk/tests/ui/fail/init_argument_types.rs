use abide::prelude::*;

#[workflow]
struct Player;

#[workflow_methods]
impl Player {
    #[init]
    fn new(health: String) -> Self {
        Self
    }

    #[run]
    async fn run(&self, health: u32) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

use abide::prelude::*;

#[workflow]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

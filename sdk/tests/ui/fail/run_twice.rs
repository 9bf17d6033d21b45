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

    #[run]
    async fn run_again(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

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

    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }

    #[workflow]
    async fn go(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

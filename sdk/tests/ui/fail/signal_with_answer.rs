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
    fn hit(&self) -> u32 {
        1
    }

    #[signal]
    async fn heal(&self) -> Result<u32, WorkflowError> {
        Ok(1)
    }
}

fn main() {}

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
    #[query]
    fn health(&self) -> u32 {
        1
    }

    #[signal]
    #[signal]
    fn hit(&self) {}
}

fn main() {}

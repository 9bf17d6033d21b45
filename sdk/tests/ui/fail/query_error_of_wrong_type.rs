use abide::prelude::*;

struct Broke;

#[workflow]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[query]
    fn health(&self) -> Result<u32, Broke> {
        Ok(1)
    }
}

fn main() {}

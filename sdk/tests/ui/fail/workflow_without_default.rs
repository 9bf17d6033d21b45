use abide::prelude::*;

#[workflow]
struct Player {
    health: State<u32>,
}

#[workflow_methods]
impl Player {
    #[run]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

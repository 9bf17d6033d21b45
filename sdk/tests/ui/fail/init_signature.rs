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

    #[init(name = "new")]
    async fn new(&self) {}

    #[init]
    fn again() -> Self {
        Self
    }
}

fn main() {}

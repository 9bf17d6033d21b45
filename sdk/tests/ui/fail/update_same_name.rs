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

    #[update]
    fn trade(&self) {}

    #[update(name = "trade")]
    fn buy(&self) {}
}

fn main() {}

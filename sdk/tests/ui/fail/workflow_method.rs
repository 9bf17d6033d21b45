use abide::prelude::*;

struct Player;

impl Player {
    #[workflow]
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

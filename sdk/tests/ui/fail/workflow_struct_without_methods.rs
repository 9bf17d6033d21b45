use abide::prelude::*;

#[workflow]
#[derive(Default)]
struct Player;

impl Player {
    async fn run(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

use abide::prelude::*;

#[workflow]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run]
    async fn run(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

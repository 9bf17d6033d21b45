use std::error::Error;

use abide::prelude::*;

#[activity]
async fn charge() -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow]
async fn process_order(ctx: &WorkflowContext) -> Result<(), ActivityError> {
    Ok(())
}

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
    async fn play(&self) -> Result<u32, Box<dyn Error>> {
        Ok(1)
    }
}

fn main() {}

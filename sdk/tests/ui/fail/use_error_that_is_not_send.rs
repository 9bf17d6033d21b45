use std::error::Error;

use abide::prelude::*;

fn pay() -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[activity]
async fn charge() -> Result<(), ActivityError> {
    pay()?;
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run]
    async fn run(&self) -> Result<(), WorkflowError> {
        pay()?;
        Ok(())
    }

    #[update]
    async fn play(&self) -> Result<u32, WorkflowError> {
        pay()?;
        Ok(1)
    }
}

fn main() {}

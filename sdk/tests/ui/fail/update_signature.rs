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
    fn trade(offer: u32) -> u32 {
        offer
    }

    #[update]
    fn buy(&mut self, offer: &str) -> u32 {
        1
    }

    #[update]
    async fn sell<T>(&self, ctx: WorkflowContext) -> Result<&str, WorkflowError> {
        Ok("sold")
    }
}

fn main() {}

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
    fn trade(&self, offer: u32) -> u32 {
        offer
    }

    #[update_validator(trade)]
    fn check_trade(&self, offer: &String) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[update]
    fn buy(&self, offer: u32) {}

    #[update_validator(buy)]
    fn check_buy(&self, offer: &u32) -> bool {
        *offer > 0
    }
}

fn main() {}

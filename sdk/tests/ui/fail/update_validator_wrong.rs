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
    fn trade(&self, offer: u32, price: String) -> u32 {
        offer
    }

    #[update]
    fn buy(&self, offer: u32) {}

    #[update_validator(sell)]
    fn check_sell(&self) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[update_validator(trade)]
    async fn check_trade(&self, offer: &u32) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[update_validator]
    fn check_nothing(&self) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[update_validator(buy)]
    fn check_buy(&self, offer: u32) {}

    #[update_validator(buy)]
    fn check_buy_again(&self, offer: &u32) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[update_validator(name = "run")]
    fn check_run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

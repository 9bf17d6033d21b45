//! Impl blocks that do not fit their contract.
use abide::prelude::*;

#[abide::activity_definitions]
pub trait Bank {
    fn charge(card: String, cents: u64) -> String;
    #[activity(name = "bank/refund")]
    fn refund(receipt: String);
    fn close();
}

struct FirstBank;

#[activities(implements = Bank)]
impl FirstBank {
    #[activity]
    async fn charge(&self, card: String) -> Result<String, ActivityError> {
        Ok(card)
    }

    #[activity]
    async fn refund(&self, _receipt: String) -> Result<(), ActivityError> {
        Ok(())
    }

    #[activity]
    async fn rob(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

#[abide::workflow_definition]
pub trait Player {
    #[run]
    fn run(health: u32) -> u32;
    #[signal]
    fn submit(action: String);
    #[query]
    fn health() -> u32;
}

#[workflow]
#[derive(Default)]
struct Entity {}

#[workflow_methods(implements = Player)]
impl Entity {
    #[run]
    async fn run(&self, ctx: &WorkflowContext, health: u32) -> Result<String, WorkflowError> {
        ctx.timer(secs(1)).await?;
        Ok(health.to_string())
    }

    #[query]
    fn submit(&self) -> u32 {
        0
    }
}

fn main() {}

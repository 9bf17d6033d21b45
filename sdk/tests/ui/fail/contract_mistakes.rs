//! Mistakes in contracts.
use abide::prelude::*;

#[abide::activity_definitions(name = "bank")]
pub trait Bank<T>: Clone {
    const LIMIT: u64;
    fn charge(&self, cents: u64) -> String;
    async fn refund(receipt: String);
    fn look(ctx: &ActivityContext) -> String;
    fn pay(cents: u64) -> Result<String, String>;
    fn close() {}
    #[activity(start_to_close_timeout = mins(5))]
    fn open();
}

#[abide::activity_definitions]
pub trait Empty {}

#[abide::workflow_definition]
pub trait Player {
    #[signal]
    fn submit(action: String) -> u32;
    #[query]
    fn health();
    #[signal(unfinished_policy = abandon)]
    fn hit();
    #[signal]
    #[query]
    fn both() -> u32;
    fn what(action: String);
}

#[abide::workflow_definition]
pub trait Twice {
    #[run]
    fn run();
    #[run]
    fn walk();
}

#[abide::workflow_definition]
struct NotATrait;

#[activities(implement = Bank)]
impl Other {
    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

struct Other;

fn main() {}

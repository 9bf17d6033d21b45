use abide::converter::RawArguments;
use abide::prelude::*;

#[activity(dynamic)]
async fn any_activity(args: Vec<u8>) -> Result<(), ActivityError> {
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

    #[signal(dynamic)]
    fn any_signal(&self, name: String, args: String) {}

    #[query(dynamic)]
    fn any_query(&self, name: u32, args: RawArguments) -> u32 {
        name
    }
}

fn main() {}

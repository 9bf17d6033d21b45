use abide::converter::RawArguments;
use abide::prelude::*;

#[activity(dynamic, name = "any")]
async fn any_activity(args: RawArguments) -> Result<(), ActivityError> {
    Ok(())
}

#[activity(dynamic = true)]
async fn with_a_value(args: RawArguments) -> Result<(), ActivityError> {
    Ok(())
}

#[workflow(dynamic, dynamic)]
async fn any_workflow(args: RawArguments) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow(dynamic)]
async fn typed(ctx: &WorkflowContext, order: String, cents: u64) -> Result<(), WorkflowError> {
    Ok(())
}

struct Payments;

#[activities]
impl Payments {
    #[activity(dynamic)]
    async fn one(&self, args: RawArguments) -> Result<(), ActivityError> {
        Ok(())
    }

    #[activity(dynamic)]
    async fn two(&self, args: RawArguments) -> Result<(), ActivityError> {
        Ok(())
    }

    #[activity(dynamic)]
    async fn without_arguments(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

#[workflow(dynamic)]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run(dynamic)]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[signal(dynamic)]
    fn any_signal(&self, name: String, args: RawArguments) {}

    #[signal(dynamic)]
    fn any_other_signal(&self, name: String, args: RawArguments) {}

    #[query(dynamic)]
    fn any_query(&self, name: String) -> u32 {
        1
    }

    #[update(dynamic, name = "update")]
    fn any_update(&self, name: &str, args: RawArguments) {}

    #[update_validator(any_update)]
    fn check_update(&self, name: &str) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

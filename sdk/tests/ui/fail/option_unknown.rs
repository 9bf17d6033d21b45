use abide::prelude::*;

#[activity(nmae = "charge-v2")]
async fn charge() -> Result<(), ActivityError> {
    Ok(())
}

#[workflow(version = pinned)]
async fn sell(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Order;

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self, _ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[signal(policy = abandon)]
    fn pay(&self) {}

    #[query(unfinished = abandon)]
    fn is_paid(&self) -> bool {
        true
    }
}

fn main() {}

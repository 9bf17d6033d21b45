use abide::prelude::*;

#[workflow(versioning_behavior = sticky)]
async fn unknown(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow(versioning_behavior)]
async fn nothing(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow(versioning_behavior = pinned, versioning_behavior = pinned)]
async fn twice(_ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    Ok(())
}

#[activity(versioning_behavior = pinned)]
async fn charge() -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run(versioning_behavior = pinned)]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

use abide::prelude::*;

#[activity(name = "")]
async fn empty() -> Result<(), ActivityError> {
    Ok(())
}

#[activity(name = "__temporal_mine")]
async fn reserved() -> Result<(), ActivityError> {
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

    #[query(name = "__stack_trace")]
    fn stack_trace(&self) -> String {
        String::new()
    }
}

fn main() {}

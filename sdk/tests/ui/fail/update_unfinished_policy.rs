use abide::prelude::*;

#[workflow(unfinished_policy = abandon)]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[update(unfinished_policy = "abandon")]
    fn trade(&self) {}

    #[update(unfinished_policy = forget)]
    fn buy(&self) {}

    #[signal(unfinished_policy)]
    fn sell(&self) {}

    #[signal(unfinished_policy = abandon, unfinished_policy = warn_and_abandon)]
    fn call(&self) {}

    #[query(unfinished_policy = abandon)]
    fn health(&self) -> u32 {
        1
    }
}

fn main() {}

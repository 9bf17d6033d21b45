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

    #[query]
    fn state(&self) -> State<u32> {
        State::new(1)
    }
}

fn main() {}

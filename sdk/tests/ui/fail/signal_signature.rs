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

    #[signal]
    fn exclusive(&mut self) {}

    #[signal]
    fn without_receiver(amount: u32) {}

    #[signal]
    fn borrows(&self, name: &str) {}
}

fn main() {}

use abide::UpdateDefinition;
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
    fn call(&self) {}
}

fn needs_an_update<U: UpdateDefinition>(_: U) {}

fn main() {
    needs_an_update(Player::call);
}

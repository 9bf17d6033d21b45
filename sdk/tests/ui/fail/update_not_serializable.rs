use abide::prelude::*;

struct Opaque;

#[workflow]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[update]
    fn trade(&self) -> Opaque {
        Opaque
    }
}

fn main() {}

use abide::prelude::*;

#[workflow]
#[derive(Default)]
enum Player {
    #[default]
    Alive,
}

struct Enemy;

#[workflow]
impl Enemy {
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }
}

fn main() {}

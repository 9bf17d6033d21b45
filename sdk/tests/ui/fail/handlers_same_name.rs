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
    fn hit(&self) {}

    #[signal(name = "hit")]
    fn hit_again(&self) {}

    #[query]
    fn health(&self) -> u32 {
        1
    }

    #[query(name = "health")]
    fn health_again(&self) -> u32 {
        1
    }
}

fn main() {}

//! A state without `Default` begins with its `#[init]` constructor.

use abide::prelude::*;

#[workflow]
struct Player {
    name: String,
}

#[workflow_methods]
impl Player {
    #[init]
    fn new(_ctx: &WorkflowContext, name: String) -> Self {
        Self { name }
    }

    #[run]
    async fn run(&self, _name: String) -> Result<usize, WorkflowError> {
        Ok(self.name.len())
    }
}

fn main() {
    let _ = Player::run;
}

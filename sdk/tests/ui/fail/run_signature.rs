use abide::prelude::*;

#[workflow]
#[derive(Default)]
struct Player;

#[workflow_methods]
impl Player {
    #[run]
    fn run(&mut self, ctx: WorkflowContext, name: &str) -> String {
        name.to_string()
    }
}

fn main() {}

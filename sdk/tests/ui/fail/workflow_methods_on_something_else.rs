use abide::prelude::*;

#[workflow_methods]
struct Player;

#[workflow_methods(name = "player")]
impl Clone for Player {
    fn clone(&self) -> Self {
        Player
    }
}

fn main() {}

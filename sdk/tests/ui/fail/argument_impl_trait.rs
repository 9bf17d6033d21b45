use abide::prelude::*;

#[activity]
async fn greet(name: impl Into<String>) -> Result<(), ActivityError> {
    Ok(())
}

fn main() {}

use abide::prelude::*;

#[activity(name = "a", name = "b")]
async fn charge() -> Result<(), ActivityError> {
    Ok(())
}

fn main() {}

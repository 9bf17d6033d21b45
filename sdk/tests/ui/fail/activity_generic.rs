use abide::prelude::*;

#[activity]
async fn store<T: serde::Serialize>(value: T) -> Result<(), ActivityError> {
    Ok(())
}

fn main() {}

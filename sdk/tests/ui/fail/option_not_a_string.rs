use abide::prelude::*;

#[activity(name = 7)]
async fn by_number() -> Result<(), ActivityError> {
    Ok(())
}

#[activity(name)]
async fn without_value() -> Result<(), ActivityError> {
    Ok(())
}

#[activity("charge-v2")]
async fn without_key() -> Result<(), ActivityError> {
    Ok(())
}

fn main() {}

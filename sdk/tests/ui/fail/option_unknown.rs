use abide::prelude::*;

#[activity(nmae = "charge-v2")]
async fn charge() -> Result<(), ActivityError> {
    Ok(())
}

fn main() {}

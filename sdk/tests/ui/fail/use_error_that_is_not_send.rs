use std::error::Error;

use abide::prelude::*;

fn pay() -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[activity]
async fn charge() -> Result<(), ActivityError> {
    pay()?;
    Ok(())
}

fn main() {}

use abide::prelude::*;

#[activity(blocking)]
fn double(amount: u32) -> Result<u32, ActivityError> {
    Ok(amount * 2)
}

fn twice(amount: u32) -> Result<u32, ActivityError> {
    Ok(double(amount)?)
}

fn main() {}

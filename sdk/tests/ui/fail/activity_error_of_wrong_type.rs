use abide::prelude::*;

struct Broke;

#[activity]
async fn charge() -> Result<u32, Broke> {
    Ok(1)
}

fn main() {}

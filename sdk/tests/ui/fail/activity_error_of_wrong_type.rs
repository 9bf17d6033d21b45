use abide::prelude::*;

#[activity]
async fn charge() -> Result<u32, String> {
    Ok(1)
}

fn main() {}

use abide::prelude::*;

struct Receipt;

#[activity]
async fn charge() -> Result<Receipt, ActivityError> {
    Ok(Receipt)
}

fn main() {}

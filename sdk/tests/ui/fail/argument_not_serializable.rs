use abide::prelude::*;

struct Item {
    sku: String,
}

#[activity]
async fn check_inventory(items: Vec<Item>) -> Result<(), ActivityError> {
    Ok(())
}

fn main() {}

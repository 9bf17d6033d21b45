use abide::prelude::*;

#[activity]
struct Charge;

struct Payments;

#[activity]
impl Payments {
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

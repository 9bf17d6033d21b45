use abide::prelude::*;

struct Payments;

#[activities]
impl Payments {
    #[activity = "charge-v2"]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

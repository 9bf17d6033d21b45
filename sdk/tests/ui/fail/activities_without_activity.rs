use abide::prelude::*;

struct Payments;

#[activities]
impl Payments {
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

use abide::prelude::*;

#[activities]
struct Payments;

trait Charge {
    async fn charge(&self) -> Result<(), ActivityError>;
}

#[activities]
impl Charge for u32 {
    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

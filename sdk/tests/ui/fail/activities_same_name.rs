use abide::prelude::*;

struct Payments;

#[activities]
impl Payments {
    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }

    #[activity(name = "charge")]
    async fn charge_again(&self) -> Result<(), ActivityError> {
        Ok(())
    }

    #[activity]
    #[activity]
    async fn refund(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

use abide::prelude::*;

struct Payments;

#[activities(name = "payments")]
impl Payments {
    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

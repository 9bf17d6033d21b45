use abide::prelude::*;

struct Payments;

impl Payments {
    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

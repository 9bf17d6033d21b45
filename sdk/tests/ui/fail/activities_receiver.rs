use abide::prelude::*;

struct Payments;

#[activities]
impl Payments {
    #[activity]
    async fn exclusive(&mut self) -> Result<(), ActivityError> {
        Ok(())
    }

    #[activity]
    async fn by_value(self) -> Result<(), ActivityError> {
        Ok(())
    }

    #[activity]
    async fn shared(self: std::sync::Arc<Self>) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

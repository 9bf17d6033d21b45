use abide::prelude::*;

struct Payments<G> {
    gateway: G,
}

#[activities]
impl<G: Send + Sync + 'static> Payments<G> {
    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

use abide::prelude::*;

struct Payments;

#[activities]
impl Payments {
    #[activity(nmae = "charge")]
    async fn charge<T>(&mut self, amount: &u32, ctx: &ActivityContext) {}

    #[activity]
    async fn refund(&self, amount: u32) -> Result<(), ActivityError> {
        Ok(())
    }
}

// Definitions can be used even if one of them has mistakes: that is not reported again.
fn uses(worker: impl Fn(&dyn Fn() -> Payments)) {
    let (_charge, _refund) = (Payments::charge, Payments::refund);
    worker(&|| Payments);
}

fn main() {}

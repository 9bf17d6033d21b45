use abide::prelude::*;

struct Payments<'a> {
    gateway: &'a str,
}

#[activities]
impl Payments<'_> {
    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }
}

fn main() {}

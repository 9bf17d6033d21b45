use abide::prelude::*;

use std::cell::Cell;

struct Payments {
    total: Cell<u32>,
}

#[activities]
impl Payments {
    #[activity(blocking)]
    fn count(&self) -> Result<u32, ActivityError> {
        Ok(self.total.get())
    }
}

fn main() {}

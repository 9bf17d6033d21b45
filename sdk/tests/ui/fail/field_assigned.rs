use abide::prelude::*;

#[workflow]
#[derive(Default)]
struct Order {
    total: u32,
    items: [u32; 3],
}

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self, ctx: &WorkflowContext) -> Result<u32, WorkflowError> {
        self.total = 0;
        Ok(self.total)
    }

    #[signal]
    fn add(&self, item: usize, amount: u32) {
        if amount > 0 {
            self.items[item] += amount;
        }
    }
}

struct Payments {
    count: u32,
}

#[activities]
impl Payments {
    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        self.count += 1;
        Ok(())
    }
}

fn main() {}

use abide::prelude::*;

#[activity(definition = "ShipDefinition")]
async fn ship() -> Result<(), ActivityError> {
    Ok(())
}

#[workflow(definition = OrderDefinition)]
#[derive(Default)]
struct Order;

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[query(definition = TotalDefinition)]
    fn total(&self) -> u32 {
        1
    }
}

fn main() {}

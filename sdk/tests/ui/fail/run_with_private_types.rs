mod checkout {
    use abide::prelude::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Order(u32);

    #[workflow]
    #[derive(Default)]
    pub struct Checkout;

    #[workflow_methods]
    impl Checkout {
        #[run]
        async fn run(&self, order: Order) -> Result<(), WorkflowError> {
            drop(order);
            Ok(())
        }
    }
}

fn main() {}

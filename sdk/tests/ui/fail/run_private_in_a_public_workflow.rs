mod checkout {
    use abide::prelude::*;

    #[workflow]
    #[derive(Default)]
    pub struct Checkout;

    #[workflow_methods]
    impl Checkout {
        #[run]
        async fn run(&self) -> Result<(), WorkflowError> {
            Ok(())
        }
    }
}

fn start<Kind>(_: impl abide::Workflow<Kind>) {}

fn main() {
    start(checkout::Checkout::run);
}

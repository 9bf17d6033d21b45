use abide::prelude::*;

#[workflow]
#[derive(Default)]
struct Order {
    is_ready: State<bool>,
}

#[workflow_methods]
impl Order {
    #[run]
    async fn run(&self) -> Result<(), WorkflowError> {
        Ok(())
    }

    #[query]
    fn ready(&self) -> bool {
        self.is_ready.get()
    }

    #[signal]
    fn ready(&self) {
        self.is_ready.set(true);
    }

    #[query]
    fn helper(&self) -> bool {
        true
    }

    fn helper(&self) {}
}

struct Payments;

#[activities]
impl Payments {
    #[activity]
    async fn charge(&self) -> Result<(), ActivityError> {
        Ok(())
    }

    #[activity(name = "charge twice")]
    async fn charge(&self, _cents: u64) -> Result<(), ActivityError> {
        Ok(())
    }
}

async fn use_them(ctx: &WorkflowContext) -> Result<(), WorkflowError> {
    ctx.activity(Payments::charge, ()).start_to_close_timeout(secs(1)).await?;
    Ok(())
}

fn main() {}

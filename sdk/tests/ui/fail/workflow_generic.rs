use abide::prelude::*;

#[workflow]
async fn process<T>(ctx: &WorkflowContext, order: T) -> Result<(), WorkflowError> {
    Ok(())
}

#[workflow]
#[derive(Default)]
struct Player<T> {
    pending: State<Vec<T>>,
}

fn main() {}

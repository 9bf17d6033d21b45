use abide::prelude::*;

#[workflow]
async fn returns_nothing(ctx: &WorkflowContext) {}

#[workflow]
async fn returns_a_value(ctx: &WorkflowContext) -> u32 {
    1
}

fn main() {}

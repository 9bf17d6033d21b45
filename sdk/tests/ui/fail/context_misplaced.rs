use abide::prelude::*;

#[activity]
async fn by_value(ctx: ActivityContext) -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn exclusive(ctx: &mut ActivityContext) -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn last(amount: u32, ctx: &ActivityContext) -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn twice(ctx: &ActivityContext, again: &ActivityContext) -> Result<(), ActivityError> {
    Ok(())
}

fn main() {}

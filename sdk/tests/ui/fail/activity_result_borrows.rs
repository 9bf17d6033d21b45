use abide::prelude::*;

#[activity]
async fn name_of(ctx: &ActivityContext) -> Result<&str, ActivityError> {
    Ok(&ctx.info().activity_type)
}

#[activity]
async fn items() -> Result<impl Iterator<Item = u32>, ActivityError> {
    Ok(0..3)
}

fn main() {}

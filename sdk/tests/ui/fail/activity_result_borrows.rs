use abide::prelude::*;

#[activity]
async fn name_of(ctx: &ActivityContext) -> Result<&str, ActivityError> {
    Ok(&ctx.info().activity_type)
}

#[activity]
async fn items() -> Result<impl Iterator<Item = u32>, ActivityError> {
    Ok(0..3)
}

#[activity]
async fn names() -> Result<Vec<&'static str>, ActivityError> {
    Ok(vec!["tea"])
}

#[activity]
async fn borrows_its_error() -> Result<u32, &str> {
    Err("no tea")
}

fn main() {}

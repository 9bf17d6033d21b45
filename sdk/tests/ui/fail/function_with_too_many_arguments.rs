use abide::prelude::*;

#[activity]
async fn twelve(
    _ctx: &ActivityContext,
    _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8,
) -> Result<(), ActivityError> {
    Ok(())
}

#[workflow]
async fn thirteen(
    _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8,
) -> Result<(), WorkflowError> {
    Ok(())
}

fn main() {}

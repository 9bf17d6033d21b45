use abide::prelude::*;

#[activity]
async fn greet(name: &str, tags: &[String], entries: &Vec<u32>) -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
async fn nested(names: Vec<&str>) -> Result<(), ActivityError> {
    Ok(())
}

fn main() {}

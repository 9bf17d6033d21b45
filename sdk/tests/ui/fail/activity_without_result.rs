use abide::prelude::*;

#[activity]
async fn returns_nothing() {}

#[activity]
async fn returns_a_value() -> u32 {
    1
}

fn main() {}

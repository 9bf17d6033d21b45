use abide::prelude::*;

use std::rc::Rc;

async fn pause() {}

#[activity]
async fn charge() -> Result<(), ActivityError> {
    let shared = Rc::new(1);
    pause().await;
    drop(shared);
    Ok(())
}

fn main() {}

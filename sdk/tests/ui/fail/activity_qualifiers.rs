use abide::prelude::*;

#[activity]
async unsafe fn charge() -> Result<(), ActivityError> {
    Ok(())
}

#[activity]
const fn count() -> Result<u32, ActivityError> {
    Ok(1)
}

#[activity]
extern "C" fn native() -> Result<u32, ActivityError> {
    Ok(1)
}

fn main() {}

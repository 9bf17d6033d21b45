use abide::prelude::*;

#[activity]
async unsafe fn charge() -> Result<(), ActivityError> {
    Ok(())
}

#[activity(blocking)]
const fn count() -> Result<u32, ActivityError> {
    Ok(1)
}

#[activity(blocking)]
extern "C" fn native() -> Result<u32, ActivityError> {
    Ok(1)
}

fn main() {}

use abide::prelude::*;

#[derive(Debug, ApplicationError)]
enum Nothing {}

#[derive(Debug, ApplicationError)]
#[error("no {0}")]
struct Generic<T>(T);

#[derive(ApplicationError)]
union Either {
    a: u8,
    b: u16,
}

fn main() {}

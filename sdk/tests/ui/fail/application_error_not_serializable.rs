use abide::prelude::*;

#[derive(Debug)]
struct Card;

#[derive(Debug, ApplicationError)]
enum PaymentError {
    #[error("declined")]
    Declined { card: Card },
    #[error("no such field: {cards}")]
    Unknown { card: String },
}

fn main() {}

use abide::prelude::*;

#[derive(Debug, ApplicationError)]
enum PaymentError {
    Silent,
    #[error("declined", non_retriable)]
    Declined,
    #[error("declined again", error_type = "Declined")]
    Again,
    #[error("once", benign, benign)]
    Twice,
    #[error("once")]
    #[error("twice")]
    TwoMessages,
    #[error("the network: {0}")]
    Network(#[from] std::io::Error),
    #[error("nothing", error_type = "")]
    NoType,
    #[error(non_retryable)]
    NoMessage,
    #[error("no", error_type_prefix = "Payment")]
    Prefixed,
    #[error("no", category = benign)]
    Categorized,
}

fn days() -> u32 {
    1
}

#[derive(Debug, ApplicationError)]
#[error("late")]
enum DeliveryError {
    #[error("late {days}")]
    Late { by: u32 },
    #[error("lost {}, {1}, {}")]
    Lost(u32),
    #[error("broken {what}")]
    Broken,
}

#[derive(Debug, ApplicationError)]
#[error(error_type_prefix = "")]
enum ReturnError {
    #[error("late")]
    Late,
}

fn main() {}

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
}

fn main() {}

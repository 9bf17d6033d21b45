use abide::prelude::*;

#[derive(Debug)]
enum PaymentError {
    Declined,
}

fn is_declined(failure: &Failure) -> bool {
    matches!(failure.application_error::<PaymentError>(), Some(PaymentError::Declined))
}

fn main() {}

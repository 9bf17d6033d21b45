//! What a test environment is for, as tests that its users could write.

mod basics;
mod endless;
mod mocks;
mod waiting;

type Outcome = Result<(), Box<dyn std::error::Error>>;

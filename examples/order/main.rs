//! Placeholder until the order example lands: it proves that `cargo run --example order` resolves from the workspace root.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::FAILURE
}

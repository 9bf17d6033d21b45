//! The expansion of the attribute macros on functions, impl blocks and structs: names, types, calls, and all error
//! messages.
//!
//! Running the generated code is tested inside the crate (`src/__private/tests.rs`).

#[path = "macros/activities.rs"]
mod activities;
#[path = "macros/application_errors.rs"]
mod application_errors;
#[path = "macros/by_name.rs"]
mod by_name;
#[path = "macros/contracts.rs"]
mod contracts;
#[path = "macros/documented_library.rs"]
pub mod documented_library;
#[path = "macros/name_conflicts.rs"]
mod name_conflicts;
#[path = "macros/private_types.rs"]
mod private_types;
#[path = "macros/question_mark.rs"]
mod question_mark;
#[path = "macros/variables.rs"]
mod variables;
#[path = "macros/workflows.rs"]
mod workflows;

/// Checks the message of every mistake, word for word. `ui/` contains only failing cases, because a passing one would
/// compile all dependencies again. `TRYBUILD=overwrite` rewrites the expected messages.
#[test]
fn mistakes_are_reported_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
}

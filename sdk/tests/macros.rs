//! What the attribute macros make of functions, impl blocks and structs: names, types, calls, and every message.
//!
//! How the runtime drives what they write is tested inside the crate (`src/__private/tests.rs`).

#[path = "macros/activities.rs"]
mod activities;
#[path = "macros/application_errors.rs"]
mod application_errors;
#[path = "macros/by_name.rs"]
mod by_name;
#[path = "macros/documented_library.rs"]
pub mod documented_library;
#[path = "macros/name_conflicts.rs"]
mod name_conflicts;
#[path = "macros/private_types.rs"]
mod private_types;
#[path = "macros/variables.rs"]
mod variables;
#[path = "macros/workflows.rs"]
mod workflows;

/// The messages of every mistake, word for word. Only failing cases stand in `ui/`: one that passes would have all
/// dependencies compiled once more. `TRYBUILD=overwrite` writes them anew.
#[test]
fn mistakes_are_reported_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
}

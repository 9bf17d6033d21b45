//! What the attribute macros make of functions, impl blocks and structs: names, types, calls, and every message.
//!
//! How the runtime drives what they write is tested inside the crate (`src/__private/tests.rs`).

#[path = "macros/activities.rs"]
mod activities;
#[path = "macros/name_conflicts.rs"]
mod name_conflicts;
#[path = "macros/workflows.rs"]
mod workflows;

/// The messages of every mistake, word for word. `TRYBUILD=overwrite` writes them anew.
#[test]
fn mistakes_are_reported_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}

//! Checks that an impl block implements a contract, for the macros. They run while the program is compiled.

use crate::definition::{ActivityDefinition, QueryDefinition, SignalDefinition, UpdateDefinition, WorkflowDefinition};

/// A definition of a contract, as its implementation must have it.
#[derive(Debug)]
pub struct Expected {
    /// Name of the method.
    pub method: &'static str,
    /// Error if it is missing.
    pub missing: &'static str,
}

/// Checks the types of an activity.
pub const fn implements_activity<C, I>(_contract: &C, _implementation: &I)
where
    C: ActivityDefinition,
    I: ActivityDefinition<Args = C::Args, Output = C::Output>,
{
}

/// Checks the types of a workflow.
pub const fn implements_workflow<C, I>(_contract: &C, _implementation: &I)
where
    C: WorkflowDefinition,
    I: WorkflowDefinition<Args = C::Args, Output = C::Output>,
{
}

/// Checks the types of a signal.
pub const fn implements_signal<C, I>(_contract: &C, _implementation: &I)
where
    C: SignalDefinition,
    I: SignalDefinition<Args = C::Args>,
{
}

/// Checks the types of a query.
pub const fn implements_query<C, I>(_contract: &C, _implementation: &I)
where
    C: QueryDefinition,
    I: QueryDefinition<Args = C::Args, Output = C::Output>,
{
}

/// Checks the types of an update.
pub const fn implements_update<C, I>(_contract: &C, _implementation: &I)
where
    C: UpdateDefinition,
    I: UpdateDefinition<Args = C::Args, Output = C::Output>,
{
}

/// Fails to compile if one of the definitions has no method.
pub const fn all_are_implemented(expected: &[Expected], methods: &[&str]) {
    let mut index = 0;
    while index < expected.len() {
        assert!(is_among(expected[index].method, methods), "{}", expected[index].missing);
        index += 1;
    }
}

/// Compares two texts.
pub const fn is_same_text(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

const fn is_among(method: &str, methods: &[&str]) -> bool {
    let mut index = 0;
    while index < methods.len() {
        if is_same_text(method, methods[index]) {
            return true;
        }
        index += 1;
    }
    false
}

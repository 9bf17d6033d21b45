//! Workflow tasks: arguments, failures and the end of a run.

mod arguments;
mod direct_calls;
mod ends;
pub(super) mod failing_tasks;
mod logs;
mod memory;
mod unquoted_values;

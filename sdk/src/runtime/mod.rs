//! PURE. Runs workflow code over the machines.

mod activations;
mod built_in_queries;
mod close;
mod failures;
mod messages;
mod order;
mod panics;
mod queries;
mod read_only;
mod ready_queue;
mod registry;
mod routines;
#[cfg(test)]
pub(crate) mod specs;
mod turns;
mod workflow_run;

pub use order::{CancellationTie, ConditionOrder, Grouping, HandlerScope, QueueOrder, RunOrder};
pub use panics::catch_panic;
#[cfg(feature = "worker")]
pub(crate) use panics::panic_message;
pub use registry::{WorkflowErrorType, WorkflowRegistry};
pub use workflow_run::{ReplayedOutcome, RunOptions, WorkflowRun};

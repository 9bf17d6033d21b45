//! The core, part two: runs workflow code over a history.
//!
//! [`WorkflowRun`] is one run of a workflow. It takes a history and returns commands, without I/O, threads or a clock.
//! Programs that run a [worker](mod@crate::worker) do not need this module.
//! [Driving the core](crate::guide::driving_the_core) explains how to use it, and how far its types are stable.

mod activations;
mod built_in_queries;
mod cancel_request;
mod close;
mod failures;
mod handlers;
mod intercepted;
mod logs;
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

pub use order::{CancellationTie, ConditionOrder, Grouping, HandlerScope, QueueOrder, RunOrder, StartWait};
#[doc(hidden)]
pub use panics::catch_panic;
#[cfg(feature = "worker")]
pub(crate) use panics::panic_message;
pub use registry::{WorkflowErrorType, WorkflowRegistry};
pub use workflow_run::{ReplayedOutcome, RunOptions, WorkflowRun};

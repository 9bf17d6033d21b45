//! PURE. History in, commands out: the state machines that follow a workflow's history.
//!
//! [`Input`] and [`Output`] are the values that [`WorkflowRun::handle`](crate::runtime::WorkflowRun::handle) takes and
//! returns. They contain Temporal's messages for users of the core. Users of Abide need [`Nondeterminism`] at most.

mod nondeterminism;
mod task_end;
#[doc(hidden)]
pub mod text;
mod workflow_task;

pub(crate) mod command_queue;
pub(crate) mod event_cursor;
pub(crate) mod event_groups;
pub(crate) mod event_type;
pub(crate) mod flags;
pub(crate) mod jobs;
pub(crate) mod machines;
pub(crate) mod random_seed;
pub(crate) mod slab;
pub(crate) mod state_machines;

pub use nondeterminism::{Nondeterminism, NondeterminismKind};
pub use workflow_task::{
    HistoryPage, Input, LocalActivityResolution, LocalActivityResult, LocalActivityTask, Output, Statement, Until,
    WorkflowTask, WorkflowTaskCompletion, WorkflowTaskFailure,
};

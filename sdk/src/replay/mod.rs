//! The core, part one: the values that go in and come out, and the state machines that follow a workflow's history.
//!
//! [`Input`] and [`Output`] are what [`WorkflowRun::handle`](crate::runtime::WorkflowRun::handle) takes and returns.
//! Programs that run a [worker](mod@crate::worker) do not need this module, except for [`Nondeterminism`].
//! [Driving the core](crate::guide::driving_the_core) explains how to use it, and how far its types are stable.

mod nondeterminism;
mod task_end;
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

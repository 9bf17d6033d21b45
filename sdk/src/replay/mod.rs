//! PURE. History in, commands out: the state machines that follow a workflow's history.

mod nondeterminism;
#[doc(hidden)]
pub mod text;
mod workflow_task;

pub use nondeterminism::{Nondeterminism, NondeterminismKind};
pub use workflow_task::{HistoryPage, Input, Output, WorkflowTask, WorkflowTaskCompletion, WorkflowTaskFailure};

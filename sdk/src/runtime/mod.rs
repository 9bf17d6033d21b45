//! PURE. Runs workflow code over the machines.

mod registry;
mod workflow_run;

pub use registry::WorkflowRegistry;
pub use workflow_run::{RunOptions, WorkflowRun};

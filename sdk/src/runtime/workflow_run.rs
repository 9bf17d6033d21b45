//! One cached run: the one entry into the pure core.

use std::sync::Arc;

use super::registry::WorkflowRegistry;
use crate::replay::{Input, Output};

/// What all runs of a worker share.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The namespace the runs belong to.
    pub namespace: Arc<str>,
    /// The task queue the worker polls: where activities go by default.
    pub task_queue: Arc<str>,
    /// Whether the server stores SDK flags (capability `sdk_metadata`).
    pub sdk_metadata: bool,
}

/// One run of a workflow: its machines and its code. `!Send`: it lives in one lane.
pub struct WorkflowRun {
    _registry: Arc<WorkflowRegistry>,
    _options: Arc<RunOptions>,
}

impl WorkflowRun {
    /// A run that has seen nothing yet.
    pub fn new(registry: Arc<WorkflowRegistry>, options: Arc<RunOptions>, workflow_id: String, run_id: String) -> Self {
        let _ = (workflow_id, run_id);
        Self { _registry: registry, _options: options }
    }

    /// Takes one input to its end: synchronous, deterministic, without side effects.
    pub fn handle(&mut self, input: Input) -> Output {
        let _ = input;
        Output::Idle
    }

    /// Id of the last WorkflowTaskStarted event this run has processed; 0 before the first.
    pub fn last_processed_started_event_id(&self) -> i64 {
        0
    }
}

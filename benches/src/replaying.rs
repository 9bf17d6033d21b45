//! Replays a history with the code that a worker replays with.

use std::sync::Arc;

use abide::replay::{Input, Output, Until, WorkflowTask};
use abide::runtime::{ReplayedOutcome, RunOptions, WorkflowRegistry, WorkflowRun};

use crate::histories::values::{NAMESPACE, TASK_QUEUE};
use crate::history_pages::HistoryPages;
use crate::workflows;

/// Replays histories of the bench workflows.
#[derive(Debug)]
pub struct Replays {
    registry: Arc<WorkflowRegistry>,
    options: Arc<RunOptions>,
}

impl Default for Replays {
    fn default() -> Self {
        let mut registry = WorkflowRegistry::default();
        registry.add(workflows::seq_activities);
        registry.add(workflows::seq_timers);
        registry.add(workflows::fan_out);
        registry.add(workflows::SignalCount::run);
        registry.add(workflows::small);
        registry.add(workflows::local_activities);
        registry.add(workflows::local_activities_in_one_task);
        registry.add(workflows::UpdateCount::run);
        registry.add(workflows::children);
        registry.add(workflows::patches);
        let options = RunOptions::new(NAMESPACE, TASK_QUEUE);
        Self { registry: Arc::new(registry), options: Arc::new(options) }
    }
}

impl Replays {
    /// Replays from the first event to the workflow's end. Decodes each page when the run requests it.
    ///
    /// # Errors
    /// Returns an error if the replay does not reach the workflow's end.
    pub fn replay(&self, pages: &HistoryPages) -> Result<(), String> {
        let (workflow_id, run_id) = (pages.workflow_id.clone(), pages.run_id.clone());
        let mut run = WorkflowRun::new(Arc::clone(&self.registry), Arc::clone(&self.options), workflow_id, run_id);
        let mut input = Input::WorkflowTask(Box::new(WorkflowTask {
            until: Until::End,
            attempt: 1,
            history: pages.decode(&[])?,
            ..WorkflowTask::default()
        }));
        loop {
            match run.handle(input) {
                Output::NeedHistory { next_page_token } => input = Input::HistoryPage(pages.decode(&next_page_token)?),
                Output::Idle if matches!(run.replayed_outcome(), Some(ReplayedOutcome::Completed(_))) => return Ok(()),
                output => {
                    let reached = run.last_processed_started_event_id();
                    return Err(format!(
                        "the replay ended at event {reached}, before the workflow's end, with {output:?}"
                    ));
                }
            }
        }
    }
}

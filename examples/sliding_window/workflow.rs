//! A batch that keeps a number of children running, and continues as new while they run.

use std::collections::BTreeSet;

use abide::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Batch {
    pub records: u32,
    pub window: usize,
    /// The number of children that a run starts before the next run takes over.
    pub starts_per_run: u32,
}

/// The progress that a run hands over to the next one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub started: u32,
    pub in_flight: BTreeSet<u32>,
    pub failed: BTreeSet<u32>,
    pub runs: u32,
}

#[workflow]
pub struct SlidingWindow {
    progress: State<Progress>,
}

#[workflow_methods]
impl SlidingWindow {
    /// Children may report before `run` begins, so what was handed over is there from the start.
    #[init]
    fn new(_batch: Batch, progress: Progress) -> Self {
        Self { progress: State::new(Progress { runs: progress.runs + 1, ..progress }) }
    }

    #[run]
    pub async fn run(&self, ctx: &WorkflowContext, batch: Batch, _: Progress) -> Result<Progress, WorkflowError> {
        let mut starts = 0;
        while self.progress.read().started < batch.records {
            if starts == batch.starts_per_run || ctx.continue_as_new_suggested() {
                return ctx.continue_as_new(SlidingWindow::run, (batch, self.progress.get())).into();
            }
            ctx.wait_until(|| self.progress.read().in_flight.len() < batch.window).await?;
            self.start_next(ctx).await?;
            starts += 1;
        }
        ctx.wait_until(|| self.progress.read().in_flight.is_empty()).await?;
        Ok(self.progress.get())
    }

    /// A record that is reported twice counts once, because it is no longer in flight.
    #[signal]
    pub fn processed(&self, record: u32, is_ok: bool) {
        let mut progress = self.progress.write();
        if progress.in_flight.remove(&record) && !is_ok {
            progress.failed.insert(record);
        }
    }

    #[query]
    pub fn progress(&self) -> Progress {
        self.progress.get()
    }

    async fn start_next(&self, ctx: &WorkflowContext) -> Result<(), WorkflowError> {
        let record = self.progress.read().started + 1;
        self.progress.write().started = record;
        self.progress.write().in_flight.insert(record);
        let batch_id = ctx.info().workflow_id.clone();
        // Abandoned, so that it outlives this run, which is its parent.
        let child = ctx.child_workflow(process, (record, batch_id.clone())).id(format!("{batch_id}/{record}"));
        child.parent_close_policy(ParentClosePolicy::Abandon).start().await?.detach();
        Ok(())
    }
}

/// Processes one record and reports to the batch's id, under which its current run gets the signal.
#[workflow]
pub async fn process(ctx: &WorkflowContext, record: u32, batch_id: String) -> Result<(), WorkflowError> {
    let outcome = ctx.activity(convert, record).await;
    let report = ctx.external_workflow(batch_id).signal(SlidingWindow::processed, (record, outcome.is_ok()));
    ctx.shielded(report).await?;
    Ok(outcome?)
}

#[derive(Debug, ApplicationError)]
pub enum ConvertError {
    #[error("record {0} cannot be read", non_retryable)]
    Unreadable(u32),
}

#[activity(start_to_close_timeout = mins(1))]
pub async fn convert(record: u32) -> Result<(), ConvertError> {
    if record == 13 { Err(ConvertError::Unreadable(record)) } else { Ok(()) }
}

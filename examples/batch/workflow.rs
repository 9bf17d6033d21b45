//! An import of many items: one child workflow per chunk, a few children at a time.

use abide::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub imported: usize,
    pub failed: Vec<FailedItem>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedItem {
    pub item: String,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    pub chunk: usize,
    pub children: usize,
}

#[derive(Debug, PartialEq, ApplicationError)]
pub enum ImportError {
    #[error("it has no price", non_retryable)]
    NoPrice,
}

/// Each chunk has a history of its own, so the number of items is limited only by the number of chunks.
#[workflow]
pub async fn import(ctx: &WorkflowContext, items: Vec<String>, limits: Limits) -> Result<Report, WorkflowError> {
    let chunks = map_concurrent(items.chunks(limits.chunk), limits.children, async |chunk| {
        (chunk, ctx.child_workflow(import_chunk, chunk.to_vec()).await)
    });
    let mut report = Report::default();
    for (chunk, outcome) in chunks.await {
        match outcome {
            Ok(part) => report.add(part),
            Err(error) if error.is_cancelled() => return Err(error.into()),
            // A chunk that fails as a whole must not hide what became of the others.
            Err(error) => chunk.iter().for_each(|item| report.fail(item, error.message())),
        }
    }
    Ok(report)
}

#[workflow]
pub async fn import_chunk(ctx: &WorkflowContext, items: Vec<String>) -> Result<Report, WorkflowError> {
    let mut report = Report::default();
    for item in items {
        match ctx.activity(import_item, item.clone()).await {
            Ok(()) => report.imported += 1,
            Err(error) if error.is_cancelled() => return Err(error.into()),
            Err(error) => report.fail(&item, error.message()),
        }
    }
    Ok(report)
}

#[activity(start_to_close_timeout = mins(1), retry_policy = RetryPolicy::new().maximum_attempts(5))]
pub async fn import_item(item: String) -> Result<(), ImportError> {
    if item.ends_with('7') { Err(ImportError::NoPrice) } else { Ok(()) }
}

impl Report {
    fn add(&mut self, part: Report) {
        self.imported += part.imported;
        self.failed.extend(part.failed);
    }

    fn fail(&mut self, item: &str, reason: String) {
        self.failed.push(FailedItem { item: item.into(), reason });
    }
}

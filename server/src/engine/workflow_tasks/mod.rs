//! Workflow tasks: scheduled, handed to a worker, answered or timed out.

mod completion_pages;
mod dispatch;
mod life;
mod reported_problems;
mod respond;
mod speculative;
pub(super) mod versions;
mod worker_builds;

pub(crate) use self::completion_pages::{CompletionPages, PageLimits};
pub(crate) use self::dispatch::workflow_queue;
pub(crate) use self::life::{HISTORY_SERVICE, Scheduling, WorkflowTask};
pub(crate) use self::reported_problems::TaskProblems;

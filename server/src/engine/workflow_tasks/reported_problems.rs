//! The search attribute `TemporalReportedProblems`, set while workflow tasks fail repeatedly, until one completes.
//!
//! Extends `Transaction`.

use crate::engine::api::{common, enums};
use crate::engine::transaction::Transaction;
use crate::engine::visibility::keyword_list;

const SEARCH_ATTRIBUTE: &str = "TemporalReportedProblems";

/// Number of consecutive failures that are reported.
const FAILURES: u32 = 5;

/// The recent failures of a run's workflow tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskProblems {
    /// Failures since a task has completed, without those of a worker that had the run cached.
    failures: u32,
    /// The problem in the last event of a failed task.
    last: Option<Problem>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Problem {
    Failed(enums::WorkflowTaskFailedCause),
    TimedOut(enums::TimeoutType),
}

impl Transaction<'_> {
    /// Records the event of a failed task.
    pub(crate) fn note_task_problem(&mut self, problem: Problem) {
        self.state().task_problems.last = Some(problem);
    }

    /// Counts a failed task.
    pub(crate) fn report_task_problem(&mut self) {
        let problems = &mut self.state().task_problems;
        problems.failures += 1;
        let last = problems.last.filter(|_| problems.failures >= FAILURES);
        if let Some(last) = last {
            self.state().search_attributes.insert(SEARCH_ATTRIBUTE.to_owned(), last.payload());
        }
    }

    /// Resets the count after a completed task.
    pub(crate) fn end_task_problems(&mut self) {
        let state = self.state();
        if state.task_problems.failures >= FAILURES {
            state.search_attributes.remove(SEARCH_ATTRIBUTE);
        }
        state.task_problems = TaskProblems::default();
    }
}

impl Problem {
    /// Formats it as a keyword list like the real server.
    fn payload(self) -> common::Payload {
        let (category, cause) = match self {
            Self::Failed(cause) => ("WorkflowTaskFailed", format!("{cause:?}")),
            Self::TimedOut(kind) => ("WorkflowTaskTimedOut", format!("{kind:?}")),
        };
        keyword_list(&[format!("category={category}"), format!("cause={category}Cause{cause}")])
    }
}

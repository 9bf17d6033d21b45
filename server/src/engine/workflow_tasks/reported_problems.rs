//! Workflow tasks that fail again and again: the search attribute `TemporalReportedProblems` says so, until one completes.
//!
//! Extends `Transaction`.

use crate::engine::api::{common, enums};
use crate::engine::transaction::Transaction;
use crate::engine::visibility::keyword_list;

const SEARCH_ATTRIBUTE: &str = "TemporalReportedProblems";

/// So many tasks have to fail in a row.
const FAILURES: u32 = 5;

/// How the workflow tasks of a run fare.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskProblems {
    /// Since a task has completed; what fails for a worker with a cached run does not count.
    failures: u32,
    /// What the last event of a failed task says.
    last: Option<Problem>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Problem {
    Failed(enums::WorkflowTaskFailedCause),
    TimedOut(enums::TimeoutType),
}

impl Transaction<'_> {
    /// A failed task has written its event.
    pub(crate) fn note_task_problem(&mut self, problem: Problem) {
        self.state().task_problems.last = Some(problem);
    }

    /// A task has failed that counts.
    pub(crate) fn report_task_problem(&mut self) {
        let problems = &mut self.state().task_problems;
        problems.failures += 1;
        let last = problems.last.filter(|_| problems.failures >= FAILURES);
        if let Some(last) = last {
            self.state().search_attributes.insert(SEARCH_ATTRIBUTE.to_owned(), last.payload());
        }
    }

    /// A task has completed.
    pub(crate) fn end_task_problems(&mut self) {
        let state = self.state();
        if state.task_problems.failures >= FAILURES {
            state.search_attributes.remove(SEARCH_ATTRIBUTE);
        }
        state.task_problems = TaskProblems::default();
    }
}

impl Problem {
    /// A list of keywords, as the real server writes it.
    fn payload(self) -> common::Payload {
        let (category, cause) = match self {
            Self::Failed(cause) => ("WorkflowTaskFailed", format!("{cause:?}")),
            Self::TimedOut(kind) => ("WorkflowTaskTimedOut", format!("{kind:?}")),
        };
        keyword_list(&[format!("category={category}"), format!("cause={category}Cause{cause}")])
    }
}

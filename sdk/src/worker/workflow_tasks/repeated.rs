//! Limits the lines of the log about a workflow whose task fails again and again: the server repeats it for as long as
//! the workflow is open.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Minimum time between two lines about the same task.
const QUIET: Duration = Duration::from_secs(60);
/// Number of runs that are remembered. If more fail within a minute, lines may be repeated.
const MOST_RUNS: usize = 1000;

/// The runs whose tasks have failed lately.
#[derive(Debug, Default)]
pub(crate) struct FailingRuns(Mutex<BTreeMap<String, Instant>>);

impl FailingRuns {
    /// Returns true if the log should have a line about this failed attempt of a run's workflow task.
    pub(crate) fn is_worth_a_line(&self, run_id: &str, attempt: i32) -> bool {
        let now = Instant::now();
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A first attempt is news: the task before it was completed.
        if attempt > 1 && logged.get(run_id).is_some_and(|last| now - *last < QUIET) {
            return false;
        }
        if logged.len() >= MOST_RUNS {
            logged.retain(|_, last| now - *last < QUIET);
        }
        if logged.len() >= MOST_RUNS {
            logged.clear();
        }
        logged.insert(run_id.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_repeated_for_ever_has_a_line_a_minute() {
        let runs = FailingRuns::default();
        let mut lines = Vec::new();
        for second in 0..=150 {
            if runs.is_worth_a_line("run-1", second + 1) {
                lines.push(second);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(lines, [0, 60, 120]);
        assert!(runs.is_worth_a_line("run-2", 7), "another run");
        assert!(runs.is_worth_a_line("run-1", 1), "another task");
    }

    #[tokio::test(start_paused = true)]
    async fn the_runs_that_are_remembered_are_bounded() {
        let runs = FailingRuns::default();
        assert!((0..3 * MOST_RUNS).all(|run| runs.is_worth_a_line(&format!("run-{run}"), 2)));
        assert!(runs.0.lock().unwrap().len() <= MOST_RUNS);
    }
}

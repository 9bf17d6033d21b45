//! The results of replaying many histories.

use std::fmt;

use super::outcome::{ReplayError, Replayed};

/// The results of replaying many histories, in order.
///
/// Its `Display` lists all of them, with the reason for each failure.
#[derive(Clone, Debug, Default)]
#[must_use = "a report proves nothing until it is checked: call `assert_all_deterministic()`"]
pub struct ReplayReport {
    results: Vec<ReplayResult>,
}

/// The result of replaying one history.
#[derive(Clone, Debug)]
pub struct ReplayResult {
    name: String,
    workflow_type: Option<String>,
    verdict: Result<Replayed, ReplayError>,
}

impl ReplayReport {
    pub(super) fn add(&mut self, name: String, workflow_type: Option<&str>, verdict: Result<Replayed, ReplayError>) {
        self.results.push(ReplayResult { name, workflow_type: workflow_type.map(String::from), verdict });
    }

    /// The results, in order.
    pub fn results(&self) -> &[ReplayResult] {
        &self.results
    }

    /// Returns true if every history was replayed to its end.
    pub fn is_all_deterministic(&self) -> bool {
        self.results.iter().all(|result| result.verdict.is_ok())
    }

    /// For tests: panics with the whole report unless every history was replayed to its end.
    ///
    /// # Panics
    /// Panics if one was not.
    #[track_caller]
    pub fn assert_all_deterministic(&self) {
        assert!(self.is_all_deterministic(), "histories do not fit the workflow code\n{self}");
    }
}

impl ReplayResult {
    /// The file's name, with the number of the history if the file holds several.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The workflow type; `None` if the history could not be read.
    pub fn workflow_type(&self) -> Option<&str> {
        self.workflow_type.as_deref()
    }

    /// The replay's result.
    ///
    /// # Errors
    /// Returns the reason if the history was not replayed to its end.
    pub fn verdict(&self) -> Result<&Replayed, &ReplayError> {
        self.verdict.as_ref()
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.results.iter().filter(|result| result.verdict.is_err()).count();
        writeln!(f, "{} of {} histories replayed to their end:", self.results.len() - failed, self.results.len())?;
        for result in &self.results {
            let workflow_type = result.workflow_type.as_deref().unwrap_or("unknown workflow");
            match &result.verdict {
                Ok(replayed) => {
                    let (events, outcome) = (replayed.events(), replayed.outcome());
                    writeln!(f, "  ok      {} ({workflow_type}, {events} events): {outcome}", result.name)?;
                }
                Err(error) => {
                    writeln!(f, "  FAILED  {} ({workflow_type})", result.name)?;
                    for line in error.to_string().lines() {
                        writeln!(f, "          {line}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

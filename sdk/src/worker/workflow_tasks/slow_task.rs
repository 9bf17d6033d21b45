//! Warns of slow workflow tasks: longer than five seconds, or than an environment variable says.

use std::sync::OnceLock;
use std::time::Duration;

use crate::worker::lanes::Ticket;

/// The value is in whole seconds.
const VARIABLE: &str = "TEMPORAL_WORKFLOW_TASK_DURATION_WARN_SECONDS";
const DEFAULT_THRESHOLD: Duration = Duration::from_secs(5);

/// Warns if the task that was just answered took too long, including the time of its local activities.
pub(crate) fn warn_if_slow(ticket: &Ticket) {
    static THRESHOLD: OnceLock<Duration> = OnceLock::new();
    let threshold = *THRESHOLD.get_or_init(|| {
        let value = std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
        threshold(value.as_deref()).unwrap_or_else(|text| {
            tracing::warn!("{text}");
            DEFAULT_THRESHOLD
        })
    });
    let taken = ticket.received.elapsed();
    let (workflow_type, workflow_id, run_id) = (&ticket.workflow_type, &ticket.workflow_id, &ticket.run_id);
    let (event_id, workflow_task_attempt) = (ticket.started_event_id, ticket.attempt);
    let Some(text) = warning(run_id, event_id, workflow_task_attempt, taken, threshold) else { return };
    let workflow_task_duration = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(
        workflow_type,
        workflow_id,
        run_id,
        event_id,
        workflow_task_attempt,
        workflow_task_duration,
        "{text}"
    );
}

/// The text that other SDKs use.
fn warning(run_id: &str, event_id: i64, attempt: i32, taken: Duration, threshold: Duration) -> Option<String> {
    (taken > threshold).then(|| {
        let seconds = threshold.as_secs();
        format!("[TMPRL1104] {run_id}:{event_id}:{attempt} Workflow task duration exceeded {seconds} seconds.")
    })
}

/// Reads the variable's value. Without a value, or with an empty one, it is the default.
fn threshold(value: Option<&str>) -> Result<Duration, String> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(DEFAULT_THRESHOLD) };
    value.parse().map(Duration::from_secs).map_err(|_| {
        let default = DEFAULT_THRESHOLD.as_secs();
        format!(
            "{VARIABLE} is `{}`: expected a whole number of seconds; the worker warns after {default} seconds",
            value.escape_debug()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_takes_longer_than_the_threshold_is_told_of() {
        let warning = |taken| warning("run-1", 12, 3, Duration::from_millis(taken), DEFAULT_THRESHOLD);
        assert_eq!(warning(5000), None);
        let text = "[TMPRL1104] run-1:12:3 Workflow task duration exceeded 5 seconds.";
        assert_eq!(warning(5001).as_deref(), Some(text));
    }

    #[test]
    fn the_environment_gives_the_threshold_in_whole_seconds() {
        for (value, seconds) in [(None, 5), (Some("10"), 10), (Some("0"), 0), (Some(""), 5)] {
            assert_eq!(threshold(value), Ok(Duration::from_secs(seconds)), "{value:?}");
        }
        for value in ["-1", "2.5", "5s"] {
            let text = threshold(Some(value)).unwrap_err();
            let expected =
                format!("TEMPORAL_WORKFLOW_TASK_DURATION_WARN_SECONDS is `{value}`: expected a whole number");
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}

//! The default buckets of histograms, which are those of Temporal's Core. In milliseconds.

/// Buckets of a histogram without special ones.
const OTHERS: &[f64] = &[50.0, 100.0, 500.0, 1000.0, 2500.0, 10_000.0];
const WORKFLOW: &[f64] = &[
    100.0,
    500.0,
    1000.0,
    1500.0,
    2000.0,
    5000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    120_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
    30_600_000.0,
    86_400_000.0,
];
const WORKFLOW_TASK: &[f64] = &[1.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
const ACTIVITY: &[f64] = &[50.0, 100.0, 500.0, 1000.0, 5000.0, 10_000.0, 60_000.0];
const SCHEDULE_TO_START: &[f64] = &[100.0, 500.0, 1000.0, 5000.0, 10_000.0, 100_000.0, 1_000_000.0];

/// Returns the default buckets of a metric, by its name without a prefix.
pub(super) fn default_of(name: &str) -> &'static [f64] {
    match name {
        "workflow_endtoend_latency" => WORKFLOW,
        "workflow_task_execution_latency" | "workflow_task_replay_latency" => WORKFLOW_TASK,
        "activity_execution_latency" => ACTIVITY,
        "workflow_task_schedule_to_start_latency" | "activity_schedule_to_start_latency" => SCHEDULE_TO_START,
        _ => OTHERS,
    }
}

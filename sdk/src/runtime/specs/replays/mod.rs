//! Replay: order, comparison with the history, and reports.

mod broken_histories;
mod cancelled_starts;
mod compared;
pub(crate) mod extremes;
mod nondeterminism;
mod order_of_conditions;
mod order_of_jobs;
mod reports;
mod segmentation;

//! Latencies by kind, as percentiles.

use std::time::Duration;

use serde_json::{Value, json};

#[derive(Default)]
pub(crate) struct Latencies {
    /// From a workflow's start to its end.
    pub(crate) workflow: Times,
    /// From a workflow task's scheduling to its start.
    pub(crate) schedule_to_start: Times,
    /// From a workflow task's start to its completion.
    pub(crate) turnaround: Times,
}

#[derive(Default)]
pub(crate) struct Times {
    micros: Vec<u32>,
}

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.micros.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Returns percentiles in microseconds; null for no times.
    pub(crate) fn percentiles(&mut self) -> Value {
        self.micros.sort_unstable();
        let Some(last) = self.micros.len().checked_sub(1) else { return Value::Null };
        let at = |part: f64| self.micros[(last as f64 * part) as usize];
        json!({ "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) })
    }
}

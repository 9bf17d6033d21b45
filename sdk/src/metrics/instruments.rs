//! The handles through which code records: counters, gauges and histograms. Each is one series.

use std::sync::Arc;
use std::time::Duration;

use super::series::{CounterSeries, GaugeSeries, HistogramSeries};
use super::silence::is_silent;

/// Counts something. Clones count into the same series.
///
/// Recording costs an atomic operation and never waits. Make the handle once and keep it. In a workflow, nothing is
/// recorded during a replay.
#[derive(Clone, Debug)]
pub struct Counter {
    pub(super) series: Arc<CounterSeries>,
}

impl Counter {
    /// Adds to the counter.
    pub fn add(&self, count: u64) {
        if !is_silent() {
            self.series.add(count);
        }
    }
}

/// A value that goes up and down. Clones change the same series.
///
/// Recording costs an atomic operation and never waits. In a workflow, nothing is recorded during a replay.
#[derive(Clone, Debug)]
pub struct Gauge {
    pub(super) series: Arc<GaugeSeries>,
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        if !is_silent() {
            self.series.set(value);
        }
    }

    /// Changes the value by this much, which may be negative.
    pub fn add(&self, change: f64) {
        if !is_silent() {
            self.series.add(change);
        }
    }
}

/// The distribution of values, in buckets. Clones record into the same series.
///
/// Recording costs a few atomic operations and never waits. In a workflow, nothing is recorded during a replay.
#[derive(Clone, Debug)]
pub struct Histogram {
    pub(super) series: Arc<HistogramSeries>,
}

impl Histogram {
    /// Records a value. `NaN` is ignored.
    pub fn record(&self, value: f64) {
        if !is_silent() {
            self.series.record(value);
        }
    }

    /// Records a duration: in milliseconds, or in seconds if the metrics were built with
    /// [`durations_as_seconds`](super::MetricsBuilder::durations_as_seconds).
    pub fn record_duration(&self, duration: Duration) {
        if !is_silent() {
            self.series.record_duration(duration);
        }
    }
}

//! The values of series: atomics, and what an exporter gave for each.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::exporter::ExportedSeries;
use super::snapshot::MetricValue;

type Exported = Option<Box<dyn ExportedSeries>>;

pub(super) struct CounterSeries {
    count: AtomicU64,
    exported: Exported,
}

impl CounterSeries {
    pub(super) fn new(exported: Exported) -> Self {
        Self { count: AtomicU64::new(0), exported }
    }

    pub(super) fn add(&self, count: u64) {
        self.count.fetch_add(count, Ordering::Relaxed);
        if let Some(exported) = &self.exported {
            exported.add(count);
        }
    }

    pub(super) fn value(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

pub(super) struct GaugeSeries {
    value: AtomicF64,
    exported: Exported,
}

impl GaugeSeries {
    pub(super) fn new(exported: Exported) -> Self {
        Self { value: AtomicF64::default(), exported }
    }

    pub(super) fn set(&self, value: f64) {
        self.value.set(value);
        self.pass_on();
    }

    pub(super) fn add(&self, change: f64) {
        self.value.add(change);
        self.pass_on();
    }

    pub(super) fn value(&self) -> f64 {
        self.value.get()
    }

    fn pass_on(&self) {
        if let Some(exported) = &self.exported {
            // Read again, because others may have changed it: the last one to pass it on has seen all changes.
            exported.set(self.value.get());
        }
    }
}

pub(super) struct HistogramSeries {
    /// Upper bounds of the buckets, ascending, without infinity.
    bounds: Arc<[f64]>,
    /// Values in each bucket; the last one has no bound.
    counts: Box<[AtomicU64]>,
    sum: AtomicF64,
    /// Units in a second, for durations.
    per_second: f64,
    exported: Exported,
}

impl HistogramSeries {
    pub(super) fn new(bounds: Arc<[f64]>, per_second: f64, exported: Exported) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicF64::default(), per_second, exported }
    }

    pub(super) fn record(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.add(value);
        if let Some(exported) = &self.exported {
            exported.record(value);
        }
    }

    pub(super) fn record_duration(&self, duration: Duration) {
        self.record(duration.as_secs_f64() * self.per_second);
    }

    pub(super) fn value(&self) -> MetricValue {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        MetricValue::Histogram { bounds: self.bounds.to_vec(), counts, sum: self.sum.get() }
    }
}

/// A float as its bits.
#[derive(Default)]
struct AtomicF64(AtomicU64);

impl AtomicF64 {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    fn add(&self, change: f64) {
        let add = |bits| Some((f64::from_bits(bits) + change).to_bits());
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

impl fmt::Debug for CounterSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

impl fmt::Debug for GaugeSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

impl fmt::Debug for HistogramSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

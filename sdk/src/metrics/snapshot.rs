//! Metrics as values: what a test reads, and what an exporter that is asked for everything writes.

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

/// A metric with all its series.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricSnapshot {
    /// Exported name, with prefix and suffixes.
    pub name: String,
    /// Kind of the metric.
    pub kind: MetricKind,
    /// Unit, such as `ms`; empty if there is none.
    pub unit: String,
    /// Description of the metric.
    pub description: String,
    /// Series, in the order of their labels.
    pub series: Vec<SeriesSnapshot>,
}

/// One series of a metric.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SeriesSnapshot {
    /// Labels, sorted by name, the global ones included.
    pub labels: Vec<(String, String)>,
    /// Value at the time of the snapshot.
    pub value: MetricValue,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricValue {
    /// Value of a counter.
    Counter(u64),
    /// Value of a gauge.
    Gauge(f64),
    /// Values of a histogram.
    Histogram {
        /// Upper bounds of the buckets, ascending, without infinity.
        bounds: Vec<f64>,
        /// Number of values in each bucket (not cumulative). The last one, which has no bound, is one more than `bounds`.
        counts: Vec<u64>,
        /// Sum of all values.
        sum: f64,
    },
}

impl SeriesSnapshot {
    /// Returns true if the series has all these labels. It may have more.
    pub fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.labels.iter().any(|(known, its)| known == name && its == value))
    }

    /// Value of a counter or a gauge; number of values of a histogram.
    pub(super) fn amount(&self) -> f64 {
        match &self.value {
            MetricValue::Counter(count) => *count as f64,
            MetricValue::Gauge(value) => *value,
            MetricValue::Histogram { counts, .. } => counts.iter().sum::<u64>() as f64,
        }
    }
}

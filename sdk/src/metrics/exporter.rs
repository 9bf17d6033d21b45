//! The seam for other exporters: each new series is announced, and each update is passed on.
//!
//! Not an API yet. An exporter is asked once for each series, so an update costs one virtual call.

use super::MetricKind;

/// A series that has just been created.
#[derive(Debug)]
#[non_exhaustive]
pub struct SeriesDescription<'a> {
    /// Exported name, with prefix and suffixes.
    pub name: &'a str,
    /// Kind of the metric.
    pub kind: MetricKind,
    /// Unit, such as `ms`; empty if there is none.
    pub unit: &'a str,
    /// Description of the metric.
    pub description: &'a str,
    /// Labels of this series, sorted by name.
    pub labels: &'a [(Box<str>, Box<str>)],
    /// Labels of all series of these metrics: the global ones and the service's name.
    pub constant_labels: &'a [(Box<str>, Box<str>)],
    /// Upper bounds of a histogram's buckets, without infinity; empty for other kinds.
    pub buckets: &'a [f64],
}

/// Receives all metrics.
pub trait MetricsExporter: Send + Sync + 'static {
    /// Announces a new series. Returns what receives its updates.
    ///
    /// Called under the lock of the metric: it must not make or read metrics of the same [`Metrics`](super::Metrics).
    fn series(&self, description: &SeriesDescription<'_>) -> Box<dyn ExportedSeries>;
}

/// Receives the updates of one series. Must return at once. Only the method of the series' kind is called.
pub trait ExportedSeries: Send + Sync {
    /// A counter has grown.
    fn add(&self, count: u64) {
        let _ = count;
    }

    /// A gauge has a new value. If two threads change it at the same time, the values may come in either order.
    fn set(&self, value: f64) {
        let _ = value;
    }

    /// A histogram has a new value, in the description's unit.
    fn record(&self, value: f64) {
        let _ = value;
    }
}

//! Metrics of clients and workers, with the names and labels of Temporal's Core, and metrics of users' own.
//!
//! A client counts its requests, and its workers count what they do, into the [`Metrics`] of the client's options. They
//! are kept in memory. [`Metrics::snapshot`] returns them; the feature `prometheus` serves them to Prometheus. The page
//! "Metrics" of the guide lists them all.
//!
//! ```
//! use abide::metrics::Metrics;
//!
//! let metrics = Metrics::builder().global_label("env", "staging").build()?;
//! // Let a client and its workers count: `ClientOptions::new(..).metrics(metrics.clone())`.
//! // A metric of your own:
//! let orders = metrics.meter().with_label("region", "eu").counter("orders", "Orders taken", "");
//! orders.add(1);
//! assert_eq!(metrics.total("orders", &[("region", "eu")]), 1.0);
//! # Ok::<_, abide::metrics::MetricsError>(())
//! ```

// Recording costs a few atomic operations: whoever counts often resolves its handle once and keeps it.

mod buckets;
mod exporter;
mod instruments;
mod labels;
mod meter;
mod naming;
mod options;
#[cfg(feature = "prometheus")]
pub mod prometheus;
mod registry;
mod series;
mod silence;
mod snapshot;
#[cfg(feature = "client")]
pub(crate) mod temporal;

use std::fmt;
use std::sync::Arc;

#[doc(hidden)]
pub use exporter::{ExportedSeries, MetricsExporter, SeriesDescription};
pub use instruments::{Counter, Gauge, Histogram};
pub use meter::Meter;
pub use options::{MetricsBuilder, MetricsError};
pub(crate) use silence::{Silence, silent};
pub use snapshot::{MetricKind, MetricSnapshot, MetricValue, SeriesSnapshot};

use self::options::Options;
use self::registry::Registry;

/// The metrics of clients, of their workers, and of the program's own code. Clones are the same metrics.
///
/// Give them to [`ClientOptions::metrics`](crate::client::ClientOptions::metrics). Several clients may share them.
/// [`Metrics::default`] has the default options of [`builder`](Self::builder).
#[derive(Clone, Default)]
pub struct Metrics {
    registry: Arc<Registry>,
}

impl Metrics {
    /// Returns a builder of metrics with other options than the defaults: names with the prefix `temporal_`, durations
    /// in milliseconds, no suffixes, the label `service_name="temporal-core-sdk"`, and the buckets of Temporal's Core.
    pub fn builder() -> MetricsBuilder {
        MetricsBuilder::new()
    }

    /// Returns a meter, which makes metrics of your own. They have no prefix.
    pub fn meter(&self) -> Meter {
        Meter::new(self.clone())
    }

    /// Returns all metrics with their current values, in the order of their names.
    ///
    /// The values are read one after another while others may count, so they need not be of the same instant.
    pub fn snapshot(&self) -> Vec<MetricSnapshot> {
        self.registry.snapshot()
    }

    /// Returns the sum over all series of a metric that have these labels: of counters and gauges their values, of
    /// histograms the number of recorded values. 0 if there are none.
    ///
    /// The name is the exported one, such as `temporal_workflow_completed`.
    pub fn total(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let all = self.snapshot();
        let series = all.iter().filter(|metric| metric.name == name).flat_map(|metric| &metric.series);
        series.filter(|series| series.has(labels)).map(SeriesSnapshot::amount).sum()
    }

    fn with_options(options: Options) -> Self {
        Self { registry: Arc::new(Registry::new(options)) }
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Returns a meter of Temporal's metrics, whose names have the prefix.
    #[cfg(feature = "client")]
    pub(crate) fn temporal(&self) -> temporal::TemporalMeter {
        temporal::TemporalMeter::new(self.clone())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("options", self.registry.options()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

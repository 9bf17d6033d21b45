//! Meters: make metrics of users' own, with common labels.

use std::fmt;

use super::instruments::{Counter, Gauge, Histogram};
use super::labels::Labels;
use super::naming::DURATION;
#[cfg(feature = "worker")]
use super::temporal::TemporalMeter;
use super::{MetricKind, Metrics};

/// Makes metrics of your own. The metrics of one meter share its labels. Clones are the same meter.
///
/// [`Metrics::meter`] has only global labels. That of a [workflow](crate::WorkflowContext::metrics) has the labels
/// `namespace`, `task_queue` and `workflow_type`; that of an [activity](crate::ActivityContext::metrics) has
/// `activity_type` as well.
///
/// The values of labels must come from a small set: regions or kinds of orders, never ids of workflows, orders or users.
/// Each combination of values is a series of its own, which stays in memory. A metric has at most 10,000 series; what comes
/// beyond is recorded in one series with the label `overflow="true"`, and a warning is logged.
///
/// Making a metric looks it up by name and labels. In code that runs often, keep what a method returned. A name belongs to
/// the kind, unit and description of its first use. Another kind of metric with the same name is not exported, and a
/// warning is logged.
#[derive(Clone)]
pub struct Meter {
    pub(super) metrics: Metrics,
    pub(super) labels: Labels,
}

impl Meter {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, labels: Labels::default() }
    }

    /// Returns a meter with these labels for Temporal's metrics.
    #[cfg(feature = "worker")]
    pub(crate) fn temporal(&self) -> TemporalMeter {
        TemporalMeter { metrics: self.metrics.clone(), labels: self.labels.clone() }
    }

    /// Returns a meter with one more label. If this meter has a label of that name, the new value replaces the old one.
    #[must_use = "only the returned meter has the label"]
    pub fn with_label(&self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        Self { metrics: self.metrics.clone(), labels: self.labels.with(name.as_ref(), value.as_ref()) }
    }

    /// Returns the counter of this name. The unit may be empty.
    pub fn counter(&self, name: impl AsRef<str>, description: &str, unit: &str) -> Counter {
        let family = self.metrics.registry().family(name.as_ref(), MetricKind::Counter, unit, description);
        Counter { series: family.counter(&self.labels) }
    }

    /// Returns the gauge of this name. The unit may be empty.
    pub fn gauge(&self, name: impl AsRef<str>, description: &str, unit: &str) -> Gauge {
        let family = self.metrics.registry().family(name.as_ref(), MetricKind::Gauge, unit, description);
        Gauge { series: family.gauge(&self.labels) }
    }

    /// Returns the histogram of this name. The unit may be empty. Set its buckets with
    /// [`MetricsBuilder::histogram_buckets`](super::MetricsBuilder::histogram_buckets); the default is 50, 100, 500,
    /// 1000, 2500 and 10,000.
    pub fn histogram(&self, name: impl AsRef<str>, description: &str, unit: &str) -> Histogram {
        let family = self.metrics.registry().family(name.as_ref(), MetricKind::Histogram, unit, description);
        Histogram { series: family.histogram(&self.labels) }
    }

    /// Returns the histogram of durations of this name. Its unit is that of all durations: milliseconds, or seconds if the
    /// metrics were built with [`durations_as_seconds`](super::MetricsBuilder::durations_as_seconds).
    pub fn duration_histogram(&self, name: impl AsRef<str>, description: &str) -> Histogram {
        self.histogram(name, description, DURATION)
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("labels", &self.labels).finish_non_exhaustive()
    }
}

//! The options of metrics: names, labels, units and buckets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Metrics;
use super::buckets::default_of;
use super::exporter::MetricsExporter;
use super::labels::Labels;
use super::naming::DURATION;

const PREFIX: &str = "temporal_";
/// The service's name that Core reports, and that dashboards may filter by.
const SERVICE_NAME: &str = "temporal-core-sdk";

/// Builds [`Metrics`]. Made by [`Metrics::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct MetricsBuilder {
    options: Options,
    service_name: Option<String>,
}

/// The options of metrics cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MetricsError(pub(super) String);

/// Options, checked.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) prefix: String,
    pub(super) durations_as_seconds: bool,
    pub(super) counters_total_suffix: bool,
    pub(super) unit_suffix: bool,
    /// Labels of all series.
    pub(super) constant_labels: Labels,
    buckets: BTreeMap<String, Arc<[f64]>>,
    pub(super) exporter: Option<Arc<dyn MetricsExporter>>,
}

impl MetricsBuilder {
    pub(super) fn new() -> Self {
        let options = Options {
            prefix: PREFIX.to_string(),
            durations_as_seconds: false,
            counters_total_suffix: false,
            unit_suffix: false,
            constant_labels: Labels::default(),
            buckets: BTreeMap::new(),
            exporter: None,
        };
        Self { options, service_name: Some(SERVICE_NAME.to_string()) }
    }

    /// Sets the prefix of Temporal's metrics. Default: `temporal_`. Metrics of your own have none.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.options.prefix = prefix.into();
        self
    }

    /// Adds a label to all metrics, your own included. A label that a metric has itself takes precedence.
    pub fn global_label(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.options.constant_labels = self.options.constant_labels.with(name.as_ref(), value.as_ref());
        self
    }

    /// Sets the label `service_name` of all metrics. Default: `temporal-core-sdk`, as in Temporal's Core.
    pub fn service_name(mut self, name: impl Into<String>) -> Self {
        self.service_name = Some(name.into());
        self
    }

    /// Leaves out the label `service_name`.
    pub fn without_service_name(mut self) -> Self {
        self.service_name = None;
        self
    }

    /// Exports durations in seconds. Default: in milliseconds, as Temporal's Core does.
    pub fn durations_as_seconds(mut self) -> Self {
        self.options.durations_as_seconds = true;
        self
    }

    /// Appends `_total` to the names of counters, as OpenMetrics wants it. Default: no suffix. Dashboards for the SDKs
    /// that are based on Temporal's Core expect none.
    pub fn counters_total_suffix(mut self) -> Self {
        self.options.counters_total_suffix = true;
        self
    }

    /// Appends the unit to the names of metrics that have one, such as `_milliseconds`. Default: no suffix.
    pub fn unit_suffix(mut self) -> Self {
        self.options.unit_suffix = true;
        self
    }

    /// Sets the buckets of a histogram: their upper bounds, ascending, in the exported unit, without infinity. The name is
    /// that of the metric, with or without the prefix. Default: those of Temporal's Core.
    pub fn histogram_buckets(mut self, name: impl Into<String>, bounds: impl IntoIterator<Item = f64>) -> Self {
        self.options.buckets.insert(name.into(), bounds.into_iter().collect());
        self
    }

    /// Passes each update on to an exporter.
    #[doc(hidden)]
    pub fn exporter(mut self, exporter: Arc<dyn MetricsExporter>) -> Self {
        self.options.exporter = Some(exporter);
        self
    }

    /// Builds the metrics.
    ///
    /// # Errors
    /// Returns an error if a name is empty, or if buckets are empty or do not ascend.
    pub fn build(mut self) -> Result<Metrics, MetricsError> {
        for (name, bounds) in &self.options.buckets {
            check_bounds(name, bounds)?;
        }
        if self.options.constant_labels.as_slice().iter().any(|(name, _)| name.is_empty()) {
            return Err(MetricsError("a global label has no name; expected a name such as `env`".to_string()));
        }
        // A label that is set explicitly wins.
        let is_set = self.options.constant_labels.as_slice().iter().any(|(name, _)| &**name == "service_name");
        if let Some(name) = self.service_name.filter(|_| !is_set) {
            self.options.constant_labels = self.options.constant_labels.with("service_name", &name);
        }
        Ok(Metrics::with_options(self.options))
    }
}

fn check_bounds(name: &str, bounds: &[f64]) -> Result<(), MetricsError> {
    let wrong = |found: String| {
        Err(MetricsError(format!(
            "the buckets of the histogram `{name}` {found}; expected finite upper bounds that ascend, such as 1, 10, 100"
        )))
    };
    if bounds.is_empty() {
        return wrong("are empty".to_string());
    }
    if let Some(bound) = bounds.iter().find(|bound| !bound.is_finite()) {
        return wrong(format!("contain {bound}"));
    }
    match bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => wrong(format!("have {} after {}", pair[1], pair[0])),
        None => Ok(()),
    }
}

impl Options {
    /// Returns the buckets of a histogram; `name` has its prefix already.
    pub(super) fn buckets_of(&self, name: &str, unit: &str) -> Arc<[f64]> {
        let short = name.strip_prefix(&self.prefix).unwrap_or(name);
        if let Some(bounds) = self.buckets.get(name).or_else(|| self.buckets.get(short)) {
            return Arc::clone(bounds);
        }
        let factor = if unit == DURATION && self.durations_as_seconds { 1000.0 } else { 1.0 };
        default_of(short).iter().map(|bound| bound / factor).collect()
    }

    /// Returns the exported units in a second.
    pub(super) fn per_second(&self) -> f64 {
        if self.durations_as_seconds { 1.0 } else { 1000.0 }
    }
}

impl Default for Options {
    fn default() -> Self {
        let labels = Labels::default().with("service_name", SERVICE_NAME);
        Self { constant_labels: labels, ..MetricsBuilder::new().options }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("prefix", &self.prefix)
            .field("durations_as_seconds", &self.durations_as_seconds)
            .field("counters_total_suffix", &self.counters_total_suffix)
            .field("unit_suffix", &self.unit_suffix)
            .field("constant_labels", &self.constant_labels)
            .field("buckets", &self.buckets)
            .field("exporter", &self.exporter.is_some())
            .finish()
    }
}

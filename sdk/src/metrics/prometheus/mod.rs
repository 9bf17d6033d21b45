//! The text format of Prometheus, and an endpoint that serves it.
//!
//! ```no_run
//! use abide::client::{Client, ClientOptions};
//! use abide::metrics::{Metrics, prometheus};
//!
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let metrics = Metrics::default();
//! // http://127.0.0.1:9464/metrics, until this is dropped.
//! let endpoint = prometheus::serve(&metrics, 9464).await?;
//! let client = Client::connect(ClientOptions::from_env()?.metrics(metrics)).await?;
//! // .. run workers with this client ..
//! # drop((endpoint, client)); Ok(()) }
//! ```

mod server;

use std::collections::BTreeSet;

use ::prometheus::TextEncoder;
use ::prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

pub use self::server::{PrometheusEndpoint, serve, serve_at};
use super::{MetricKind, MetricSnapshot, MetricValue, Metrics, SeriesSnapshot};

impl Metrics {
    /// Returns all metrics in the text format of Prometheus, for a web server that the program has already. Its content
    /// type is `text/plain; version=0.0.4`.
    ///
    /// Characters that Prometheus does not allow in names become `_`.
    pub fn prometheus_text(&self) -> String {
        let mut names = BTreeSet::new();
        let mut families = Vec::new();
        for metric in self.snapshot() {
            let name = allowed(&metric.name, true);
            // Of two names that become the same, the first one is exported: a name that is there twice would make
            // Prometheus refuse the whole text.
            if !metric.series.is_empty() && names.insert(name.clone()) {
                families.push(family(name, metric));
            }
        }
        // Fails only for families without a name or without series.
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}

fn family(name: String, metric: MetricSnapshot) -> MetricFamily {
    let kind = match metric.kind {
        MetricKind::Counter => MetricType::COUNTER,
        MetricKind::Gauge => MetricType::GAUGE,
        MetricKind::Histogram => MetricType::HISTOGRAM,
    };
    let mut family = MetricFamily::default();
    family.set_name(name);
    family.set_help(metric.description);
    family.set_field_type(kind);
    family.set_metric(metric.series.into_iter().map(series).collect());
    family
}

fn series(series: SeriesSnapshot) -> Metric {
    let mut metric = Metric::from_label(labels(series.labels));
    match series.value {
        MetricValue::Counter(count) => {
            let mut counter = Counter::default();
            counter.set_value(count as f64);
            metric.set_counter(counter);
        }
        MetricValue::Gauge(value) => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        MetricValue::Histogram { bounds, counts, sum } => metric.set_histogram(histogram(&bounds, &counts, sum)),
    }
    metric
}

fn histogram(bounds: &[f64], counts: &[u64], sum: f64) -> Histogram {
    let mut seen = 0;
    let buckets = bounds.iter().zip(counts).map(|(bound, count)| {
        seen += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(seen);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(sum);
    histogram
}

fn labels(labels: Vec<(String, String)>) -> Vec<LabelPair> {
    let mut names = BTreeSet::new();
    let allowed = labels.into_iter().map(|(name, value)| (allowed(&name, false), value));
    let once = allowed.filter(|(name, _)| names.insert(name.clone()));
    let pair = |(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name);
        pair.set_value(value);
        pair
    };
    once.map(pair).collect()
}

/// Returns a name that Prometheus allows. Only names of metrics may contain colons.
fn allowed(name: &str, colons: bool) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    let mut allowed: String = name.chars().map(|c| if is_allowed(c) { c } else { '_' }).collect();
    if allowed.is_empty() || allowed.starts_with(|c: char| c.is_ascii_digit()) {
        allowed.insert(0, '_');
    }
    allowed
}

#[cfg(test)]
mod tests;

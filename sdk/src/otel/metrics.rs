//! Metrics that leave the program through OpenTelemetry.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider};

use crate::metrics::{ExportedSeries, MetricKind, MetricsBuilder, MetricsExporter, SeriesDescription};

impl MetricsBuilder {
    /// Exports all metrics through this OpenTelemetry provider, too: those of clients and workers, and your own.
    /// Names, units and buckets are those of the other options. Needs the feature `otel`.
    ///
    /// ```no_run
    /// use abide::metrics::Metrics;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// # fn build() -> Result<(), abide::metrics::MetricsError> {
    /// // .with_periodic_exporter(..): the exporter of your choice, for example OTLP
    /// let provider = SdkMeterProvider::builder().build();
    /// let metrics = Metrics::builder().opentelemetry(&provider).build()?;
    /// # let _ = metrics;
    /// # Ok(()) }
    /// ```
    pub fn opentelemetry(self, provider: &impl MeterProvider) -> Self {
        self.exporter(std::sync::Arc::new(OtelMetrics { meter: provider.meter("abide") }))
    }
}

struct OtelMetrics {
    meter: Meter,
}

struct CounterSeries(Counter<u64>, Vec<KeyValue>);
struct GaugeSeries(Gauge<f64>, Vec<KeyValue>);
struct HistogramSeries(Histogram<f64>, Vec<KeyValue>);

impl MetricsExporter for OtelMetrics {
    fn series(&self, it: &SeriesDescription<'_>) -> Box<dyn ExportedSeries> {
        let own = |name: &str| it.labels.iter().any(|(label, _)| **label == *name);
        let constant = it.constant_labels.iter().filter(|(name, _)| !own(name));
        let attribute = |(name, value): &(Box<str>, Box<str>)| KeyValue::new(name.to_string(), value.to_string());
        let attributes: Vec<KeyValue> = constant.chain(it.labels).map(attribute).collect();
        let (name, unit, description) = (it.name.to_string(), it.unit.to_string(), it.description.to_string());
        // The provider gives the same instrument for the same name.
        match it.kind {
            MetricKind::Counter => {
                let counter = self.meter.u64_counter(name).with_unit(unit).with_description(description);
                Box::new(CounterSeries(counter.build(), attributes))
            }
            MetricKind::Gauge => {
                let gauge = self.meter.f64_gauge(name).with_unit(unit).with_description(description);
                Box::new(GaugeSeries(gauge.build(), attributes))
            }
            MetricKind::Histogram => {
                let histogram = self.meter.f64_histogram(name).with_unit(unit).with_description(description);
                let histogram = histogram.with_boundaries(it.buckets.to_vec());
                Box::new(HistogramSeries(histogram.build(), attributes))
            }
        }
    }
}

impl ExportedSeries for CounterSeries {
    fn add(&self, count: u64) {
        self.0.add(count, &self.1);
    }
}

impl ExportedSeries for GaugeSeries {
    fn set(&self, value: f64) {
        self.0.record(value, &self.1);
    }
}

impl ExportedSeries for HistogramSeries {
    fn record(&self, value: f64) {
        self.0.record(value, &self.1);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

    use crate::metrics::Metrics;

    /// The exported metrics, a line for each series.
    fn lines(exporter: &InMemoryMetricExporter) -> Vec<String> {
        let mut lines = Vec::new();
        for resource in exporter.get_finished_metrics().unwrap() {
            for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
                let name = format!("{} [{}]", metric.name(), metric.unit());
                let labels = |attributes: &mut dyn Iterator<Item = &opentelemetry::KeyValue>| {
                    let mut labels: Vec<String> = attributes.map(|it| format!("{}={}", it.key, it.value)).collect();
                    labels.sort();
                    labels.join(",")
                };
                match metric.data() {
                    AggregatedMetrics::U64(MetricData::Sum(sum)) => lines.extend(
                        sum.data_points()
                            .map(|it| format!("{name} {{{}}} {}", labels(&mut it.attributes()), it.value())),
                    ),
                    AggregatedMetrics::F64(MetricData::Gauge(gauge)) => lines.extend(
                        gauge
                            .data_points()
                            .map(|it| format!("{name} {{{}}} {}", labels(&mut it.attributes()), it.value())),
                    ),
                    AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                        lines.extend(histogram.data_points().map(|it| {
                            let (bounds, counts): (Vec<f64>, Vec<u64>) =
                                (it.bounds().collect(), it.bucket_counts().collect());
                            format!("{name} {{{}}} {bounds:?} {counts:?}", labels(&mut it.attributes()))
                        }));
                    }
                    other => panic!("expected no other kind, found {other:?}"),
                }
            }
        }
        lines.sort();
        lines
    }

    #[test]
    fn every_update_reaches_the_provider() {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
        let metrics = Metrics::builder()
            .global_label("env", "test")
            .histogram_buckets("wait", [10.0, 20.0])
            .opentelemetry(&provider)
            .build()
            .unwrap();
        let meter = metrics.meter().with_label("drink", "latte");
        let (brewed, beans) = (meter.counter("brewed", "Drinks", ""), meter.gauge("beans", "Left", "g"));
        brewed.add(2);
        brewed.add(1);
        meter.with_label("env", "mine").counter("brewed", "Drinks", "").add(5);
        beans.set(70.0);
        beans.add(-20.0);
        let wait = meter.duration_histogram("wait", "Time");
        for millis in [5, 15, 16, 60] {
            wait.record_duration(std::time::Duration::from_millis(millis));
        }
        provider.force_flush().unwrap();
        let labels = "drink=latte,env=test,service_name=temporal-core-sdk";
        assert_eq!(
            lines(&exporter),
            [
                format!("beans [g] {{{labels}}} 50"),
                "brewed [] {drink=latte,env=mine,service_name=temporal-core-sdk} 5".to_string(),
                format!("brewed [] {{{labels}}} 3"),
                format!("wait [ms] {{{labels}}} [10.0, 20.0] [1, 2, 1]"),
            ]
        );
    }
}

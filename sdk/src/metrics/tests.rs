//! Tests of the store: series, labels, buckets, names, limits, silence, and the seam for exporters.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::registry::MOST_SERIES;
use super::*;

fn values(metrics: &Metrics) -> Vec<String> {
    let line = |metric: &MetricSnapshot, series: &SeriesSnapshot| {
        let labels: Vec<_> = series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {{{}}} {:?}", metric.name, labels.join(" "), series.value)
    };
    metrics.snapshot().iter().flat_map(|metric| metric.series.iter().map(|series| line(metric, series))).collect()
}

fn plain() -> MetricsBuilder {
    Metrics::builder().without_service_name()
}

#[test]
fn the_same_name_and_labels_are_the_same_series() {
    let metrics = plain().build().unwrap();
    let meter = metrics.meter().with_label("b", "2").with_label("a", "1");
    meter.counter("orders", "Orders", "").add(2);
    metrics.meter().with_label("a", "0").with_label("b", "2").with_label("a", "1").counter("orders", "", "").add(3);
    metrics.meter().counter("orders", "", "").add(1);
    let open = metrics.meter().gauge("open", "", "");
    open.set(2.5);
    open.add(-1.0);
    let expected = ["open {} Gauge(1.5)", "orders {} Counter(1)", "orders {a=1 b=2} Counter(5)"];
    assert_eq!(values(&metrics), expected);
    assert_eq!(metrics.total("orders", &[]), 6.0);
    assert_eq!(metrics.total("orders", &[("b", "2")]), 5.0);
    assert_eq!(metrics.total("orders", &[("b", "3")]), 0.0);
    assert_eq!(metrics.snapshot()[1].description, "Orders", "that of the first use");
}

#[test]
fn a_value_belongs_to_the_first_bucket_that_is_not_below_it() {
    let metrics = plain().histogram_buckets("size", [1.0, 10.0]).build().unwrap();
    let size = metrics.meter().histogram("size", "", "bytes");
    [0.5, 1.0, 1.5, 10.0, 11.0, f64::NAN].into_iter().for_each(|value| size.record(value));
    let expected = "size {} Histogram { bounds: [1.0, 10.0], counts: [2, 2, 1], sum: 24.0 }";
    assert_eq!(values(&metrics), [expected]);
    assert_eq!(metrics.total("size", &[]), 5.0);
}

#[test]
fn durations_are_in_milliseconds_or_in_seconds() {
    for (builder, unit, bounds, sum) in
        [(plain(), "ms", 50.0, 1500.0), (plain().durations_as_seconds(), "s", 0.05, 1.5)]
    {
        let metrics = builder.build().unwrap();
        metrics.meter().duration_histogram("wait", "").record_duration(Duration::from_millis(1500));
        let snapshot = &metrics.snapshot()[0];
        assert_eq!((snapshot.name.as_str(), snapshot.unit.as_str()), ("wait", unit));
        let MetricValue::Histogram { bounds: found, counts, sum: found_sum } = &snapshot.series[0].value else {
            panic!("{snapshot:?}")
        };
        assert_eq!((found[0], counts[4], *found_sum), (bounds, 1, sum));
    }
}

#[test]
fn suffixes_are_appended_once() {
    let builder = plain().durations_as_seconds().counters_total_suffix().unit_suffix();
    let metrics = builder.build().unwrap();
    let meter = metrics.meter();
    meter.counter("orders", "", "");
    meter.counter("sent_total", "", "");
    meter.counter("read", "", "bytes");
    meter.duration_histogram("wait", "");
    meter.gauge("open", "", "");
    let names: Vec<_> = metrics.snapshot().into_iter().map(|metric| metric.name).collect();
    assert_eq!(names, ["open", "orders_total", "read_bytes_total", "sent_total", "wait_seconds"]);
}

#[test]
fn global_labels_are_on_every_series_and_own_labels_win() {
    let metrics = Metrics::builder().global_label("env", "test").global_label("zone", "a").build().unwrap();
    metrics.meter().with_label("env", "mine").counter("orders", "", "").add(1);
    assert_eq!(values(&metrics), ["orders {env=mine service_name=temporal-core-sdk zone=a} Counter(1)"]);
    let own_name = Metrics::builder().service_name("shop").build().unwrap();
    own_name.meter().counter("orders", "", "");
    assert_eq!(values(&own_name), ["orders {service_name=shop} Counter(0)"]);
}

#[test]
fn a_metric_with_too_many_series_puts_the_rest_into_one() {
    let metrics = plain().build().unwrap();
    let meter = metrics.meter();
    for order in 0..MOST_SERIES + 5 {
        meter.with_label("order", order.to_string()).counter("orders", "", "").add(1);
    }
    meter.with_label("order", "7").counter("orders", "", "").add(1);
    assert_eq!(metrics.snapshot()[0].series.len(), MOST_SERIES + 1);
    assert_eq!(metrics.total("orders", &[("overflow", "true")]), 5.0);
    assert_eq!(metrics.total("orders", &[("order", "7")]), 2.0);
}

#[test]
fn a_name_belongs_to_the_kind_of_its_first_use() {
    let metrics = plain().build().unwrap();
    metrics.meter().counter("orders", "", "").add(1);
    metrics.meter().gauge("orders", "", "").set(7.0);
    assert_eq!(values(&metrics), ["orders {} Counter(1)"]);
}

#[test]
fn buckets_that_cannot_be_used_are_refused_by_name() {
    let check = |bounds: &[f64]| {
        let built = plain().histogram_buckets("wait", bounds.to_vec()).build();
        built.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(check(&[1.0, 2.0]), Ok(()));
    for (bounds, found) in
        [(&[][..], "are empty"), (&[1.0, 1.0], "have 1 after 1"), (&[1.0, f64::INFINITY], "contain inf")]
    {
        let text = check(bounds).unwrap_err();
        assert!(text.contains("`wait`") && text.contains(found) && text.contains("ascend"), "{text}");
    }
    assert!(plain().global_label("", "x").build().unwrap_err().to_string().contains("has no name"));
}

#[test]
fn silent_code_records_nothing_and_silences_nest() {
    let metrics = plain().build().unwrap();
    let orders = metrics.meter().counter("orders", "", "");
    let open = metrics.meter().gauge("open", "", "");
    let wait = metrics.meter().duration_histogram("wait", "");
    let record = || {
        orders.add(1);
        open.set(1.0);
        open.add(1.0);
        wait.record(1.0);
        wait.record_duration(Duration::from_secs(1));
    };
    {
        let _outer = silent();
        drop(silent());
        record();
        // Another thread is not silent.
        std::thread::scope(|scope| drop(scope.spawn(|| orders.add(10))));
    }
    assert_eq!(
        [metrics.total("orders", &[]), metrics.total("open", &[]), metrics.total("wait", &[])],
        [10.0, 0.0, 0.0]
    );
    record();
    assert_eq!(
        [metrics.total("orders", &[]), metrics.total("open", &[]), metrics.total("wait", &[])],
        [11.0, 2.0, 2.0]
    );
}

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl MetricsExporter for Notes {
    fn series(&self, description: &SeriesDescription<'_>) -> Box<dyn ExportedSeries> {
        let SeriesDescription { name, kind, unit, labels, constant_labels, buckets, .. } = description;
        let note = format!("{kind:?} {name} [{unit}] {labels:?} {constant_labels:?} {buckets:?}");
        self.0.lock().unwrap().push(note);
        Box::new(Notes(Arc::clone(&self.0)))
    }
}

impl ExportedSeries for Notes {
    fn add(&self, count: u64) {
        self.0.lock().unwrap().push(format!("add {count}"));
    }

    fn set(&self, value: f64) {
        self.0.lock().unwrap().push(format!("set {value}"));
    }

    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(format!("record {value}"));
    }
}

#[test]
fn an_exporter_gets_each_series_once_and_every_update() {
    let notes = Notes::default();
    let builder = plain().global_label("env", "test").counters_total_suffix().histogram_buckets("wait", [1.0]);
    let metrics = builder.exporter(Arc::new(notes.clone())).build().unwrap();
    let meter = metrics.meter().with_label("a", "1");
    meter.counter("orders", "", "").add(2);
    meter.counter("orders", "", "").add(3);
    let open = meter.gauge("open", "", "");
    open.set(4.0);
    open.add(-1.0);
    meter.duration_histogram("wait", "").record_duration(Duration::from_millis(5));
    let expected = [
        r#"Counter orders_total [] [("a", "1")] [("env", "test")] []"#,
        "add 2",
        "add 3",
        r#"Gauge open [] [("a", "1")] [("env", "test")] []"#,
        "set 4",
        "set 3",
        r#"Histogram wait [ms] [("a", "1")] [("env", "test")] [1.0]"#,
        "record 5",
    ];
    assert_eq!(*notes.0.lock().unwrap(), expected);
}

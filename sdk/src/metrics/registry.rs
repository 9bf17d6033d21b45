//! All metrics by name, and their series by labels.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::exporter::{ExportedSeries, SeriesDescription};
use super::labels::{Label, Labels};
use super::naming;
use super::options::Options;
use super::series::{CounterSeries, GaugeSeries, HistogramSeries};
use super::snapshot::{MetricKind, MetricSnapshot, MetricValue, SeriesSnapshot};

/// Maximum series of a metric. Each stays in memory until the program ends.
pub(super) const MOST_SERIES: usize = 10_000;

#[derive(Default)]
pub(super) struct Registry {
    options: Arc<Options>,
    /// By name, without suffixes.
    families: Mutex<BTreeMap<Box<str>, Arc<Family>>>,
}

/// One metric.
pub(super) struct Family {
    options: Arc<Options>,
    exported_name: String,
    kind: MetricKind,
    unit: String,
    description: String,
    buckets: Arc<[f64]>,
    series: Mutex<BTreeMap<Labels, Series>>,
    has_overflowed: AtomicBool,
    has_conflict: AtomicBool,
}

#[derive(Clone)]
enum Series {
    Counter(Arc<CounterSeries>),
    Gauge(Arc<GaugeSeries>),
    Histogram(Arc<HistogramSeries>),
}

impl Registry {
    pub(super) fn new(options: Options) -> Self {
        Self { options: Arc::new(options), families: Mutex::default() }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the metric of that name; `name` has its prefix already.
    ///
    /// If the name belongs to a metric of another kind, returns one that is not exported.
    pub(super) fn family(&self, name: &str, kind: MetricKind, unit: &str, description: &str) -> Arc<Family> {
        let new = || Arc::new(Family::new(&self.options, name, kind, unit, description));
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(family) = families.get(name) else {
            let family = new();
            families.insert(name.into(), Arc::clone(&family));
            return family;
        };
        if family.kind == kind {
            return Arc::clone(family);
        }
        if !family.has_conflict.swap(true, Ordering::Relaxed) {
            let first = family.kind;
            tracing::warn!(
                "the metric `{name}` is a {first:?}, and was now requested as a {kind:?}, which is not exported: give \
                 one of them another name"
            );
        }
        new()
    }

    pub(super) fn snapshot(&self) -> Vec<MetricSnapshot> {
        let families: Vec<_> =
            self.families.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        families.iter().map(|family| family.snapshot()).collect()
    }
}

impl Family {
    fn new(options: &Arc<Options>, name: &str, kind: MetricKind, unit: &str, description: &str) -> Self {
        let buckets = match kind {
            MetricKind::Histogram => options.buckets_of(name, unit),
            MetricKind::Counter | MetricKind::Gauge => Arc::default(),
        };
        let unit = naming::unit(unit, options).to_string();
        Self {
            options: Arc::clone(options),
            exported_name: naming::exported(name, kind, &unit, options),
            kind,
            unit,
            description: description.to_string(),
            buckets,
            series: Mutex::default(),
            has_overflowed: AtomicBool::new(false),
            has_conflict: AtomicBool::new(false),
        }
    }

    pub(super) fn counter(&self, labels: &Labels) -> Arc<CounterSeries> {
        match self.series(labels) {
            Series::Counter(series) => series,
            // Not reached: a family has series of its own kind only.
            Series::Gauge(_) | Series::Histogram(_) => Arc::new(CounterSeries::new(None)),
        }
    }

    pub(super) fn gauge(&self, labels: &Labels) -> Arc<GaugeSeries> {
        match self.series(labels) {
            Series::Gauge(series) => series,
            Series::Counter(_) | Series::Histogram(_) => Arc::new(GaugeSeries::new(None)),
        }
    }

    pub(super) fn histogram(&self, labels: &Labels) -> Arc<HistogramSeries> {
        match self.series(labels) {
            Series::Histogram(series) => series,
            Series::Counter(_) | Series::Gauge(_) => {
                Arc::new(HistogramSeries::new(Arc::clone(&self.buckets), self.options.per_second(), None))
            }
        }
    }

    fn series(&self, labels: &Labels) -> Series {
        let mut all = self.lock();
        if let Some(series) = all.get(labels) {
            return series.clone();
        }
        if all.len() < MOST_SERIES {
            return self.add(&mut all, labels.clone());
        }
        if !self.has_overflowed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "the metric `{}` has {MOST_SERIES} series, and further ones are recorded together, with the label \
                 `overflow`: the values of its labels must come from a small set, so use no ids in them",
                self.exported_name
            );
        }
        let overflow = Labels::default().with("overflow", "true");
        match all.get(&overflow) {
            Some(series) => series.clone(),
            None => self.add(&mut all, overflow),
        }
    }

    fn add(&self, all: &mut BTreeMap<Labels, Series>, labels: Labels) -> Series {
        let exported = self.announce(&labels);
        let series = match self.kind {
            MetricKind::Counter => Series::Counter(Arc::new(CounterSeries::new(exported))),
            MetricKind::Gauge => Series::Gauge(Arc::new(GaugeSeries::new(exported))),
            MetricKind::Histogram => {
                let (buckets, per_second) = (Arc::clone(&self.buckets), self.options.per_second());
                Series::Histogram(Arc::new(HistogramSeries::new(buckets, per_second, exported)))
            }
        };
        all.insert(labels, series.clone());
        series
    }

    fn announce(&self, labels: &Labels) -> Option<Box<dyn ExportedSeries>> {
        let exporter = self.options.exporter.as_ref()?;
        Some(exporter.series(&SeriesDescription {
            name: &self.exported_name,
            kind: self.kind,
            unit: &self.unit,
            description: &self.description,
            labels: labels.as_slice(),
            constant_labels: self.options.constant_labels.as_slice(),
            buckets: &self.buckets,
        }))
    }

    fn snapshot(&self) -> MetricSnapshot {
        let series: Vec<_> = self.lock().iter().map(|(labels, series)| (labels.clone(), series.clone())).collect();
        let constant = &self.options.constant_labels;
        let snapshot = |(labels, series): &(Labels, Series)| SeriesSnapshot {
            labels: merged(constant, labels),
            value: match series {
                Series::Counter(counter) => MetricValue::Counter(counter.value()),
                Series::Gauge(gauge) => MetricValue::Gauge(gauge.value()),
                Series::Histogram(histogram) => histogram.value(),
            },
        };
        MetricSnapshot {
            name: self.exported_name.clone(),
            kind: self.kind,
            unit: self.unit.clone(),
            description: self.description.clone(),
            series: series.iter().map(snapshot).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Labels, Series>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the constant labels and those of a series, which win.
fn merged(constant: &Labels, own: &Labels) -> Vec<(String, String)> {
    let add = |all: Labels, (name, value): &Label| all.with(name, value);
    let all = own.as_slice().iter().fold(constant.clone(), add);
    all.as_slice().iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

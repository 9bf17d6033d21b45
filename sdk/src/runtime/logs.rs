//! The log of workflow code: `tracing` is silent while the code is replayed, and otherwise a span says whose a line is.
//! Metrics are silent at the same times.
//!
//! The silence is a dispatcher of the thread, so it covers all events and spans, those of libraries too. Abide's own
//! lines about replayed code would be repetitions as well, so they may be silenced with it.

use std::sync::OnceLock;

use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, EnteredSpan, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use crate::metrics::{Silence, silent};
use crate::workflow::WorkflowInfo;

/// In force while authors' code runs.
#[must_use = "silence and span end when this is dropped"]
pub(super) enum CodeLog {
    Silent { _until_dropped: Option<DefaultGuard>, _metrics: Silence },
    Live { _until_dropped: Option<EnteredSpan> },
}

impl CodeLog {
    /// Silences the thread until this is dropped.
    pub(super) fn silent() -> Self {
        static NOWHERE: OnceLock<Dispatch> = OnceLock::new();
        // Without a subscriber there is nothing to silence. Besides, a dispatcher of a thread would tell the feature
        // `log` of `tracing` that there is a subscriber, and turn off what this feature writes.
        let is_off = LevelFilter::current() == LevelFilter::OFF;
        let until_dropped = (!is_off).then(|| {
            let nowhere = NOWHERE.get_or_init(|| Dispatch::new(Nowhere));
            dispatcher::set_default(nowhere)
        });
        Self::Silent { _until_dropped: until_dropped, _metrics: silent() }
    }

    /// Adds the span of the run until this is dropped.
    ///
    /// It is a new span for each workflow task: one for the whole run would be kept by each cached run, and would not
    /// follow a subscriber whose filter changes.
    pub(super) fn live(info: Option<&WorkflowInfo>) -> Self {
        let until_dropped = info.map(|info| {
            tracing::info_span!(
                target: "abide::workflow",
                "workflow",
                namespace = info.namespace,
                task_queue = info.task_queue,
                workflow_type = info.workflow_type,
                workflow_id = info.workflow_id,
                run_id = info.run_id,
                attempt = info.attempt,
            )
            .entered()
        });
        Self::Live { _until_dropped: until_dropped }
    }
}

/// Drops everything, as `tracing`'s own `NoSubscriber` does, but says beforehand that it wants no level.
///
/// It must be a dispatcher that `tracing` knows. While `tracing` knows only one, it asks the dispatcher of the current
/// thread about a statement that runs for the first time, and never asks again if the answer is no: a line that was
/// replayed first would be lost for ever.
struct Nowhere;

impl Subscriber for Nowhere {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::never()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

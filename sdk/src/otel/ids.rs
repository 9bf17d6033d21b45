//! Ids of spans. A span of workflow code has ids that follow from its run, so a replay finds the same ones, on any worker.

use std::cell::Cell;
use std::hash::Hasher as _;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use siphasher::sip::SipHasher13;

thread_local! {
    /// The ids of the span that this thread is building.
    static NEXT: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

/// Gives the spans of workflow code ids that follow from their run, and all other spans random ids.
///
/// Every tracer provider that [`Tracing`](super::Tracing) uses needs it:
///
/// ```
/// use abide::otel::ReplaySafeIdGenerator;
/// use opentelemetry_sdk::trace::SdkTracerProvider;
///
/// let provider = SdkTracerProvider::builder().with_id_generator(ReplaySafeIdGenerator::default()).build();
/// # let _ = provider;
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReplaySafeIdGenerator {
    random: RandomIdGenerator,
}

impl IdGenerator for ReplaySafeIdGenerator {
    fn new_trace_id(&self) -> TraceId {
        NEXT.get().map_or_else(|| self.random.new_trace_id(), |(trace_id, _)| trace_id)
    }

    fn new_span_id(&self) -> SpanId {
        NEXT.get().map_or_else(|| self.random.new_span_id(), |(_, span_id)| span_id)
    }
}

/// Builds a span that gets these ids, if the provider has a [`ReplaySafeIdGenerator`].
pub(super) fn with_ids<T>(trace_id: TraceId, span_id: SpanId, build: impl FnOnce() -> T) -> T {
    NEXT.set(Some((trace_id, span_id)));
    let built = build();
    NEXT.set(None);
    built
}

/// Returns the trace id of a run that was started without a trace.
pub(super) fn trace_id(run_id: &str) -> TraceId {
    let half = |number| u128::from(hash(run_id, "trace", number));
    TraceId::from(half(0) << 64 | half(1))
}

/// Returns the id of a span: the run's only one of that kind with that number or name.
pub(super) fn span_id(run_id: &str, kind: &str, name: impl Into<SpanKey>) -> SpanId {
    let number = match name.into() {
        SpanKey::Number(number) => hash(run_id, kind, number),
        SpanKey::Text(text) => hash(&format!("{run_id}\0{text}"), kind, 0),
    };
    SpanId::from(number)
}

/// Number or name of a span among those of its kind.
pub(super) enum SpanKey {
    Number(u64),
    Text(String),
}

impl From<u64> for SpanKey {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for SpanKey {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

fn hash(run_id: &str, kind: &str, number: u64) -> u64 {
    // Another key would give the open runs of today other ids.
    let mut hasher = SipHasher13::new_with_keys(0x6162_6964_6573_7061, 0x6e20_6f66_2061_2072);
    for text in [run_id, kind] {
        hasher.write_u64(text.len() as u64);
        hasher.write(text.as_bytes());
    }
    hasher.write_u64(number);
    // Zero stands for no id.
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_the_run_and_are_the_same_on_every_machine() {
        assert_eq!(span_id("run-1", "RunWorkflow", 0).to_string(), span_id("run-1", "RunWorkflow", 0).to_string());
        assert_ne!(span_id("run-1", "RunWorkflow", 0), span_id("run-2", "RunWorkflow", 0));
        assert_ne!(span_id("run-1", "HandleSignal", 7), span_id("run-1", "HandleSignal", 8));
        assert_ne!(span_id("run-1", "HandleUpdate", "a"), span_id("run-1", "HandleUpdate", "b"));
        assert_ne!(trace_id("run-1"), trace_id("run-2"));
    }

    #[test]
    fn the_generator_gives_other_spans_random_ids() {
        let generator = ReplaySafeIdGenerator::default();
        let wanted = (trace_id("run-1"), span_id("run-1", "RunWorkflow", 0));
        let given = with_ids(wanted.0, wanted.1, || (generator.new_trace_id(), generator.new_span_id()));
        assert_eq!(given, wanted);
        assert_ne!(generator.new_span_id(), wanted.1);
        assert_ne!(generator.new_trace_id(), wanted.0);
    }
}

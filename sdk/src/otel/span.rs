//! A span of workflow code. Nothing of it is kept outside the run: it is built and ended in one step, when it is over.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue};

use super::{Tracing, ids};

/// A span of workflow code that is not over.
pub(super) struct OpenSpan {
    name: Cow<'static, str>,
    kind: SpanKind,
    /// Its context, which others have as their parent before the span itself is built.
    pub(super) context: SpanContext,
    parent: Option<SpanContext>,
    begin: SystemTime,
    attributes: Vec<KeyValue>,
}

impl OpenSpan {
    /// Begins a span. Without a parent it begins the trace of its run.
    pub(super) fn begin(
        name: String,
        kind: SpanKind,
        (run_id, span_id): (&str, SpanId),
        parent: Option<SpanContext>,
        begin: SystemTime,
    ) -> Self {
        let (trace_id, flags, state) = match &parent {
            Some(parent) => (parent.trace_id(), parent.trace_flags(), parent.trace_state().clone()),
            None => (ids::trace_id(run_id), TraceFlags::SAMPLED, TraceState::default()),
        };
        let context = SpanContext::new(trace_id, span_id, flags, false, state);
        Self { name: name.into(), kind, context, parent, begin, attributes: Vec::new() }
    }

    pub(super) fn with(mut self, attribute: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push(KeyValue::new(attribute, value.into()));
        self
    }

    /// Builds the span, and ends it.
    pub(super) fn end(self, tracing: &Tracing, end: SystemTime, status: Status) {
        let parent = match self.parent {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        let builder = SpanBuilder::from_name(self.name).with_kind(self.kind).with_start_time(self.begin);
        let builder = builder.with_attributes(self.attributes);
        let (trace_id, span_id) = (self.context.trace_id(), self.context.span_id());
        let mut span = ids::with_ids(trace_id, span_id, || tracing.tracer.build_with_context(builder, &parent));
        if span.span_context().span_id() != span_id {
            tracing.warn_of_other_ids();
        }
        span.set_status(status);
        span.end_with_timestamp(end);
    }
}
